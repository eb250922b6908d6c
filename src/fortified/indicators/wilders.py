"""Wilder's moving average."""

from itertools import accumulate
from typing import ClassVar

import numpy as np

from fortified.indicators.base import Floats, SeriesIndicator, checked_period


class WildersAverage(SeriesIndicator):
    """The mean of the first ``period`` values, then W = W′ + (p − W′) / period, as thinkScript's WildersAverage; None before."""

    fields: ClassVar[tuple[str, ...]] = ("value", "count", "total", "ready")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self.count = 0
        self.total = 0.0
        self.ready = False

    def update(self, value: float) -> float | None:
        self.value = self.peek(value)
        if not self.ready:
            self.count += 1
            self.total += value
            self.ready = self.count == self.period
        return self.value

    def peek(self, value: float) -> float | None:
        last = self.value
        if last is not None:
            return last + (value - last) / self.period
        return (self.total + value) / self.period if self.count == self.period - 1 else None

    def compute(self, values: Floats) -> dict[str, Floats]:
        return {"value": wilders_line(values, self.period)}


def wilders_line(values: Floats, period: int) -> Floats:
    """The average after each of ``values``, NaN where there is none."""
    line = np.full(len(values), np.nan)
    if len(values) >= period:
        first = float(np.cumsum(values[:period])[-1]) / period
        line[period - 1 :] = list(accumulate(values[period:].tolist(), lambda last, value: last + (value - last) / period, initial=first))
    return line
