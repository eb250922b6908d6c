"""Windows of local time, zones by their place, and what a calendar says at an instant or on a date."""

import functools
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import MINUTE, SECOND, ns

from fortified.domain.calendar import CALENDAR_NAMES, get_calendar
from fortified.domain.calendar_tables import CALENDARS
from fortified.domain.errors import ConfigError
from fortified.domain.market_hours import (
    MOURNING,
    Window,
    day_hours,
    is_early_close,
    is_open,
    named_zone,
    next_sessions,
    ns_until_close,
    ns_until_open,
    wall_time,
)
from fortified.domain.us_holidays import us_holidays

INDEX, SHARES, ALWAYS = get_calendar("CME_INDEX"), get_calendar("NYSE"), get_calendar("24/7")


def open_minutes(text: str, start: str, minutes: int) -> list[str]:
    """[opens, closes) of the window as UTC "DD HH:MM", asked once a minute in the order of time."""
    window, first = Window.parse(text), ns(start)
    found = [window.contains(first + number * MINUTE) for number in range(minutes)]
    edges = [number for number in range(minutes) if number == 0 or found[number] != found[number - 1]]
    return [f"{'+' if found[edge] else '-'}{datetime.fromtimestamp((first + edge * MINUTE) // SECOND, UTC):%d %H:%M}" for edge in edges]


# --- windows ---------------------------------------------------------------------------------------------------------


def test_a_window_holds_its_opening_and_not_its_closing() -> None:
    window = Window.parse("09:30-15:45 America/New_York")
    opens, closes = ns("2026-07-01 13:30"), ns("2026-07-01 19:45")
    assert [window.contains(ts) for ts in (opens - 1, opens, closes - 1, closes)] == [False, True, True, False]
    assert [window.contains(ts) for ts in (closes, closes - 1, opens, opens - 1)] == [False, True, True, False]  # in any order


def test_a_window_follows_the_clocks_of_its_zone() -> None:
    window = "09:30-15:45 America/New_York"
    assert open_minutes(window, "2026-03-06 00:00", 1_440) == ["-06 00:00", "+06 14:30", "-06 20:45"]
    assert open_minutes(window, "2026-03-09 00:00", 1_440) == ["-09 00:00", "+09 13:30", "-09 19:45"]
    assert open_minutes(window, "2026-10-30 00:00", 1_440) == ["-30 00:00", "+30 13:30", "-30 19:45"]
    assert open_minutes(window, "2026-11-02 00:00", 1_440) == ["-02 00:00", "+02 14:30", "-02 20:45"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 8 March 2026: at 08:00 UTC clocks in Chicago go from 02:00 to 03:00
        ("01:00-04:00", ["-08 04:00", "+08 07:00", "-08 09:00"]),
        ("02:30-04:00", ["-08 04:00", "+08 08:00", "-08 09:00"]),
        ("01:00-02:30", ["-08 04:00", "+08 07:00", "-08 08:00"]),
        ("02:10-02:50", ["-08 04:00"]),
        ("18:00-02:30", ["+08 04:00", "-08 08:00"]),
    ],
)
def test_a_time_that_clocks_skip_is_the_instant_they_are_put_forward(text: str, expected: list[str]) -> None:
    assert open_minutes(f"{text} America/Chicago", "2026-03-08 04:00", 12 * 60) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 1 November 2026: at 07:00 UTC clocks in Chicago go from 02:00 back to 01:00
        ("00:30-01:30", ["-01 04:00", "+01 05:30", "-01 06:30"]),
        ("01:00-02:00", ["-01 04:00", "+01 06:00", "-01 08:00"]),
        ("01:30-03:00", ["-01 04:00", "+01 06:30", "-01 09:00"]),
        ("22:00-01:15", ["+01 04:00", "-01 06:15"]),
    ],
)
def test_a_time_that_clocks_show_twice_is_the_first_of_the_two(text: str, expected: list[str]) -> None:
    assert open_minutes(f"{text} America/Chicago", "2026-11-01 04:00", 12 * 60) == expected


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    """Friday's runs into Saturday; none opens on Saturday and Sunday, so Monday begins without one."""
    friday = open_minutes("mon-fri 18:00-02:00 America/Chicago", "2026-07-10 22:30", 4 * 1_440)
    assert friday == ["-10 22:30", "+10 23:00", "-11 07:00", "+13 23:00", "-14 07:00"]
    sunday = open_minutes("Sun-Thu 18:00-02:00 America/Chicago", "2026-07-10 22:30", 3 * 1_440)
    assert sunday == ["-10 22:30", "+12 23:00", "-13 07:00"]


