"""The composition root of a replay: files in, the whole live path on Redis, results out.

Owns how a run is named and resumed. A run's name is a function of its inputs: the same command after a crash finds what it had done and
goes on; after a finished run it begins anew.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fortified.adapters.files import fingerprint
from fortified.adapters.files_select import Selection, select
from fortified.adapters.files_span import load_selected
from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay import ReplayDataSource
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.bootstrap import open_store
from fortified.domain.account import Mode
from fortified.domain.calendar import get_calendar
from fortified.domain.timeframe import Timeframe
from fortified.engine.engine import Engine
from fortified.engine.fees import FeeModel
from fortified.engine.result import RunResult
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.replay import WINDOW, ReplaySession
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import RunnerKey, Store
from fortified.registry import Registry
from fortified.runs import RunOptions, build_engine, natural_venue, resolve_instrument
from fortified.settings import Settings
from fortified.storage.keys import Limits
from fortified.strategies.base import BaseStrategy

FORMAT = "2"
"""Part of a run's name; it changes when what a run stores changes its meaning."""
ABANDONED_S = 86_400.0
"""A run that was killed may be resumed for a day; then its keys go."""


class Progress(msgspec.Struct):
    """Told to the caller while a run goes on."""

    total: int = 0
    done: int = 0
    resumed_at: int = 0


def load_source(
    files: tuple[Path, ...], symbol: str, *, speed: float | None, bars_timeframe: str | None, strict: bool
) -> tuple[ReplayDataSource, FileReport]:
    """The files as a source, and what was found wrong in them.

    Raises:
        ConfigError: the timeframe of bars is missing. DataError: a file is missing, empty or not usable.
    """
    table = load_selected(select(files, symbol=symbol, bars_timeframe=bars_timeframe), symbol, strict=strict)
    return _source(symbol, table, speed), table.report


async def run_replay(settings: Settings, options: RunOptions, progress: Progress, report: Callable[[FileReport], None]) -> RunResult:
    """Replay ``options.files``; ``progress`` is kept up to date, ``report`` is told of bad rows once.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used.
    """
    instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    timeframe = Timeframe.parse(options.timeframe)
    strategy = Registry().resolve(options.strategy)
    fee = FeeModel.parse(options.fee)
    engine = build_engine(options, instrument, timeframe, strategy)
    symbol, start_ns, end_ns = instrument.symbol, options.start_ns, options.end_ns
    selection = select(options.files, symbol=symbol, bars_timeframe=options.bars_timeframe, start_ns=start_ns, end_ns=end_ns)
    table = load_selected(selection, symbol, strict=options.strict, start_ns=start_ns, end_ns=end_ns)
    source = _source(symbol, table, options.speed)
    report(table.report)
    prefix = f"replay:{_run_name(options, strategy, selection)}:"
    kept = 4 * WINDOW  # streams longer than the publisher is ever ahead
    limits = Limits(fills=10_000_000, trades=10_000_000, orders=10_000_000)
    async with open_store(settings, prefix=prefix, limits=limits, bars_maxlen=kept, ticks_maxlen=kept) as store:
        await store.lease.acquire("run")
        await store.sweep_runs(ABANDONED_S)
        broker = PaperBroker(natural_venue(instrument), instrument, fills=options.fills, fees=fee)
        aggregation = AggregationManager(store.bus, store.lease, Listeners())
        session = ReplaySession(store, aggregation, source, _runner(store, engine, broker, timeframe), _counter(progress, source))
        result = await session.run(flatten=options.flatten, close_out=broker.close_out)
        await aggregation.close()
        await store.lease.release("run")
        await store.erase()
    return result


def _source(symbol: str, table: TickTable | BarTable, speed: float | None) -> ReplayDataSource:
    if isinstance(table, TickTable):
        return ReplayDataSource.from_ticks(symbol, table, speed=speed)
    return ReplayDataSource.from_bars(symbol, table, speed=speed)


def _runner(store: Store, engine: Engine, broker: PaperBroker, timeframe: Timeframe) -> StrategyRunner:
    instrument = engine.config.instrument
    return StrategyRunner(
        RunnerKey(engine.config.strategy, instrument.symbol, timeframe.name, Mode.PAPER.value),
        engine,
        [broker],
        store.ledger,
        OrderTrackingService(),
        TradeStateManager(),
        get_calendar(instrument.calendar),
        Listeners(),
        structlog.get_logger("replay"),
    )


def _counter(progress: Progress, source: ReplayDataSource) -> Callable[[int], None]:
    def count(taken: int) -> None:
        if not progress.total:
            progress.total, progress.resumed_at = source.total, max(0, source.position - taken)
        progress.done = source.position

    return count


def _run_name(options: RunOptions, strategy: type[BaseStrategy], selection: Selection) -> str:
    """A name that is the same for the same files, options and strategy source."""
    asked: dict[str, Any] = {name: str(value) for name, value in msgspec.structs.asdict(options).items() if name not in ("files", "speed")}
    path = Path(options.strategy)
    source = path.read_bytes() if path.suffix == ".py" and path.is_file() else strategy.__qualname__.encode()
    text = msgspec.json.encode([FORMAT, fingerprint(selection.files), asked], order="deterministic") + source
    return hashlib.blake2b(text, digest_size=8).hexdigest()
