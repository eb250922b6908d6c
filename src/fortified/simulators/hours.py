"""When the simulated venues trade: as the real ones, or always, so that a user can try on a Sunday.

Owns the answer to "open?" and the sessions that the venues tell. Knows no clock: the caller says which instant.
"""

from datetime import UTC, date, datetime
from typing import Final

import msgspec

from fortified.domain.calendar import get_calendar

NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * NS
_EXTENDED: Final = {"NYSE": "NYSE_EXTENDED"}


class TradingHours(msgspec.Struct, frozen=True):
    """One session of a venue, UTC ns: ``start`` … ``end`` with extended hours, ``open`` … ``close`` without."""

    day: date
    start_ns: int
    open_ns: int
    close_ns: int
    end_ns: int


class Hours:
    """The sessions of all calendars. ``always``: one session per UTC day, without a break."""

    def __init__(self, *, always: bool = False) -> None:
        self.always = always

    def is_open(self, calendar: str, ts_ns: int, *, extended: bool = False) -> bool:
        """Whether orders trade now."""
        if self.always:
            return True
        return get_calendar(_EXTENDED.get(calendar, calendar) if extended else calendar).session_at(ts_ns) is not None

    def session(self, calendar: str, ts_ns: int) -> TradingHours:
        """The session that contains ``ts_ns``, extended hours included, or the next one."""
        if self.always:
            start = ts_ns // _DAY_NS * _DAY_NS
            return TradingHours(datetime.fromtimestamp(start // NS, UTC).date(), start, start, start + _DAY_NS, start + _DAY_NS)
        wide = get_calendar(_EXTENDED.get(calendar, calendar))
        outer = wide.session_at(ts_ns) or wide.session_after(ts_ns)
        inner = next(get_calendar(calendar).sessions(outer.open_ns, outer.close_ns), outer)
        return TradingHours(outer.trading_day, outer.open_ns, inner.open_ns, inner.close_ns, outer.close_ns)

    def after(self, calendar: str, session: TradingHours) -> TradingHours:
        """The session that follows."""
        return self.session(calendar, session.end_ns)

    def before(self, calendar: str, session: TradingHours) -> TradingHours:
        """The session that precedes, within ten days."""
        found, ts_ns = session, session.start_ns
        for _ in range(10):
            ts_ns -= _DAY_NS
            found = self.session(calendar, ts_ns)
            if found.end_ns <= session.start_ns:
                break
        return found
