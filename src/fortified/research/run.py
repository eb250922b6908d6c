"""Backtests: files or arrays in, results out, with the engine, the broker and the fill model of a replay.

Owns which driver walks the data, and that bars are built once for any number of runs over them. Needs no Redis.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fortified.adapters.files import load_bars, load_ticks, sniff
from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay_rows import BarRows, TickRows
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import Built, build_bars
from fortified.backtest.columns import BarColumns
from fortified.backtest.desk import Desk
from fortified.backtest.drivers import TapeWalk, walk_bars, walk_every_tick
from fortified.backtest.ledger import RunLedger
from fortified.backtest.tape import Tape
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.timeframe import Timeframe
from fortified.engine.fees import FeeModel
from fortified.engine.result import RunResult
from fortified.registry import Registry
from fortified.research.result import BacktestResult
from fortified.runs import RunOptions, build_engine, natural_venue, resolve_instrument
from fortified.strategies.base import BaseStrategy, parse_params

CHUNK = 65_536
Progress = Callable[[int, int], None]
"""Told the rows that are done, and all rows."""
Report = Callable[[FileReport], None]


def nothing(done: int, total: int) -> None:
    """No progress is shown."""


class Data(msgspec.Struct, frozen=True, eq=False):
    """What a run walks: ticks, or ready-made bars."""

    ticks: TickTable | None = None
    bars: BarTable | None = None


def load(options: RunOptions, report: Report) -> Data:
    """The data of ``options.files``; ``report`` is told of bad rows once.

    Raises:
        ConfigError: the timeframe of bars is missing. DataError: a file cannot be used.
    """
    if sniff(options.files[0]) == "ticks":
        table = load_ticks(options.files, strict=options.strict)
        report(table.report)
        return Data(ticks=table)
    if len(options.files) != 1:
        raise DataError("bar files are taken one at a time; give one, or join them first")
    if options.bars_timeframe is None:
        raise ConfigError(f"{options.files[0]} holds bars; say of which timeframe with --bars-timeframe")
    bars = load_bars(options.files[0], Timeframe.parse(options.bars_timeframe), strict=options.strict)
    report(bars.report)
    return Data(bars=bars)


def backtest_files(options: RunOptions, progress: Progress, report: Report) -> RunResult:
    """Backtest ``options.files``; ``report`` is told of bad rows once.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used. StrategyError: the strategy raised.
    """
    strategy = Registry().resolve(options.strategy)
    check(options, strategy)  # every option is looked at before a file is
    return Backtest(options, load(options, report), strategy).run(progress=progress).summary()


def check(options: RunOptions, strategy: type[BaseStrategy]) -> None:
    """Look at every option.

    Raises:
        ConfigError: one is not possible.
    """
    instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    FeeModel.parse(options.fee)
    build_engine(options, instrument, Timeframe.parse(options.timeframe), strategy)


class Backtest:
    """Options, data and a strategy, ready to run with any parameters. Bars are built once."""

    def __init__(self, options: RunOptions, data: Data, strategy: type[BaseStrategy]) -> None:
        self.options, self.data, self.strategy = options, data, strategy
        self.instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
        self.timeframe = Timeframe.parse(options.timeframe)
        self.calendar = get_calendar(self.instrument.calendar)
        self.fees = FeeModel.parse(options.fee)
        self._built: Built | None = None

    def run(self, params: Mapping[str, Any] | None = None, progress: Progress = nothing) -> BacktestResult:
        """One run; ``params`` replace those of the options.

        Raises:
            ConfigError: a parameter is not possible. StrategyError: the strategy raised.
        """
        options = self.options if params is None else msgspec.structs.replace(self.options, params=dict(params))
        return _Run(self, options, progress).result()

    def built(self, ticks: TickTable) -> Built:
        """The bars of the ticks."""
        if self._built is None:
            self._built = build_bars(ticks, self.timeframe, self.calendar)
        return self._built


class _Run:
    """One run, ready for its data."""

    def __init__(self, test: Backtest, options: RunOptions, progress: Progress) -> None:
        self._test, self._options, self._progress = test, options, progress
        self._broker = PaperBroker(natural_venue(test.instrument), test.instrument, fills=options.fills, fees=test.fees)
        self._engine = build_engine(options, test.instrument, test.timeframe, test.strategy)
        self._ledger = RunLedger(self._broker.account, test.calendar)
        self._desk = Desk(self._engine, self._broker, self._ledger)

    def result(self) -> BacktestResult:
        data = self._test.data
        if data.ticks is not None:
            return self._over_ticks(data.ticks)
        assert data.bars is not None
        return self._over_bars(data.bars)

    def _over_ticks(self, ticks: TickTable) -> BacktestResult:
        test, total = self._test, len(ticks)
        if test.strategy.wants_ticks():
            aggregator = create_aggregator(test.instrument.symbol, test.timeframe, test.calendar)
            rows = TickRows(test.instrument.symbol, ticks)
            every = (tick for start in range(0, total, CHUNK) for tick in rows.events(start, min(start + CHUNK, total)))
            walk_every_tick(self._desk, every, aggregator, lambda done: self._progress(done, total))
            return self._result(None, aggregator.late, aggregator.out_of_session)
        built = test.built(ticks)
        TapeWalk(self._desk, Tape.of(ticks, built)).walk(lambda done: self._progress(done, total))
        self._progress(total, total)
        return self._result(built.bars, built.late, built.out_of_session)

    def _over_bars(self, bars: BarTable) -> BacktestResult:
        test, total = self._test, len(bars)
        aggregator = create_aggregator(test.instrument.symbol, test.timeframe, test.calendar, source=bars.timeframe)
        rows = BarRows(test.instrument.symbol, bars)
        every = (bar for start in range(0, total, CHUNK) for bar in rows.events(start, min(start + CHUNK, total)))
        walk_bars(self._desk, every, aggregator, lambda done: self._progress(done, total))
        return self._result(None, aggregator.late, aggregator.out_of_session)

    def _result(self, bars: BarColumns | None, late: int, out_of_session: int) -> BacktestResult:
        options, test, ledger = self._options, self._test, self._ledger
        if options.flatten:
            self._desk.flatten(self._broker.close_out)
        return BacktestResult(
            options=options,
            instrument=test.instrument,
            timeframe=test.timeframe,
            strategy=test.strategy,
            params=msgspec.structs.asdict(parse_params(test.strategy, options.params)),
            bars=bars or BarColumns.of(ledger.bars),
            orders=ledger.orders_made,
            fills=ledger.fills,
            trades=ledger.trades,
            denials=ledger.denials,
            late=late,
            out_of_session=out_of_session,
            open_quantity=ledger.quantity(),
            digest=ledger.digest,
        )
