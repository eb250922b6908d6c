"""A simulated DXLink with a data source on it, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tests.builders import NQ_24_7

from fortified.adapters.pacing import Backoff
from fortified.adapters.tastytrade.data_feed import DataOptions
from fortified.adapters.tastytrade.data_source import TastyTradeDataSource
from fortified.adapters.tastytrade.dxlink import Timing
from fortified.adapters.tastytrade.dxlink_socket import SocketOptions
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.tastytrade.tape import TapePolicy
from fortified.clock import SystemClock
from fortified.domain.instrument import Instrument
from fortified.domain.market import Gap, Quote, SourceEvent, Tick, Watermark
from fortified.simulators.dxlink.server import DxLinkServer
from fortified.simulators.dxlink.venue import DxLinkVenue
from fortified.simulators.faults import Faults

NQ = "/NQZ26:XCME"
LIMIT_S = 10.0
FAST = DataOptions(
    socket=SocketOptions(timing=Timing(step_s=0.5), backoff=Backoff(0.02, 0.05), tick_s=0.02, first_s=5.0),
    tape=TapePolicy(probe_ns=300_000_000, window_ns=100_000_000),
    history_step_s=0.5,
)


class Rig:
    """``tokens`` are those that were given out; all but ``refused`` ones are valid."""

    def __init__(self, options: DataOptions = FAST, **kept: Any) -> None:
        self.clock, self.faults = SystemClock(), Faults()
        self.tokens: list[str] = []
        self.refused: set[str] = set()
        self.lifetime_ns, self.level = 24 * 3600 * 10**9, "api"
        self.venue = DxLinkVenue(self.clock, lambda token: token in self.tokens and token not in self.refused, **kept)
        self.server = DxLinkServer(self.venue, self.faults)
        self.source = TastyTradeDataSource(self.quote_token, self.streamer_symbol, self.clock, options=options)
        self.events: list[SourceEvent] = []
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def quote_token(self) -> QuoteToken:
        self.tokens.append(f"token{len(self.tokens) + 1}")
        return QuoteToken(self.tokens[-1], self.server.url, self.level, self.clock.now_ns() + self.lifetime_ns)

    async def streamer_symbol(self, instrument: Instrument) -> str:
        return NQ if instrument.symbol == "/NQ" else instrument.symbol

    async def subscribe(self, after: int | None = None, instrument: Instrument = NQ_24_7) -> None:
        """Subscribe, and wait until the server knows and what was missed is there."""
        await self.source.subscribe(instrument, after)
        await self.until(lambda: self.subscribed() and not self.is_behind())

    def subscribed(self) -> bool:
        return any(event_type == "TimeAndSale" and since is None for event_type, since in self.subscriptions())

    def subscriptions(self) -> list[tuple[str, int | None]]:
        sessions = self.venue.sessions
        channels = [channel for session in sessions for channel in session.channels.values()]
        return [(kind, since) for channel in channels for (kind, _), since in channel.subscriptions.items()]

    def is_behind(self) -> bool:
        return any(symbol.behind for symbol in self.source.health().symbols)

    def print(self, price: float, size: float = 1.0, **fields: Any) -> Any:
        return self.venue.print(NQ, price, size, **fields)

    @property
    def ticks(self) -> list[Tick]:
        return [event for event in self.events if isinstance(event, Tick)]

    @property
    def prices(self) -> list[float]:
        return [tick.price for tick in self.ticks]

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.events if isinstance(event, Gap)]

    @property
    def quotes(self) -> list[Quote]:
        return [event for event in self.events if isinstance(event, Quote)]

    @property
    def watermarks(self) -> list[Watermark]:
        return [event for event in self.events if isinstance(event, Watermark)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition``, which the events or the server's state will fulfil."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await asyncio.wait([asyncio.ensure_future(self._changed.wait())], timeout=0.01)

    async def until_ticks(self, count: int) -> None:
        await self.until(lambda: len(self.ticks) >= count)

    async def reading(self) -> None:
        async for batch in self.source.events():
            self.events.extend(batch)
            self._changed.set()

    def cut(self) -> None:
        """End all connections without a word."""
        for session in list(self.venue.sessions):
            session.out._connection.transport.abort()  # type: ignore[attr-defined]  # what no client can ask for


@asynccontextmanager
async def rig(options: DataOptions = FAST, **kept: Any) -> AsyncIterator[Rig]:
    made = Rig(options, **kept)
    async with made.server:
        reader = asyncio.create_task(made.reading())
        try:
            yield made
        finally:
            await made.source.close()
            await reader


def changed(
    options: DataOptions = FAST, *, socket: dict[str, Any] | None = None, timing: dict[str, Any] | None = None, **fields: Any
) -> DataOptions:
    """``options`` with other values."""
    timed = msgspec.structs.replace(options.socket.timing, **(timing or {}))
    return msgspec.structs.replace(options, socket=msgspec.structs.replace(options.socket, timing=timed, **(socket or {})), **fields)


def seqs(ticks: Sequence[Tick]) -> list[int]:
    return [tick.seq for tick in ticks]
