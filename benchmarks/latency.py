"""Latency of the live path at 500 ticks/s: tick → Redis → runner → signal → paper fill, and until that fill is durable.

Run ``python benchmarks/latency.py [seconds]`` from the project's root; it starts its own server. A strategy turns around on every tenth
tick, orders fill at the last price; the time runs from the tick's arrival to the fill being emitted, and to the commit that holds it.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import structlog
import uvloop

from fortified.adapters.paper import PaperBroker
from fortified.domain.account import Mode, account_id
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.market import SourceEvent, Tick
from fortified.domain.order import Fill
from fortified.domain.signal import Signal, Target
from fortified.engine.config import EngineConfig
from fortified.engine.engine import Engine
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Leg
from fortified.engine.risk import RiskLimits
from fortified.logs import configure_logging
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners, SystemEvent
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import ORIGIN, BaseDataSource, LedgerUnit, RunnerKey, StreamRef
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.store import RedisStore
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition

RATE = 500
EVERY = 10


class Turner(BaseStrategy):
    """In and out in turn, on every tenth tick."""

    name: ClassVar[str] = "turner"

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Any, current_position: StrategyPosition | None) -> Signal | None:
        return Signal(Target.FLAT if current_position else Target.LONG, "turn")


class Ticker(BaseDataSource):
    """Ticks at a steady rate."""

    name: ClassVar[str] = "ticker"

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent: dict[int, int] = {}

    async def subscribe(self, instrument: Instrument, after: int | None) -> None: ...

    async def unsubscribe(self, symbol: str) -> None: ...

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        begin = time.perf_counter()
        for seq in range(self.count):
            wait = begin + seq / RATE - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            now = time.time_ns()
            self.sent[seq] = time.perf_counter_ns()
            yield [Tick("/NQ", seq, now, now, 20_000 + seq % 7 * 0.25, 1.0)]


class TimedLedger:
    """The ledger, and when each fill in it became durable."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.durable: dict[int, int] = {}

    async def commit(self, unit: LedgerUnit) -> None:
        await self._ledger.commit(unit)
        for fill in unit.fills:
            self.durable[fill.seq] = time.perf_counter_ns()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


async def measure(url: str, seconds: int) -> None:
    store = await RedisStore.connect(url)
    instrument = Instrument(**{**{f: getattr(get_instrument("/NQ"), f) for f in Instrument.__struct_fields__}, "calendar": "24/7"})
    calendar, filled = get_calendar("24/7"), dict[int, int]()

    def on_event(event: SystemEvent) -> None:
        if isinstance(event, Fill):
            filled[event.seq] = time.perf_counter_ns()

    config = StrategyConfig("/NQ", f"{EVERY}t")
    log = structlog.get_logger()
    legs = (Leg(account_id(Mode.PAPER, "tastytrade"), "/NQ", Decimal(1)),)
    limits = RiskLimits(max_orders_per_minute=None)
    engine = Engine(EngineConfig("turner", f"{EVERY}t", instrument, legs, 0, limits=limits), lambda: Turner(config, log), calendar)
    ledger, fills = TimedLedger(store.ledger), Listeners()
    fills.add(on_event)
    broker = PaperBroker("tastytrade", instrument, fills=FillModel("last"))
    key = RunnerKey("turner", "/NQ", f"{EVERY}t", "paper")
    runner = StrategyRunner(key, engine, [broker], ledger, OrderTrackingService(), TradeStateManager(), calendar, fills, log)
    source, manager = Ticker(seconds * RATE), AggregationManager(store.bus, store.lease, Listeners())
    await manager.add(instrument, {f"{EVERY}t": "benchmark"}, source)
    reader = await store.bus.reader(StreamRef("/NQ", f"{EVERY}t"), key.group, key.consumer, ORIGIN)
    task = asyncio.create_task(runner.run(reader))
    await manager.pump(source)
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
    await reader.close()
    await manager.close()
    await store.close()
    warm = 20
    report("tick → paper fill", [(at - source.sent[seq]) / 1e6 for seq, at in filled.items()][warm:])
    report("tick → durable fill", [(at - source.sent[seq]) / 1e6 for seq, at in ledger.durable.items()][warm:])


def report(name: str, values: list[float]) -> None:
    ranked = sorted(values)
    p99 = ranked[int(len(ranked) * 0.99)]
    print(f"{name:<20} p50 {statistics.median(ranked):.3f} ms   p99 {p99:.3f} ms   max {ranked[-1]:.3f} ms   n {len(ranked)}")


if __name__ == "__main__":
    configure_logging("ERROR", "console")
    with tempfile.TemporaryDirectory() as home, EmbeddedRedis(Path(home)) as embedded:
        uvloop.run(measure(embedded.url, int(sys.argv[1]) if len(sys.argv) > 1 else 20))
