"""Sessions: openings, holidays, daylight saving time, and the buckets that bars are built in."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.calendar import CALENDAR_NAMES, Calendar, Session, get_calendar
from fortified.domain.calendar_tables import ALIASES
from fortified.domain.errors import ConfigError, DataError

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
CHICAGO, NEW_YORK = ZoneInfo("America/Chicago"), ZoneInfo("America/New_York")
INDEX, SHARES = get_calendar("CME_INDEX"), get_calendar("NYSE")
SESSION_CALENDARS = sorted(set(CALENDAR_NAMES) - {"24/7"})

instants = st.integers(
    int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * SECOND, int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()) * SECOND
)


def ns(text: str, zone: ZoneInfo = CHICAGO) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


def hours(calendar: Calendar, day: str) -> list[str]:
    """The sessions of a trading day as local "MM-DD HH:MM > HH:MM"."""
    zone = ZoneInfo(calendar.timezone)
    start = ns(f"{day}T00:00", zone)
    return [
        f"{datetime.fromtimestamp(session.open_ns / SECOND, zone):%m-%d %H:%M} > "
        f"{datetime.fromtimestamp(session.close_ns / SECOND, zone):%H:%M}"
        for session in calendar.sessions(start - DAY, start + DAY)
        if session.trading_day == date.fromisoformat(day)
    ]


def session_at(calendar: Calendar, ts_ns: int) -> Session:
    session = calendar.session_at(ts_ns)
    assert session is not None
    return session


# --- hours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("CME_INDEX", "2026-11-24", ["11-23 17:00 > 16:00"]),
        ("CME_INDEX", "2026-11-23", ["11-22 17:00 > 16:00"]),
        ("CME_GRAINS", "2026-11-24", ["11-23 19:00 > 07:45", "11-24 08:30 > 13:20"]),
        ("CME_LIVESTOCK", "2026-11-24", ["11-24 08:30 > 13:05"]),
        ("NYSE", "2026-11-24", ["11-24 09:30 > 16:00"]),
        ("NYSE_EXTENDED", "2026-11-24", ["11-24 04:00 > 20:00"]),
    ],
)
def test_regular_days(name: str, day: str, expected: list[str]) -> None:
    assert hours(get_calendar(name), day) == expected


@pytest.mark.parametrize(
    ("day", "index", "energy", "rates", "fx", "shares"),
    [
        # day after Thanksgiving; its energy and metals close moved from 12:45 to 13:45 in 2026
        ("2025-11-28", "12:15", "12:45", "12:15", "12:15", "13:00"),
        ("2026-11-27", "12:15", "13:45", "12:15", "12:15", "13:00"),
        # 3 July: half a day before a holiday on a Friday, and itself the observed holiday
        ("2025-07-03", "12:15", "16:00", "16:00", "16:00", "13:00"),
        ("2026-07-03", "12:00", "12:00", "12:00", "12:00", None),
        # a holiday that another session follows, before and since 2022
        ("2021-01-18", "12:00", "12:00", "12:00", "12:00", None),
        ("2026-01-19", "12:00", "13:30", "12:00", "16:00", None),
        # Good Friday with and without the jobs report
        ("2026-04-03", "08:15", None, "10:15", "10:15", None),
        ("2027-03-26", None, None, None, None, None),
        # Christmas on a Saturday, New Year on a Saturday and on a Sunday
        ("2027-12-23", "16:00", "16:00", "16:00", "16:00", "16:00"),
        ("2027-12-24", None, None, None, None, None),
        ("2021-12-31", "16:00", "16:00", "16:00", "16:00", "16:00"),
        ("2023-01-02", None, None, None, None, None),
        ("2026-12-24", "12:15", "12:45", "12:15", "12:15", "13:00"),
        # national days of mourning
        ("2018-12-05", "08:30", "16:00", None, "16:00", None),
        ("2025-01-09", "08:30", "16:00", "12:15", "16:00", None),
        # Juneteenth is no holiday before 2022
        ("2021-06-18", "16:00", "16:00", "16:00", "16:00", "16:00"),
        ("2022-06-20", "12:00", "13:30", "12:00", "16:00", None),
    ],
)
def test_holidays_and_early_closes(
    day: str, index: str | None, energy: str | None, rates: str | None, fx: str | None, shares: str | None
) -> None:
    evening = (date.fromisoformat(day) - timedelta(days=1)).strftime("%m-%d")
    for name, close in (
        ("CME_INDEX", index), ("CME_ENERGY", energy), ("CME_METALS", energy), ("CME_RATES", rates), ("CME_FX", fx)
    ):  # fmt: skip
        assert hours(get_calendar(name), day) == ([f"{evening} 17:00 > {close}"] if close else []), name
    assert hours(SHARES, day) == ([f"{day[5:]} 09:30 > {shares}"] if shares else [])
    late = {"16:00": "20:00", "13:00": "17:00"}
    extended = [f"{day[5:]} 04:00 > {late[shares]}"] if shares else []
    assert hours(get_calendar("NYSE_EXTENDED"), day) == extended


def test_futures_open_again_on_the_evening_of_a_holiday() -> None:
    christmas_noon = ns("2023-12-25T12:00")
    assert INDEX.session_at(christmas_noon) is None
    assert INDEX.session_after(christmas_noon) == Session(1_703_545_200 * SECOND, ns("2023-12-26T16:00"), date(2023, 12, 26))
    assert INDEX.trading_day(christmas_noon) == date(2023, 12, 26)


def test_grains_stay_closed_on_the_evening_of_a_holiday_in_the_week_but_not_of_a_monday() -> None:
    grains = get_calendar("CME_GRAINS")
    assert hours(grains, "2026-11-26") == []
    assert hours(grains, "2026-11-27") == ["11-27 08:30 > 12:05"]
    assert hours(grains, "2019-07-03") == ["07-02 19:00 > 07:45", "07-03 08:30 > 12:05"]
    assert hours(grains, "2023-07-03") == ["07-02 19:00 > 07:45", "07-03 08:30 > 13:20"]
    assert hours(grains, "2023-07-05") == ["07-05 08:30 > 13:20"]
    assert hours(grains, "2026-01-20") == ["01-19 19:00 > 07:45", "01-20 08:30 > 13:20"]


def test_crypto_futures_trade_through_weekends_and_holidays_since_june_2026() -> None:
    crypto = get_calendar("CME_CRYPTO")
    assert crypto.session_at(ns("2026-05-23T12:00")) is None
    assert session_at(crypto, ns("2026-05-30T12:00")) == Session(ns("2026-05-29T16:00"), ns("2026-06-01T16:00"), date(2026, 6, 1))
    assert crypto.trading_day(ns("2026-11-26T12:00")) == date(2026, 11, 27)
    june = list(crypto.sessions(ns("2026-06-01T17:00"), ns("2026-07-01T00:00")))
    assert all(before.close_ns == after.open_ns for before, after in pairwise(june))


# --- daylight saving time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sunday", "before", "after"),
    [("2026-03-08", "2026-03-05T23:00", "2026-03-08T22:00"), ("2026-11-01", "2026-10-29T22:00", "2026-11-01T23:00")],
)
def test_the_change_of_time_falls_in_the_weekend_break_of_futures(sunday: str, before: str, after: str) -> None:
    monday = session_at(INDEX, ns(f"{sunday}T20:00"))
    friday = session_at(INDEX, ns(f"{sunday}T12:00") - 2 * DAY)
    utc = ZoneInfo("UTC")
    assert (friday.open_ns, monday.open_ns) == (ns(before, utc), ns(after, utc))
    assert {session.close_ns - session.open_ns for session in (friday, monday)} == {23 * HOUR}


def test_shares_open_at_half_past_nine_in_new_york_in_winter_and_summer() -> None:
    utc = ZoneInfo("UTC")
    assert SHARES.session_after(ns("2026-03-06T12:00", utc)).open_ns == ns("2026-03-06T14:30", utc)
    assert SHARES.session_after(ns("2026-03-09T12:00", utc)).open_ns == ns("2026-03-09T13:30", utc)


# --- lookups ---------------------------------------------------------------------------------------------------------


def test_a_session_holds_its_open_and_not_its_close() -> None:
    session = session_at(INDEX, ns("2026-11-24T12:00"))
    assert INDEX.session_at(session.open_ns - 1) is None
    assert INDEX.session_at(session.open_ns) == session
    assert INDEX.session_at(session.close_ns - 1) == session
    assert INDEX.session_at(session.close_ns) is None
    assert INDEX.session_after(session.open_ns - 1) == session
    assert INDEX.session_after(session.open_ns).open_ns == session.open_ns + DAY


def test_sessions_are_those_that_overlap_the_range() -> None:
    first, second = ns("2026-11-23T17:00"), ns("2026-11-24T17:00")
    assert [s.open_ns for s in INDEX.sessions(ns("2026-11-24T15:59"), second + 1)] == [first, second]
    assert [s.open_ns for s in INDEX.sessions(ns("2026-11-24T16:00"), second + 1)] == [second]
    assert [s.open_ns for s in INDEX.sessions(first, second)] == [first]
    assert list(INDEX.sessions(ns("2026-11-24T16:00"), second)) == []


@given(st.sampled_from(SESSION_CALENDARS), instants)
def test_lookups_agree_with_one_another(name: str, ts_ns: int) -> None:
    calendar = get_calendar(name)
    around = list(calendar.sessions(ts_ns - 8 * DAY, ts_ns + 8 * DAY))
    assert all(before.open_ns < before.close_ns <= after.open_ns for before, after in pairwise(around))
    assert all(before.trading_day <= after.trading_day for before, after in pairwise(around))
    assert all(session.trading_day.weekday() < 5 for session in around)
    containing = [session for session in around if session.open_ns <= ts_ns < session.close_ns]
    following = next(session for session in around if session.open_ns > ts_ns)
    assert calendar.session_at(ts_ns) == (containing[0] if containing else None)
    assert calendar.session_after(ts_ns) == following
    assert calendar.trading_day(ts_ns) == (containing or [following])[0].trading_day


# --- buckets ---------------------------------------------------------------------------------------------------------


def starts(calendar: Calendar, session: Session, length_ns: int) -> list[str]:
    zone, ts_ns, found = ZoneInfo(calendar.timezone), session.open_ns, []
    while ts_ns < session.close_ns:
        start, end = calendar.bucket(session, length_ns, ts_ns)
        found.append(f"{datetime.fromtimestamp(start / SECOND, zone):%H:%M}")
        ts_ns = end
    assert ts_ns == session.close_ns
    return found


def test_long_bars_count_from_the_open_and_the_last_one_is_short() -> None:
    future = session_at(INDEX, ns("2026-11-24T12:00"))
    assert starts(INDEX, future, 4 * HOUR) == ["17:00", "21:00", "01:00", "05:00", "09:00", "13:00"]
    assert INDEX.bucket(future, 4 * HOUR, future.close_ns - 1) == (ns("2026-11-24T13:00"), ns("2026-11-24T16:00"))
    share = session_at(SHARES, ns("2026-11-24T12:00", NEW_YORK))
    assert starts(SHARES, share, HOUR) == ["09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30"]
    assert SHARES.bucket(share, HOUR, share.close_ns - 1)[1] == share.close_ns


def test_an_early_close_cuts_the_last_bucket() -> None:
    session = session_at(INDEX, ns("2026-11-27T12:00"))
    assert INDEX.bucket(session, HOUR, ns("2026-11-27T12:10")) == (ns("2026-11-27T12:00"), ns("2026-11-27T12:15"))


def test_a_day_is_the_trading_day_over_any_break_in_it() -> None:
    grains = get_calendar("CME_GRAINS")
    day = (ns("2026-11-23T19:00"), ns("2026-11-24T13:20"))
    for instant in ("2026-11-24T03:00", "2026-11-24T10:00"):
        assert grains.bucket(session_at(grains, ns(instant)), DAY, ns(instant)) == day
    future = session_at(INDEX, ns("2026-11-24T12:00"))
    assert INDEX.bucket(future, DAY, ns("2026-11-24T12:00")) == (future.open_ns, future.close_ns)


@given(st.sampled_from(CALENDAR_NAMES), instants, st.sampled_from([1, 30, 60, 300, 900, 1_800, 3_600, 14_400, 86_400]))
def test_a_bucket_holds_its_instant_and_fits_its_session(name: str, ts_ns: int, seconds: int) -> None:
    calendar, length_ns = get_calendar(name), seconds * SECOND
    session = calendar.session_at(ts_ns)
    if session is None:
        session = calendar.session_after(ts_ns)
        ts_ns = (session.open_ns + session.close_ns) // 2
    start, end = calendar.bucket(session, length_ns, ts_ns)
    assert start <= ts_ns < end
    assert calendar.bucket(session, length_ns, start)[0] == calendar.bucket(session, length_ns, end - 1)[0] == start
    if length_ns < DAY:
        assert session.open_ns <= start < end <= session.close_ns
        assert end == min(start + length_ns, session.close_ns)
    if length_ns <= 30 * MINUTE:
        assert start % length_ns == 0


# --- around the clock ------------------------------------------------------------------------------------------------


def test_the_continuous_calendar_is_one_session_anchored_at_the_epoch() -> None:
    always, ts_ns = get_calendar("24/7"), ns("2026-11-22T23:59:59", ZoneInfo("UTC"))
    session = session_at(always, ts_ns)
    assert (session.open_ns, session.close_ns) == (0, 2**63 - 1)
    assert always.trading_day(ts_ns) == date(2026, 11, 22)
    assert always.trading_day(ts_ns + SECOND) == date(2026, 11, 23)
    assert list(always.sessions(ts_ns, ts_ns + 1)) == [session]
    assert list(always.sessions(ts_ns, ts_ns)) == []
    assert always.bucket(session, 4 * HOUR, ts_ns) == (ts_ns + SECOND - 4 * HOUR, ts_ns + SECOND)
    assert always.bucket(session, DAY, ts_ns) == (ts_ns + SECOND - DAY, ts_ns + SECOND)
    assert always.session_at(-1) is None
    assert always.session_after(-1) == session
    with pytest.raises(DataError, match="never closes"):
        always.session_after(ts_ns)


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_and_aliases_lead_to_one_calendar() -> None:
    assert {get_calendar(name).name for name in CALENDAR_NAMES} == set(CALENDAR_NAMES)
    assert all(get_calendar(alias) is get_calendar(name) for alias, name in ALIASES.items())
    assert get_calendar(" nyse ") is SHARES


def test_an_unknown_calendar_is_refused_with_the_names() -> None:
    with pytest.raises(ConfigError) as caught:
        get_calendar("LSE")
    assert "'LSE'" in str(caught.value)
    assert all(name in str(caught.value) for name in CALENDAR_NAMES)


def test_zones_are_named_by_place() -> None:
    assert {get_calendar(name).timezone for name in CALENDAR_NAMES} == {"UTC", "America/Chicago", "America/New_York"}
