"""Business days, as the rules of futures contracts count them.

Owns the arithmetic of "the third last business day" and its kin. A business day is a weekday on which the exchanges clear: a holiday
with shortened trading is none, the day after Thanksgiving is one. Knows no contracts.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from fortified.domain.us_holidays import Holiday, easter, us_holidays

MONDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = 0, 2, 3, 4, 5

_DAY: Final = timedelta(days=1)
_EVES: Final = frozenset({Holiday.INDEPENDENCE_EVE, Holiday.AFTER_THANKSGIVING, Holiday.CHRISTMAS_EVE})
"""Days of the holiday table that are short, but on which business is done."""


def is_business_day(day: date) -> bool:
    """Whether the exchanges of the United States clear on ``day``."""
    return day.weekday() < SATURDAY and us_holidays(day.year).get(day) in {None, *_EVES}


def is_london_business_day(day: date) -> bool:
    """Whether London does business on ``day``; exact for the days that contract rules ask for: ends of months and last Fridays."""
    if day.weekday() >= SATURDAY or (day.month, day.day) in {(1, 1), (12, 25), (12, 26)}:
        return False
    late_monday = day.weekday() == MONDAY and day.month in {5, 8} and day.day > 24
    return not late_monday and day - easter(day.year) not in {-2 * _DAY, _DAY}


def business_day_before(day: date, count: int = 1) -> date:
    """The ``count``-th business day before ``day``."""
    for _ in range(count):
        day = last_where(is_business_day, day - _DAY)
    return day


def nth_business_day(first: date, count: int) -> date:
    """The ``count``-th business day of the month that begins on ``first``."""
    day = first_where(is_business_day, first)
    for _ in range(count - 1):
        day = first_where(is_business_day, day + _DAY)
    return day


def nth_last_business_day(first: date, count: int) -> date:
    """The ``count``-th last business day of the month that begins on ``first``."""
    return business_day_before(months_later(first, 1), count)


def last_where(holds: Callable[[date], bool], day: date) -> date:
    """``day``, or the latest one before it, for which it holds."""
    while not holds(day):
        day -= _DAY
    return day


def first_where(holds: Callable[[date], bool], day: date) -> date:
    """``day``, or the earliest one after it, for which it holds."""
    while not holds(day):
        day += _DAY
    return day


def nth_weekday(first: date, weekday: int, count: int) -> date:
    """The ``count``-th ``weekday`` (0 is Monday) of the month that begins on ``first``."""
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def last_weekday(first: date, weekday: int) -> date:
    """The last ``weekday`` of the month that begins on ``first``."""
    return last_where(lambda day: day.weekday() == weekday, month_end(first))


def month_end(first: date) -> date:
    """The last day of the month that begins on ``first``."""
    return months_later(first, 1) - _DAY


def months_later(first: date, count: int) -> date:
    """The first day of the month ``count`` months after the one that begins on ``first``; before it, if negative."""
    year, month = divmod(12 * first.year + first.month - 1 + count, 12)
    return date(year, month + 1, 1)