def test_a_whole_day_and_a_day_that_ends_at_midnight() -> None:
    assert open_minutes("wed 00:00-24:00 UTC", "2026-07-07 00:00", 3 * 1_440) == ["-07 00:00", "+08 00:00", "-09 00:00"]
    assert open_minutes("20:00-00:00 UTC", "2026-07-07 12:00", 1_440) == ["-07 12:00", "+07 20:00", "-08 00:00"]
    assert open_minutes("00:00-24:00 America/Chicago", "2026-03-07 00:00", 3 * 1_440) == ["+07 00:00"]


@pytest.mark.parametrize(
    "text", ["9:30 - 15:45 America/New_York", " MON-SUN 09:30-15:45 America/New_York", "09:30-15:45 America/New_York mon-sun"]
)
def test_spellings_of_one_window(text: str) -> None:
    written, found = Window.parse("09:30-15:45 America/New_York"), Window.parse(text)
    assert (found.opening, found.closing, found.zone, found.days) == (written.opening, written.closing, written.zone, written.days)


ZONES = ["America/Chicago", "America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo"]


@functools.cache
def latest_shown(name: str, start: date) -> list[datetime]:
    """The latest time clocks have shown, by minutes from three days before ``start``: where they go back, the first showing counts."""
    minutes = (ns(f"{start} 00:00") + number * MINUTE for number in range(-3 * 1_440, 7 * 1_440))
    return list(accumulate((wall_time(minute, ZoneInfo(name)).replace(tzinfo=None) for minute in minutes), max))


