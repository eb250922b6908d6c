"""Average true range."""

from typing import ClassVar, Final

from fortified.indicators.base import BarIndicator, checked_period

ATR_PERIOD: Final = 14


class ATR(BarIndicator):
    """Wilder's average of the true range: the mean of the first ``period`` ranges, then A = A′ + (TR − A′) / period.

    TR = max(H − L, |H − C′|, |L − C′|), the first one H − L: thinkorswim's ATR and TradingView's ta.atr (J. W. Wilder, 1978).
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
        last = self.close
        # As comparisons, not max(): a third of the time.
        true_range = high - low
        if last is not None:
            true_range = max(true_range, high - last)
            true_range = max(true_range, last - low)
        self.close = close
        self.count += 1
        if self.value is not None:
            self.value += (true_range - self.value) / self.period
        else:
            self.total += true_range
            if self.count == self.period:
                self.value, self.ready = self.total / self.period, True
        return self.value

    def peek(self, high: float, low: float, close: float) -> float | None:
        fork = ATR(self.period)
        fork.restore(self.snapshot())
        return fork.update(high, low, close)

    @property
    def so_far(self) -> float | None:
        """``value``, or the mean of the few ranges seen before there is one; None before the first bar."""
        return self.value if self.value is not None else self.total / self.count if self.count else None
