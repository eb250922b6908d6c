"""The indicators of a strategy as lines over the bars of its run.

Owns running the strategy once more to watch its indicators, and which of them belong onto a chart of prices. What the strategy answers is
not looked at: no order follows.
"""

import logging

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.market import BarFlag
from fortified.indicators.base import Indicator
from fortified.research.result import BacktestResult
from fortified.strategies.base import BaseStrategy, StrategyConfig

NEAR_SHARE = 0.9
"""The share of an indicator's values that must lie about the prices."""


class Line(msgspec.Struct, frozen=True, eq=False):
    """``values``: one per bar, NaN where the indicator had none."""

    name: str
    values: NDArray[np.float64]


class Lines(msgspec.Struct, frozen=True):
    """The lines, or in ``problem`` why there are none."""

    lines: tuple[Line, ...] = ()
    problem: str = ""


def indicator_lines(result: BacktestResult) -> Lines:
    """The indicators of ``result``'s strategy that lie about the prices."""
    if not len(result.bars):
        return Lines()
    try:
        seen = _watch(result)
    except Exception as error:  # whatever the user's strategy raises, the report is made
        return Lines(problem=f"The indicators are not drawn: the strategy failed when it was run again ({type(error).__name__}: {error}).")
    low, high = float(result.bars.low.min()), float(result.bars.high.max())
    margin = high - low
    return Lines(tuple(line for line in seen if _near(line.values, low - margin, high + margin)))


def _watch(result: BacktestResult) -> list[Line]:
    strategy = _fresh(result)
    names = {name: _title(name, value) for name, value in vars(strategy).items() if isinstance(value, Indicator)}
    values = {name: np.full(len(result.bars), np.nan) for name in names}
    for place, bar in enumerate(result.bars.bars(result.instrument.symbol, result.timeframe.name)):
        if bar.flags & BarFlag.GAP:
            strategy = _fresh(result)
        if bar.flags & BarFlag.PARTIAL_START:
            continue
        strategy.on_new_bar(bar, None)
        for name, column in values.items():
            value = getattr(strategy, name).value
            if value is not None:
                column[place] = value
    return [Line(names[name], column) for name, column in values.items()]


def _fresh(result: BacktestResult) -> BaseStrategy:
    log = logging.Logger("report")  # of its own: what it said in the run was said there
    log.addHandler(logging.NullHandler())
    return result.strategy(StrategyConfig(result.instrument.symbol, result.timeframe.name, result.options.params), log)


def _title(name: str, indicator: Indicator) -> str:
    period = getattr(indicator, "period", None)
    return f"{name}: {type(indicator).__name__}" + ("" if period is None else f" {period}")


def _near(values: NDArray[np.float64], low: float, high: float) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and float(np.mean((known >= low) & (known <= high))) >= NEAR_SHARE
