"""The composition root of a replay: files in, the whole live path on Redis, results out.

Owns how a run is named and resumed. A run's name is a function of its inputs: the same command after a crash finds what it had done and
goes on; after a finished run it begins anew.
"""

import hashlib
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fortified.adapters.files import load_bars, load_ticks, sniff
from fortified.adapters.files_read import fingerprint
from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay import ReplayDataSource
from fortified.adapters.tables import FileReport
from fortified.bootstrap import open_store
from fortified.domain.account import Mode
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.instrument import AssetClass, Instrument, get_instrument, normalise_symbol
from fortified.domain.timeframe import Timeframe
from fortified.engine.engine import Engine, EngineConfig
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Leg
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.replay import ReplayResult, ReplaySession
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import RunnerKey, Store
from fortified.registry import Registry
from fortified.settings import Settings
from fortified.storage.keys import Limits
from fortified.strategies.base import BaseStrategy, StrategyConfig

FORMAT = "1"
"""Part of a run's name; it changes when what a run stores changes its meaning."""


class ReplayOptions(msgspec.Struct, frozen=True):
    """What a replay is asked to do. ``warmup`` None: the strategy's own; ``speed`` None: as fast as it goes."""

    files: tuple[Path, ...]
    symbol: str
    timeframe: str
    strategy: str
    params: dict[str, str]
    quantity: Decimal
    fills: FillModel
    fee: str
    warmup: int | None
    calendar: str | None
    tick_size: Decimal | None
    multiplier: Decimal | None
    flatten: bool
    speed: float | None
    bars_timeframe: str | None = None
    strict: bool = False


class Progress(msgspec.Struct):
    """Told to the caller while a run goes on."""

    total: int = 0
    done: int = 0
    resumed_at: int = 0


def resolve_instrument(symbol: str, calendar: str | None, tick_size: Decimal | None, multiplier: Decimal | None) -> Instrument:
    """The instrument of ``symbol``, with what the caller overrides.

    Raises:
        ConfigError: it is unknown and tick size and multiplier are not both given, or one of them is not above 0.
    """
    for name, value in (("tick size", tick_size), ("multiplier", multiplier)):
        if value is not None and not (value.is_finite() and value > 0):
            raise ConfigError(f"{name} {value} is not possible; give a number above 0")
    if calendar is not None:
        get_calendar(calendar)
    if tick_size is not None and multiplier is not None:
        name = normalise_symbol(symbol)
        kind = AssetClass.FUTURE if name.startswith("/") else AssetClass.EQUITY
        return Instrument(name, kind, tick_size, multiplier, calendar or "24/7")
    found = get_instrument(symbol)
    return msgspec.structs.replace(
        found,
        tick_size=tick_size or found.tick_size,
        multiplier=multiplier or found.multiplier,
        calendar=calendar or found.calendar,
    )


def load_source(
    files: tuple[Path, ...], symbol: str, *, speed: float | None, bars_timeframe: str | None, strict: bool
) -> tuple[ReplayDataSource, FileReport]:
    """The files as a source, and what was found wrong in them.

    Raises:
        DataError: a file is missing, empty or not usable.
    """
    if sniff(files[0]) == "ticks":
        table = load_ticks(files, strict=strict)
        return ReplayDataSource.from_ticks(symbol, table, speed=speed), table.report
    if len(files) != 1:
        raise DataError("bar files are taken one at a time; give one, or join them first")
    if bars_timeframe is None:
        raise ConfigError(f"{files[0]} holds bars; say of which timeframe with --bars-timeframe")
    bars = load_bars(files[0], Timeframe.parse(bars_timeframe), strict=strict)
    return ReplayDataSource.from_bars(symbol, bars, speed=speed), bars.report


async def run_replay(settings: Settings, options: ReplayOptions, progress: Progress, report: Callable[[FileReport], None]) -> ReplayResult:
    """Replay ``options.files``; ``progress`` is kept up to date, ``report`` is told of bad rows once.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used.
    """
    instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    timeframe = Timeframe.parse(options.timeframe)
    strategy = Registry().resolve(options.strategy)
    fee = FeeModel.parse(options.fee)
    engine = _engine(options, instrument, timeframe, strategy)
    source, found = load_source(
        options.files, instrument.symbol, speed=options.speed, bars_timeframe=options.bars_timeframe, strict=options.strict
    )
    report(found)
    prefix = f"replay:{_run_name(options, strategy)}:"
    async with open_store(settings, prefix=prefix, limits=Limits(fills=10_000_000, trades=10_000_000, orders=10_000_000)) as store:
        await store.lease.acquire("run")
        broker = PaperBroker(_venue(instrument), instrument, fills=options.fills, fees=fee)
        aggregation = AggregationManager(store.bus, store.lease, Listeners())
        session = ReplaySession(store, aggregation, source, _runner(store, engine, broker, timeframe), _counter(progress, source))
        result = await session.run(flatten=options.flatten, close_out=broker.close_out)
        await aggregation.close()
        await store.lease.release("run")
        await store.erase()
    return result


def _engine(options: ReplayOptions, instrument: Instrument, timeframe: Timeframe, strategy: type[BaseStrategy]) -> Engine:
    config = StrategyConfig(instrument.symbol, timeframe.name, options.params)
    log = logging.getLogger(f"strategy.{strategy.name}")

    def create() -> BaseStrategy:
        return strategy(config, log)

    if options.quantity <= 0 or options.quantity != options.quantity.to_integral_value():
        raise ConfigError(f"quantity {options.quantity} is not possible; give a whole number above 0")
    own = create().warmup_periods()
    account = PaperBroker(_venue(instrument), instrument).account
    return Engine(
        EngineConfig(
            strategy=strategy.name,
            timeframe=timeframe.name,
            instrument=instrument,
            legs=(Leg(account, instrument.symbol, options.quantity),),
            warmup=own if options.warmup is None else options.warmup,
        ),
        create,
        get_calendar(instrument.calendar),
    )


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


def _venue(instrument: Instrument) -> str:
    return "tastytrade" if instrument.asset_class is AssetClass.FUTURE else "schwab"


def _counter(progress: Progress, source: ReplayDataSource) -> Callable[[int], None]:
    def count(taken: int) -> None:
        if not progress.total:
            progress.total, progress.resumed_at = source.total, max(0, source.position - taken)
        progress.done = source.position

    return count


def _run_name(options: ReplayOptions, strategy: type[BaseStrategy]) -> str:
    """A name that is the same for the same files, options and strategy source."""
    asked: dict[str, Any] = {name: str(value) for name, value in msgspec.structs.asdict(options).items() if name not in ("files", "speed")}
    path = Path(options.strategy)
    source = path.read_bytes() if path.suffix == ".py" and path.is_file() else strategy.__qualname__.encode()
    text = msgspec.json.encode([FORMAT, fingerprint(options.files), asked], order="deterministic") + source
    return hashlib.blake2b(text, digest_size=8).hexdigest()
