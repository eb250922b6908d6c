"""Simple moving average."""

from typing import Any, ClassVar

from fortified.indicators.base import SeriesIndicator, checked_period


class SMA(SeriesIndicator):
    """Mean of the last ``period`` values; None before there are so many.

    The running sum is taken anew from the window each time the window has turned over once, so rounding cannot pile up over months.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "window", "position", "total", "ready")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self.window: list[float] = []
        self.position = 0
        self.total = 0.0
        self.ready = False

    def update(self, value: float) -> float | None:
        if len(self.window) < self.period:
            self.window.append(value)
            self.total += value
        else:
            self.total += value - self.window[self.position]
            self.window[self.position] = value
            self.position = (self.position + 1) % self.period
            if self.position == 0:
                self.total = sum(self.window)
        self.ready = len(self.window) == self.period
        self.value = self.total / self.period if self.ready else None
        return self.value

    def peek(self, value: float) -> float | None:
        held = len(self.window)
        if held < self.period:
            return (self.total + value) / self.period if held == self.period - 1 else None
        if self.position == self.period - 1:  # the update would take the sum anew
            return sum((*self.window[:-1], value)) / self.period
        return (self.total + (value - self.window[self.position])) / self.period

    def snapshot(self) -> dict[str, Any]:
        return super().snapshot() | {"window": list(self.window)}
