"""The seam to the market bus: bars and partial updates, published and consumed, and the stored history."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.market import Bar, BarUpdate, Tick


class EntryId(msgspec.Struct, frozen=True, order=True):
    """Place of an entry in the total order of a symbol: venue milliseconds, then a number that grows with every tick."""

    ms: int
    n: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"

    @classmethod
    def parse(cls, text: str) -> "EntryId":
        ms, _, n = text.partition("-")
        return cls(int(ms), int(n))


ORIGIN = EntryId(0, 0)


class StreamRef(msgspec.Struct, frozen=True, order=True):
    """The pair of streams of one symbol and timeframe: closed bars and partial updates."""

    symbol: str
    timeframe: str


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a publisher stopped: the open bar after its last tick (None: no tick in it yet), and the last entries of both streams."""

    open_bar: OpenBar | None
    last_update: EntryId
    last_bar: EntryId
    last_closed: Bar | None


class BusEvent(msgspec.Struct, frozen=True, gc=False):
    """One entry of the merged order that a consumer reads. ``gap`` is true when entries before it were trimmed unread."""

    entry: EntryId
    payload: Bar | BarUpdate
    gap: bool = False


class BusReader(Protocol):
    """A consumer of the streams of one ``StreamRef``: entries of both, merged by id, each delivered until it is acknowledged."""

    async def read(self, timeout_ms: int) -> Sequence[BusEvent]:
        """The next entries: first those delivered before a crash and never acknowledged, then new ones. Empty after ``timeout_ms``.

        Returns as soon as there is one entry. Raises StoreUnavailable; reading again goes on where it stopped.
        """
        ...

    async def close(self) -> None: ...


class MarketBus(Protocol):
    """Publication and consumption of bars and partial updates.

    ``previous`` is the entry before this one in the merged order of the pair of streams; a reader whose last entry differs has missed some.
    ``publish_*`` return at once; one writer flushes once per turn of the event loop, in order. Publishing an entry again, with the same id,
    changes nothing. While the store is away, up to a limit is kept and sent again; ``drain`` waits until there is room.
    """

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None: ...

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        """To the stream and to the history."""
        ...

    async def drain(self) -> None:
        """Wait while too much is unconfirmed (back-pressure). Returns at once when there is room."""
        ...

    async def flush(self) -> None:
        """Wait until all that was published is confirmed by the store."""
        ...

    async def checkpoint(self, ref: StreamRef) -> Checkpoint | None:
        """Where the publication of ``ref`` stopped; None when it never began."""
        ...

    async def reader(self, ref: StreamRef, group: str, consumer: str, start: EntryId | None) -> BusReader:
        """Join ``group`` on both streams of ``ref``. A new group begins behind ``start`` (None: with what comes from now on)."""
        ...


class HistoryStore(Protocol):
    """Closed bars by symbol and timeframe, bounded, oldest first."""

    async def bars(
        self, ref: StreamRef, *, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
    ) -> Sequence[Bar]:
        """Bars with ``start_ns ≤ ts_open < end_ns``; the newest ``limit`` of them."""
        ...

    async def add(self, ref: StreamRef, bars: Sequence[Bar]) -> None:
        """Store bars; a bar that is there already is kept as it is."""
        ...
