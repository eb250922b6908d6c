"""SuperTrend."""

from math import isfinite
from typing import ClassVar, Final

from fortified.domain.errors import ConfigError
from fortified.indicators.atr import ATR
from fortified.indicators.base import BarIndicator, Floats, followed

PERIOD: Final = 10
MULTIPLIER: Final = 3.0


class SuperTrend(BarIndicator):
    """Two bands about the middle of the bar, (H + L)/2 ± multiplier·ATR, that only move towards the price; as TradingView's ta.supertrend.

    ``upper`` falls, or begins anew when the close before was above it; ``lower`` is its mirror image. ``direction`` turns to +1 with a
    close above ``upper``, to −1 with one below ``lower``, both strict and of this very bar. ``value`` is the band behind the price:
    ``lower`` when up, ``upper`` when down. It begins with the first ATR, down; ``flip`` is the new direction on a bar that turned, else 0.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "atr", "upper", "lower", "direction", "flip")
    lines: ClassVar[tuple[str, ...]] = ("value", "upper", "lower", "direction", "flip")

    def __init__(self, period: int = PERIOD, multiplier: float = MULTIPLIER) -> None:
        if not (isfinite(multiplier) and multiplier > 0):
            raise ConfigError(f"multiplier {multiplier} is not possible; give a number above 0, such as {MULTIPLIER}")
        self.atr = ATR(period)
        self.multiplier = multiplier
        self.value: float | None = None
        self.ready = False
        self.upper: float | None = None
        self.lower: float | None = None
        self.direction = 0
        self.flip = 0

    def update(self, high: float, low: float, close: float) -> float | None:
        last = self.atr.close
        atr = self.atr.update(high, low, close)
        if atr is None:
            return None
        middle, width = (high + low) / 2.0, self.multiplier * atr
        upper, lower, direction = middle + width, middle - width, self.direction
        self.flip = 0
        if last is None or self.upper is None or self.lower is None:
            self.direction = direction = -1
            self.ready = True
        else:
            if upper >= self.upper >= last:
                upper = self.upper
            if lower <= self.lower <= last:
                lower = self.lower
            if direction < 0 and close > upper:
                self.direction = self.flip = direction = 1
            elif direction > 0 and close < lower:
                self.direction = self.flip = direction = -1
        self.upper, self.lower = upper, lower
        self.value = value = lower if direction > 0 else upper
        return value

    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        return followed(SuperTrend(self.atr.period, self.multiplier), high, low, close)
