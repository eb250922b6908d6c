"""Candles of the simulated market: made of the prints that are remembered, or of an invented past.

Owns the names of candle series. Knows no session.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, Protocol

from fortified.simulators.dxlink.rows import NS_PER_MS, Event, index_of
from fortified.simulators.instruments import Listed
from fortified.simulators.market import Candle, Print
from fortified.simulators.synthetic import Synthetic

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SERIES = re.compile(r"(?P<base>[^{]+)\{=(?P<count>[0-9]*)(?P<unit>[smhd])(?P<more>(,[^}]*)?)\}")
_NS: Final = 1_000_000_000
_HOUR_NS: Final = 3600 * _NS


class Past(Protocol):
    """What was before the server began to listen, by streamer symbol."""

    def prints(self, symbol: str, start_ns: int, end_ns: int) -> Iterable[Print]: ...

    def candle(self, symbol: str, start_ns: int, length_ns: int) -> Candle | None: ...


class SyntheticPast:
    """The past of an invented market; ``find`` knows what has a streamer symbol.

    Its prints go back to a full hour, half an hour at least: whole sessions would take long to invent. Candles have no such limit.
    """

    def __init__(self, synthetic: Synthetic, find: "Find") -> None:
        self._synthetic, self._find = synthetic, find

    def prints(self, symbol: str, start_ns: int, end_ns: int) -> Iterable[Print]:
        listed = self._find(symbol)
        oldest_ns = (end_ns - _HOUR_NS // 2) // _HOUR_NS * _HOUR_NS
        return () if listed is None else self._synthetic.prints(listed, max(start_ns, oldest_ns), end_ns)

    def candle(self, symbol: str, start_ns: int, length_ns: int) -> Candle | None:
        listed = self._find(symbol)
        return None if listed is None else self._synthetic.candle(listed, start_ns, length_ns)


class Find(Protocol):
    """Who knows what has a streamer symbol."""

    def __call__(self, streamer_symbol: str, /) -> Listed | None: ...


def series(symbol: str) -> tuple[str, int, str] | None:
    """Base symbol, length (ns) and normalised name of a series: ``{=1m}`` is ``{=m}``. None for what is no series of time."""
    match = _SERIES.fullmatch(symbol)
    if match is None:
        return None
    count = int(match["count"] or 1)
    name = f"{match['base']}{{={'' if count == 1 else count}{match['unit']}{match['more']}}}"
    return match["base"], count * _SECONDS[match["unit"]] * _NS, name


def candles(name: str, length_ns: int, found: Iterable[Candle]) -> Iterator[Event]:
    """``found`` as events of the series ``name``."""
    for candle in found:
        time_ms = candle.start_ns // NS_PER_MS
        prices = float(candle.open), float(candle.high), float(candle.low), float(candle.close)
        yield {
            **{"eventSymbol": name, "eventFlags": 0, "index": index_of(time_ms, 0), "time": time_ms, "sequence": 0},
            **dict(zip(("open", "high", "low", "close"), prices, strict=True)),
            **{"count": max(1, candle.volume // 2), "volume": float(candle.volume), "VWAP": sum(prices) / 4},
        }


def made_of(events: Iterable[Event], length_ns: int) -> list[Candle]:
    """The candles of valid prints, newest first as the prints are."""
    found: list[Candle] = []
    for event in events:
        if not event["validTick"] or not isinstance(event["price"], int | float) or event["type"] == "CANCEL":
            continue
        start = event["time"] * NS_PER_MS // length_ns * length_ns
        price = Decimal(repr(event["price"]))
        if not found or found[-1].start_ns != start:
            found.append(Candle(start, price, price, price, price, 0))
        candle = found[-1]
        candle.open, candle.high, candle.low = price, max(candle.high, price), min(candle.low, price)
        candle.volume += int(event["size"])
    return found


def of_past(past: Past, symbol: str, length_ns: int, start_ns: int, end_ns: int) -> Iterator[Candle]:
    """The candles of ``past`` that begin in [start, end), newest first."""
    for start in range((end_ns - 1) // length_ns * length_ns, start_ns - 1, -length_ns):
        candle = past.candle(symbol, start, length_ns)
        if candle is not None:
            yield candle
