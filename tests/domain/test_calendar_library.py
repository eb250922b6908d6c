"""Our calendars against a public library, 2018 to 2027. Each date on which they differ is listed with its reason."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pandas_market_calendars  # type: ignore[import-untyped]  # the library ships no types
import pytest

from fortified.domain.calendar import get_calendar
from fortified.domain.market_hours import day_hours

SECOND = 1_000_000_000
FIRST, LAST = date(2018, 1, 1), date(2027, 12, 31)

# The library lets index, rates and currencies trade on every Good Friday since 2023. They do so only when the jobs
# report comes out on it, the first Friday of a month, as in 2021, 2023 and 2026.
NO_JOBS_REPORT = ["2024-03-29", "2025-04-18", "2027-03-26"]
# The exchange announced early closes for national days of mourning; the library has none for these groups.
MOURNING = ["2018-12-05", "2025-01-09"]
# A holiday on a Friday has no later session in its week and ends at noon for all; the library has that for 2026 only
# (energy and metals) or not at all (currencies).
FRIDAYS = ["2025-07-04", "2026-06-19", "2026-07-03", "2027-06-18"]
# Energy and metals close at 12:45 on Christmas Eve (13:45 New York) in every year; the library has it for 2026 only.
CHRISTMAS_EVES = ["2018-12-24", "2019-12-24", "2020-12-24", "2024-12-24", "2025-12-24"]
# Labor Day ends at 13:30 like the other Monday holidays, but for 2022; the library has noon for all years but 2026.
LABOR_DAYS = ["2023-09-04", "2024-09-02", "2025-09-01", "2027-09-06"]
# The day after Thanksgiving moved to 13:45 in 2026; the library keeps 12:45 for 2027, we the latest published time.
LATEST_PUBLISHED = ["2027-11-26"]
# The library does not know that Labor Day 2022 was an early halt for currencies too.
LABOR_2022 = ["2022-09-05"]
# The library halves 3 July for crypto futures as for the index; since 2022 they follow currencies, which trade on.
CRYPTO_EVES = ["2023-07-03", "2024-07-03", "2025-07-03"]
# Crypto futures trade around the clock since 29 May 2026; the library keeps the old hours.
CRYPTO_LAST = date(2026, 5, 29)
# Farm products closed early before Independence Day until 2021.
EVES_TO_2021 = ["2018-07-03", "2019-07-03"]

JUNETEENTHS = ["2022-06-20", "2023-06-19", "2024-06-19", "2025-06-19", "2026-06-19", "2027-06-18"]

type Days = Mapping[date, tuple[int, int]]


def library_days(name: str, last: date, opens: str = "market_open", closes: str = "market_close") -> Days:
    """First open and last close of each trading day in the library, in UTC nanoseconds."""
    schedule = pandas_market_calendars.get_calendar(name).schedule(FIRST.isoformat(), last.isoformat(), start=opens, end=closes)
    return {
        day.date(): (opened.as_unit("ns").value, closed.as_unit("ns").value)
        for day, opened, closed in zip(schedule.index, schedule[opens], schedule[closes], strict=True)
    }


def our_days(name: str, last: date) -> Days:
    """First open and last close of each trading day in ours, in UTC nanoseconds."""
    start, end = (int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) * SECOND for d in (FIRST, last))
    days: dict[date, tuple[int, int]] = {}
    for session in get_calendar(name).sessions(start - 2 * 86_400 * SECOND, end + 2 * 86_400 * SECOND):
        if FIRST <= session.trading_day <= last:
            opened, _ = days.get(session.trading_day, (session.open_ns, 0))
            days[session.trading_day] = (opened, session.close_ns)
    return days


@pytest.mark.filterwarnings("ignore")  # pandas warns of its own deprecations while the library builds its calendars
@pytest.mark.parametrize(
    ("ours", "theirs", "last", "explained"),
    [
        ("NYSE", "NYSE", LAST, []),
        ("NASDAQ", "NASDAQ", LAST, []),
        ("CME_INDEX", "CME Globex Equity", LAST, [*MOURNING, *NO_JOBS_REPORT]),
        ("CME_RATES", "CME Globex Fixed Income", LAST, [*MOURNING, *NO_JOBS_REPORT]),
        ("CME_ENERGY", "CMEGlobex_CL", LAST, [*CHRISTMAS_EVES, *LABOR_DAYS, FRIDAYS[0], FRIDAYS[-1], *LATEST_PUBLISHED]),
        ("CME_METALS", "CMEGlobex_GC", LAST, [*CHRISTMAS_EVES, *LABOR_DAYS, FRIDAYS[0], FRIDAYS[-1], *LATEST_PUBLISHED]),
        ("CME_FX", "CMEGlobex_FX", LAST, [*NO_JOBS_REPORT, *FRIDAYS, *LABOR_2022]),
        ("CME_CRYPTO", "CME Globex Crypto", CRYPTO_LAST, [*NO_JOBS_REPORT[:2], *CRYPTO_EVES, FRIDAYS[0]]),
    ],
)
def test_sessions_differ_from_the_library_on_explained_dates_only(ours: str, theirs: str, last: date, explained: list[str]) -> None:
    library, own = library_days(theirs, last), our_days(ours, last)
    assert len(own) > 2_000
    differ = {day for day in library.keys() | own.keys() if library.get(day) != own.get(day)}
    assert sorted(day.isoformat() for day in differ) == sorted(explained)


@pytest.mark.filterwarnings("ignore")  # as above
@pytest.mark.parametrize(("ours", "theirs"), [("NYSE_EXTENDED", "NYSE"), ("NASDAQ_EXTENDED", "NASDAQ")])
def test_extended_hours_of_shares_are_those_of_the_library(ours: str, theirs: str) -> None:
    assert our_days(ours, LAST) == library_days(theirs, LAST, "pre", "post")


@pytest.mark.filterwarnings("ignore")  # as above
@pytest.mark.parametrize(
    ("ours", "theirs", "explained"),
    [("CME_GRAINS", "CMEGlobex_Grains", None), ("CME_LIVESTOCK", "CMEGlobex_Livestock", [*EVES_TO_2021, MOURNING[1]])],
)
def test_farm_products_differ_from_the_library_on_explained_dates_only(ours: str, theirs: str, explained: list[str] | None) -> None:
    """The library knows no Juneteenth, and of grains neither the early closes nor the late openings."""
    library, own = library_days(theirs, LAST), our_days(ours, LAST)
    assert sorted(day.isoformat() for day in library.keys() ^ own.keys()) == JUNETEENTHS
    assert own.keys() < library.keys()
    special = [hours.day for hours in (day_hours(get_calendar(ours), day) for day in own) if hours.closes_early or hours.opens_late]
    assert len(special) < 0.03 * len(own)
    differ = [day.isoformat() for day in own if own[day] != library[day]]
    assert differ == ([day.isoformat() for day in special] if explained is None else explained)


@pytest.mark.filterwarnings("ignore")  # as above
def test_the_morning_break_of_grains_is_that_of_the_library() -> None:
    schedule = pandas_market_calendars.get_calendar("CMEGlobex_Grains").schedule(FIRST.isoformat(), LAST.isoformat())
    breaks = {
        day.date(): (starts.as_unit("ns").value, ends.as_unit("ns").value)
        for day, starts, ends in zip(schedule.index, schedule["break_start"], schedule["break_end"], strict=True)
    }
    days = [day_hours(get_calendar("CME_GRAINS"), day) for day in breaks]
    own = {hours.day: (hours.sessions[0].close_ns, hours.sessions[1].open_ns) for hours in days if len(hours.sessions) == 2}
    assert len(own) > 2_000
    assert own == {day: breaks[day] for day in own}
    assert all(hours.opens_late for hours in days if len(hours.sessions) == 1)
