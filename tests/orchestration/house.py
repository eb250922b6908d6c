"""A TradingManager with all that surrounds it: a market that a test moves tick by tick, paper venues, and stores in memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, ClassVar, Self, cast

import msgspec
from tests.builders import OPEN, SECOND
from tests.engine.desk import Scripted
from tests.orchestration.stage import Silent

from fortified.adapters.paper import PaperBroker
from fortified.domain.account import Mode
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.market import Bar, SourceEvent, Tick
from fortified.domain.ticker import TickerConfig
from fortified.domain.timeframe import Timeframe
from fortified.engine.fees import NO_FEE, FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.risk import RiskLimits
from fortified.orchestration.account_keeper import Pace
from fortified.orchestration.events import RunnerStatus, SystemEvent
from fortified.orchestration.runner_log import RunnerLog
from fortified.orchestration.trading_manager import TradingManager
from fortified.ports import BaseBroker, BaseDataSource, LedgerUnit, RunnerKey, Store, StreamRef, VenueBroker
from fortified.registry import Registry
from fortified.storage.memory import MemoryStore
from fortified.strategies.base import Answers, BaseStrategy, Logger, StrategyPosition
from fortified.strategies.ema_crossover import EMACrossoverStrategy

LAST, NEXT = FillModel("last"), FillModel()


class Second(Scripted):
    name: ClassVar[str] = "second"


class Fragile(Scripted):
    """Fails on a bar that closes at 13, and cannot even be made where its configuration says so."""

    name: ClassVar[str] = "fragile"

    def warmup_periods(self) -> int:
        return int(0 / (1 - self.config.parameters.get("broken", 0)))

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        if bar.close == 13.0:
            raise ValueError("thirteen")
        return super().on_new_bar(bar, current_position)


class Market(BaseDataSource):
    """Ticks by symbol; ``seq`` is their place. A test adds them, and they come as soon as somebody subscribes."""

    name: ClassVar[str] = "market"

    def __init__(self, *, batch: int = 1, bars: str | None = None) -> None:
        self.ticks: dict[str, list[Tick]] = {}
        self.subscribed: list[tuple[str, int | None]] = []
        self.refuses: dict[str, Exception] = {}
        self.given: dict[str, int] = {}
        self.closed = False
        self._bars = None if bars is None else Timeframe.parse(bars)
        self._batch = batch
        self._changed = asyncio.Event()

    def add(self, symbol: str, *prices: float) -> None:
        """One tick a second."""
        ticks = self.ticks.setdefault(symbol, [])
        first = len(ticks)
        ticks += [Tick(symbol, seq, OPEN + seq * SECOND, OPEN + seq * SECOND, price, 1.0) for seq, price in enumerate(prices, first)]
        self._changed.set()

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        return self._bars

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        self.subscribed.append((instrument.symbol, after))
        if instrument.symbol in self.refuses:
            raise self.refuses.pop(instrument.symbol)
        self.given[instrument.symbol] = 0 if after is None else after + 1
        self._changed.set()

    async def unsubscribe(self, symbol: str) -> None:
        self.given.pop(symbol, None)

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        while True:
            self._changed.clear()
            waiting = {symbol: self.ticks.get(symbol, [])[given : given + self._batch] for symbol, given in self.given.items()}
            for symbol, batch in waiting.items():
                if batch and symbol in self.given:
                    self.given[symbol] += len(batch)
                    yield batch
            await asyncio.sleep(0)
            if not any(waiting.values()):
                await self._changed.wait()

    async def close(self) -> None:
        self.closed = True


class PatientMarket(Market):
    patient: ClassVar[bool] = True


class Leases:
    """Leases of which other processes hold some."""

    def __init__(self, *taken: str) -> None:
        self.taken = set(taken)
        self.held: set[str] = set()

    async def acquire(self, name: str) -> None:
        if name in self.taken:
            raise ConfigError(f"{name} is held by process 7 on elsewhere")
        self.held.add(name)

    async def release(self, name: str) -> None:
        self.held.remove(name)


class GatedLedger:
    """A ledger whose commits take a turn of the event loop, and wait while the gate is shut; ``passes`` of them still get through."""

    def __init__(self, store: MemoryStore) -> None:
        self._ledger = store.ledger
        self.gate = asyncio.Event()
        self.gate.set()
        self.passes = 0
        self.waiting = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def commit(self, unit: LedgerUnit) -> None:
        await asyncio.sleep(0)
        if not self.gate.is_set():
            self.passes -= 1
            if self.passes < 0:
                self.waiting += 1
                await self.gate.wait()
        await self._ledger.commit(unit)


class House:
    """A manager and its surroundings: what a process would build. Several in turn on one store are its lives."""

    live_allowed = False
    demo = False
    freshness_ns = 10**18
    limits = RiskLimits()
    pace = Pace()
    documented: Mapping[str, str] = {"planned": "Planned"}

    def __init__(
        self, store: MemoryStore | None = None, *, market: Market | None = None, fills: FillModel = LAST, charts: tuple[str, ...] = ()
    ) -> None:
        self.store = store or MemoryStore()
        self.market: Market | None = market or Market()
        self.chart_timeframes = charts
        self.heard: list[SystemEvent] = []
        self.now = OPEN
        self._fills = fills
        strategies: tuple[type[BaseStrategy], ...] = (Scripted, Second, Fragile, EMACrossoverStrategy)
        self.manager = TradingManager(cast("Store", self.store), Registry(strategies), self, self)
        self.manager.listeners.add(self.heard.append)

    # --- what surrounds the manager ---

    def now_ns(self) -> int:
        return self.now

    def instrument(self, symbol: str) -> Instrument:
        return msgspec.structs.replace(get_instrument(symbol), calendar="24/7")

    def live_venues(self) -> Sequence[str]:
        return ()

    def live_broker(self, venue: str) -> VenueBroker | None:
        return None

    def fees(self, venue: str) -> FeeModel:
        return NO_FEE

    def source(self, symbol: str) -> BaseDataSource | None:
        return self.market

    async def live_refusals(self, symbol: str) -> Sequence[str]:
        return ()

    def sources(self) -> Sequence[BaseDataSource]:
        return [] if self.market is None else [self.market]

    def broker(self, venue: str, instrument: Instrument) -> BaseBroker:
        return PaperBroker(venue, instrument, fills=self._fills)

    def log(self, name: str) -> RunnerLog:
        return cast("RunnerLog", Silent())

    def strategy_log(self, name: str) -> Logger:
        return logging.getLogger(name)

    # --- what a person does ---

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        async with self.manager.running():
            yield self

    async def configure(self, strategy: str = "scripted", symbol: str = "/NQ", timeframe: str = "1t", **fields: Any) -> TickerConfig:
        quantities = fields.pop("quantities", {"tastytrade": Decimal(2)})
        return await self.manager.put_ticker(TickerConfig(strategy, symbol, timeframe, quantities=quantities, **fields))

    async def run(self, strategy: str = "scripted", symbol: str = "/NQ", timeframe: str = "1t", **fields: Any) -> list[RunnerStatus]:
        """Configure and start."""
        await self.configure(strategy, symbol, timeframe, **fields)
        return await self.start(strategy)

    async def start(self, strategy: str = "scripted") -> list[RunnerStatus]:
        return await self.manager.start(strategy, Mode.PAPER, actor="test")

    async def stop(self, strategy: str = "scripted") -> list[RunnerStatus]:
        return await self.manager.stop(strategy, actor="test")

    def status(self, strategy: str = "scripted", symbol: str = "/NQ") -> RunnerStatus:
        [found] = [status for status in self.manager.status(strategy) if status.symbol == symbol]
        return found

    async def ticks(self, *prices: float, symbol: str = "/NQ") -> None:
        """Move the market, and wait until every runner of the symbol that runs has taken it in."""
        assert self.market is not None
        self.market.add(symbol, *prices)
        await until(lambda: all(self._is_done(status) for status in self.manager.status() if status.symbol == symbol))

    def _is_done(self, status: RunnerStatus) -> bool:
        """Whether a runner has taken in, and made durable, all that the market has."""
        if status.state not in ("running", "warming"):
            return True
        assert self.market is not None
        [handle] = [one for one in self.manager._handles.values() if (one.key.strategy, one.key.symbol) == (status.strategy, status.symbol)]
        assert handle.runner is not None
        pair = self.store.bus._pair(StreamRef(status.symbol, status.timeframe))
        group = pair.groups[handle.key.group]
        published = self.market.given.get(status.symbol) == len(self.market.ticks[status.symbol])
        read = (group.bars_given, group.updates_given) == (pair.bars.last, pair.updates.last)
        return published and read and not group.pending and not handle.runner._lock.locked()

    async def quantities(self, strategy: str = "scripted", symbol: str = "/NQ") -> dict[str, Decimal]:
        """Net position by venue."""
        positions = await self.store.ledger.positions(strategy=strategy)
        return {position.account.partition(":")[2]: position.quantity for position in positions if position.symbol == symbol}

    async def working(self) -> list[str]:
        """Orders that are not terminal, in the ledger."""
        return [order.order_id for order in await self.store.ledger.orders() if not order.is_terminal]

    async def state(self, strategy: str = "scripted", symbol: str = "/NQ", timeframe: str = "1t") -> bytes | None:
        """What a runner made durable."""
        return (await self.store.ledger.load(RunnerKey(strategy, symbol, timeframe, "paper"))).state

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.heard if isinstance(event, kind)]


async def until(look: Callable[[], object]) -> None:
    """Let the event loop turn until ``look`` finds something."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0)
