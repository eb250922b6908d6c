"""Last trading days and first notice days of futures contracts, by named rule.

Owns the rules as the contract specifications and rulebook chapters of CME, CBOT, NYMEX and COMEX state them. Does not know which
product has which rule: that is in ``futures_tables``. A contract is given by the first day of its delivery month.
"""

import enum
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from fortified.domain.futures_days import (
    FRIDAY,
    SATURDAY,
    THURSDAY,
    WEDNESDAY,
    business_day_before,
    first_where,
    is_business_day,
    is_london_business_day,
    last_weekday,
    last_where,
    month_end,
    months_later,
    nth_business_day,
    nth_last_business_day,
    nth_weekday,
)

_DAY: Final = timedelta(days=1)
_WEEK: Final = 7 * _DAY
_FEBRUARY, _NOVEMBER = 2, 11


class LastTrade(enum.StrEnum):
    """Rules for the last trading day, in words."""

    THIRD_FRIDAY = "third Friday of the contract month, or the business day before"
    BEFORE_SECOND_FRIDAY = "business day before the second Friday of the contract month"
    CRUDE = "3 business days before the 25th of the month before the contract month, 4 if the 25th is no business day"
    BEFORE_CRUDE = "business day before the last trading day of Crude Oil WTI"
    THIRD_LAST_OF_MONTH_BEFORE = "third last business day of the month before the contract month"
    FOURTH_LAST_OF_MONTH_BEFORE = "fourth last business day of the month before the contract month"
    LAST_OF_MONTH_BEFORE = "last business day of the month before the contract month"
    BRENT = "last London business day of the second month before the contract month, for February the last but one"
    THIRD_LAST = "third last business day of the contract month"
    EIGHTH_LAST = "7 business days before the last business day of the contract month"
    LAST = "last business day of the contract month"
    TWO_BEFORE_THIRD_WEDNESDAY = "2 business days before the third Wednesday of the contract month"
    BEFORE_THIRD_WEDNESDAY = "business day before the third Wednesday of the contract month"
    BEFORE_15TH = "business day before the 15th of the contract month"
    TENTH = "tenth business day of the contract month"
    LAST_THURSDAY = "last Thursday of the contract month (November: before Thanksgiving) with no holiday on it or the 4 weekdays before"
    LAST_FRIDAY = "last Friday of the contract month, or the day before it that is a business day in New York and London"


class FirstNotice(enum.StrEnum):
    """Rules for the first notice day, in words."""

    LAST_OF_MONTH_BEFORE = "last business day of the month before the contract month"
    AFTER_FIRST_FRIDAY = "Monday after the first Friday of the contract month"


def last_trading_day(rule: LastTrade, first: date) -> date:
    """The last day on which the contract of the delivery month that begins on ``first`` trades."""
    return _LAST_TRADE[rule](first)


def first_notice_day(rule: FirstNotice, first: date) -> date:
    """The first day on which a holder of the contract may be told to take delivery."""
    if rule is FirstNotice.LAST_OF_MONTH_BEFORE:
        return business_day_before(first)
    return first_where(is_business_day, nth_weekday(first, FRIDAY, 1) + 3 * _DAY)


def _crude(first: date) -> date:
    day = months_later(first, -1).replace(day=25)
    return business_day_before(day, 3 if is_business_day(day) else 4)


def _brent(first: date) -> date:
    last = last_where(is_london_business_day, month_end(months_later(first, -2)))
    return last_where(is_london_business_day, last - _DAY) if first.month == _FEBRUARY else last


def _feeder_cattle(first: date) -> date:
    day = nth_weekday(first, THURSDAY, 4) - _WEEK if first.month == _NOVEMBER else last_weekday(first, THURSDAY)
    while not all(map(is_business_day, _weekdays_until(day))):
        day -= _WEEK
    return day


def _weekdays_until(thursday: date) -> list[date]:
    """``thursday`` and the four weekdays before it."""
    week = (thursday - back * _DAY for back in range(7))
    return [day for day in week if day.weekday() < SATURDAY]


def _crypto(first: date) -> date:
    return last_where(lambda day: is_business_day(day) and is_london_business_day(day), last_weekday(first, FRIDAY))


_LAST_TRADE: Final[Mapping[LastTrade, Callable[[date], date]]] = {
    LastTrade.THIRD_FRIDAY: lambda first: last_where(is_business_day, nth_weekday(first, FRIDAY, 3)),
    LastTrade.BEFORE_SECOND_FRIDAY: lambda first: business_day_before(nth_weekday(first, FRIDAY, 2)),
    LastTrade.CRUDE: _crude,
    LastTrade.BEFORE_CRUDE: lambda first: business_day_before(_crude(first)),
    LastTrade.THIRD_LAST_OF_MONTH_BEFORE: lambda first: business_day_before(first, 3),
    LastTrade.FOURTH_LAST_OF_MONTH_BEFORE: lambda first: business_day_before(first, 4),
    LastTrade.LAST_OF_MONTH_BEFORE: business_day_before,
    LastTrade.BRENT: _brent,
    LastTrade.THIRD_LAST: lambda first: nth_last_business_day(first, 3),
    LastTrade.EIGHTH_LAST: lambda first: nth_last_business_day(first, 8),
    LastTrade.LAST: lambda first: nth_last_business_day(first, 1),
    LastTrade.TWO_BEFORE_THIRD_WEDNESDAY: lambda first: business_day_before(nth_weekday(first, WEDNESDAY, 3), 2),
    LastTrade.BEFORE_THIRD_WEDNESDAY: lambda first: business_day_before(nth_weekday(first, WEDNESDAY, 3)),
    LastTrade.BEFORE_15TH: lambda first: business_day_before(first.replace(day=15)),
    LastTrade.TENTH: lambda first: nth_business_day(first, 10),
    LastTrade.LAST_THURSDAY: _feeder_cattle,
    LastTrade.LAST_FRIDAY: _crypto,
}
