"""Schwab as a data source: shares, as bars of one second made of level one.

Owns the feeds by symbol, and the events that wait to be taken. Schwab has no time and sales, so there are no ticks; what needs them is told
so where its timeframe is chosen.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final

from fortified.adapters.schwab import level_one, minutes
from fortified.adapters.schwab.client import SchwabClient
from fortified.adapters.schwab.feed import SymbolFeed
from fortified.adapters.schwab.history import fetch_history
from fortified.adapters.schwab.level_one import LevelOne
from fortified.adapters.schwab.orders import symbol_of
from fortified.adapters.schwab.seconds import DEFAULT_GRACE_NS, ONE_SECOND
from fortified.adapters.schwab.stream import Rows, Severed, StreamEvent
from fortified.adapters.schwab.streamer import SchwabStreamer
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.market import Bar, Gap, SourceEvent
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe
from fortified.ports import BaseDataSource, Clock

MAX_WAITING: Final = 100_000
"""Events a reader may be behind; one that is later misses them, and is told so."""
_TICK_S: Final = 0.25
"""How often the clock is looked at for bars that are over."""


class SchwabDataSource(BaseDataSource):
    """``seq`` of a bar is its second since the UTC epoch. The stream has no past: a restart begins with a gap if anything was traded."""

    name: ClassVar[str] = "schwab"

    def __init__(self, client: SchwabClient, streamer: SchwabStreamer, clock: Clock, *, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        self._client, self._streamer, self._clock = client, streamer, clock
        self._grace_ns = grace_ns
        self._feeds: dict[str, SymbolFeed] = {}
        self._states: dict[str, LevelOne] = {}  # of all that is subscribed, or was a moment ago: the whole of it is told only once
        self._waiting: list[SourceEvent] = []
        self._changed = asyncio.Event()
        self._closed = False
        streamer.listen(self._on_stream)

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        return ONE_SECOND

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        """Raises ConfigError for what is no share."""
        if instrument.asset_class is not AssetClass.EQUITY:
            raise ConfigError(f"Schwab gives no data of {instrument.symbol}: it has shares only. Take futures from TastyTrade.")
        state = self._states.setdefault(instrument.symbol, LevelOne())
        self._feeds[instrument.symbol] = SymbolFeed(instrument, after, state, grace_ns=self._grace_ns)
        self._want()
        self._streamer.start()

    async def unsubscribe(self, symbol: str) -> None:
        if self._feeds.pop(symbol, None) is not None:
            self._want()

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        return await fetch_history(self._client, instrument, timeframe, count, self._clock.now_ns())

    async def close(self) -> None:
        """The streamer is not ours to close: the broker uses it too."""
        self._closed = True
        self._changed.set()

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        while not self._closed:
            self._on_time()
            if self._waiting:
                batch, self._waiting = self._waiting, []
                yield batch
                continue
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S if self._feeds else None):
                    await self._changed.wait()

    @property
    def minutes_compared(self) -> tuple[int, int]:
        """How many of the venue's minutes were held against ours, and how many of those differed."""
        feeds = self._feeds.values()
        return sum(feed.minutes.compared for feed in feeds), sum(feed.minutes.different for feed in feeds)

    def _want(self) -> None:
        for service, fields in ((level_one.SERVICE, level_one.FIELDS), (minutes.SERVICE, minutes.FIELDS)):
            self._streamer.want(service, tuple(self._feeds), fields)

    def _on_stream(self, event: StreamEvent) -> None:
        if isinstance(event, Severed):
            self._states = {symbol: feed.seconds.state for symbol, feed in self._feeds.items()}
            for feed in self._feeds.values():
                feed.lost()
        elif isinstance(event, Rows):
            self._on_rows(event)

    def _on_rows(self, told: Rows) -> None:
        now = self._clock.now_ns()
        for row in told.rows:
            symbol = symbol_of(str(row.get("key", "")))
            feed, state = self._feeds.get(symbol), self._states.get(symbol)
            if told.service == level_one.SERVICE and feed is not None:
                self._waiting += feed.on_level_one(row, now)
            elif told.service == level_one.SERVICE and state is not None:
                state.merge(row)
            elif told.service == minutes.SERVICE and feed is not None:
                feed.on_minute(row)
        if len(self._waiting) > MAX_WAITING:
            stamp = now // NS_PER_SECOND * NS_PER_SECOND
            self._waiting = [Gap(symbol, stamp, f"the reader was {MAX_WAITING} events behind") for symbol in self._feeds]
        if self._waiting:
            self._changed.set()

    def _on_time(self) -> None:
        now, heard = self._clock.now_ns(), self._streamer.heard_ns
        for feed in self._feeds.values():
            self._waiting += feed.on_time(now, heard)
