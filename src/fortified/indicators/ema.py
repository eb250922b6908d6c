"""Exponential moving average."""

from typing import ClassVar

from fortified.indicators.base import SeriesIndicator, checked_period


class EMA(SeriesIndicator):
    """E₁ = p₁; E = α·p + (1 − α)·E′ with α = 2 / (period + 1), as thinkScript's ExpAverage. Warm after ``period`` values."""

    fields: ClassVar[tuple[str, ...]] = ("value", "count", "ready")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.alpha = 2.0 / (period + 1)
        self.value: float | None = None
        self.count = 0
        self.ready = False

    def update(self, value: float) -> float:
        last = self.value  # as in peek, whose call would cost half as much again
        self.value = value = value if last is None else self.alpha * value + (1.0 - self.alpha) * last
        self.count += 1
        if self.count == self.period:
            self.ready = True
        return value

    def peek(self, value: float) -> float:
        last = self.value
        return value if last is None else self.alpha * value + (1.0 - self.alpha) * last
