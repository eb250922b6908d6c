"""Linearly weighted moving average."""

from typing import ClassVar

import numpy as np

from fortified.indicators.base import Floats, SeriesIndicator, checked_period
from fortified.indicators.sma import Turns


class WMA(SeriesIndicator):
    """Weights 1 … period, the largest on the newest, divided by period·(period + 1)/2; None before there are ``period`` values.

    O(1): S = Σ window, W = Σ weight·value; a new p gives W ← W − S + period·p, S ← S + p − oldest. Both are taken anew each time the window
    has turned over once, so rounding cannot pile up.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "window", "position", "total", "weighted", "ready")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.divisor = period * (period + 1) / 2
        self.value: float | None = None
        self.window: list[float] = []
        self.position = 0
        self.total = 0.0
        self.weighted = 0.0
        self.ready = False

    def update(self, value: float) -> float | None:
        if len(self.window) < self.period:
            self.window.append(value)
            self.total += value
            self.weighted += len(self.window) * value
        else:
            self._turn(value)
        self.ready = len(self.window) == self.period
        self.value = self.weighted / self.divisor if self.ready else None
        return self.value

    def _turn(self, value: float) -> None:
        self.weighted += self.period * value - self.total
        self.total += value - self.window[self.position]
        self.window[self.position] = value
        self.position = (self.position + 1) % self.period
        if self.position == 0:
            self.total = sum(self.window)
            self.weighted = _weighted(self.window)

    def peek(self, value: float) -> float | None:
        held = len(self.window)
        if held < self.period:
            return (self.weighted + self.period * value) / self.divisor if held == self.period - 1 else None
        if self.position == self.period - 1:  # the update would take the sums anew
            return _weighted([*self.window[:-1], value]) / self.divisor
        return (self.weighted + (self.period * value - self.total)) / self.divisor

    def compute(self, values: Floats) -> dict[str, Floats]:
        turns = Turns(values, self.period)
        before = np.zeros(turns.rows.size)
        before[1 : turns.count] = turns.totals()[:-1]
        steps = self.period * turns.rows - before.reshape(turns.rows.shape)
        steps[:1] = np.arange(1, self.period + 1) * turns.rows[:1]
        line = turns.running(steps, [_weighted(row) for row in turns.rows.tolist()]) / self.divisor
        line[: self.period - 1] = np.nan
        return {"value": line}


def _weighted(window: list[float]) -> float:
    return sum(weight * value for weight, value in enumerate(window, start=1))
