"""The demo market as a data source: it looks live, and a restarted server goes on with exactly the ticks it would have had.

Owns which tick is due. The market itself is in ``synthetic_market``.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter
from typing import ClassVar, Final

from fortified.adapters.synthetic_market import SyntheticMarket
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument
from fortified.domain.market import Gap, SourceEvent, Tick, Watermark
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.ports import BaseDataSource, Clock

MAX_BATCH: Final = 512
MAX_CATCH_UP: Final = 200_000
_ts_event = attrgetter("ts_event")
_MAX_WAIT_S: Final = 1.0
"""The system's clock may be set meanwhile."""


class SyntheticDataSource(BaseDataSource):
    """A seeded market for any number of symbols at once. ``seq`` is the tick number since the UTC epoch.

    A first subscription begins a lookback ago, which warms strategies up at once. One that has more than ``max_catch_up`` ticks to catch up
    with begins there too, after a ``Gap``. No tick is delivered before its time; a ``Watermark`` ends each batch that reaches the present.
    """

    name: ClassVar[str] = "demo"
    patient: ClassVar[bool] = True

    def __init__(self, clock: Clock, *, seed: int = 1, max_catch_up: int = MAX_CATCH_UP) -> None:
        if max_catch_up < 1:
            raise ConfigError(f"A catch-up of {max_catch_up} ticks is not possible: give at least 1.")
        self._clock = clock
        self._seed = seed
        self._max_catch_up = max_catch_up
        self._feeds: dict[str, _Feed] = {}
        self._closed = False
        self._changed = asyncio.Event()

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        market = SyntheticMarket(self._seed, instrument)
        self._feeds[instrument.symbol] = _Feed(market, after, self._clock.now_ns(), self._max_catch_up)
        self._changed.set()

    async def unsubscribe(self, symbol: str) -> None:
        self._feeds.pop(symbol, None)
        self._changed.set()

    async def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        while not self._closed:
            self._changed.clear()
            quiet = True
            for symbol, feed in list(self._feeds.items()):
                batch = feed.due(self._clock.now_ns()) if self._feeds.get(symbol) is feed else None
                if batch:
                    quiet = False
                    yield batch
            if quiet:
                await self._wait()
            else:
                await asyncio.sleep(0)  # catching up must not keep the rest of the process from running

    async def _wait(self) -> None:
        """Until the next tick is due or the subscriptions change."""
        next_ns = min((feed.next_ns for feed in self._feeds.values()), default=None)
        seconds = None if next_ns is None else min((next_ns - self._clock.now_ns()) / NS_PER_SECOND, _MAX_WAIT_S)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


class _Feed:
    """Where the delivery of one symbol stands."""

    def __init__(self, market: SyntheticMarket, after: int | None, now_ns: int, max_catch_up: int) -> None:
        first = max(0, market.end(now_ns - market.profile.lookback_s * NS_PER_SECOND))
        self._market = market
        self._gap: Gap | None = None
        self._next = first if after is None else after + 1
        missing = market.end(now_ns) - self._next
        if after is not None and missing > max_catch_up:
            self._next = first
            self._gap = Gap(market.symbol, market.time(first), f"{missing} ticks since the last run are more than {max_catch_up}")
        self._ahead: list[Tick] = []
        self._look_ahead()

    @property
    def next_ns(self) -> int:
        """When the next tick is due."""
        return self._ahead[0].ts_event

    def due(self, now_ns: int) -> Sequence[SourceEvent]:
        """The next batch at ``now_ns``; empty when no tick is due."""
        count = bisect_right(self._ahead, now_ns, key=_ts_event)
        if count == 0 and self._gap is None:
            return ()
        batch: list[SourceEvent] = [] if self._gap is None else [self._gap]
        self._gap = None
        batch += self._ahead[:count]
        del self._ahead[:count]
        if not self._ahead:
            self._look_ahead()
        if self.next_ns > now_ns:
            batch.append(Watermark(self._market.symbol, now_ns))
        return batch

    def _look_ahead(self) -> None:
        """Make the next ticks, many at once: one by one they would cost a hundred times as much."""
        stop = self._next + MAX_BATCH - 2
        self._ahead = self._market.ticks(self._next, stop)
        self._next = stop
