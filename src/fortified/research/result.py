"""What a backtest gives back.

Owns the one shape that reports, optimization, the HTTP interface and Python users read. What takes time to make is made when asked for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fortified.backtest.columns import BarColumns
from fortified.backtest.outcome import Outcome, TradeColumns
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.order import Fill
from fortified.domain.timeframe import Timeframe
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.engine.performance import Equity, Statistics, equity_from_columns, statistics, trading_days
from fortified.engine.result import RunResult
from fortified.engine.statistics import TradeStatistics, trade_statistics
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy


class BacktestResult:
    """One run: what was asked, the bars it saw, and what it did.

    ``params`` are the parameters as the strategy understood them, with defaults. ``late`` and ``out_of_session`` count ticks that were
    left out.
    """

    def __init__(
        self,
        options: RunOptions,
        instrument: Instrument,
        timeframe: Timeframe,
        strategy: type[BaseStrategy],
        params: Mapping[str, Any],
        bars: BarColumns,
        outcome: Outcome,
        late: int,
        out_of_session: int,
        others: Callable[[], Iterable[Sequence[Bar]]] | None = None,
    ) -> None:
        self.options, self.instrument, self.timeframe, self.strategy, self.params = options, instrument, timeframe, strategy, params
        self.bars, self.late, self.out_of_session = bars, late, out_of_session
        self.orders, self.open_quantity = outcome.orders, outcome.open_quantity
        self.others = others
        """Gives, for each bar, those of other timeframes that the strategy was shown before it; None where it reads none."""
        self._outcome = outcome

    @property
    def fills(self) -> Sequence[Fill]:
        """The fills, in the order they happened."""
        return self._outcome.fills

    @property
    def trades(self) -> Sequence[Trade]:
        """The closed round trips, in the order of their exits."""
        return self._outcome.trades

    @property
    def columns(self) -> TradeColumns:
        """The closed round trips by column, in float64: fast where there are many."""
        return self._outcome.columns

    @property
    def denials(self) -> Sequence[Denial]:
        """What the risk gate refused."""
        return self._outcome.denials

    @cached_property
    def digest(self) -> str:
        """The fingerprint of bars, fills and trades: that of a replay of the same data."""
        return self._outcome.digest()

    @cached_property
    def equity(self) -> Equity:
        """The equity at the close of each bar."""
        bars, flows = self.bars, self._outcome.flows
        at = np.searchsorted(bars.seq, flows.seq)
        fills = flows.quantity, flows.price, flows.fee
        return equity_from_columns(bars.ts_close, bars.close, at, *fills, self.instrument.multiplier, self.options.cash)

    @cached_property
    def stats(self) -> Statistics:
        """The statistics of trades and equity."""
        return statistics(self.trades, self.equity, trading_days(self.bars.ts_close, get_calendar(self.instrument.calendar)))

    @cached_property
    def trade_stats(self) -> TradeStatistics:
        """The statistics of the trades alone, which a replay gives too."""
        return trade_statistics(self.trades)

    def summary(self) -> RunResult:
        """The form that a replay of the same data gives."""
        return RunResult(
            bars=len(self.bars),
            orders=self.orders,
            fills=self.fills,
            trades=self.trades,
            stats=self.trade_stats,
            digest=self.digest,
            late=self.late,
            out_of_session=self.out_of_session,
            open_quantity=self.open_quantity,
        )
