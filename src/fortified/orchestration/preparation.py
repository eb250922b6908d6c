"""From a configuration to a runner that is warm and stands behind its streams.

Owns how engine, legs and brokers of a runner are put together, and the splice of its past with what the streams bring. Knows no desired
state: when a runner begins or ends is the manager's.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from fortified.domain.account import Mode, account_id
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import Refused
from fortified.domain.exits import ExitRules
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.ticker import TickerConfig
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig, warmup_bars
from fortified.engine.engine import Engine
from fortified.engine.fees import FeeModel
from fortified.engine.inputs import Leg
from fortified.engine.risk import RiskLimits
from fortified.engine.sizing import Sizing
from fortified.orchestration.backfill_service import BackfillService, Warmup
from fortified.orchestration.config_loader import Strategies
from fortified.orchestration.events import Listeners
from fortified.orchestration.live_desk import LiveDesk
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.runner_log import RunnerLog
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.orchestration.symbol_publisher import seq_of
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.orchestration.warmup_splice import Seam
from fortified.ports import (
    ORIGIN,
    BaseBroker,
    BaseDataSource,
    BusReader,
    Checkpoint,
    Clock,
    EntryId,
    RunnerKey,
    Store,
    StreamRef,
    VenueBroker,
)
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, new_strategy, own_timeframes, own_warmup


class Workshop(Protocol):
    """What runners are made with."""

    live_allowed: bool
    freshness_ns: int
    limits: RiskLimits

    def instrument(self, symbol: str) -> Instrument: ...
    def broker(self, venue: str, instrument: Instrument) -> BaseBroker: ...
    def live_broker(self, venue: str) -> VenueBroker | None:
        """The real broker of ``venue``; None where none is configured."""
        ...

    def fees(self, venue: str) -> FeeModel: ...
    def log(self, name: str) -> RunnerLog: ...
    def strategy_log(self, name: str) -> Logger: ...


class Prepared(msgspec.Struct, frozen=True):
    """A runner, where it reads, and what was missing of its warm-up, in words."""

    runner: StrategyRunner
    reader: BusReader
    text: str


class Preparation:
    """Prepares runners over one store."""

    def __init__(self, store: Store, strategies: Strategies, workshop: Workshop, clock: Clock, listeners: Listeners) -> None:
        self._store, self._strategies, self._workshop, self._clock, self._listeners = store, strategies, workshop, clock, listeners
        self._backfill = BackfillService(store.history, clock)
        self._tracker = OrderTrackingService()
        self.desk = LiveDesk(self._tracker)
        self._positions = TradeStateManager()
        self._log = workshop.log("preparation")

    def timeframes(self, key: RunnerKey, config: TickerConfig) -> Mapping[str, int]:
        """The other timeframes that the strategy reads, each with the closed bars it needs.

        Raises:
            ConfigError: the strategy asks for what cannot be. StrategyError: it raised.
        """
        return own_timeframes(self._new(self._strategies.get(key.strategy), config))

    async def prepare(self, key: RunnerKey, config: TickerConfig, instrument: Instrument, source: BaseDataSource) -> Prepared:
        """Warm a runner up and splice it to its streams."""
        strategy = self._strategies.get(key.strategy)
        engine = self._engine(key, strategy, config, instrument)
        ref = StreamRef(instrument.symbol, key.timeframe)
        checkpoint = await self._store.bus.checkpoint(ref)
        runner = self._runner(key, config, instrument, engine, _made_of(strategy, config), source)
        text = ""
        self.desk.join(runner)
        if not await runner.recover():
            text = await self._warm_up(runner, ref, instrument, source)
            await runner.save()
        for account in runner.protect():
            self._log.info("an open position gets protective exits from now on", runner=str(key), account=account)
        reader = await self._store.bus.reader(ref, key.group, key.consumer, runner.joined)
        if text:
            self._log.warning("a runner begins unwarmed", runner=str(key), reason=text)
        self._log.info("runner started", runner=str(key), warm=engine.is_warm, bars=engine.warm_count, seq=_joined_seq(checkpoint))
        return Prepared(runner, reader, text)

    # --- warm-up ---

    async def _warm_up(self, runner: StrategyRunner, ref: StreamRef, instrument: Instrument, source: BaseDataSource) -> str:
        """Show the engine the past of all its timeframes; returns what was missing of it."""
        engine, timeframe = runner.engine, Timeframe.parse(ref.timeframe)
        last, last_seen = runner.last, engine.bar
        seam_at: list[Checkpoint | None] = []

        async def seam() -> Seam:
            if last is not None:  # another strategy than before in the old place: bars behind it come by the stream
                return Seam(last_seen, last.ts_open)
            found = await self._store.bus.checkpoint(ref)
            seam_at[:] = [found]
            return Seam.of(found)

        warmups = [await self._backfill.warm_up(instrument, timeframe, engine.config.warmup, source, seam)]
        if last is None:
            runner.joined = _last_entry(seam_at[0])
        for name in engine.others.lines if engine.others is not None else ():  # in the order in which they are shown
            warmups.append(await self._warm_other(engine, name, engine.config.timeframes[name], instrument, source))
        for bar in _in_turn([warmup.bars for warmup in warmups]):
            engine.warm(bar)
        return "; ".join(warmup.text for warmup in warmups if warmup.text)

    async def _warm_other(self, engine: Engine, name: str, bars: int, instrument: Instrument, source: BaseDataSource) -> Warmup:
        """The past of another timeframe, and its open bar as the publisher has it."""
        ref = StreamRef(instrument.symbol, name)
        found: list[Checkpoint | None] = []

        async def seam() -> Seam:
            found[:] = [await self._store.bus.checkpoint(ref)]
            return Seam.of(found[0])

        warmup = await self._backfill.warm_up(instrument, Timeframe.parse(name), bars, source, seam)
        checkpoint = found[0]
        assert engine.others is not None
        if checkpoint is None:
            engine.others.begin(name, None, -1, whole=await self._store.bus.checkpoint(_own(engine)) is None)
        else:
            engine.others.begin(name, checkpoint.open_bar, seq_of(_last_entry(checkpoint)), whole=True)
        return warmup

    # --- parts ---

    def _runner(
        self, key: RunnerKey, config: TickerConfig, instrument: Instrument, engine: Engine, made_of: str, source: BaseDataSource
    ) -> StrategyRunner:
        async def past(bar: Bar) -> Warmup:
            async def seam() -> Seam:
                return Seam(bar)

            return await self._backfill.warm_up(instrument, Timeframe.parse(key.timeframe), engine.config.warmup, source, seam)

        return StrategyRunner(
            key,
            engine,
            [self._broker(key, venue, instrument) for venue in config.venues],
            self._store.ledger,
            self._tracker,
            self._positions,
            get_calendar(instrument.calendar),
            self._listeners,
            self._workshop.log("runner"),
            clock=self._clock,
            freshness_ns=self._workshop.freshness_ns,
            made_of=made_of,
            frozen=self.desk.frozen,
            sent=self.desk.look,
            leg_failure=config.leg_failure,
            fees={account_id(Mode(key.mode), venue): self._workshop.fees(venue) for venue in config.venues},
            past=past,
        )

    def _broker(self, key: RunnerKey, venue: str, instrument: Instrument) -> BaseBroker:
        if key.mode == Mode.PAPER:
            return self._workshop.broker(venue, instrument)
        live = self._workshop.live_broker(venue)
        if live is None:
            raise Refused([f"no live broker is configured for {venue}"])
        return live

    def _new(self, strategy: type[BaseStrategy], config: TickerConfig) -> BaseStrategy:
        told = StrategyConfig(config.symbol, config.timeframe, config.parameters)
        return new_strategy(strategy, told, self._workshop.strategy_log(strategy.name))

    def _leg(self, mode: Mode, venue: str, config: TickerConfig) -> Leg:
        symbol = config.symbols.get(venue, config.symbol)
        own = None if symbol == config.symbol else self._workshop.instrument(symbol)
        return Leg(account_id(mode, venue), symbol, config.quantities[venue], own, resident=mode is Mode.LIVE and own is None)

    def _engine(self, key: RunnerKey, strategy: type[BaseStrategy], config: TickerConfig, instrument: Instrument) -> Engine:
        legs = tuple(self._leg(Mode(key.mode), venue, config) for venue in config.venues)
        exits, first = ExitRules.of(config), self._new(strategy, config)
        engine_config = EngineConfig(
            strategy=strategy.name,
            timeframe=config.timeframe,
            instrument=instrument,
            legs=legs,
            warmup=warmup_bars(own_warmup(first), exits),
            trade_enabled=config.trade_enabled,
            live_allowed=self._workshop.live_allowed,
            limits=self._workshop.limits,
            exits=exits,
            sizing=Sizing.parse(config.sizing),
            cash=config.cash,
            timeframes=own_timeframes(first),
        )
        return Engine(engine_config, lambda: self._new(strategy, config), get_calendar(instrument.calendar))


def _own(engine: Engine) -> StreamRef:
    return StreamRef(engine.config.instrument.symbol, engine.config.timeframe)


def _last_entry(checkpoint: Checkpoint | None) -> EntryId:
    return ORIGIN if checkpoint is None else max(checkpoint.last_bar, checkpoint.last_update)


def _joined_seq(checkpoint: Checkpoint | None) -> int:
    return seq_of(_last_entry(checkpoint))


def _in_turn(rows: Sequence[Sequence[Bar]]) -> list[Bar]:
    """The bars of all timeframes in the order of their ends; the strategy's own, the first row, behind others that end with it."""
    ranked = [(bar.ts_close, not rank, bar) for rank, row in enumerate(rows) for bar in row]
    return [bar for *_, bar in sorted(ranked, key=lambda entry: entry[:2])]


def _made_of(strategy: type[BaseStrategy], config: TickerConfig) -> str:
    """What the memory of a strategy depends on: its parameters, and what decides on the positions it is told of."""
    rules = (*ExitRules.of(config).texts().values(), config.sizing, config.cash)
    return f"{strategy.__qualname__} {msgspec.json.encode((config.parameters, *rules), order='deterministic').decode()}"
