"""What an indicator costs for each bar, in plain Python: told bar by bar, peeked at, and computed for all bars at once.

Run ``python benchmarks/indicators.py [bars]`` from the project's root. The first three have limits: 0.3, 1.5 and 1.5 µs for each bar.
"""

import sys
import time
from collections.abc import Callable
from itertools import repeat

import numpy as np

from fortified.indicators.atr import ATR
from fortified.indicators.base import Floats, Indicator, SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.sma import SMA
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend
from fortified.indicators.wilders import WildersAverage
from fortified.indicators.wma import WMA
from fortified.indicators.zigzag import TREND_REVERSAL, ZigZagHighLow

ROUNDS = 7
LIMITS = {"EMA": 0.3, "ZigZagHighLow": 1.5, "SuperTrend": 1.5}
KINDS: list[Callable[[], Indicator]] = [
    *(lambda: EMA(21), lambda: ZigZagHighLow(TREND_REVERSAL), SuperTrend, lambda: SMA(21), lambda: WMA(21)),
    *(lambda: WildersAverage(14), lambda: HullAverage(16), ATR, TripleEMA, lambda: TripleEMATrend(TripleEMA())),
    lambda: ReversalArrows(ZigZagHighLow(TREND_REVERSAL)),
]


def random_walk(count: int) -> tuple[Floats, Floats, Floats]:
    """High, low and close on quarter points."""
    dice = np.random.default_rng(7)
    close = 20_000 + 0.25 * np.cumsum(dice.integers(-12, 13, count))
    return close + 0.25 * dice.integers(0, 20, count), close - 0.25 * dice.integers(0, 20, count), close


def best(action: Callable[[], object], count: int) -> float:
    """The least microseconds of the clock for each of ``count`` bars."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return min(taken) / count * 1e6


def calls(function: Callable[..., object], rows: list[tuple[float, ...]]) -> Callable[[], None]:
    def action() -> None:
        for row in rows:
            function(*row)

    return action


def nothing(*row: float) -> None:
    """What the loop itself costs is taken off."""


def measure(make: Callable[[], Indicator], columns: tuple[Floats, ...]) -> None:
    indicator = make()
    if isinstance(indicator, SeriesIndicator):
        columns = columns[-1:]
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    empty = best(calls(nothing, rows), len(rows))
    update, peek = (best(calls(function, rows), len(rows)) for function in (indicator.update, indicator.peek))  # type: ignore[attr-defined]  # both kinds have them
    compute = best(lambda: make().compute(*columns), len(rows))  # type: ignore[attr-defined]  # both kinds have it
    name = type(indicator).__name__
    limit = f"  limit {LIMITS[name]} µs" if name in LIMITS else ""
    print(f"{name:<16} update {update:.2f} µs  peek {peek:.2f} µs  compute {compute:.3f} µs  (a call: {empty:.2f} µs){limit}")


if __name__ == "__main__":
    walk = random_walk(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
    for kind, bars in zip(KINDS, repeat(walk)):
        measure(kind, bars)
