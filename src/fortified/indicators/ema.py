"""Exponential moving average."""

from itertools import accumulate
from typing import ClassVar

import numpy as np

from fortified.indicators.base import Floats, SeriesIndicator, checked_period


class EMA(SeriesIndicator):
    """E₁ = p₁; E = α·p + (1 − α)·E′ with α = 2 / (period + 1), as thinkScript's ExpAverage. Warm after ``period`` values."""

    fields: ClassVar[tuple[str, ...]] = ("value", "count", "ready")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.alpha = 2.0 / (period + 1)
        self.decay = 1.0 - self.alpha
        self.value: float | None = None
        self.count = 0
        self.ready = False

    def update(self, value: float) -> float:
        last = self.value  # as in peek, whose call would cost half as much again
        self.value = value = value if last is None else self.alpha * value + self.decay * last
        self.count += 1
        if self.count == self.period:
            self.ready = True
        return value

    def peek(self, value: float) -> float:
        last = self.value
        return value if last is None else self.alpha * value + self.decay * last

    def compute(self, values: Floats) -> dict[str, Floats]:
        alpha, decay = self.alpha, self.decay
        # One pass in order: a sum of whole arrays would round otherwise, and two lines that touch would cross.
        line = accumulate(values.tolist(), lambda last, value: alpha * value + decay * last)
        return {"value": np.fromiter(line, np.float64, len(values))}
