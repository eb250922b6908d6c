"""One compiled loop that does this job and nothing else: no strategy can be given, no records of trades are made. What memory allows."""

from typing import Any, cast

import numba
import numpy as np
from benchmarks.peers.bars import minutes
from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, Floats, Ints, Outcome, Run, Ticks, alpha, main, ticks_per_bar

SUMS = {"nnan", "ninf", "nsz", "reassoc"}
"""What lets extremes and sums be vectorised; the averages keep their order."""


@numba.njit(fastmath=SUMS)
def bar(price: Floats, size: Floats, begin: int, end: int) -> tuple[float, float, float]:
    """High, low and volume of the rows ``begin`` to ``end``."""
    high, low, volume = price[begin], price[begin], 0.0
    for row in range(begin, end):
        high, low, volume = max(high, price[row]), min(low, price[row]), volume + size[row]
    return high, low, volume


@numba.njit()
def trade(price: Floats, size: Floats, first: Ints, complete: int, a: float, b: float) -> tuple[Floats, Floats, Floats, float]:
    """Columns of the bars, prices and signed quantities of the fills, and the profit in points."""
    bars = np.empty((complete, 5))
    prices, quantities = np.empty(complete), np.empty(complete)
    fills, position, entry, profit = 0, 0, 0.0, 0.0
    fast = slow = price[first[1] - 1] if len(first) > 1 else price[-1]
    for number in range(complete):
        begin = first[number]
        end = first[number + 1] if number + 1 < len(first) else len(price)
        high, low, volume = bar(price, size, begin, end)
        close = price[end - 1]
        bars[number] = (price[begin], high, low, close, volume)
        was_above, was_below = fast > slow, fast < slow
        fast, slow = a * close + (1.0 - a) * fast, b * close + (1.0 - b) * slow
        side = 1 if fast > slow and not was_above else -1 if fast < slow and not was_below else 0
        if number >= SLOW and side not in (0, position) and end < len(price):
            prices[fills], quantities[fills] = price[end], side - position
            profit += position * (price[end] - entry)
            position, entry, fills = side, price[end], fills + 1
    return bars, prices[:fills], quantities[:fills], profit


def prepare(ticks: Ticks, timeframe: str) -> Run:
    per_bar = ticks_per_bar(timeframe)

    def run() -> Any:
        first = minutes(ticks.ts_ns) if per_bar is None else np.arange(0, len(ticks.price), per_bar)
        complete = len(first) - 1 if per_bar is None else len(ticks.price) // per_bar
        return trade(ticks.price, ticks.size, first, complete, alpha(FAST), alpha(SLOW))

    return run


def read(result: Any) -> Outcome:
    bars, prices, quantities, profit = cast("tuple[Floats, Floats, Floats, float]", result)
    return Outcome(list(zip(prices.tolist(), quantities.tolist(), strict=True)), profit * MULTIPLIER, len(bars))


if __name__ == "__main__":
    main("numba", prepare, read)
