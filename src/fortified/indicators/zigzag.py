"""ZigZag of highs and lows: which leg the price is in, decided bar by bar.

Owns the threshold of a reversal and the machine that turns. It never changes what it has said; the line that charts draw does, and is in
``zigzag_chart``.
"""

from math import isfinite, nan
from typing import ClassVar, Final, Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.indicators.atr import ATR
from fortified.indicators.base import BarIndicator, Floats, checked_period, followed
from fortified.indicators.ema import EMA

PriceSource = Literal["average", "high_low"]
Method = Literal["average", "atr", "percent", "absolute"]

_TERMS: Final = ("percent", "absolute", "atr_multiple", "ticks")


class Reversal(msgspec.Struct, frozen=True):
    """How far the price has to come back from an extreme M: M·percent/100 + atr_multiple·ATR·M/close + absolute.

    ``absolute`` is in points; where it is 0, ``ticks`` of ``tick_size`` points take its place. The defaults are those of thinkorswim's
    ZigZagHighLow. With the price source ``average`` highs and lows are their EMA of ``average_length`` bars; the ATR is that of the bars.

    Raises:
        ConfigError: a term is below 0, or all are 0, so that every bar would turn.
    """

    percent: float = 5.0
    absolute: float = 0.0
    atr_length: int = 5
    atr_multiple: float = 1.5
    ticks: float = 0.0
    tick_size: float = 0.0
    source: PriceSource = "high_low"
    average_length: int = 5

    def __post_init__(self) -> None:
        for name in (*_TERMS, "tick_size"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ConfigError(f"{name} {value} of the zigzag is not possible; give 0 or a number above it")
        if not (self.percent or self.atr_multiple or self.points):
            raise ConfigError("the zigzag has no threshold; give percent, absolute, atr_multiple, or ticks with tick_size, above 0")
        checked_period(self.atr_length)
        checked_period(self.average_length)

    @property
    def points(self) -> float:
        """The part of the threshold that is the same at any price."""
        return self.absolute or self.ticks * self.tick_size

    def by(self, method: Method) -> "Reversal":
        """The preset of that name: ``average`` sums all terms, the others leave one of them.

        Raises:
            ConfigError: that term is 0.
        """
        if method == "average":
            return self
        kept = {"atr": "atr_multiple"}.get(method, method)
        zeros = {name: 0.0 for name in _TERMS if name != kept}
        if not getattr(self, kept):
            raise ConfigError(f"the zigzag's method {method!r} needs {kept} above 0")
        return msgspec.structs.replace(self, **zeros)


TREND_REVERSAL: Final = Reversal(percent=0.01, absolute=0.05, atr_length=5, atr_multiple=2.0, source="average", average_length=5)
"""As "Trend Reversal Indicator with Signals" sets it."""


class ZigZagHighLow(BarIndicator):
    """``direction`` of the leg: +1 up, −1 down, 0 before the first is decided. ``value`` is its extreme so far, None before.

    Up turns down on the bar whose low is ``max_high`` less the threshold, or lower; else a high that equals or exceeds it is the new
    extreme. Down is the mirror image. The first bar that reaches the highest high decides for up, or the lowest low for down. ``flip`` is
    the new direction on a bar that turned, else 0; then ``pivot`` is the extreme that ended there, that of bar ``pivot_bar`` (from 0).
    No leg ends before there is an ATR, when it counts, or with a close of 0.
    """

    fields: ClassVar[tuple[str, ...]] = (
        *("value", "ready", "atr", "high_average", "low_average", "bar", "price_high", "price_low"),
        *("direction", "flip", "max_high", "max_bar", "min_low", "min_bar", "pivot", "pivot_bar"),
    )
    lines: ClassVar[tuple[str, ...]] = (
        *("value", "direction", "flip", "max_high", "max_bar", "min_low", "min_bar", "pivot", "pivot_bar"),
        *("price_high", "price_low"),
    )

    def __init__(self, reversal: Reversal = Reversal()) -> None:  # noqa: B008  # it is frozen
        self.reversal = reversal
        self.atr = ATR(reversal.atr_length)
        self.high_average, self.low_average = EMA(reversal.average_length), EMA(reversal.average_length)
        self.averaged = reversal.source == "average"
        self.fixed_ratio, self.multiple, self.points = reversal.percent / 100.0, reversal.atr_multiple, reversal.points
        self.value: float | None = None
        self.ready = False
        self.bar = -1
        """Number of the last bar."""
        self.price_high = self.price_low = 0.0
        self.direction = self.flip = 0
        self.max_high = self.min_low = 0.0
        self.max_bar = self.min_bar = 0
        self.pivot: float | None = None
        self.pivot_bar: int | None = None

    def update(self, high: float, low: float, close: float) -> float | None:
        ratio = self.fixed_ratio
        if self.multiple:
            atr = self.atr.update(high, low, close)
            ratio = nan if atr is None or not close else ratio + atr / close * self.multiple
        if self.averaged:
            high, low = self.high_average.update(high), self.low_average.update(low)
        self.price_high, self.price_low = high, low
        self.bar += 1
        self.flip = 0
        if self.direction > 0:
            self._up(high, low, ratio)
        elif self.direction < 0:
            self._down(high, low, ratio)
        else:
            self._decide(high, low)
        if not self.ready:
            self.ready = self._is_warm()
        self.value = value = self.max_high if self.direction > 0 else self.min_low if self.direction else None
        return value

    def _is_warm(self) -> bool:
        return bool(self.direction) and (not self.multiple or self.atr.ready) and (not self.averaged or self.high_average.ready)

    def _up(self, high: float, low: float, ratio: float) -> None:
        extreme = self.max_high  # a comparison with NaN, the ratio while there is none, is false: the leg goes on
        if low <= extreme - extreme * ratio - self.points:
            self.direction = self.flip = -1
            self.pivot, self.pivot_bar = extreme, self.max_bar
            self.min_low, self.min_bar = low, self.bar
        elif high >= extreme:
            self.max_high, self.max_bar = high, self.bar

    def _down(self, high: float, low: float, ratio: float) -> None:
        extreme = self.min_low
        if high >= extreme + extreme * ratio + self.points:
            self.direction = self.flip = 1
            self.pivot, self.pivot_bar = extreme, self.min_bar
            self.max_high, self.max_bar = high, self.bar
        elif low <= extreme:
            self.min_low, self.min_bar = low, self.bar

    def _decide(self, high: float, low: float) -> None:
        if not self.bar:
            self.max_high, self.min_low = high, low
        elif high >= self.max_high:
            self.direction = 1
            self.max_high, self.max_bar = high, self.bar
        elif low <= self.min_low:
            self.direction = -1
            self.min_low, self.min_bar = low, self.bar

    def threshold(self, close: float) -> float | None:
        """How far the price has to come back from ``value`` on a bar with this close; None while no leg can end."""
        atr = self.atr.value if self.multiple else 0.0
        return (
            None
            if self.value is None or atr is None or not close
            else self.value * (self.fixed_ratio + atr / close * self.multiple) + self.points
        )

    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        return followed(ZigZagHighLow(self.reversal), high, low, close)