@given(
    st.sampled_from(ZONES),
    st.integers(0, 1_439),
    st.integers(1, 1_440),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from([date(2026, *day) for day in ((3, 7), (3, 28), (4, 4), (4, 23), (10, 3), (10, 24), (10, 31))]),
    st.lists(st.integers(0, 4 * 1_440 - 1), min_size=1, max_size=30),
)
def test_windows_agree_with_a_clock_on_the_wall(
    name: str, opening: int, closing: int, days: set[int], start: date, minutes: list[int]
) -> None:
    """The wall is looked at once a minute; a boundary is the first minute at which it shows the time or is past it."""
    closing += 1_440 * (closing <= opening)
    zone, first, latest = ZoneInfo(name), ns(f"{start} 00:00"), latest_shown(name, start)

    midnights = [datetime(start.year, start.month, start.day) + timedelta(days=number) for number in range(-2, 6)]
    spans = [
        (bisect_left(latest, day + timedelta(minutes=opening)), bisect_left(latest, day + timedelta(minutes=closing)))
        for day in midnights
        if day.weekday() in days
    ]
    window = Window(opening, closing, zone, tuple(sorted(days)))
    for minute in minutes:
        expected = any(opens <= minute + 3 * 1_440 < closes for opens, closes in spans)
        assert window.contains(first + minute * MINUTE) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("09:30-15:45 EST", "'EST' does not name a place.*write America/New_York"),
        ("09:30-15:45 et", "write America/New_York"),
        ("08:30-15:00 CST", "write America/Chicago"),
        ("08:30-15:00 CST6CDT", "write America/Chicago"),
        ("08:30-15:00 GMT", "write Europe/London"),
        ("09:30-15:45 UTC-5", "'UTC-5' is no time zone of a place; write its IANA name, such as America/New_York"),
        ("09:30-15:45 -05:00", "-05:00.* is (not understood|no time zone of a place)"),
        ("09:30-15:45 Etc/GMT+5", "'Etc/GMT.5' is no time zone of a place"),
        ("09:30-15:45 right/America/New_York", "no time zone of a place"),
        ("09:30-15:45 America/", "'America/' is no time zone of a place"),
        ("09:30-15:45 America/Nowhere", "'America/Nowhere' is no time zone"),
        ("09:30-15:45 ../zone", "no time zone of a place"),
        ("09:30-15:45", "names no time zone; write it as 09:30-15:45 America/New_York"),
        ("America/New_York", "not understood"),
        ("", "not understood"),
        ("09:30 America/New_York", "not understood"),
        ("mon tue 09:30-15:45 America/New_York", "not understood"),
        ("09:30-10:00 11:00-12:00 America/New_York", "not understood"),
        ("09:30-25:00 America/New_York", "25:00 is no time of day; give 00:00 to 24:00"),
        ("09:30-10:60 America/New_York", "10:60 is no time of day"),
        ("09:30-09:30 America/New_York", "is empty.*00:00-24:00 for all day"),
        ("24:00-03:00 America/New_York", "is empty"),
    ],
)
def test_a_text_that_is_no_window_is_refused_with_the_way_to_write_it(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Window.parse(text)
    assert repr(text) in str(caught.value)


def test_zones_are_named_by_place() -> None:
    assert {named_zone(name).key for name in ("America/Chicago", "UTC", "Asia/Tokyo")} == {"America/Chicago", "UTC", "Asia/Tokyo"}
    for name in ("EST", "EST5EDT", "edt", "PDT", "MST", "GMT+1", "Zulu", "localtime", "Japan"):
        with pytest.raises(ConfigError, match=f"'{name.replace('+', '.')}'.*write"):
            named_zone(name)


def test_the_time_on_the_wall() -> None:
    assert str(wall_time(ns("2026-07-01 13:30"), named_zone("America/New_York"))) == "2026-07-01 09:30:00-04:00"
    assert wall_time(ns("2026-11-01 07:30"), named_zone("America/Chicago")).fold == 1


# --- calendars at an instant -----------------------------------------------------------------------------------------


def test_open_until_and_closed_until() -> None:
    close, reopens = ns("2026-11-27 18:15"), ns("2026-11-29 23:00")
    assert (is_open(INDEX, close - 1), ns_until_close(INDEX, close - 1), ns_until_open(INDEX, close - 1)) == (True, 1, 0)
    assert (is_open(INDEX, close), ns_until_close(INDEX, close), ns_until_open(INDEX, close)) == (False, None, reopens - close)
    assert (is_open(INDEX, reopens), ns_until_open(INDEX, reopens)) == (True, 0)


def test_what_never_closes_has_no_time_until_it_does() -> None:
    now = ns("2026-11-27 18:15")
    assert (is_open(ALWAYS, now), ns_until_close(ALWAYS, now), ns_until_open(ALWAYS, now)) == (True, None, 0)
    assert len(next_sessions(ALWAYS, now, 5)) == 1


def test_next_sessions_begin_with_the_one_that_is_open() -> None:
    found = next_sessions(INDEX, ns("2026-11-26 12:00"), 3)
    assert [session.trading_day for session in found] == [date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30)]
    assert [session.trading_day.day for session in next_sessions(SHARES, ns("2026-11-25 21:00"), 2)] == [27, 30]


instants = st.integers(ns("2018-01-01 00:00"), ns("2028-01-01 00:00"))


