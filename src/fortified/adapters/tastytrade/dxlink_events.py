"""Rows of DXLink as values: prints, trades, quotes and candles.

Owns which fields are asked for, which of them must be there, and how a delivered list of fields is read. Fields may come in any order and
some may be missing; "NaN" and infinities are strings. Knows no connection.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

import msgspec

NS_PER_MS: Final = 1_000_000
TX_PENDING, REMOVE, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP = 1, 2, 4, 8, 16
NEW, CORRECTION, CANCEL = "NEW", "CORRECTION", "CANCEL"

_PRINT = {
    **{"eventSymbol": None, "eventFlags": 0, "index": None, "time": None, "timeNanoPart": 0, "sequence": None},
    **{"price": None, "size": None, "bidPrice": None, "askPrice": None},
    **{"spreadLeg": False, "extendedTradingHours": False, "validTick": True, "type": NEW},
}
_TRADE = {
    **{"eventSymbol": None, "time": None, "timeNanoPart": 0, "sequence": 0, "price": None, "size": None},
    **{"dayId": None, "dayVolume": None},
}
_QUOTE = {"eventSymbol": None, "bidPrice": None, "askPrice": None, "bidSize": None, "askSize": None}
_CANDLE = {
    **{"eventSymbol": None, "eventFlags": 0, "index": None, "time": None, "sequence": 0, "count": None},
    **{"open": None, "high": None, "low": None, "close": None, "volume": None, "VWAP": None},
}
ASKED: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"TimeAndSale": _PRINT, "Trade": _TRADE, "TradeETH": _TRADE, "Quote": _QUOTE, "Candle": _CANDLE}
)
"""The fields of each type, with what stands for one that is not delivered."""

_NEEDED: Final[Mapping[str, Sequence[frozenset[str]]]] = MappingProxyType(
    {
        "TimeAndSale": [frozenset({"eventSymbol", "price", "size", key}) for key in ("index", "time")],
        "Trade": [frozenset({"eventSymbol", "price", "time"})],
        "TradeETH": [frozenset({"eventSymbol", "price", "time"})],
        "Quote": [frozenset({"eventSymbol", "bidPrice", "askPrice"})],
        "Candle": [frozenset({"eventSymbol", "time", "open", "high", "low", "close"})],
    }
)


class Batch(msgspec.Struct, frozen=True):
    """Rows of one type as they were delivered: ``values`` holds row after row of ``fields``."""

    channel: int
    type: str
    fields: tuple[str, ...]
    values: Sequence[Any]


class Print(msgspec.Struct, gc=False):
    """A row of TimeAndSale. ``index`` is unique per symbol; a price that was not told is NaN."""

    symbol: str
    index: int
    ts_event: int
    price: float
    size: float
    bid: float | None
    ask: float | None
    flags: int
    valid: bool
    spread_leg: bool
    extended: bool
    type: str


class LastTrade(msgspec.Struct, gc=False):
    """A row of Trade: a snapshot of the last one. ``day_volume`` is NaN where it is not told."""

    symbol: str
    index: int
    ts_event: int
    price: float
    size: float
    day: int | None
    day_volume: float
    extended: bool


class LastQuote(msgspec.Struct, gc=False):
    """A row of Quote."""

    symbol: str
    bid: float | None
    ask: float | None
    bid_size: float
    ask_size: float


class Candle(msgspec.Struct, gc=False):
    """A row of Candle; it begins at ``ts_open`` (ns)."""

    symbol: str
    index: int
    ts_open: int
    flags: int
    count: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float


def unreadable(event_type: str, fields: Sequence[str]) -> str:
    """What a delivered list of fields lacks, or nothing."""
    needed = _NEEDED.get(event_type)
    given = frozenset(fields)
    if needed is None or any(one <= given for one in needed):
        if event_type == "TimeAndSale" and "index" not in given and "sequence" not in given:
            return "index and sequence"
        return ""
    return ", ".join(sorted(needed[0] - given))


def prints_of(batch: Batch) -> list[Print]:
    """The prints; rows without a place in time are left out."""
    found = []
    for symbol, flags, index, time, nano, sequence, price, size, bid, ask, leg, extended, valid, kind in _rows(batch, "TimeAndSale"):
        if type(index) is not int:
            index = index_of(time, sequence)  # noqa: PLW2901  # what the index is made of, where it is not delivered
            if index is None:
                continue
        found.append(
            Print(
                symbol,
                index,
                time * NS_PER_MS + nano if type(time) is int and type(nano) is int else ts_of_index(index),
                price if type(price) is float else number(price),
                size if type(size) is float else number(size),
                bid if type(bid) is float else _or_none(bid),
                ask if type(ask) is float else _or_none(ask),
                flags if type(flags) is int else 0,
                valid is not False,
                leg is True,
                extended is True,
                kind,
            )
        )
    return found


def trades_of(batch: Batch) -> list[LastTrade]:
    """The trades; a symbol that never traded has none."""
    extended = batch.type == "TradeETH"
    found = []
    for symbol, time, nano, sequence, price, size, day, volume in _rows(batch, batch.type):
        index, value = index_of(time, sequence), number(price)
        if index is not None and time > 0 and not math.isnan(value):
            ts_event = time * NS_PER_MS + (nano if type(nano) is int else 0)
            found.append(LastTrade(symbol, index, ts_event, value, number(size), day, number(volume), extended))
    return found


def quotes_of(batch: Batch) -> list[LastQuote]:
    """The quotes; a side that is empty is None."""
    return [
        LastQuote(symbol, _or_none(bid), _or_none(ask), _or_zero(bid_size), _or_zero(ask_size))
        for symbol, bid, ask, bid_size, ask_size in _rows(batch, "Quote")
    ]


def candles_of(batch: Batch) -> list[Candle]:
    """The candles, with the flags of their snapshot."""
    found = []
    for symbol, flags, index, time, sequence, count, *prices in _rows(batch, "Candle"):
        if type(time) is int:
            place = index if type(index) is int else index_of(time, sequence)
            flagged = flags if type(flags) is int else 0
            found.append(Candle(symbol, place or 0, time * NS_PER_MS, flagged, number(count), *map(number, prices)))
    return found


def index_of(time_ms: Any, sequence: Any) -> int | None:
    """The index that a time series makes of its time (ms) and sequence."""
    if type(time_ms) is not int or type(sequence) is not int:
        return None
    return (time_ms // 1000) << 32 | (time_ms % 1000) << 22 | (sequence & 0x3FFFFF)


def ts_of_index(index: int) -> int:
    """The time in an index, ns."""
    return (index >> 32) * 1_000_000_000 + (index >> 22 & 0x3FF) * NS_PER_MS


def number(value: Any) -> float:
    """``value`` as a number; NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _or_none(value: Any) -> float | None:
    found = number(value)
    return found if found - found == 0.0 else None


def _or_zero(value: Any) -> float:
    return _or_none(value) or 0.0


def _rows(batch: Batch, event_type: str) -> Iterator[tuple[Any, ...]]:
    """The rows with the fields in our order."""
    stride, values = len(batch.fields), batch.values
    columns = [
        repeat(default) if place is None else values[place::stride]
        for place, default in zip(_places(batch.fields, event_type), ASKED[event_type].values(), strict=True)
    ]
    return zip(*columns, strict=False)  # a constant has no end


@lru_cache(maxsize=256)
def _places(fields: tuple[str, ...], event_type: str) -> tuple[int | None, ...]:
    places = {name: place for place, name in enumerate(fields)}
    return tuple(places.get(name) for name in ASKED[event_type])
