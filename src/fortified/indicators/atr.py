"""Average true range."""

from typing import ClassVar, Final

import numpy as np

from fortified.indicators.base import BarIndicator, Floats, checked_period
from fortified.indicators.wilders import wilders_line

ATR_PERIOD: Final = 14


class ATR(BarIndicator):
    """Wilder's average of the true range: the mean of the first ``period`` ranges, then A = A′ + (TR − A′) / period.

    TR = max(H, C′) − min(L, C′), the first one H − L: thinkorswim's ATR and TradingView's ta.atr (J. W. Wilder, 1978).
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "count", "ready", "total", "close")

    def __init__(self, period: int = ATR_PERIOD) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self.count = 0
        self.ready = False
        self.total = 0.0
        self.close: float | None = None

    def update(self, high: float, low: float, close: float) -> float | None:
        last, value = self.close, self.value
        if last is not None:
            # As comparisons, not max() and min(): half of the time.
            if last > high:
                high = last
            elif last < low:
                low = last
        self.close = close
        self.count += 1
        if value is not None:
            self.value = value + (high - low - value) / self.period
        else:
            self.total += high - low
            if self.count == self.period:
                self.value, self.ready = self.total / self.period, True
        return self.value

    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        return {"value": wilders_line(true_range(high, low, close), self.period)}

    @property
    def so_far(self) -> float | None:
        """``value``, or the mean of the few ranges seen before there is one; None before the first bar."""
        return self.value if self.value is not None else self.total / self.count if self.count else None


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """The true range of each bar."""
    last = close[:-1]
    ranges = high - low
    ranges[1:] = np.maximum(high[1:], last) - np.minimum(low[1:], last)
    return ranges
