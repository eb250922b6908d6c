"""Events as they go over the wire, and what is remembered of each symbol.

Owns the fields of the event types, the index of prints, the last trade and quote, and the volume of the day. Knows no session.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

type Event = dict[str, Any]

NS_PER_MS: Final = 1_000_000
_DAY_NS: Final = 86_400_000_000_000
_KEPT: Final = 1_000_000
REMOVE, BEGIN, END, SNIP = 2, 4, 8, 16

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "TimeAndSale": (
        *("eventSymbol", "eventTime", "eventFlags", "index", "time", "timeNanoPart", "sequence", "exchangeCode", "price", "size"),
        *("bidPrice", "askPrice", "exchangeSaleConditions", "tradeThroughExempt", "aggressorSide", "spreadLeg"),
        *("extendedTradingHours", "validTick", "type", "buyer", "seller"),
    ),
    "Trade": (
        *("eventSymbol", "eventTime", "time", "timeNanoPart", "sequence", "exchangeCode", "price", "change", "size"),
        *("dayId", "dayVolume", "dayTurnover", "tickDirection", "extendedTradingHours"),
    ),
    "Quote": (
        *("eventSymbol", "eventTime", "sequence", "timeNanoPart", "bidTime", "bidExchangeCode", "bidPrice", "bidSize"),
        *("askTime", "askExchangeCode", "askPrice", "askSize"),
    ),
    "Candle": (
        *("eventSymbol", "eventTime", "eventFlags", "index", "time", "sequence", "count", "open", "high", "low", "close"),
        *("volume", "VWAP", "bidVolume", "askVolume", "impVolatility", "openInterest"),
    ),
}
"""All fields of a type, in the order of the server."""


def fields_of(event_type: str) -> tuple[str, ...]:
    """The fields of ``event_type``; a type that is not offered has only its symbol."""
    return FIELDS.get("Trade" if event_type == "TradeETH" else event_type, ("eventSymbol",))


class Tape(msgspec.Struct):
    """One symbol. ``prints`` by index, in the order they came."""

    symbol: str
    prints: dict[int, Event] = {}
    trade: Event | None = None
    quote: Event | None = None
    volume: float = 0.0
    day: int = 0
    sequence: int = 0

    def record(self, ts_ns: int, price: float, size: float, sequence: int | None, fields: Mapping[str, Any]) -> Event:
        """A new print, with ``fields`` in place of what would be usual."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        time_ms = ts_ns // NS_PER_MS
        event = {
            **{"eventSymbol": self.symbol, "eventFlags": 0, "index": index_of(time_ms, self.sequence), "time": time_ms},
            **{"timeNanoPart": ts_ns % NS_PER_MS, "sequence": self.sequence & 0x3FFFFF, "price": price, "size": size},
            **{"bidPrice": "NaN", "askPrice": "NaN", "exchangeSaleConditions": None, "aggressorSide": "UNDEFINED"},
            **{"spreadLeg": False, "extendedTradingHours": False, "validTick": True, "type": "NEW"},
            **fields,
        }
        self.prints[event["index"]] = event
        if len(self.prints) > _KEPT:
            self.prints = dict(list(self.prints.items())[_KEPT // 2 :])
        self._trade(event, ts_ns)
        return event

    def _trade(self, event: Event, ts_ns: int) -> None:
        day = ts_ns // _DAY_NS
        if day != self.day:
            self.day, self.volume = day, 0.0
        if isinstance(event["size"], int | float):
            self.volume += event["size"]
        if isinstance(event["price"], int | float) and event["validTick"]:
            kept = ("eventSymbol", "time", "timeNanoPart", "sequence", "price", "size", "extendedTradingHours")
            self.trade = {**{name: event[name] for name in kept}, "dayId": day, "dayVolume": self.volume}

    def since(self, time_ms: int) -> Iterator[Event]:
        """The prints from ``time_ms`` on, newest first."""
        for index in sorted(self.prints, reverse=True):
            if self.prints[index]["time"] < time_ms:
                return
            yield self.prints[index]


def index_of(time_ms: int, sequence: int) -> int:
    """The unique index of an event of a time series."""
    return (time_ms // 1000) << 32 | (time_ms % 1000) << 22 | (sequence & 0x3FFFFF)


def nothing(symbol: str, event_type: str, **fields: Any) -> Event:
    """A row without values, as a symbol has it that never traded."""
    return {**dict.fromkeys(fields_of(event_type), "NaN"), "eventSymbol": symbol, "eventFlags": 0, "time": 0, "sequence": 0, **fields}


def snapshot(events: Iterator[Event], symbol: str, event_type: str, most: int | None) -> Iterator[Event]:
    """``events``, newest first, with the flags of a snapshot; of more than ``most`` the older ones are snipped off."""
    flags = BEGIN
    for count, event in enumerate(events, start=1):
        if count == most:
            yield {**event, "eventFlags": flags | SNIP}
            return
        yield {**event, "eventFlags": flags}
        flags = 0
    yield nothing(symbol, event_type, eventFlags=flags | END | REMOVE, index=0)
