"""The composition root of a backtest: files or arrays in, results out, with the engine, the broker and the fill model of a replay.

Owns which driver walks the data. Needs no Redis.
"""

from collections.abc import Callable

from fortified.adapters.files import load_bars, load_ticks, sniff
from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay_rows import BarRows, TickRows
from fortified.adapters.tables import FileReport, TickTable
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import build_bars
from fortified.backtest.desk import Desk
from fortified.backtest.drivers import RowWalk, walk_bars, walk_every_tick
from fortified.backtest.ledger import RunLedger
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.timeframe import Timeframe
from fortified.engine.engine import Engine
from fortified.engine.fees import FeeModel
from fortified.engine.result import RunResult
from fortified.engine.statistics import trade_statistics
from fortified.registry import Registry
from fortified.runs import RunOptions, build_engine, natural_venue, resolve_instrument
from fortified.strategies.base import BaseStrategy

CHUNK = 65_536
Progress = Callable[[int, int], None]
"""Told the rows that are done, and all rows."""


def backtest_files(options: RunOptions, progress: Progress, report: Callable[[FileReport], None]) -> RunResult:
    """Backtest ``options.files``; ``report`` is told of bad rows once.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used. StrategyError: the strategy raised.
    """
    strategy = Registry().resolve(options.strategy)
    run = _Run(options, strategy, progress)  # every option is looked at before a file is
    if sniff(options.files[0]) == "ticks":
        table = load_ticks(options.files, strict=options.strict)
        report(table.report)
        return run.over_ticks(table)
    if len(options.files) != 1:
        raise DataError("bar files are taken one at a time; give one, or join them first")
    if options.bars_timeframe is None:
        raise ConfigError(f"{options.files[0]} holds bars; say of which timeframe with --bars-timeframe")
    bars = load_bars(options.files[0], Timeframe.parse(options.bars_timeframe), strict=options.strict)
    report(bars.report)
    return run.over_bars(BarRows(run.symbol, bars), len(bars), bars.timeframe)


class _Run:
    """One run, ready for its data."""

    def __init__(self, options: RunOptions, strategy: type[BaseStrategy], progress: Progress) -> None:
        instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
        self.symbol = instrument.symbol
        self._options, self._strategy, self._progress = options, strategy, progress
        self._timeframe = Timeframe.parse(options.timeframe)
        self._calendar = get_calendar(instrument.calendar)
        self._broker = PaperBroker(natural_venue(instrument), instrument, fills=options.fills, fees=FeeModel.parse(options.fee))
        self._engine: Engine = build_engine(options, instrument, self._timeframe, strategy)
        self._ledger = RunLedger(self._broker.account, self._calendar)
        self._desk = Desk(self._engine, self._broker, self._ledger)

    def over_ticks(self, ticks: TickTable) -> RunResult:
        total = len(ticks)
        if self._strategy.wants_ticks():
            aggregator = create_aggregator(self.symbol, self._timeframe, self._calendar)
            rows = TickRows(self.symbol, ticks)
            every = (tick for start in range(0, total, CHUNK) for tick in rows.events(start, min(start + CHUNK, total)))
            walk_every_tick(self._desk, every, aggregator, lambda done: self._progress(done, total))
            return self._result(aggregator.late, aggregator.out_of_session)
        built = build_bars(ticks, self._timeframe, self._calendar)
        RowWalk(self._desk, ticks, built).walk(lambda done: self._progress(done, total))
        return self._result(built.late, built.out_of_session)

    def over_bars(self, rows: BarRows, total: int, timeframe: Timeframe) -> RunResult:
        aggregator = create_aggregator(self.symbol, self._timeframe, self._calendar, source=timeframe)
        every = (bar for start in range(0, total, CHUNK) for bar in rows.events(start, min(start + CHUNK, total)))
        walk_bars(self._desk, every, aggregator, lambda done: self._progress(done, total))
        return self._result(aggregator.late, aggregator.out_of_session)

    def _result(self, late: int, out_of_session: int) -> RunResult:
        if self._options.flatten:
            self._desk.flatten(self._broker.close_out)
        ledger = self._ledger
        return RunResult(
            bars=len(ledger.bars),
            orders=ledger.orders_made,
            fills=ledger.fills,
            trades=ledger.trades,
            stats=trade_statistics(ledger.trades),
            digest=ledger.digest(),
            late=late,
            out_of_session=out_of_session,
            open_quantity=ledger.quantity(),
        )
