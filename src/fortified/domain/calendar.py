"""Sessions: when a market is open, to which trading day an instant belongs, where a bar of time begins and ends.

Owns the arithmetic from local wall time to UTC nanoseconds; hours and holidays are in ``calendar_tables``. Knows no
instruments and no clock: the caller says which instant it means.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from fortified.domain.calendar_tables import ALIASES, CALENDARS, CLOSED, CalendarRow
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.us_holidays import us_holidays

CONTINUOUS: Final = "24/7"
CALENDAR_NAMES: Final[tuple[str, ...]] = (CONTINUOUS, *CALENDARS)

_NS_PER_SECOND: Final = 1_000_000_000
_NS_PER_DAY: Final = 86_400 * _NS_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
_MINUTES_PER_DAY: Final = 1_440
_SATURDAY: Final = 5


class Session(msgspec.Struct, frozen=True):
    """An unbroken stretch of trading, [open, close) in UTC nanoseconds.

    ``trading_day`` is the local date on which it ends, on a holiday too: the clearing house may book it a day later.
    """

    open_ns: int
    close_ns: int
    trading_day: date


class Calendar:
    """The sessions of one group of products, in order of time and without overlap."""

    def __init__(self, name: str, row: CalendarRow) -> None:
        self.name = name
        self.timezone = row.timezone
        self._row = row
        self._zone = ZoneInfo(row.timezone)
        self._sessions_on = functools.lru_cache(maxsize=512)(self._build)

    def session_at(self, ts_ns: int) -> Session | None:
        """The session that contains ``ts_ns``; None while the market is closed."""
        session = next(session for session in self._from(ts_ns) if session.close_ns > ts_ns)
        return session if session.open_ns <= ts_ns else None

    def session_after(self, ts_ns: int) -> Session:
        """The first session that opens later than ``ts_ns``."""
        return next(session for session in self._from(ts_ns) if session.open_ns > ts_ns)

    def sessions(self, start_ns: int, end_ns: int) -> Iterator[Session]:
        """The sessions that overlap [start, end), in order."""
        for session in self._from(start_ns):
            if session.open_ns >= end_ns:
                return
            if session.close_ns > start_ns:
                yield session

    def trading_day(self, ts_ns: int) -> date:
        """The trading day of the session that contains ``ts_ns``, else of the next one."""
        return (self.session_at(ts_ns) or self.session_after(ts_ns)).trading_day

    def bucket(self, session: Session, length_ns: int, ts_ns: int) -> tuple[int, int]:
        """[start, end) of the bar of ``length_ns`` that holds ``ts_ns``, an instant of ``session``.

        Buckets count from the session's open and the last one ends at its close. A bucket of a day is the trading day,
        from its first open to its last close, over any break in it.
        """
        if length_ns >= _NS_PER_DAY:
            sessions = self._sessions_on(session.trading_day)
            return sessions[0].open_ns, sessions[-1].close_ns
        return _cut(session, length_ns, ts_ns)

    def _from(self, ts_ns: int) -> Iterator[Session]:
        """All sessions from the trading day that ``ts_ns`` has as local date; none before it can contain ``ts_ns``."""
        day = datetime.fromtimestamp(ts_ns // _NS_PER_SECOND, self._zone).date()
        while True:
            yield from self._sessions_on(day)
            day += _ONE_DAY

    def _build(self, day: date) -> tuple[Session, ...]:
        earliest, latest = self._earliest(day), self._latest(day)
        return tuple(
            Session(self._opening(day, hours.open), self._instant(day, min(hours.close, latest)), day)
            for hours in self._row_on(day).hours
            if earliest <= hours.open < latest
        )

    def _row_on(self, day: date) -> CalendarRow:
        then = self._row.then
        return then[1] if then is not None and day >= then[0] else self._row

    def _opening(self, day: date, minute: int) -> int:
        if not self._row_on(day).joined:
            return self._instant(day, minute)
        before = day - _ONE_DAY
        while self._latest(before) == CLOSED:
            before -= _ONE_DAY
        return self._instant(before, minute + _MINUTES_PER_DAY)

    def _latest(self, day: date) -> int:
        """The minute after which nothing trades on ``day``."""
        row = self._row_on(day)
        if day.weekday() >= _SATURDAY:
            return CLOSED
        if day in row.exceptions:
            return row.exceptions[day]
        regular = row.hours[-1].close
        holiday = us_holidays(day.year).get(day)
        if holiday is None:
            return regular
        closes = next(closes for since, closes in row.closes if day.year >= since)
        return closes.get(holiday, regular)

    def _earliest(self, day: date) -> int:
        """The minute before which no session of ``day`` opens."""
        row, yesterday = self._row_on(day), day - _ONE_DAY
        regular = row.hours[0].open
        holiday = us_holidays(yesterday.year).get(yesterday)
        return regular if holiday is None else row.reopens.get(holiday, regular)

    def _instant(self, day: date, minute: int) -> int:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        elapsed = midnight + timedelta(minutes=minute) - _EPOCH
        return (elapsed.days * 86_400 + elapsed.seconds) * _NS_PER_SECOND


class _Continuous(Calendar):
    """One session without an end; days are those of UTC."""

    _SESSION: Final = Session(0, 2**63 - 1, _EPOCH.date())

    def __init__(self) -> None:
        self.name = CONTINUOUS
        self.timezone = "UTC"

    def session_at(self, ts_ns: int) -> Session | None:
        return self._SESSION if 0 <= ts_ns < self._SESSION.close_ns else None

    def session_after(self, ts_ns: int) -> Session:
        if ts_ns < 0:
            return self._SESSION
        raise DataError(f"Calendar {self.name} never closes, so no session opens after {ts_ns}. Ask for session_at.")

    def sessions(self, start_ns: int, end_ns: int) -> Iterator[Session]:
        if end_ns > max(start_ns, 0):
            yield self._SESSION

    def trading_day(self, ts_ns: int) -> date:
        return (_EPOCH + timedelta(seconds=ts_ns // _NS_PER_SECOND)).date()

    def bucket(self, session: Session, length_ns: int, ts_ns: int) -> tuple[int, int]:
        return _cut(session, length_ns, ts_ns)


def _cut(session: Session, length_ns: int, ts_ns: int) -> tuple[int, int]:
    start = ts_ns - (ts_ns - session.open_ns) % length_ns
    return start, min(start + length_ns, session.close_ns)


def get_calendar(name: str) -> Calendar:
    """The calendar of that name or alias; ``ConfigError`` lists the names when there is none."""
    key = name.strip().upper()
    key = ALIASES.get(key, key)
    if key not in CALENDAR_NAMES:
        raise ConfigError(f"There is no calendar {name!r}. Use one of: {', '.join(CALENDAR_NAMES)}.")
    return _calendar(key)


@functools.cache
def _calendar(name: str) -> Calendar:
    return _Continuous() if name == CONTINUOUS else Calendar(name, CALENDARS[name])
