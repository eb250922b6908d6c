"""Hull moving average."""

from math import isqrt
from typing import ClassVar

import numpy as np

from fortified.indicators.base import Floats, SeriesIndicator, checked_period
from fortified.indicators.wma import WMA


class HullAverage(SeriesIndicator):
    """WMA(2·WMA(p, n/2) − WMA(p, n), √n), n/2 and √n rounded down as in TradingView's ta.hma (A. Hull, 2005).

    None before there are n + √n − 1 values.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "half", "full", "smooth")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period, least=2)
        self.half, self.full, self.smooth = WMA(period // 2), WMA(period), WMA(isqrt(period))
        self.value: float | None = None
        self.ready = False

    def update(self, value: float) -> float | None:
        half, full = self.half.update(value), self.full.update(value)
        if half is not None and full is not None:
            self.value = self.smooth.update(2.0 * half - full)
            self.ready = self.smooth.ready
        return self.value

    def peek(self, value: float) -> float | None:
        half, full = self.half.peek(value), self.full.peek(value)
        return None if half is None or full is None else self.smooth.peek(2.0 * half - full)

    def compute(self, values: Floats) -> dict[str, Floats]:
        raw = 2.0 * self.half.compute(values)["value"] - self.full.compute(values)["value"]
        line = np.full(len(values), np.nan)
        line[self.period - 1 :] = self.smooth.compute(raw[self.period - 1 :])["value"]
        return {"value": line}
