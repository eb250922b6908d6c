"""Simple moving average."""

from typing import ClassVar

import numpy as np

from fortified.indicators.base import Floats, SeriesIndicator, checked_period


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

    def compute(self, values: Floats) -> dict[str, Floats]:
        turns = Turns(values, self.period)
        line = turns.totals() / self.period
        line[: self.period - 1] = np.nan
        return {"value": line}


class Turns:
    """Values in rows of ``period``: with each row the window turns over once. The sums are those of ``SMA.update``, to the bit."""

    def __init__(self, values: Floats, period: int) -> None:
        self.count, self.period = len(values), period
        self.rows = np.append(values, np.zeros(-len(values) % period)).reshape(-1, period)

    def totals(self) -> Floats:
        """The sum of the window after each value; of the values so far, before there are ``period``."""
        return self.running(np.diff(self.rows, axis=0, prepend=0.0), [sum(row) for row in self.rows.tolist()])

    def running(self, steps: Floats, anew: list[float]) -> Floats:
        """A sum that moves by ``steps``, row by row, and is taken ``anew`` at the end of each row but the first."""
        sums = np.cumsum(steps[:1], axis=1)
        if len(steps) > 1:
            starts = np.array([sums[0, -1], *anew[1:-1]])
            steps = np.column_stack([starts, steps[1:]])
            later = np.cumsum(steps, axis=1)[:, 1:]
            later[:, -1] = anew[1:]
            sums = np.concatenate([sums, later])
        return sums.ravel()[: self.count]
