"""Holidays of the United States as its exchanges keep them.

Owns which date of a year carries which holiday, by rule, for any year. Does not know what a market does on it: that is
in ``calendar_tables``.
"""

import enum
import functools
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

_DAY: Final = timedelta(days=1)
_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 3, 4, 5, 6


class Holiday(enum.StrEnum):
    """A weekday with hours of its own. ``…_FRIDAY`` is that holiday when no session follows it in its week."""

    NEW_YEAR = "new year"
    KING = "Martin Luther King Jr. day"
    PRESIDENTS = "presidents' day"
    GOOD_FRIDAY = "good friday"
    GOOD_FRIDAY_OF_JOBS_REPORT = "good friday with the jobs report"
    MEMORIAL = "memorial day"
    JUNETEENTH = "juneteenth"
    JUNETEENTH_FRIDAY = "juneteenth, a friday"
    INDEPENDENCE_EVE = "eve of independence day"
    INDEPENDENCE = "independence day"
    INDEPENDENCE_FRIDAY = "independence day, a friday"
    LABOR = "labor day"
    THANKSGIVING = "thanksgiving"
    AFTER_THANKSGIVING = "day after thanksgiving"
    CHRISTMAS_EVE = "christmas eve"
    CHRISTMAS = "christmas"


@functools.lru_cache(maxsize=64)
def us_holidays(year: int) -> Mapping[date, Holiday]:
    """The holidays of ``year`` by the date on which they are observed."""
    return dict(_holidays(year))


def _holidays(year: int) -> Iterator[tuple[date, Holiday]]:
    new_year = date(year, 1, 1)
    if new_year.weekday() != _SATURDAY:  # the Friday before would be in the old year, and books close on that day
        yield _observed(new_year), Holiday.NEW_YEAR
    yield _nth(year, 1, _MONDAY, 3), Holiday.KING
    yield _nth(year, 2, _MONDAY, 3), Holiday.PRESIDENTS
    good_friday = easter(year) - 2 * _DAY
    # The jobs report comes out on the first Friday of a month; futures then trade until shortly after it.
    yield good_friday, Holiday.GOOD_FRIDAY_OF_JOBS_REPORT if good_friday.day <= 7 else Holiday.GOOD_FRIDAY
    last_of_may = date(year, 5, 31)
    yield last_of_may - last_of_may.weekday() * _DAY, Holiday.MEMORIAL
    if year >= 2022:
        juneteenth = _observed(date(year, 6, 19))
        yield juneteenth, Holiday.JUNETEENTH_FRIDAY if juneteenth.weekday() == _FRIDAY else Holiday.JUNETEENTH
    yield from _independence(date(year, 7, 4))
    yield _nth(year, 9, _MONDAY, 1), Holiday.LABOR
    thanksgiving = _nth(year, 11, _THURSDAY, 4)
    yield thanksgiving, Holiday.THANKSGIVING
    yield thanksgiving + _DAY, Holiday.AFTER_THANKSGIVING
    christmas = date(year, 12, 25)
    if _MONDAY < christmas.weekday() <= _FRIDAY:
        yield christmas - _DAY, Holiday.CHRISTMAS_EVE
    yield _observed(christmas), Holiday.CHRISTMAS


def _independence(fourth: date) -> Iterator[tuple[date, Holiday]]:
    if _MONDAY < fourth.weekday() <= _FRIDAY:
        yield fourth - _DAY, Holiday.INDEPENDENCE_EVE
    observed = _observed(fourth)
    yield observed, Holiday.INDEPENDENCE_FRIDAY if observed.weekday() == _FRIDAY else Holiday.INDEPENDENCE


def _observed(day: date) -> date:
    return day + {_SATURDAY: -_DAY, _SUNDAY: _DAY}.get(day.weekday(), 0 * _DAY)


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the computus of Meeus, Jones and Butcher."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    moon_shift = century - (century + 8) // 25 + 1
    epact = (19 * golden + century - century // 4 - moon_shift // 3 + 15) % 30
    to_sunday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)
