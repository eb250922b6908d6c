"""Backtests: data in, results out, with the engine, the broker and the fill model of a replay.

Owns which way a run takes through its data, and that bars are built once for any number of runs over them. Needs no Redis.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import msgspec
import numpy as np

from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay_rows import BarRows, TickRows
from fortified.adapters.tables import FileReport, TickTable
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import Built, build_bars
from fortified.backtest.batch import Batch, crossing_of
from fortified.backtest.columns import BarColumns
from fortified.backtest.desk import Desk
from fortified.backtest.drivers import TapeWalk, Walker, walk_bars, walk_every_tick
from fortified.backtest.lane import Lane, Log, Unusual
from fortified.backtest.lane_outcome import LaneOutcome
from fortified.backtest.ledger import RunLedger
from fortified.backtest.others import GivenTimeframes, Shown
from fortified.backtest.outcome import Outcome
from fortified.backtest.tape import Tape
from fortified.backtest.tick_lane import TickLane
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig
from fortified.engine.engine import Engine
from fortified.engine.fees import FeeModel
from fortified.engine.risk import MINUTE_NS, RiskLimits
from fortified.engine.timeframes import OtherTimeframes
from fortified.research.data import Data
from fortified.research.result import BacktestResult
from fortified.runs import RunOptions, build_engine, create_strategy, natural_venue, resolve_instrument
from fortified.strategies.base import BaseStrategy, parse_params

CHUNK = 65_536
Progress = Callable[[int, int], None]
"""Told the rows that are done, and all rows."""


def nothing(done: int, total: int) -> None:
    """No progress is shown."""


def check(options: RunOptions, strategy: type[BaseStrategy]) -> None:
    """Look at every option, before any data is.

    Raises:
        ConfigError: one is not possible.
    """
    instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    FeeModel.parse(options.fee)
    build_engine(options, instrument, Timeframe.parse(options.timeframe), strategy)
    if options.start_ns is not None and options.end_ns is not None and options.start_ns >= options.end_ns:
        raise ConfigError("the data is to end before it begins; give a --to that is later than --from")


class Backtest:
    """Options, data and a strategy, ready to run with any parameters. Bars are built once."""

    def __init__(self, options: RunOptions, data: Data, strategy: type[BaseStrategy]) -> None:
        self.options, self.data, self.strategy = options, data, strategy
        self.instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
        self.timeframe = Timeframe.parse(options.timeframe)
        self.calendar = get_calendar(self.instrument.calendar)
        self.fees = FeeModel.parse(options.fee)
        self._batch: Batch | None = None

    def run(self, params: Mapping[str, Any] | None = None, progress: Progress = nothing) -> BacktestResult:
        """One run; ``params`` replace those of the options.

        Raises:
            ConfigError: a parameter is not possible. StrategyError: the strategy raised.
        """
        options = self.options if params is None else msgspec.structs.replace(self.options, params=dict(params))
        engine = build_engine(options, self.instrument, self.timeframe, self.strategy)
        if self.tape is None:
            return self._on_desk(options, engine, progress)
        try:
            return self._in_lane(options, engine, self.tape, progress)
        except Unusual:
            return self._on_desk(options, engine, progress)

    @cached_property
    def built(self) -> Built | None:
        """The bars of the ticks."""
        return None if self.data.ticks is None else build_bars(self.data.ticks, self.timeframe, self.calendar)

    @cached_property
    def tape(self) -> Tape | None:
        """The ticks that bars were made of; None when bars are all there is."""
        if self.data.ticks is None or self.built is None:
            return None
        return Tape.of(self.data.ticks, self.built)

    @cached_property
    def bars(self) -> Sequence[Bar]:
        """The bars of the tape."""
        return [] if self.tape is None else self.tape.bars.bars(self.instrument.symbol, self.timeframe.name)

    def bars_count(self) -> int:
        """The bars that ``part`` counts: those of the ticks, or the ready-made ones."""
        if self.tape is not None:
            return len(self.tape.bars)
        return 0 if self.data.bars is None else len(self.data.bars)

    def part(self, first_bar: int, stop_bar: int) -> "Backtest":
        """The same over the bars ``first_bar`` to ``stop_bar`` (exclusive) and their ticks alone."""
        if self.tape is None or self.built is None:
            assert self.data.bars is not None
            return Backtest(self.options, Data(bars=self.data.bars.part(first_bar, stop_bar)), self.strategy)
        tape = self.tape.part(first_bar, stop_bar)
        ticks = TickTable(tape.ts, tape.price, tape.size, tape.bid, tape.ask, FileReport(len(tape)))
        part = Backtest(self.options, Data(ticks=ticks), self.strategy)
        part.built = msgspec.structs.replace(self.built, late=0, out_of_session=0)
        part.tape, part.bars = tape, self.bars[first_bar:stop_bar]
        return part

    def batch(self, config: EngineConfig, tape: Tape) -> Batch:
        """Runs without calls, which share their lines; ``config`` may be that of any parameters."""
        if self._batch is None:
            self._batch = Batch(tape, config, self.options.fills, self.fees, flatten=self.options.flatten)
        return self._batch

    # --- two ways ---

    def _in_lane(self, options: RunOptions, engine: Engine, tape: Tape, progress: Progress) -> BacktestResult:
        config, total = engine.config, len(tape)
        if not is_plain(options, self.built) or config.timeframes:
            raise Unusual
        log = self._at_once(options, config, tape)
        if log is None:
            strategy = create_strategy(options, self.instrument, self.timeframe, self.strategy)
            log = self._drive(strategy, config, tape, lambda done: progress(done, total), options)
        if _is_hectic(log, tape, config.limits.max_orders_per_minute):
            raise Unusual
        progress(total, total)
        outcome = LaneOutcome(log, tape, lambda: self.bars, config, options.fills, self.fees)
        assert self.built is not None
        return self._result(options, tape.bars, outcome, self.built.late, self.built.out_of_session)

    def _at_once(self, options: RunOptions, config: EngineConfig, tape: Tape) -> Log | None:
        """A built-in strategy needs not be called for each bar."""
        crossing = crossing_of(self.strategy, parse_params(self.strategy, options.params))
        if crossing is None:
            return None
        batch = self.batch(config, tape)
        return batch.run(crossing, config.warmup) if batch.is_possible else None

    def _drive(self, strategy: BaseStrategy, config: EngineConfig, tape: Tape, done: Callable[[int], None], options: RunOptions) -> Log:
        if not strategy.wants_ticks():
            return Lane(config, options.fills, tape, self.bars).run(strategy, done, flatten=options.flatten)
        lane = TickLane(config, options.fills, tape, self.bars)
        return lane.run_ticks(strategy, self.timeframe, self.calendar, done, flatten=options.flatten)

    def _on_desk(self, options: RunOptions, engine: Engine, progress: Progress) -> BacktestResult:
        broker = PaperBroker(natural_venue(self.instrument), self.instrument, fills=options.fills, fees=self.fees)
        ledger = RunLedger(broker.account, self.calendar)
        desk = Desk(engine, broker, ledger)
        late, out_of_session = self._walk(desk, progress)
        if options.flatten:
            desk.flatten(broker.close_out)
        bars = BarColumns.of(ledger.bars) if self.tape is None else self.tape.bars
        result = self._result(options, bars, ledger, late, out_of_session)
        if engine.config.timeframes:
            result.others = partial(self._others, engine.config)
        return result

    def _others(self, config: EngineConfig) -> Sequence[Sequence[Bar]]:
        """For each bar, those of other timeframes that are shown before it."""
        place = self.instrument.symbol, self.timeframe.name, config.timeframes, self.calendar
        if self.tape is not None and self.built is not None and self.built.ordered:
            given = GivenTimeframes(*place, self.tape)
            return [list(given.of_bar(bar)) for bar in self.bars]
        shown = Shown(OtherTimeframes(*place))
        self._walk_all(shown, nothing)
        return shown.before

    def _walk(self, desk: Desk, progress: Progress) -> tuple[int, int]:
        """Through all data; returns how many ticks were late, and how many outside of the sessions."""
        wanted, ticks, built, tape = desk.engine.config.timeframes, self.data.ticks, self.built, self.tape
        # Where time runs backwards, each tick alone tells which bars of other timeframes are over.
        if ticks is None or tape is None or built is None or self.strategy.wants_ticks() or (wanted and not built.ordered):
            return self._walk_all(desk, progress)
        if wanted:
            desk.engine.others = GivenTimeframes(self.instrument.symbol, self.timeframe.name, wanted, self.calendar, tape)
        TapeWalk(desk, tape).walk(lambda rows: progress(rows, len(ticks)))
        return built.late, built.out_of_session

    def _walk_all(self, desk: Walker, progress: Progress) -> tuple[int, int]:
        """Through each row, as ``_walk``."""
        ticks, bars = self.data.ticks, self.data.bars
        total = len(ticks) if ticks is not None else len(bars) if bars is not None else 0

        def done(rows: int) -> None:
            progress(rows, total)

        aggregator = create_aggregator(
            self.instrument.symbol, self.timeframe, self.calendar, source=None if bars is None else bars.timeframe
        )
        if ticks is not None:
            walk_every_tick(desk, _every(TickRows(self.instrument.symbol, ticks), total), aggregator, done)
        elif bars is not None:
            walk_bars(desk, _every(BarRows(self.instrument.symbol, bars), total), aggregator, done)
        done(total)
        return aggregator.late, aggregator.out_of_session

    def _result(self, options: RunOptions, bars: BarColumns, outcome: Outcome, late: int, out_of_session: int) -> BacktestResult:
        params = msgspec.structs.asdict(parse_params(self.strategy, options.params))
        return BacktestResult(options, self.instrument, self.timeframe, self.strategy, params, bars, outcome, late, out_of_session)


def _every(rows: Any, total: int) -> Any:
    return (event for start in range(0, total, CHUNK) for event in rows.events(start, min(start + CHUNK, total)))


def is_plain(options: RunOptions, built: Built | None) -> bool:
    """Whether the lane can tell the run: it knows no latency, no sizing by cash, and no order that the risk gate finds too large."""
    limits = RiskLimits()  # those of every run
    small = all(most is None or options.quantity <= most for most in (limits.max_order_quantity, limits.max_position))
    usual = not options.fills.latency_ns and not options.sizing.by_cash and options.exits.is_plain
    return built is not None and built.ordered and usual and small


def _is_hectic(log: Log, tape: Tape, most: int | None) -> bool:
    """Whether so many orders fall into a minute that the risk gate might have refused some."""
    if most is None or len(log) < most:
        return False
    stamps = np.sort(tape.ts[log.column(0)])
    return bool((stamps[most - 1 :] - stamps[: len(stamps) - most + 1] <= 2 * MINUTE_NS).any())
