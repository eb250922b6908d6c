"""The venue's own minute bars, and what they say about the seconds we made.

Owns the order of their fields on the wire, which is not the one of the published table, and the comparison. Changes no bar: what was
published stays; a difference is counted and told.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fortified.domain.market import Bar
from fortified.domain.timeframe import NS_PER_SECOND

SERVICE: Final = "CHART_EQUITY"
OPEN, HIGH, LOW, CLOSE, VOLUME, TIME = 2, 3, 4, 5, 6, 7
FIELDS: Final = (0, 1, OPEN, HIGH, LOW, CLOSE, VOLUME, TIME, 8)
MINUTE_NS: Final = 60 * NS_PER_SECOND
_KEPT: Final = 15
"""Minutes to remember; the venue's bar comes seconds after its end."""
_VOLUME_TOLERANCE: Final = 0.01


class Minute(msgspec.Struct, frozen=True):
    """One minute of trading; ``ts_open`` in ns."""

    ts_open: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Difference(msgspec.Struct, frozen=True):
    """Our minute beside the venue's, and which values are not the same. ``ours`` None: we saw no trade in it."""

    symbol: str
    ours: Minute | None
    theirs: Minute
    fields: tuple[str, ...]


def read_minute(row: Mapping[str, Any]) -> Minute | None:
    """The minute of a row of ``CHART_EQUITY``; None when it is not whole."""
    values = [row.get(str(field)) for field in (TIME, OPEN, HIGH, LOW, CLOSE, VOLUME)]
    if not all(isinstance(value, int | float) and value == value for value in values):  # noqa: PLR0124  # only NaN differs from itself
        return None
    time, *prices = values
    return Minute(int(time) * 1_000_000, *map(float, prices))  # type: ignore[arg-type]  # they are numbers, as just seen


class Minutes:
    """The minutes of one symbol since ``since_ns``, made of our seconds."""

    def __init__(self, symbol: str) -> None:
        self.compared = 0
        self.different = 0
        self._symbol = symbol
        self._since_ns: int | None = None
        self._minutes: dict[int, Minute] = {}

    def begin(self, now_ns: int) -> None:
        """Seconds are seen from ``now_ns`` on: minutes that did not begin after it are not compared."""
        self._since_ns = now_ns
        self._minutes.clear()

    def add(self, second: Bar) -> None:
        """Take one of our seconds in."""
        ts_open = second.ts_open - second.ts_open % MINUTE_NS
        minute = self._minutes.get(ts_open)
        if minute is None:
            self._minutes[ts_open] = Minute(ts_open, second.open, second.high, second.low, second.close, second.volume)
            if len(self._minutes) > _KEPT:
                del self._minutes[next(iter(self._minutes))]
            return
        self._minutes[ts_open] = Minute(
            ts_open,
            minute.open,
            max(minute.high, second.high),
            min(minute.low, second.low),
            second.close,
            minute.volume + second.volume,
        )

    def compare(self, theirs: Minute) -> Difference | None:
        """What differs; None when it agrees, or when we did not see all of that minute."""
        if self._since_ns is None or theirs.ts_open <= self._since_ns:
            return None
        self.compared += 1
        ours = self._minutes.get(theirs.ts_open)
        fields = ("all",) if ours is None else _differing(ours, theirs)
        if not fields:
            return None
        self.different += 1
        return Difference(self._symbol, ours, theirs, fields)


def _differing(ours: Minute, theirs: Minute) -> tuple[str, ...]:
    prices = tuple(name for name in ("open", "high", "low", "close") if getattr(ours, name) != getattr(theirs, name))
    far = abs(ours.volume - theirs.volume) > _VOLUME_TOLERANCE * theirs.volume
    return (*prices, "volume") if far else prices
