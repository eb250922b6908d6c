"""A small stage for the orchestration: a source of given events, a store that can fail at a commit, and a run to the end of the data."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, cast

import msgspec
from tests.builders import NQ_24_7, OPEN, SECOND, tick

from fortified.adapters.paper import PaperBroker
from fortified.domain.calendar import get_calendar
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.domain.instrument import Instrument
from fortified.domain.market import EndOfData, SourceEvent, Tick
from fortified.domain.order import OrderEvent
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig
from fortified.engine.engine import Engine
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Leg
from fortified.engine.result import RunResult
from fortified.engine.risk import RiskLimits
from fortified.engine.sizing import FIXED, Sizing
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.replay import ReplaySession
from fortified.orchestration.runner_log import RunnerLog
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import BaseDataSource, Ledger, LedgerUnit, RunnerKey, Store
from fortified.storage.memory import MemoryStore
from fortified.strategies.base import BaseStrategy, StrategyConfig, own_timeframes
from fortified.strategies.ema_crossover import EMACrossoverStrategy

FAST = {"period_1": 1, "period_2": 3}
WAVE = (0, 2, 3, 1, -2, -3, -1, 2, 4, 0, -4, -1, 3, 3, -2, -2, 1, 5, -5, 0)


def wave(count: int) -> list[Tick]:
    """Ticks that swing enough for a fast crossover to turn around often."""
    return [tick(seq, OPEN + seq * SECOND, 20_000.0 + WAVE[seq % len(WAVE)] + seq % 7 / 4) for seq in range(count)]


class ListSource(BaseDataSource):
    """Events of a list; resumes by ``seq``. With ``bars`` they are ready-made bars of that timeframe."""

    name: ClassVar[str] = "list"

    def __init__(self, events: Sequence[SourceEvent], *, bars: str | None = None, batch: int = 7) -> None:
        self._events, self._batch = events, batch
        self._bars = None if bars is None else Timeframe.parse(bars)
        self._after = -1
        self.subscribed: list[tuple[str, int | None]] = []
        self.failures: list[Exception] = []

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        return self._bars

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        self.subscribed.append((instrument.symbol, after))
        if self.failures:
            raise self.failures.pop()
        self._after = -1 if after is None else after

    async def unsubscribe(self, symbol: str) -> None:
        return

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        left = [event for event in self._events if getattr(event, "seq", self._after + 1) > self._after]
        for start in range(0, len(left), self._batch):
            yield left[start : start + self._batch]
        yield (EndOfData("/NQ"),)


class Crash(Exception):
    """The process dies here."""


class CrashingLedger:
    """Dies before or after its ``n``-th commit from now (0: the first)."""

    def __init__(self, ledger: Ledger, n: int | None = None, *, after: bool = False) -> None:
        self._ledger, self._left, self._after = ledger, n, after
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def commit(self, unit: LedgerUnit) -> None:
        dies = self.commits == self._left
        self.commits += 1
        if dies and not self._after:
            raise Crash
        await self._ledger.commit(msgspec.structs.replace(unit))
        if dies:
            raise Crash


class Run:
    """What a process would build: everything but the store is new."""

    def __init__(
        self,
        store: MemoryStore,
        source: ListSource,
        *,
        timeframe: str = "4t",
        fills: FillModel | None = None,
        venues: tuple[str, ...] = ("tastytrade",),
        ledger: Ledger | None = None,
        strategy: type[BaseStrategy] = EMACrossoverStrategy,
        parameters: dict[str, Any] | None = None,
        warmup: int = 2,
        instrument: Instrument = NQ_24_7,
        limits: RiskLimits | None = None,
        exits: ExitRules = NO_EXITS,
        sizing: Sizing = FIXED,
        cash: Decimal = Decimal(100_000),
    ) -> None:
        self.store, self.source = store, source
        self.ledger = cast("Ledger", CrashingLedger(store.ledger)) if ledger is None else ledger
        self.instrument = instrument
        self.brokers = [PaperBroker(venue, instrument, fills=fills, fees=FeeModel(Decimal("2.5"))) for venue in venues]
        legs = tuple(Leg(broker.account, "/NQ", Decimal(2)) for broker in self.brokers)
        calendar = get_calendar(instrument.calendar)
        config = StrategyConfig("/NQ", timeframe, FAST if parameters is None else parameters)
        engine = Engine(
            EngineConfig(
                strategy=strategy.name,
                timeframe=timeframe,
                instrument=instrument,
                legs=legs,
                warmup=warmup,
                limits=limits or RiskLimits(),
                exits=exits,
                sizing=sizing,
                cash=cash,
                timeframes=own_timeframes(strategy(config, logging.getLogger("test"))),
            ),
            lambda: strategy(config, logging.getLogger("test")),
            calendar,
        )
        self.listeners = Listeners()
        self.positions = TradeStateManager()
        self.tracker = OrderTrackingService()
        self.runner = StrategyRunner(
            *(RunnerKey(strategy.name, "/NQ", timeframe, "paper"), engine, self.brokers, self.ledger, self.tracker, self.positions),
            *(calendar, self.listeners, cast("RunnerLog", Silent())),
        )

    async def to_the_end(self, *, flatten: bool = True) -> RunResult:
        aggregation = AggregationManager(self.store.bus, self.store.lease, self.listeners)
        session = ReplaySession(cast("Store", self.store), aggregation, self.source, self.runner, lambda taken: None)

        def close_out() -> list[OrderEvent]:
            return [event for broker in self.brokers for event in broker.close_out()]

        return await session.run(flatten=flatten, close_out=close_out)


class Silent:
    """A log nobody reads."""

    def debug(self, event: str, **values: object) -> None: ...
    def info(self, event: str, **values: object) -> None: ...
    def warning(self, event: str, **values: object) -> None: ...


async def survives(build: Callable[[MemoryStore, Ledger], Run], n: int, *, after: bool, flatten: bool) -> RunResult:
    """Die at the ``n``-th commit, begin again on the same store, run to the end."""
    store = MemoryStore()
    first = build(store, cast("Ledger", CrashingLedger(store.ledger, n, after=after)))
    await dies(first.to_the_end(flatten=flatten))
    return await build(store, store.ledger).to_the_end(flatten=flatten)


async def dies(running: Awaitable[object]) -> None:
    """Await a run that has to end with the crash, alone or within a group of tasks."""
    died = False
    try:
        await running
    except* Crash:
        died = True
    assert died, "it lived on"
