"""Market events: what a venue said, with two stamps each.

Owns the shapes of ticks, quotes, bars and the events a data source may emit. Prices are floats (the ledger's are Decimal), times are
integer UTC nanoseconds: ``ts_event`` is the venue's stamp, ``ts_recv`` ours. Knows nothing of how bars are built or where events go.
"""

import enum
from typing import Any

import msgspec


class Tick(msgspec.Struct, frozen=True, gc=False):
    """One eligible trade print. ``seq`` grows strictly per symbol and is given by the source: the same print has it in every run.

    ``flags`` (``BarFlag``) go to every bar that holds it.
    """

    symbol: str
    seq: int
    ts_event: int
    ts_recv: int
    price: float
    size: float
    bid: float | None = None
    ask: float | None = None
    flags: int = 0


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and offer at an instant."""

    symbol: str
    ts_event: int
    ts_recv: int
    bid: float | None
    ask: float | None
    bid_size: float = 0.0
    ask_size: float = 0.0


class BarFlag(enum.IntFlag):
    """What a reader of a bar should know about how it came to be."""

    NONE = 0
    PARTIAL_START = 1
    """The first ticks of the interval were not seen."""
    SYNTHESIZED = 2
    """Built from snapshots, not from prints."""
    APPROXIMATE_TICKS = 4
    """The feed may have conflated prints, so counts are lower bounds."""
    GAP = 8
    """Data of the interval is known to be missing."""
    SESSION_END = 16
    """The session ended with this bar; the market is closed after it."""
    FROM_BARS = 32
    """Came from ready-made bars: its ticks were never seen, so fills are taken from the bar itself."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A closed bar; it never changes once published.

    ``ts_open`` labels it: the start of a time bar's interval, the first trade of a tick bar. ``ts_close`` is the end of the interval (cut
    at the session's close) or the last trade. ``seq`` is the last tick it holds. ``complete`` is false when the session or the data ended
    it early. Fields can also be read as ``bar["close"]``, the form of the mission's strategy example.
    """

    symbol: str
    timeframe: str
    ts_open: int
    ts_close: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    vwap: float
    seq: int
    complete: bool = True
    flags: int = 0

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


class BarUpdate(msgspec.Struct, frozen=True, gc=False):
    """The open bar right after a tick, with that tick. ``fill`` is the share of the bar that is done, 0 to 1."""

    symbol: str
    timeframe: str
    seq: int
    ts_event: int
    ts_recv: int
    price: float
    size: float
    bid: float | None
    ask: float | None
    ts_open: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    fill: float

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


class Gap(msgspec.Struct, frozen=True):
    """Entries or prints are known to be missing before this point."""

    symbol: str
    ts_event: int
    reason: str


class Watermark(msgspec.Struct, frozen=True):
    """Every event of ``symbol`` stamped before ``ts_event`` was delivered: bars that ended by then may close without a further tick."""

    symbol: str
    ts_event: int


class EndOfData(msgspec.Struct, frozen=True):
    """The source of ``symbol`` has no more; only replays and files emit it."""

    symbol: str


SourceEvent = Tick | Quote | Bar | Gap | Watermark | EndOfData
"""All that a data source may emit."""
