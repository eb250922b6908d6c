"""Bars out of arrays of ticks, compiled.

Owns the loops that touch many ticks. Knows neither sessions nor flags; ``bars`` says which rows make a bar, or which stretches of time.
Floats are taken in the order of the ticks and compared as ``OpenBar`` does, so that results are the same to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.compiled import FLOATS, INT, INTS, inner, kernel

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]
type Partial = tuple[float, float, float, float]
"""High, low, volume and notional of a bar under construction."""

_BLOCK = 4096


@kernel(INTS)
def forward(ts: Ints) -> bool:
    """Whether time never runs backwards."""
    for begin in range(0, len(ts) - 1, _BLOCK):
        backwards = False
        for row in range(np.uint64(begin), np.uint64(min(begin + _BLOCK, len(ts) - 1))):
            backwards |= ts[row + np.uint64(1)] < ts[row]
        if backwards:
            return False
    return True


@inner
def _seek(ts: Ints, row: int, stop: int, edge: int, guess: int) -> int:
    """The first row behind ``row`` that is stamped ``edge`` or later, at most ``stop``; it is about ``guess`` rows away."""
    low, high = row, row + guess
    while high < stop and ts[high] < edge:
        guess *= 2
        low, high = high, high + guess
    high = min(high, stop)
    while low + 1 < high:
        middle = (low + high) // 2
        if ts[middle] < edge:
            low = middle
        else:
            high = middle
    return high


@kernel(INTS, INTS, INTS, INTS, INTS, INT, INT)
def cut(ts: Ints, first: Ints, stop: Ints, opens: Ints, closes: Ints, length_ns: int, most: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut stretches of rows into buckets of ``length_ns`` that count from ``opens``; there are at most ``most``, and none is empty.

    Stretch i is the rows ``first[i]`` to ``stop[i]``, stamped in [opens[i], closes[i]). Returns first row, last row + 1, start and end.
    """
    starts, stops = np.empty(most, np.int64), np.empty(most, np.int64)
    begins, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    bar = 0
    for stretch in range(len(first)):
        row, guess, close = first[stretch], 1, closes[stretch]
        while row < stop[stretch]:
            begin = ts[row] - (ts[row] - opens[stretch]) % length_ns
            end = begin + length_ns if length_ns < close - begin else close  # never beyond what 64 bits hold
            after = _seek(ts, row, stop[stretch], end, guess)
            starts[bar], stops[bar], begins[bar], ends[bar] = row, after, begin, end
            bar += 1
            row, guess = after, after - row
    return starts[:bar], stops[:bar], begins[:bar], ends[:bar]


@inner
def _first(price: Floats, size: Floats, row: int | np.uint64) -> Partial:
    return price[row], price[row], size[row], price[row] * size[row]


@inner
def _add(bar: Partial, price: float, size: float) -> Partial:
    high, low, volume, notional = bar
    return (price if price > high else high), (price if price < low else low), volume + size, notional + price * size  # NaN


@inner
def _add_rows(bar: Partial, price: Floats, size: Floats, start: int, stop: int) -> Partial:
    for row in range(np.uint64(start), np.uint64(stop)):
        bar = _add(bar, price[row], size[row])
    return bar


@kernel(FLOATS, FLOATS, INTS, INTS)
def reduce(price: Floats, size: Floats, starts: Ints, stops: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """High, low, volume and notional of the rows ``starts[i]`` to ``stops[i]`` (exclusive), at least one, for each bar i.

    A sum waits for itself, so two bars are summed side by side; unsigned rows spare a test for negative ones.
    """
    count = len(starts)
    high, low, volume, notional = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    for left in range(0, count - 1, 2):
        right = left + 1
        a, b = np.uint64(starts[left]), np.uint64(starts[right])
        both = min(stops[left] - starts[left], stops[right] - starts[right])
        bar_a, bar_b = _first(price, size, a), _first(price, size, b)
        for step in range(np.uint64(1), np.uint64(both)):
            bar_a = _add(bar_a, price[a + step], size[a + step])
            bar_b = _add(bar_b, price[b + step], size[b + step])
        high[left], low[left], volume[left], notional[left] = _add_rows(bar_a, price, size, starts[left] + both, stops[left])
        high[right], low[right], volume[right], notional[right] = _add_rows(bar_b, price, size, starts[right] + both, stops[right])
    if count % 2:
        last = count - 1
        bar_a = _first(price, size, starts[last])
        high[last], low[last], volume[last], notional[last] = _add_rows(bar_a, price, size, starts[last] + 1, stops[last])
    return high, low, volume, notional
