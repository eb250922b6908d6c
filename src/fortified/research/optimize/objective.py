"""What makes one run better than another.

Owns the metrics by name, which of them can be an objective, and the order of points. Knows no method of search.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.engine.performance import statistics, trading_days
from fortified.research.batch import METRICS
from fortified.research.optimize.result import Metrics
from fortified.research.result import BacktestResult

type Rows = NDArray[np.float64]
"""One row of ``METRICS`` per point, NaN where there is no value."""

type Days = NDArray[np.int32]

MINIMISED: Final = frozenset({"max_drawdown"})
NEUTRAL: Final = {"profit_factor": 1.0}
"""Above it a run earns, below it loses; 0 for those that are not named."""
WITHOUT_SIGN: Final = frozenset({"win_rate", "max_drawdown"})
"""Metrics that do not tell whether a run earned."""


class Objective(msgspec.Struct, frozen=True):
    """A metric to make large, or small when it is ``minimised``."""

    name: str

    @property
    def minimised(self) -> bool:
        return self.name in MINIMISED

    @property
    def column(self) -> int:
        return METRICS.index(self.name)

    def scores(self, rows: Rows) -> NDArray[np.float64]:
        """The objective of each row, so that more is better; -inf where there is no value."""
        values = rows[:, self.column]
        return np.where(np.isnan(values), -np.inf, -values if self.minimised else values)


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """``sharpe`` or ``sharpe,max_drawdown``.

    Raises:
        ConfigError: one is unknown or named twice.
    """
    names = [name.strip() for name in text.split(",")]
    known = [name for name in METRICS if name != "trades"]
    for name in names:
        if name not in known:
            raise ConfigError(f"--objective {name!r} is unknown; choose of {', '.join(known)}")
        if names.count(name) > 1:
            raise ConfigError(f"--objective names {name} twice; name each once")
    return tuple(map(Objective, names))


def days_of(result: BacktestResult) -> Days:
    """The trading day of each bar of a run; the same for all runs over the same bars."""
    return trading_days(result.bars.ts_close, get_calendar(result.instrument.calendar))


def metrics(result: BacktestResult, days: Days) -> Metrics:
    """The metrics of a run: those of ``result.stats`` in float64, without the time that exact money takes."""
    of_equity = statistics((), result.equity, days)
    earned = result.columns.net_pnl
    won, lost, net, trades = float(earned[earned > 0].sum()), -float(earned[earned < 0].sum()), float(earned.sum()), len(earned)
    balance = np.cumsum(earned)
    fall = np.maximum(np.maximum.accumulate(balance), 0.0) - balance
    return {
        "net_pnl": net,
        "return_percent": of_equity.return_percent,
        "sharpe": of_equity.sharpe,
        "sortino": of_equity.sortino,
        "profit_factor": won / lost if lost else None,
        "win_rate": int(np.count_nonzero(earned > 0)) / trades if trades else None,
        "trades": float(trades),
        "max_drawdown": float(fall.max(initial=0.0)),
        "expectancy": net / trades if trades else None,
    }


def as_row(found: Metrics) -> list[float]:
    """Metrics in the order of ``METRICS``; those that are missing have no value."""
    return [np.nan if (value := found.get(name)) is None else value for name in METRICS]


def as_metrics(row: NDArray[np.float64]) -> Metrics:
    """The metrics of a row."""
    return {name: None if math.isnan(value) else value for name, value in zip(METRICS, row.tolist(), strict=True)}


def order(rows: Rows, objectives: Sequence[Objective]) -> tuple[NDArray[np.intp], int]:
    """The rows, best first, and how many of them no other row beats.

    With several objectives these come first, by the first objective, and the others behind them, by the first objective.
    """
    scores = np.column_stack([objective.scores(rows) for objective in objectives])
    best_first = np.lexsort(-scores.T[::-1])
    if len(objectives) == 1:
        return best_first, min(1, len(rows))
    front = _front(scores[best_first])
    return np.concatenate([best_first[front], best_first[~front]]), int(front.sum())


def _front(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows no other beats: at least as good in all, and better in one. The rows are sorted, best first, by all objectives."""
    front = np.zeros(len(scores), np.bool_)
    left = np.flatnonzero(np.isfinite(scores).all(axis=1))
    while len(left):
        # Sorted, the first one left is beaten by none: who beats it would be ahead of it.
        best = scores[left[0]]
        front[left[(scores[left] == best).all(axis=1)]] = True
        left = left[(scores[left] > best).any(axis=1)]
    return front
