"""Level one of shares: the last known state of each symbol, kept from messages that tell only what changed.

Owns the numbers of the fields and the merge. Knows no bars.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

SERVICE: Final = "LEVELONE_EQUITIES"
BID, ASK, LAST, BID_SIZE, ASK_SIZE, VOLUME, LAST_SIZE = 1, 2, 3, 4, 5, 8, 9
HIGH, LOW, QUOTE_TIME, TRADE_TIME = 10, 11, 34, 35
FIELDS: Final = (0, BID, ASK, LAST, BID_SIZE, ASK_SIZE, VOLUME, LAST_SIZE, HIGH, LOW, QUOTE_TIME, TRADE_TIME)

_NAMES: Final = {
    str(BID): "bid",
    str(ASK): "ask",
    str(LAST): "last",
    str(BID_SIZE): "bid_size",
    str(ASK_SIZE): "ask_size",
    str(VOLUME): "volume",
    str(HIGH): "high",
    str(LOW): "low",
}
_TIMES: Final = {str(QUOTE_TIME): "quote_ms", str(TRADE_TIME): "trade_ms"}


class LevelOne(msgspec.Struct, gc=False):
    """State of one symbol; None: never told. ``volume``, ``high`` and ``low`` are those of the day so far, times are ms.

    Sizes of quotes are in the venue's unit: hundreds of shares in the captures of 2024, shares in those of 2025.
    """

    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    volume: float | None = None
    high: float | None = None
    low: float | None = None
    quote_ms: int | None = None
    trade_ms: int | None = None
    delayed: bool = False

    def merge(self, row: Mapping[str, Any]) -> bool:
        """Take over what ``row`` tells; whether anything changed. What is no number (a blank, "NaN") tells nothing."""
        changed = False
        for number, name in _NAMES.items():
            value = _number(row.get(number))
            if value is not None and value != getattr(self, name):
                setattr(self, name, value)
                changed = True
        for number, name in _TIMES.items():
            stamp = row.get(number)
            if type(stamp) is int and stamp > 0 and stamp != getattr(self, name):
                setattr(self, name, stamp)
                changed = True
        if isinstance(row.get("delayed"), bool):
            self.delayed = row["delayed"]
        return changed


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and type(value) is not bool and math.isfinite(value) else None
