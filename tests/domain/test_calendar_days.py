"""The days on which systems break: changes of time, 3 July, the day after Thanksgiving, Good Friday; sessions, and bars at their ends."""

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.builders import HOUR, MINUTE, NS, SECOND, feed, ns, ticks_at

from fortified.aggregation.base import BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import Session, get_calendar
from fortified.domain.market import Bar, BarFlag
from fortified.domain.market_hours import day_hours
from fortified.domain.timeframe import Timeframe

INDEX, SHARES, EXTENDED = "CME_INDEX", "NYSE", "NYSE_EXTENDED"


def session(name: str, day: str) -> Session:
    [found] = day_hours(get_calendar(name), date.fromisoformat(day)).sessions
    return found


def aggregator(name: str, timeframe: str) -> BaseAggregator:
    return create_aggregator("/NQ", Timeframe.parse(timeframe), get_calendar(name))


def bars(name: str, timeframe: str, stamps: Iterable[int]) -> list[Bar]:
    """The bars of ticks at ``stamps``, the open one included."""
    made = aggregator(name, timeframe)
    closed = feed(made, ticks_at(*stamps))
    last = made.finish()
    return closed if last is None else [*closed, last]


def local(name: str, ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // SECOND, ZoneInfo(get_calendar(name).timezone)):%a %H:%M}"


# --- changes of time -------------------------------------------------------------------------------------------------

CHANGES = [
    # the trading day before the Sunday and the one after it: open and close in UTC
    (INDEX, "2026-03-06", "2026-03-05 23:00", "2026-03-06 22:00", "2026-03-09", "2026-03-08 22:00", "2026-03-09 21:00"),
    (INDEX, "2026-10-30", "2026-10-29 22:00", "2026-10-30 21:00", "2026-11-02", "2026-11-01 23:00", "2026-11-02 22:00"),
    (EXTENDED, "2026-03-06", "2026-03-06 09:00", "2026-03-07 01:00", "2026-03-09", "2026-03-09 08:00", "2026-03-10 00:00"),
    (EXTENDED, "2026-10-30", "2026-10-30 08:00", "2026-10-31 00:00", "2026-11-02", "2026-11-02 09:00", "2026-11-03 01:00"),
    (SHARES, "2026-03-06", "2026-03-06 14:30", "2026-03-06 21:00", "2026-03-09", "2026-03-09 13:30", "2026-03-09 20:00"),
    (SHARES, "2026-10-30", "2026-10-30 13:30", "2026-10-30 20:00", "2026-11-02", "2026-11-02 14:30", "2026-11-02 21:00"),
]


@pytest.mark.parametrize(("name", "friday", "opens", "closes", "monday", "reopens", "closes_again"), CHANGES)
def test_sessions_around_a_change_of_time(
    name: str, friday: str, opens: str, closes: str, monday: str, reopens: str, closes_again: str
) -> None:
    assert session(name, friday) == Session(ns(opens), ns(closes), date.fromisoformat(friday))
    assert session(name, monday) == Session(ns(reopens), ns(closes_again), date.fromisoformat(monday))
    assert get_calendar(name).session_after(ns(closes)) == session(name, monday)


@pytest.mark.parametrize("friday_and_monday", [("2026-03-06", "2026-03-09"), ("2026-10-30", "2026-11-02")])
@pytest.mark.parametrize(("name", "first", "last", "count"), [(INDEX, "17:00", "15:00", 23), (EXTENDED, "04:00", "19:00", 16)])
def test_hours_count_from_the_local_open_on_both_sides_of_a_change(
    name: str, first: str, last: str, count: int, friday_and_monday: tuple[str, str]
) -> None:
    days = [session(name, day) for day in friday_and_monday]
    made = bars(name, "1h", [ts for day in days for ts in range(day.open_ns + MINUTE, day.close_ns, 20 * MINUTE)])
    assert [bar.ts_open for bar in made] == [ts for day in days for ts in range(day.open_ns, day.close_ns, HOUR)]
    assert {(bar.ts_close - bar.ts_open, bar.ticks) for bar in made} == {(HOUR, 3)}
    ends = [bar for bar in made if bar.flags & BarFlag.SESSION_END]
    assert [bar.ts_close for bar in ends] == [days[0].close_ns]  # of the second day no later tick is known
    for day in (made[:count], made[count:]):
        assert [local(name, bar.ts_open)[4:] for bar in (day[0], day[-1])] == [first, last]


@pytest.mark.parametrize("monday", ["2026-03-09", "2026-11-02"])
def test_four_hours_of_futures_begin_at_five_in_the_afternoon_after_a_change(monday: str) -> None:
    day = session(INDEX, monday)
    made = bars(INDEX, "4h", range(day.open_ns, day.close_ns, HOUR))
    shown = [local(INDEX, bar.ts_open) for bar in made]
    assert shown == ["Sun 17:00", "Sun 21:00", "Mon 01:00", "Mon 05:00", "Mon 09:00", "Mon 13:00"]
    assert local(INDEX, made[-1].ts_close) == "Mon 16:00"


@pytest.mark.parametrize(("name", "friday", "monday"), [(row[0], row[1], row[4]) for row in CHANGES])
def test_no_tick_bar_reaches_over_a_change_of_time(name: str, friday: str, monday: str) -> None:
    first, second = session(name, friday), session(name, monday)
    made = bars(name, "3t", [first.close_ns - 2 * SECOND, first.close_ns - NS, *(second.open_ns + one for one in range(3))])
    assert [(bar.ticks, bar.complete, bool(bar.flags & BarFlag.SESSION_END)) for bar in made] == [(2, False, True), (3, True, False)]
    assert (made[0].ts_close, made[1].ts_open) == (first.close_ns - NS, second.open_ns)


# --- early closes ----------------------------------------------------------------------------------------------------

# New York in summer is four hours behind UTC and in winter five, Chicago one hour more.
EARLY = [
    *[(SHARES, f"{year}-07-03", f"{year}-07-03 17:00") for year in (2018, 2019, 2023, 2024, 2025)],
    *[(EXTENDED, f"{year}-07-03", f"{year}-07-03 21:00") for year in (2018, 2019, 2023, 2024, 2025)],
    *[(INDEX, f"{year}-07-03", f"{year}-07-03 17:15") for year in (2018, 2019, 2023, 2024, 2025)],
    *[(INDEX, f"{year}-07-03", f"{year}-07-03 17:00") for year in (2020, 2026)],  # the holiday of a Saturday: noon in Chicago
    *[(SHARES, f"{day}", f"{day} 18:00") for day in ("2024-11-29", "2025-11-28", "2026-11-27", "2027-11-26")],
    *[(EXTENDED, f"{day}", f"{day} 22:00") for day in ("2026-11-27", "2027-11-26")],
    *[(INDEX, f"{day}", f"{day} 18:15") for day in ("2024-11-29", "2025-11-28", "2026-11-27", "2027-11-26")],
    *[(INDEX, day, f"{day} 13:15") for day in ("2021-04-02", "2023-04-07", "2026-04-03")],  # Good Friday with the jobs report
    *[(name, "2026-04-03", "2026-04-03 15:15") for name in ("CME_RATES", "CME_FX")],
]


@pytest.mark.parametrize(("name", "day", "closes"), EARLY)
def test_bars_end_with_an_early_close(name: str, day: str, closes: str) -> None:
    """Of time and of trades; what comes a nanosecond later belongs to no session."""
    found = session(name, day)
    assert found.close_ns == ns(closes)
    assert day_hours(get_calendar(name), found.trading_day).closes_early
    after = get_calendar(name).session_after(found.close_ns).open_ns
    stamps = [found.close_ns - 2 * SECOND, found.close_ns - NS, found.close_ns, after]

    hourly = aggregator(name, "1h")
    [bar] = feed(hourly, ticks_at(*stamps))
    assert (bar.ts_close, bar.ticks, bar.complete, hourly.out_of_session) == (found.close_ns, 2, True, 1)
    assert bar.flags & BarFlag.SESSION_END
    assert bar.ts_open == found.close_ns - ((found.close_ns - found.open_ns) % HOUR or HOUR)

    counted = aggregator(name, "144t")
    [bar] = feed(counted, ticks_at(*stamps))
    assert (bar.ts_close, bar.ticks, bar.complete, counted.out_of_session) == (found.close_ns - NS, 2, False, 1)
    assert bar.flags & BarFlag.SESSION_END
    assert counted.open_bar is not None
    assert (counted.open_bar.ts_open, counted.open_bar.ticks) == (after, 1)


CLOSED = [
    *[(name, f"{year}-07-03") for year in (2020, 2026) for name in (SHARES, EXTENDED)],
    *[(SHARES, day) for day in ("2026-11-26", "2026-04-03", "2021-07-05", "2027-07-05")],
    *[(name, day) for name in (INDEX, "CME_RATES", "CME_FX") for day in ("2018-03-30", "2024-03-29", "2025-04-18", "2027-03-26")],
    *[(name, day) for name in ("CME_ENERGY", "CME_METALS", "CME_GRAINS") for day in ("2024-03-29", "2026-04-03")],
]


@pytest.mark.parametrize(("name", "day"), CLOSED)
def test_a_holiday_makes_no_bar_and_the_next_session_is_that_of_the_next_day(name: str, day: str) -> None:
    closed, calendar = date.fromisoformat(day), get_calendar(name)
    assert day_hours(calendar, closed).sessions == ()
    noon = ns(f"{day} 17:00")
    following = calendar.session_after(noon)
    assert following.trading_day > closed
    for timeframe in ("1h", "144t"):
        made = aggregator(name, timeframe)
        assert feed(made, ticks_at(noon, following.open_ns)) == []
        assert made.out_of_session == 1
        assert made.open_bar is not None
        assert made.open_bar.ts_open == following.open_ns


@pytest.mark.parametrize(
    ("name", "day", "closes"),
    [
        (INDEX, "2021-07-02", "2021-07-02 21:00"),  # the fourth is a Sunday: Friday is a day like others
        (SHARES, "2021-07-02", "2021-07-02 20:00"),
        (INDEX, "2022-07-01", "2022-07-01 21:00"),  # the fourth is a Monday
        (SHARES, "2022-07-01", "2022-07-01 20:00"),
        (INDEX, "2027-07-02", "2027-07-02 21:00"),
        (SHARES, "2027-07-02", "2027-07-02 20:00"),
        (SHARES, "2020-07-02", "2020-07-02 20:00"),  # a Saturday: no half day before the Friday that is closed
        (SHARES, "2026-07-02", "2026-07-02 20:00"),
        (INDEX, "2026-07-02", "2026-07-02 21:00"),
    ],
)
def test_a_fourth_of_july_beside_a_weekend_has_no_half_day(name: str, day: str, closes: str) -> None:
    assert session(name, day).close_ns == ns(closes)
    assert not day_hours(get_calendar(name), date.fromisoformat(day)).closes_early