@given(st.sampled_from(sorted(set(CALENDAR_NAMES) - {"24/7"})), instants)
def test_what_is_said_of_an_instant_holds_until_it_changes(name: str, ts_ns: int) -> None:
    calendar = get_calendar(name)
    left = ns_until_close(calendar, ts_ns)
    assert (left is not None) == is_open(calendar, ts_ns)
    if left is None:
        wait = ns_until_open(calendar, ts_ns)
        assert not is_open(calendar, ts_ns + wait - 1)
        assert is_open(calendar, ts_ns + wait)
    else:
        assert is_open(calendar, ts_ns + left - 1)
        following = calendar.session_at(ts_ns + left)
        assert following is None or following.open_ns == ts_ns + left


# --- calendars on a date ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "day", "sessions", "early", "late", "reason"),
    [
        ("CME_INDEX", "2026-11-24", 1, False, False, ""),
        ("CME_INDEX", "2026-11-27", 1, True, False, "day after thanksgiving"),
        ("CME_INDEX", "2026-11-28", 0, False, False, "weekend"),
        ("CME_INDEX", "2026-07-03", 1, True, False, "independence day"),
        ("CME_INDEX", "2026-04-03", 1, True, False, "good friday with the jobs report"),
        ("CME_INDEX", "2027-03-26", 0, False, False, "good friday"),
        ("CME_INDEX", "2025-01-09", 1, True, False, "national day of mourning"),
        ("NYSE", "2025-01-09", 0, False, False, "national day of mourning"),
        ("NYSE", "2025-07-03", 1, True, False, "eve of independence day"),
        ("NYSE", "2026-07-03", 0, False, False, "independence day"),
        ("NYSE_EXTENDED", "2026-11-27", 1, True, False, "day after thanksgiving"),
        ("CME_FX", "2026-01-19", 1, False, False, ""),
        ("CME_GRAINS", "2026-11-24", 2, False, False, ""),
        ("CME_GRAINS", "2026-11-26", 0, False, False, "thanksgiving"),
        ("CME_GRAINS", "2026-11-27", 1, True, True, "day after thanksgiving"),
        ("CME_GRAINS", "2024-07-05", 1, False, True, "after independence day"),
        ("CME_CRYPTO", "2026-06-02", 1, False, False, ""),
        ("CME_CRYPTO", "2026-11-26", 0, False, False, "thanksgiving"),
        ("24/7", "2026-11-26", 1, False, False, ""),
    ],
)
def test_the_hours_of_a_day_and_why(name: str, day: str, sessions: int, early: bool, late: bool, reason: str) -> None:
    calendar, asked = get_calendar(name), date.fromisoformat(day)
    hours = day_hours(calendar, asked)
    assert (len(hours.sessions), hours.closes_early, hours.opens_late, hours.reason) == (sessions, early, late, reason)
    assert is_early_close(calendar, asked) is early


@pytest.mark.parametrize("name", sorted(CALENDARS))
def test_the_days_of_ten_years_hold_all_sessions_and_each_difference_has_a_reason(name: str) -> None:
    calendar, first = get_calendar(name), date(2018, 1, 1)
    days = [day_hours(calendar, first + timedelta(days=number)) for number in range(3_652)]
    assert days[-1].day == date(2027, 12, 31)
    inside = calendar.sessions(ns("2017-12-20 00:00"), ns("2028-01-10 00:00"))
    assert [session for day in days for session in day.sessions] == [one for one in inside if first <= one.trading_day <= days[-1].day]
    special = [day for day in days if day.closes_early or day.opens_late or not day.sessions]
    assert all(day.reason for day in special)
    assert not any(day.reason for day in days if day not in special)
    assert all((day.reason == "weekend") == (day.day.weekday() >= 5) for day in special)


def test_every_exception_that_is_no_holiday_is_a_day_of_mourning() -> None:
    """So that no other exception is ever told of by this name."""
    rows = CALENDARS.values()
    named = {day for row in rows for day in row.exceptions if day not in us_holidays(day.year)}
    assert named == {date(2018, 12, 5), date(2025, 1, 9)}
    assert MOURNING == "national day of mourning"
