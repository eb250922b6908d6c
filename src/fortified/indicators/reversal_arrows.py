"""The arrows of "Trend Reversal Indicator with Signals" on a zigzag.

Owns the layer above the zigzag's points, and its arrows as each bar alone can tell them. What a chart makes of them later is in
``zigzag_chart``.
"""

from typing import ClassVar, Final

from fortified.indicators.base import BarIndicator, Floats, Indicator, followed
from fortified.indicators.zigzag import ZigZagHighLow

ARMED_FROM: Final = 10
"""Number of the first bar that can have an arrow; the first bar of all is 0."""


class ReversalLayer(Indicator):
    """Fed the prices of each bar and its zigzag point, if it has one. ``signal``: 1 above the last low, −1 below the last high, 0 at first.

    ``arrow`` is the new signal on a bar where it changed, else 0. ``low`` and ``high`` are the points, told apart as the script does it: by
    equality with the bar's prices, so these have to be the very numbers.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "saved", "change", "low", "high", "direction", "signal", "arrow")

    def __init__(self) -> None:
        self.value: float | None = None
        self.ready = False
        self.saved = self.change = self.low = self.high = 0.0
        self.direction = self.signal = self.arrow = 0

    def step(self, high: float, low: float, point: float | None) -> None:
        """Take a bar; ``high`` and ``low`` as the zigzag reads them."""
        last_low, last_high = self.low, self.high
        saved = self.saved if point is None else point
        self.change = (high if saved == high else low) - self.saved
        self.saved = saved
        if point is not None:
            if self.change >= 0.0:
                self.high = high
            else:
                self.low = low
        self.arrow = 0
        if self.ready:
            self._turn(high, low, last_high, last_low)
        self.ready = True

    def _turn(self, high: float, low: float, last_high: float, last_low: float) -> None:
        if self.low != last_low or low == last_low == self.saved:
            self.direction = 1
        elif self.high != last_high or high == last_high == self.saved:
            self.direction = -1
        if self.direction > 0 and low > self.low:
            signal = 1
        elif self.direction < 0 and high < self.high:
            signal = -1
        else:
            return
        if signal != self.signal:
            self.signal = self.arrow = signal


class ReversalArrows(BarIndicator):
    """Each bar's arrow as it looks at its own close, told once and never taken back: +1 up, −1 down. ``direction`` is the last one.

    A chart of thinkorswim draws an arrow one bar later, and takes more than half of them away again when the leg goes on. Here bar k is
    judged with what was drawn by then, as if it were not the newest. ``value`` is the extreme of the zigzag's leg.
    """

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "zigzag", "bare", "marked", "arrow", "direction")
    lines: ClassVar[tuple[str, ...]] = ("value", "signal", "arrow", "direction")

    def __init__(self, zigzag: ZigZagHighLow) -> None:
        self.zigzag = zigzag
        self.bare, self.marked = ReversalLayer(), ReversalLayer()
        """The layer without and with the point at the extreme of this leg; before the first leg, those of an up and of a down leg."""
        self.arrow = self.direction = 0
        self.value: float | None = None
        self.ready = False

    @property
    def signal(self) -> int:
        return self.marked.signal if self.zigzag.direction else 0

    def update(self, high: float, low: float, close: float) -> float | None:
        zigzag = self.zigzag
        before = zigzag.direction
        self.value = zigzag.update(high, low, close)
        self.ready = zigzag.ready
        if zigzag.direction:
            self._follow(before)
        else:
            self._wait()
        return self.value

    def peek(self, high: float, low: float, close: float) -> float | None:
        return self.zigzag.peek(high, low, close)

    def _wait(self) -> None:
        """The first bar is the low end of a leg up, or the high end of a leg down; which, the end of this wait will tell."""
        high, low, first = self.zigzag.price_high, self.zigzag.price_low, not self.zigzag.bar
        self.bare.step(high, low, low if first else None)
        self.marked.step(high, low, high if first else None)

    def _follow(self, before: int) -> None:
        zigzag = self.zigzag
        high, low, up = zigzag.price_high, zigzag.price_low, zigzag.direction > 0
        if zigzag.direction != before and (before or not up):
            self.bare = self.marked  # the leg before has ended, and its point stays
        if zigzag.bar == (zigzag.max_bar if up else zigzag.min_bar):
            self.marked = self.bare.fork()
            self.marked.step(high, low, zigzag.value)
        else:
            self.marked.step(high, low, None)
        self.bare.step(high, low, None)
        self.arrow = self.marked.arrow if zigzag.bar >= ARMED_FROM else 0
        if self.arrow:
            self.direction = self.arrow

    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        return followed(ReversalArrows(ZigZagHighLow(self.zigzag.reversal)), high, low, close)
