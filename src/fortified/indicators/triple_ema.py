"""Three exponential averages, and the trend that their order tells."""

from typing import ClassVar, Final

import numpy as np

from fortified.domain.errors import ConfigError
from fortified.indicators.base import BarIndicator, Floats, SeriesIndicator, followed
from fortified.indicators.ema import EMA

PERIODS: Final = (9, 14, 21)


class TripleEMA(SeriesIndicator):
    """``fast``, ``medium`` and ``slow`` EMA of the value ``-displacement`` bars back; ``value`` is the fast one.

    thinkScript's ``ExpAverage(close[-displace], n)``: a displacement above 0 would read closes of the future, so it is refused. Below 0,
    the averages begin when there is a value so far back. Warm with the slowest.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "fast_ema", "medium_ema", "slow_ema", "past", "position")
    lines: ClassVar[tuple[str, ...]] = ("value", "fast", "medium", "slow")

    def __init__(self, fast: int = PERIODS[0], medium: int = PERIODS[1], slow: int = PERIODS[2], displacement: int = 0) -> None:
        if displacement > 0:
            raise ConfigError(f"displacement {displacement} would read closes of the future; give 0, or below 0 to look back")
        self.fast_ema, self.medium_ema, self.slow_ema = EMA(fast), EMA(medium), EMA(slow)
        self.delay = -displacement
        self.past: list[float] = []
        self.position = 0
        self.value: float | None = None
        self.ready = False

    @property
    def fast(self) -> float | None:
        return self.fast_ema.value

    @property
    def medium(self) -> float | None:
        return self.medium_ema.value

    @property
    def slow(self) -> float | None:
        return self.slow_ema.value

    def update(self, value: float) -> float | None:
        if self.delay:
            past = self.past
            if len(past) < self.delay:
                past.append(value)
                return None
            value, past[self.position] = past[self.position], value
            self.position = (self.position + 1) % self.delay
        self.value = self.fast_ema.update(value)
        self.medium_ema.update(value)
        self.slow_ema.update(value)
        if not self.ready:
            self.ready = self.fast_ema.ready and self.medium_ema.ready and self.slow_ema.ready
        return self.value

    def peek(self, value: float) -> float | None:
        if len(self.past) < self.delay:
            return None
        return self.fast_ema.peek(self.past[self.position] if self.delay else value)

    def compute(self, values: Floats) -> dict[str, Floats]:
        fast, medium, slow = (self._line(average, values) for average in (self.fast_ema, self.medium_ema, self.slow_ema))
        return {"value": fast, "fast": fast, "medium": medium, "slow": slow}

    def _line(self, average: EMA, values: Floats) -> Floats:
        seen = max(len(values) - self.delay, 0)
        none = np.full(len(values) - seen, np.nan)
        return np.concatenate([none, average.compute(values[:seen])["value"]])


class TripleEMATrend(BarIndicator):
    """The trend of "Trend Reversal Indicator with Signals": ``direction`` +1 up, −1 down, 0 none. ``value`` is the fast average.

    It begins up on the first bar with fast > medium > slow and low > fast, and ends with fast ≤ medium; down is the mirror image. After an
    end it takes a new beginning: those conditions have to fail and hold again.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "average", "direction", "aligned")
    lines: ClassVar[tuple[str, ...]] = ("value", "fast", "medium", "slow", "direction")

    def __init__(self, average: TripleEMA) -> None:
        self.average = average
        self.direction = 0
        self.aligned = 0
        """The side whose conditions the last bar met."""
        self.value: float | None = None
        self.ready = False

    @property
    def fast(self) -> float | None:
        return self.average.fast

    @property
    def medium(self) -> float | None:
        return self.average.medium

    @property
    def slow(self) -> float | None:
        return self.average.slow

    def update(self, high: float, low: float, close: float) -> float | None:
        average = self.average
        self.value = fast = average.update(close)
        medium, slow = average.medium_ema.value, average.slow_ema.value
        if fast is None or medium is None or slow is None:
            return None
        self.ready = average.ready
        side = (fast > medium) - (fast < medium)
        if self.direction != side:
            self.direction = 0
        beyond = medium > slow and low > fast if side > 0 else medium < slow and high < fast
        aligned = side if beyond else 0
        if aligned and aligned != self.aligned:
            self.direction = aligned
        self.aligned = aligned
        return fast

    def peek(self, high: float, low: float, close: float) -> float | None:
        return self.average.peek(close)

    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        average = self.average
        delays = TripleEMA(average.fast_ema.period, average.medium_ema.period, average.slow_ema.period, -average.delay)
        return followed(TripleEMATrend(delays), high, low, close)
