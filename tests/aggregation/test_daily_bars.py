"""Daily bars that bear a date: each gets the hours of its trading day, and none is lost where the calendar knows of no session."""

import msgspec
import pytest
from tests.builders import HOUR, bar, ns

from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe

DAY = 24 * HOUR
DAILY = Timeframe.parse("1d")


def dated(stamp: str, length_ns: int = DAY) -> Bar:
    return bar(timeframe="1d", ts_open=ns(stamp), ts_close=ns(stamp) + length_ns)


def made(calendar: str, *bars: Bar) -> list[Bar]:
    daily = create_aggregator("/NQ", DAILY, get_calendar(calendar), source=DAILY)
    return [closed for one in bars for closed in daily.on_bar(one)]


@pytest.mark.parametrize(
    ("calendar", "stamp", "opens", "closes"),
    [
        ("NYSE", "2024-07-02 00:00", "2024-07-02 13:30", "2024-07-02 20:00"),
        ("NYSE", "2024-07-02 04:00", "2024-07-02 13:30", "2024-07-02 20:00"),  # midnight in New York
        ("NYSE", "2024-07-02 13:30", "2024-07-02 13:30", "2024-07-02 20:00"),
        ("NYSE", "2024-12-02 00:00", "2024-12-02 14:30", "2024-12-02 21:00"),  # winter
        ("NYSE", "2024-07-03 00:00", "2024-07-03 13:30", "2024-07-03 17:00"),  # early close
        ("CME_INDEX", "2024-07-01 00:00", "2024-06-30 22:00", "2024-07-01 21:00"),  # a Monday begins on Sunday evening
        ("CME_INDEX", "2024-07-02 05:00", "2024-07-01 22:00", "2024-07-02 21:00"),  # midnight in Chicago
        ("CME_INDEX", "2024-07-01 22:00", "2024-07-01 22:00", "2024-07-02 21:00"),  # stamped with the open
        ("CME_GRAINS", "2024-07-02 00:00", "2024-07-02 00:00", "2024-07-02 18:20"),  # over the break in the morning
        ("24/7", "2024-07-02 00:00", "2024-07-02 00:00", "2024-07-03 00:00"),
    ],
)
def test_a_date_is_the_hours_of_the_trading_day(calendar: str, stamp: str, opens: str, closes: str) -> None:
    one = dated(stamp)
    [found] = made(calendar, one)
    assert found == msgspec.structs.replace(one, ts_open=ns(opens), ts_close=ns(closes), flags=BarFlag.FROM_BARS)
    assert made(calendar, found) == [found]


def test_a_bar_of_a_day_without_a_session_is_kept_and_over_before_the_next_opens() -> None:
    sunday, monday = made("CME_INDEX", dated("2024-06-30 00:00"), dated("2024-07-01 00:00"))
    assert (sunday.ts_open, sunday.ts_close) == (ns("2024-06-30 00:00"), ns("2024-06-30 22:00"))
    assert monday.ts_open == sunday.ts_close
    holiday = dated("2024-07-04 00:00")
    assert made("NYSE", holiday) == [msgspec.structs.replace(holiday, flags=BarFlag.FROM_BARS)]


def test_hours_that_are_given_stay() -> None:
    one = dated("2024-07-02 14:00", 2 * HOUR)
    assert made("NYSE", one) == [msgspec.structs.replace(one, flags=BarFlag.FROM_BARS)]


def test_what_a_daily_bar_asks_for_is_not_too_late() -> None:
    """The last bar of a session makes no entry; of a daily bar each is the last one, and its orders are for the next day."""
    week = made("NYSE", *(dated(f"2024-07-{day:02} 00:00") for day in (8, 9, 10, 11, 12)))
    assert [one.flags for one in week] == [BarFlag.FROM_BARS] * 5


def test_a_date_that_comes_twice_is_dropped() -> None:
    assert len(made("NYSE", dated("2024-07-02 00:00"), dated("2024-07-02 04:00"), dated("2024-07-03 00:00"))) == 2
