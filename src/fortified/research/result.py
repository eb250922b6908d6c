"""What a backtest gives back.

Owns the one shape that reports, optimization, the HTTP interface and Python users read. What takes time to make is made when asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from fortified.backtest.columns import BarColumns
from fortified.domain.instrument import Instrument
from fortified.domain.order import Fill
from fortified.domain.timeframe import Timeframe
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.engine.result import RunResult
from fortified.engine.statistics import trade_statistics
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy


class BacktestResult:
    """One run: what was asked, the bars it saw, and what it did.

    ``params`` are the strategy's parameters as it understood them, with their defaults.
    """

    def __init__(
        self,
        *,
        options: RunOptions,
        instrument: Instrument,
        timeframe: Timeframe,
        strategy: type[BaseStrategy],
        params: Mapping[str, Any],
        bars: BarColumns,
        orders: int,
        fills: Sequence[Fill],
        trades: Sequence[Trade],
        denials: Sequence[Denial],
        late: int,
        out_of_session: int,
        open_quantity: Decimal,
        digest: Callable[[], str],
    ) -> None:
        self.options, self.instrument, self.timeframe, self.strategy, self.params = options, instrument, timeframe, strategy, params
        self.bars, self.orders, self.fills, self.trades, self.denials = bars, orders, fills, trades, denials
        self.late, self.out_of_session, self.open_quantity = late, out_of_session, open_quantity
        self._digest = digest

    @cached_property
    def digest(self) -> str:
        """The fingerprint of bars, fills and trades."""
        return self._digest()

    def summary(self) -> RunResult:
        """The form that a replay of the same data gives."""
        return RunResult(
            bars=len(self.bars),
            orders=self.orders,
            fills=self.fills,
            trades=self.trades,
            stats=trade_statistics(self.trades),
            digest=self.digest,
            late=self.late,
            out_of_session=self.out_of_session,
            open_quantity=self.open_quantity,
        )
