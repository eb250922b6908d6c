"""One of every indicator, and bars to feed them with."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from fortified.indicators.atr import ATR
from fortified.indicators.base import BarIndicator, Floats, Indicator, SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.sma import SMA
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend
from fortified.indicators.wilders import WildersAverage
from fortified.indicators.wma import WMA
from fortified.indicators.zigzag import Reversal, ZigZagHighLow

Row = tuple[float, float, float]

SERIES: dict[str, Callable[[], SeriesIndicator]] = {
    "ema": lambda: EMA(4),
    "sma": lambda: SMA(4),
    "wma": lambda: WMA(4),
    "wilders": lambda: WildersAverage(3),
    "hull": lambda: HullAverage(5),
    "triple ema": lambda: TripleEMA(2, 3, 5),
    "displaced": lambda: TripleEMA(2, 3, 5, displacement=-3),
}
BARS: dict[str, Callable[[], BarIndicator]] = {
    "atr": lambda: ATR(3),
    "trend": lambda: TripleEMATrend(TripleEMA(2, 3, 5)),
    "supertrend": lambda: SuperTrend(3, 1.0),
    "zigzag": lambda: ZigZagHighLow(
        Reversal(percent=0.0, absolute=1.0, atr_multiple=0.5, atr_length=3, source="average", average_length=2)
    ),
    "zigzag of points": lambda: ZigZagHighLow(Reversal(percent=0.0, absolute=3.0, atr_multiple=0.0)),
    "arrows": lambda: ReversalArrows(ZigZagHighLow(Reversal(percent=0.0, absolute=3.0, atr_multiple=0.0))),
}
NAMES = [*SERIES, *BARS]

bars = st.lists(st.tuples(*[st.integers(80, 120).map(float)] * 3).map(lambda row: _as_bar(*sorted(row))), max_size=60)
"""High, low and close on whole points, so that ties and touches are common."""


def _as_bar(low: float, close: float, high: float) -> Row:
    return high, low, close


def new(name: str) -> Indicator:
    return SERIES[name]() if name in SERIES else BARS[name]()


def update(indicator: Indicator, row: Row) -> float | None:
    if isinstance(indicator, SeriesIndicator):
        return indicator.update(row[2])
    assert isinstance(indicator, BarIndicator)
    return indicator.update(*row)


def peek(indicator: Indicator, row: Row) -> float | None:
    if isinstance(indicator, SeriesIndicator):
        return indicator.peek(row[2])
    assert isinstance(indicator, BarIndicator)
    return indicator.peek(*row)


def compute(indicator: Indicator, rows: list[Row]) -> dict[str, Floats]:
    high, low, close = np.array(rows, np.float64).reshape(-1, 3).T.copy()
    if isinstance(indicator, SeriesIndicator):
        return indicator.compute(close)
    assert isinstance(indicator, BarIndicator)
    return indicator.compute(high, low, close)
