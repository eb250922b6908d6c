"""Fewer points that look the same.

Owns which points of a long series are drawn. Lows and highs survive.
"""

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.columns import BarColumns


def extremes(values: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """The places of at most ``limit`` (≥ 4) values: the first, the last, and the lowest and highest of each stretch between."""
    count = len(values)
    if count <= limit:
        return np.arange(count)
    starts = np.linspace(0, count, (limit - 2) // 2, endpoint=False).astype(np.int64)
    ends = np.append(starts[1:], count)
    places = [(start + int(fn(values[start:end]))) for start, end in zip(starts, ends, strict=True) for fn in (np.argmin, np.argmax)]
    return np.unique(np.array([0, *places, count - 1]))


def candles(bars: BarColumns, step: int) -> tuple[NDArray[np.float64], ...]:
    """Open, high, low and close of every ``step`` bars joined into one; the last may hold fewer."""
    starts = np.arange(0, len(bars), step)
    if not len(starts):
        return bars.open, bars.high, bars.low, bars.close
    ends = np.minimum(starts + step, len(bars)) - 1
    return bars.open[starts], np.maximum.reduceat(bars.high, starts), np.minimum.reduceat(bars.low, starts), bars.close[ends]
