"""Built-in strategies without a call per bar: one run, or very many over the same bars.

Owns which strategies can be told from lines that cross, and under which rules. Everything else is left to the lane. Gives what the lane
gives; a strategy of the user's own is always called.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.backtest.bars import kernels, side_by_side
from fortified.backtest.lane import END, Log, Noted, Refused
from fortified.backtest.tape import Tape
from fortified.domain.calendar import Calendar
from fortified.domain.signal import Target
from fortified.engine.config import EngineConfig
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.engine.performance import trading_days
from fortified.engine.tick_level import STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, LevelRules
from fortified.indicators.moving_average import moving_average
from fortified.strategies.base import BaseStrategy
from fortified.strategies.ema_crossover import EMACrossoverStrategy

type Floats = NDArray[np.float64]

METRICS: Final = ("net_pnl", "return_percent", "sharpe", "sortino", "profit_factor", "win_rate", "trades", "max_drawdown", "expectancy")
_REASONS: Final = ("cross_up", "cross_down", STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, END)
_CODES: Final = (DenialCode.WARMING_UP, DenialCode.SESSION_CLOSED)
_NONE: Final[Floats] = np.empty(0)


class Crossing(msgspec.Struct, frozen=True):
    """Two lines, each a kind of average and its period, and where to be when the first crosses above or below the second."""

    first: tuple[str, int]
    second: tuple[str, int]
    up: Target
    down: Target

    @property
    def warmup(self) -> int:
        """Bars before the first order, as the strategy says."""
        return max(self.first[1], self.second[1])


def crossing_of(strategy: type[BaseStrategy], params: Any) -> Crossing | None:
    """What a strategy comes to; None when it has to be called."""
    if strategy is not EMACrossoverStrategy or params.is_filtered:
        return None
    return Crossing(
        (params.trend_line_1, params.period_1),
        (params.trend_line_2, params.period_2),
        Target.FLAT if params.direction == "short" else Target.LONG,
        Target.FLAT if params.direction == "long" else Target.SHORT,
    )


class TableLog(Log):
    """A log as the compiled loop writes it: a row for each fill."""

    def __init__(self, table: NDArray[np.int32], refused: Sequence[Refused], unfilled: int) -> None:
        self._table, self.refused, self.unfilled = table, refused, unfilled

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def fills(self) -> Sequence[Noted]:  # type: ignore[override]  # made when it is asked for
        place, kind, side, closed, reason, decision = self._table.T.tolist() if len(self._table) else ([],) * 6
        return list(zip(place, kind, side, closed, map(_REASONS.__getitem__, reason), decision, strict=True))

    def column(self, index: int) -> NDArray[np.int64]:
        return self._table[:, index].astype(np.int64)

    def reasons(self, part: slice) -> list[str]:
        return [_REASONS[code] for code in self._table[part, 4].tolist()]


class Batch:
    """Runs over one tape under the same rules."""

    def __init__(self, tape: Tape, config: EngineConfig, fills: FillModel, fees: FeeModel, *, flatten: bool) -> None:
        self._tape, self._config, self._fills, self._fees, self._flatten = tape, config, fills, fees, flatten
        self._rules = LevelRules(config.exits, config.instrument)
        self._lines: dict[tuple[str, int], Floats] = {}
        self._rows: dict[tuple[str, int], int] = {}
        self._stack: Floats = _NONE
        """The lines of the last search as one table, and the row of each."""

    @property
    def is_possible(self) -> bool:
        """Whether lines can be followed under these rules."""
        return kernels("run_kernels") is not None and not self._rules.varies

    def run(self, crossing: Crossing, warmup: int) -> Log | None:
        """One run; None when the lane has to make it."""
        compiled = kernels("run_kernels")
        assert compiled is not None
        fills, refused, unfilled = compiled.walk(
            self.line(*crossing.first), self.line(*crossing.second), (int(crossing.up), int(crossing.down), warmup), *self._given
        )
        if unfilled < 0:
            return None
        stamps = self._tape.bars.ts_close
        denied = [Refused(int(stamps[bar]), _CODES[code], bar + 1, _REASONS[why]) for bar, code, why in refused.tolist()]
        return TableLog(fills, denied, unfilled)

    def evaluate(self, crossings: Sequence[Crossing], warmup: int | None, calendar: Calendar) -> Floats:
        """The metrics of many runs: one row of ``METRICS`` each, NaN where there is no value. ``warmup`` None: that of each crossing.

        ``trades`` is NaN in a row that the lane has to make.
        """
        compiled = kernels("run_kernels")
        assert compiled is not None
        names = {line for crossing in crossings for line in (crossing.first, crossing.second)}
        if not names <= self._rows.keys():
            self._rows = {name: row for row, name in enumerate(sorted(names))}
            self._stack = np.array([self.line(*name) for name in self._rows])
        number, lines = self._rows, self._stack
        columns = (
            np.array([number[crossing.first] for crossing in crossings], np.int64),
            np.array([number[crossing.second] for crossing in crossings], np.int64),
            np.array([int(crossing.up) for crossing in crossings], np.int64),
            np.array([int(crossing.down) for crossing in crossings], np.int64),
            np.array([crossing.warmup if warmup is None else warmup for crossing in crossings], np.int64),
        )
        money, at_market = self._money(calendar), self._at_market

        def work(part: slice) -> tuple[Floats, ...]:
            return (compiled.evaluate(lines, *(column[part] for column in columns), *self._given, at_market, money),)

        [rows] = side_by_side(len(crossings) * len(self._tape.bars), len(crossings), work)
        return rows

    def line(self, kind: str, period: int) -> Floats:
        """The values of an average after each bar, NaN where there is none; as its indicator gives them."""
        known = self._lines.get((kind, period))
        if known is None:
            known = self._lines[kind, period] = self._made(kind, period)
        return known

    def _made(self, kind: Any, period: int) -> Floats:
        close = self._tape.bars.close
        compiled = kernels("run_kernels")
        if kind == "EMA" and compiled is not None:
            line: Floats = compiled.ema(close, period)
            return line
        average = moving_average(kind, period)  # the very sums of the indicator, which a compiled loop would round otherwise
        return np.array([np.nan if (value := average.update(price)) is None else value for price in close.tolist()], np.float64)

    @cached_property
    def _given(self) -> tuple[Any, ...]:
        """What every run is told."""
        tape, instrument, bars = self._tape, self._config.instrument, self._tape.bars
        quotes = (_NONE if tape.bid is None else tape.bid, _NONE if tape.ask is None else tape.ask)
        data = (tape.price, *quotes, tape.ends, bars.high, bars.low, bars.flags)
        venue = (int(self._fills.market == "next"), self._fills.slippage_ticks, float(instrument.tick_size), *self._rules.ratio)
        return data, venue, (*(step or 0 for step in self._rules.steps[:3]), int(self._flatten))

    @cached_property
    def _at_market(self) -> tuple[Floats, Floats]:
        """What every market order of very many runs gets."""
        compiled = kernels("run_kernels")
        assert compiled is not None
        data, venue, _ = self._given
        return compiled.at_market(1, data, venue), compiled.at_market(-1, data, venue)

    def _money(self, calendar: Calendar) -> tuple[Any, ...]:
        bars, config, fees = self._tape.bars, self._config, self._fees
        last_of_day = np.flatnonzero(np.diff(trading_days(bars.ts_close, calendar), append=-1))
        return (
            *(bars.close, last_of_day, float(config.legs[0].quantity), float(config.instrument.multiplier)),
            *(float(fees.amount), float(fees.minimum), int(fees.per == "notional"), float(config.cash)),
        )
