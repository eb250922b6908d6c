"""AggregationManager: from data sources to the streams.

Owns the subscriptions (one per symbol, whatever the number of timeframes) and the publication of each symbol, under a lease, so that two
processes never publish the same one. Knows no venue and no Redis.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from fortified.aggregation.base import DEFAULT_GRACE_NS, BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import FortifiedError, NotFound, StoreUnavailable
from fortified.domain.instrument import Instrument
from fortified.domain.timeframe import Timeframe
from fortified.orchestration.events import FeedHealth, Listeners
from fortified.orchestration.symbol_publisher import SymbolPublisher
from fortified.ports import BaseDataSource, Clock, Lease, MarketBus, StreamRef

Gate = Callable[[int], Awaitable[None]]
CLOSE_TIMEOUT_S = 5.0
"""How long an end waits for a store that does not answer."""


class Feed(msgspec.Struct):
    """One symbol: its source, its publisher, and who wants which of its timeframes."""

    instrument: Instrument
    source: BaseDataSource
    publisher: SymbolPublisher
    users: dict[str, set[str]]
    subscribed: bool = False


class AggregationManager:
    """Creates aggregators, routes events to them and publishes what they make."""

    def __init__(self, bus: MarketBus, lease: Lease, listeners: Listeners, *, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        self._bus = bus
        self._lease = lease
        self._listeners = listeners
        self._grace_ns = grace_ns
        self._feeds: dict[str, Feed] = {}
        self._lock = asyncio.Lock()
        self._holds = 0

    async def add(self, instrument: Instrument, timeframes: Mapping[str, str], source: BaseDataSource) -> None:
        """Aggregate ``instrument`` into ``timeframes`` (canonical name → who wants it); the first call for a symbol subscribes to it.

        Raises:
            ConfigError: the source cannot give that timeframe, or another process publishes the symbol. Nothing was changed.
        """
        async with self._lock, self.held():
            known = self._feeds.get(instrument.symbol)
            source = source if known is None else known.source
            new = {name: Timeframe.parse(name) for name in timeframes if known is None or name not in known.users}
            aggregators = [self._aggregator(instrument, timeframe, source) for timeframe in new.values()]
            checkpoints = [await self._bus.checkpoint(StreamRef(instrument.symbol, name)) for name in new]
            feed = known or await self._new_feed(instrument, source)
            for aggregator, checkpoint in zip(aggregators, checkpoints, strict=True):
                (feed.publisher.join if feed.subscribed else feed.publisher.add)(aggregator, checkpoint)
            for name, user in timeframes.items():
                feed.users.setdefault(name, set()).add(user)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Put off the subscriptions of new symbols to the end of the block, so that all their timeframes begin with the same tick.

        Raises at its end what the first source says that refuses a subscription; such symbols are given up, the others begin.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                await self._subscribe_new()

    async def remove(self, symbol: str, timeframe: str, user: str) -> None:
        """``user`` no longer wants the timeframe; it ends when nobody does, and the subscription with the last one.

        Raises:
            NotFound: it is not aggregated.
        """
        async with self._lock:
            feed = self._feeds.get(symbol)
            if feed is None or timeframe not in feed.users:
                raise NotFound(f"{symbol} {timeframe} is not being aggregated")
            feed.users[timeframe].discard(user)
            if feed.users[timeframe]:
                return
            del feed.users[timeframe]
            if feed.publisher.remove(timeframe):
                await feed.source.unsubscribe(symbol)
                await self._give_up(feed)

    async def pump(self, source: BaseDataSource, gate: Gate | None = None) -> None:
        """Publish what ``source`` emits until it ends. ``gate`` is awaited with the count of ticks after each batch: back-pressure."""
        taken = 0
        async for batch in source.events():
            for event in batch:
                feed = self._feeds.get(event.symbol)
                if feed is not None:
                    feed.publisher.on_event(event)
            taken += len(batch)
            await self._bus.drain()
            if gate is not None:
                await gate(taken)

    @property
    def refs(self) -> list[StreamRef]:
        """The streams being published."""
        return sorted(ref for feed in self._feeds.values() for ref in feed.publisher.refs)

    def publisher(self, symbol: str) -> SymbolPublisher | None:
        """The publisher of ``symbol``."""
        feed = self._feeds.get(symbol)
        return feed.publisher if feed is not None else None

    def health(self, clock: Clock) -> list[FeedHealth]:
        """The state of every feed, by symbol."""
        return [self._health(symbol, self._feeds[symbol], clock) for symbol in sorted(self._feeds)]

    async def close(self) -> None:
        """Confirm what was published and give the leases back, as far as the store answers: leases end by themselves too."""
        feeds, self._feeds = self._feeds, {}
        with contextlib.suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._bus.flush()
                for symbol in feeds:
                    await self._lease.release(f"publisher:{symbol}")

    async def _new_feed(self, instrument: Instrument, source: BaseDataSource) -> Feed:
        await self._lease.acquire(f"publisher:{instrument.symbol}")
        feed = Feed(instrument, source, SymbolPublisher(instrument.symbol, self._bus, self._listeners), {})
        self._feeds[instrument.symbol] = feed
        return feed

    async def _subscribe_new(self) -> None:
        refused: list[FortifiedError] = []
        for feed in [feed for feed in self._feeds.values() if not feed.subscribed]:
            try:
                await self._subscribe(feed)
            except FortifiedError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    async def _subscribe(self, feed: Feed) -> None:
        try:
            await feed.source.subscribe(feed.instrument, feed.publisher.start())
        except BaseException:
            await self._give_up(feed)
            raise
        feed.subscribed = True

    async def _give_up(self, feed: Feed) -> None:
        del self._feeds[feed.instrument.symbol]
        await self._lease.release(f"publisher:{feed.instrument.symbol}")

    def _aggregator(self, instrument: Instrument, timeframe: Timeframe, source: BaseDataSource) -> BaseAggregator:
        calendar = get_calendar(instrument.calendar)
        return create_aggregator(
            instrument.symbol, timeframe, calendar, source=source.bar_timeframe(instrument.symbol), grace_ns=self._grace_ns
        )

    def _health(self, symbol: str, feed: Feed, clock: Clock) -> FeedHealth:
        publisher = feed.publisher
        last = publisher.ts_last_event
        return FeedHealth(
            symbol=symbol,
            source=feed.source.name,
            timeframes=tuple(sorted(feed.users)),
            ts_last_event=last,
            age_s=None if last is None else max(0, clock.now_ns() - last) / 1e9,
            ticks=publisher.ticks,
            late=publisher.late,
            out_of_session=publisher.out_of_session,
            demo=feed.source.name == "demo",
        )
