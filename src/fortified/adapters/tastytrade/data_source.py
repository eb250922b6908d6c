"""TastyTrade's market data: ticks, quotes and bars of the past over one DXLink connection.

Owns the subscriptions, the order of batches on their way out, and when what was missed is fetched. Prints come on a channel that conflates
nothing; trades come beside them, to see whether prints are missing. What a print is worth is decided by its tape.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import ClassVar, Final

import structlog

from fortified.adapters.tastytrade.account_socket import FrameJournal
from fortified.adapters.tastytrade.candles import normalised
from fortified.adapters.tastytrade.data_feed import DataOptions, Feed
from fortified.adapters.tastytrade.data_health import DataHealth, SymbolHealth
from fortified.adapters.tastytrade.dxlink import ChannelFault, ChannelPlan, Configured, Signal, Subscription, Undecodable
from fortified.adapters.tastytrade.dxlink_events import Batch, Print, candles_of, prints_of, quotes_of, trades_of
from fortified.adapters.tastytrade.dxlink_history import History, Snapshot
from fortified.adapters.tastytrade.dxlink_socket import DxLinkSocket
from fortified.adapters.tastytrade.outbox import Outbox
from fortified.adapters.tastytrade.past_bars import DAY_NS, PastBars
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.tastytrade.quote_tokens import QuoteTokens
from fortified.adapters.tastytrade.tape import Tape
from fortified.domain.calendar import Calendar, get_calendar
from fortified.domain.errors import VenueUnavailable
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.market import Bar, Gap, Quote, SourceEvent
from fortified.domain.timeframe import Timeframe
from fortified.ports import BaseDataSource, Clock

__all__ = ["DataOptions", "TastyTradeDataSource"]

_TAPE, _TICKER, _PAST = 1, 3, 5
_PLANS: Final = (
    ChannelPlan(_TAPE, "STREAM", 0.0, ("TimeAndSale", "Trade", "TradeETH")),
    ChannelPlan(_TICKER, "TICKER", 0.1, ("Quote",)),
    ChannelPlan(_PAST, "HISTORY", 0.0, ("TimeAndSale", "Candle")),
)
_ATTEMPTS: Final = 2
_log = structlog.get_logger(__name__)


class TastyTradeDataSource(BaseDataSource):
    """``quote_token`` and ``streamer_symbol`` ask the venue; a contract stays the one it was resolved to until ``unsubscribe``."""

    name: ClassVar[str] = "tastytrade"

    def __init__(
        self,
        quote_token: Callable[[], Awaitable[QuoteToken]],
        streamer_symbol: Callable[[Instrument], Awaitable[str]],
        clock: Clock,
        *,
        options: DataOptions | None = None,
        journal: FrameJournal | None = None,
    ) -> None:
        self._options = options or DataOptions()
        self._tokens = QuoteTokens(quote_token, clock)
        self._streamer_symbol, self._clock = streamer_symbol, clock
        self._socket = DxLinkSocket(_PLANS, self._tokens, self, options=self._options.socket, journal=journal)
        self._history = History(
            lambda wanted: self._socket.subscribe(_PAST, wanted),
            lambda wanted: self._socket.unsubscribe(_PAST, wanted),
            normalised,
            self._options.history_step_s,
        )
        self._past = PastBars(self._history, self._options.tape, self._options.most_prints)
        self._starting = asyncio.Lock()
        self._started = False
        self._feeds: dict[str, Feed] = {}
        self._by_streamer_symbol: dict[str, tuple[Feed, ...]] = {}
        self._out = Outbox(self._options.queued)
        self._ts_data: int | None = None
        self._aggregation_s = 0.0
        self._undecodable = 0

    # --- what the aggregation calls ---

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        """Begin. Raises what the venue says that has no such symbol, and VenueUnavailable when the first connection fails."""
        symbol = await self._streamer_symbol(instrument)
        calendar, now = get_calendar(instrument.calendar), self._clock.now_ns()
        apart = instrument.asset_class is AssetClass.EQUITY
        tape = Tape(instrument.symbol, after, self._origin(calendar, now), now, self._options.tape, apart=apart)
        feed = Feed(instrument, symbol, calendar, tape)
        await self._connect()
        await self.unsubscribe(instrument.symbol)
        self._feeds[instrument.symbol] = feed
        self._index()
        if self._socket.is_connected:
            self._begin(feed)

    async def unsubscribe(self, symbol: str) -> None:
        feed = self._feeds.pop(symbol, None)
        if feed is None:
            return
        self._index()
        if feed.fetching is not None:
            feed.fetching.cancel()
        if feed.streamer_symbol not in self._by_streamer_symbol:
            self._socket.unsubscribe(_TAPE, *(Subscription(name, feed.streamer_symbol) for name in feed.types))
            self._socket.unsubscribe(_TICKER, Subscription("Quote", feed.streamer_symbol))

    def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        return self._out.all()

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        """The last closed bars. Bars of time are made of candles, bars of trades of prints since a session's open."""
        await self._connect()
        if not self._socket.is_connected:
            raise VenueUnavailable("TastyTrade's market data is not connected. Try again when it is.")
        feed = self._feeds.get(instrument.symbol)
        symbol = await self._streamer_symbol(instrument) if feed is None else feed.streamer_symbol
        return await self._past.last(instrument, symbol, timeframe, count, self._clock.now_ns())

    async def _connect(self) -> None:
        async with self._starting:
            if not self._started:
                await self._socket.start()
                self._started = True

    async def close(self) -> None:
        for symbol in list(self._feeds):
            await self.unsubscribe(symbol)
        await self._socket.close()
        self._out.close()

    # --- what others may ask ---

    @property
    def is_delayed(self) -> bool:
        """Whether the venue gives data that is not live."""
        return self._tokens.current is not None and self._tokens.current.is_delayed

    def contract(self, symbol: str) -> str | None:
        """The venue's name of what is streamed as ``symbol``."""
        feed = self._feeds.get(symbol)
        return None if feed is None else feed.streamer_symbol

    def health(self) -> DataHealth:
        """The state of the connection and of each symbol."""
        now = self._clock.now_ns()
        return DataHealth(
            connected=self._socket.is_connected,
            delayed=self.is_delayed,
            reconnects=self._socket.reconnects,
            reason=self._socket.reason,
            frame_age_s=self._socket.frame_age_s,
            data_age_s=None if self._ts_data is None else (now - self._ts_data) / 1e9,
            aggregation_s=self._aggregation_s,
            undecodable=self._undecodable,
            symbols=tuple(SymbolHealth.of(feed.tape, feed.streamer_symbol) for feed in self._feeds.values()),
        )

    # --- what the connection tells ---

    async def on_ready(self) -> None:
        self._ts_data = self._clock.now_ns()
        for feed in self._feeds.values():
            self._begin(feed)

    async def on_lost(self, reason: str) -> None:
        self._history.on_lost(reason)

    async def on_signals(self, signals: Sequence[Signal]) -> None:
        now, batch = self._clock.now_ns(), list[SourceEvent]()
        for signal in signals:
            match signal:
                case Batch():
                    self._ts_data = now
                    self._on_batch(signal, now, batch)
                case Configured(channel=channel, aggregation_s=float(seconds)) if channel == _TAPE:
                    self._aggregation_s = seconds
                    if seconds > 0:
                        _log.error("the tape is aggregated: trades may be conflated", venue="tastytrade", seconds=seconds)
                case Undecodable():
                    self._on_undecodable(signal, now)
                case ChannelFault():
                    _log.error("market data is refused", venue="tastytrade", channel=signal.channel, reason=signal.reason)
        self._out.put(batch)
        await self._out.room()

    def on_time(self) -> None:
        now = self._clock.now_ns()
        if self._ts_data is not None and now - self._ts_data > self._options.silence_s * 1e9:
            if any(feed.calendar.session_at(now) is not None for feed in self._feeds.values()):
                raise VenueUnavailable(f"no market data came for {self._options.silence_s:g} s")
            self._ts_data = now
        if self._out.is_full:
            return
        batch = list[SourceEvent]()
        for feed in self._feeds.values():
            _report(batch, feed.tape.on_time(now))
            self._repair(feed, now)
        self._out.put(batch)

    # --- ---

    def _on_batch(self, batch: Batch, now: int, out: list[SourceEvent]) -> None:
        if batch.channel == _PAST:
            self._history.on_rows(batch.type, candles_of(batch) if batch.type == "Candle" else prints_of(batch))
        elif batch.type == "TimeAndSale":
            prints = prints_of(batch)
            for feed, ours in self._by_feed(prints):
                _report(out, feed.tape.on_prints(ours, now))
        elif batch.type in ("Trade", "TradeETH"):
            for trade in trades_of(batch):
                for feed in self._by_streamer_symbol.get(trade.symbol, ()):
                    _report(out, feed.tape.on_trades((trade,), now))
        elif batch.type == "Quote":
            for quote in quotes_of(batch):
                for feed in self._by_streamer_symbol.get(quote.symbol, ()):
                    out.append(Quote(feed.instrument.symbol, now, now, quote.bid, quote.ask, quote.bid_size, quote.ask_size))

    def _by_feed(self, prints: list[Print]) -> list[tuple[Feed, list[Print]]]:
        """``prints`` apart by symbol, in their order."""
        apart: dict[str, list[Print]] = {}
        for one in prints:
            apart.setdefault(one.symbol, []).append(one)
        return [(feed, ours) for symbol, ours in apart.items() for feed in self._by_streamer_symbol.get(symbol, ())]

    def _on_undecodable(self, signal: Undecodable, now: int) -> None:
        self._undecodable += 1
        if self._undecodable & (self._undecodable - 1) == 0:  # ever less often: it may be every frame
            _log.error(
                "market data cannot be read",
                **{"venue": "tastytrade", "channel": signal.channel, "type": signal.type},
                **{"reason": signal.reason, "frames": self._undecodable},
            )
        if signal.channel == _TAPE and signal.type == "TimeAndSale":  # nobody knows whose prints they were
            for feed in self._feeds.values():
                feed.tape.doubt()
                self._repair(feed, now)

    def _begin(self, feed: Feed) -> None:
        symbol = feed.streamer_symbol
        self._socket.subscribe(_TAPE, *(Subscription(name, symbol) for name in feed.types))
        self._socket.subscribe(_TICKER, Subscription("Quote", symbol))
        self._fetch(feed, feed.tape.begin())

    def _repair(self, feed: Feed, now: int) -> None:
        start = feed.tape.repair_from(now)
        if start is not None:
            self._fetch(feed, start)

    def _fetch(self, feed: Feed, start_ns: int) -> None:
        if feed.fetching is not None:
            feed.fetching.cancel()
        feed.fetching = asyncio.create_task(self._fetch_prints(feed, start_ns), name=f"prints of {feed.streamer_symbol}")

    async def _fetch_prints(self, feed: Feed, start_ns: int) -> None:
        found: list[Print] | None = None
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                snapshot: Snapshot[Print] = await self._history.fetch(
                    "TimeAndSale", feed.streamer_symbol, start_ns, self._options.most_prints
                )
            except VenueUnavailable as error:
                reason = str(error)
                if not self._socket.is_connected:
                    return  # the next connection begins anew
            else:
                found, reason = snapshot.rows, "the venue's history is cut off" if snapshot.is_cut else ""
                break
        batch = list[SourceEvent]()
        _report(batch, feed.tape.catch_up(found, reason))
        self._out.put(batch)

    def _origin(self, calendar: Calendar, now_ns: int) -> int:
        session = calendar.session_at(now_ns) if self._options.from_session_open else None
        return now_ns if session is None else max(session.open_ns, now_ns - DAY_NS)

    def _index(self) -> None:
        by: dict[str, tuple[Feed, ...]] = {}
        for feed in self._feeds.values():
            by[feed.streamer_symbol] = (*by.get(feed.streamer_symbol, ()), feed)
        self._by_streamer_symbol = by


def _report(out: list[SourceEvent], events: Sequence[SourceEvent]) -> None:
    """Pass ``events`` on; what is missing is said aloud."""
    for event in events:
        if isinstance(event, Gap):
            _log.error("prints are missing", venue="tastytrade", symbol=event.symbol, reason=event.reason)
    out.extend(events)
