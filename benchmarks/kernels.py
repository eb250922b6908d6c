"""Speed of building bars from whole arrays, warm: of the clock and of the processor.

Run ``python benchmarks/kernels.py [ticks]`` from the project's root. The bars are checked against the aggregators on the first ticks.
"""

import sys
import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import build_bars
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Tick
from fortified.domain.timeframe import Timeframe

SYMBOL, CHECKED, ROUNDS = "/NQ", 200_000, 15


class Ticks(msgspec.Struct, frozen=True, eq=False):
    """Ticks by column."""

    ts_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    bid: None = None
    ask: None = None

    def head(self, rows: int) -> "Ticks":
        return Ticks(self.ts_ns[:rows], self.price[:rows], self.size[:rows])


def random_walk(count: int) -> Ticks:
    """A random walk on quarter points, about 100 ticks a second."""
    dice = np.random.default_rng(7)
    ts = 1_760_000_000_000_000_000 + np.cumsum(dice.integers(0, 20_000_000, count))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count))
    return Ticks(ts, price, dice.integers(1, 9, count).astype(np.float64))


def best(action: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The least seconds of the clock, and of this thread on the processor."""
    clock, processor = [], []
    for _ in range(rounds):
        began, began_processor = time.perf_counter(), time.thread_time()
        action()
        clock.append(time.perf_counter() - began)
        processor.append(time.thread_time() - began_processor)
    return min(clock), min(processor)


def check(ticks: Ticks, timeframe: Timeframe, calendar_name: str) -> None:
    """Refuse to time bars that are not those of the aggregator."""
    calendar = get_calendar(calendar_name)
    aggregator = create_aggregator(SYMBOL, timeframe, calendar)
    columns = (column.tolist() for column in (ticks.ts_ns, ticks.price, ticks.size))
    fed = [
        bar
        for row, (ts, price, size) in enumerate(zip(*columns, strict=True))
        for bar in aggregator.on_tick(Tick(SYMBOL, row, ts, ts, price, size))
    ]
    if build_bars(ticks, timeframe, calendar).bars.bars(SYMBOL, timeframe.name) != fed:
        raise SystemExit(f"{timeframe.name} bars in {calendar_name} differ from those of the aggregator")


def measure(ticks: Ticks, timeframe: Timeframe, calendar_name: str) -> None:
    calendar, count = get_calendar(calendar_name), len(ticks.ts_ns)
    bars = build_bars(ticks, timeframe, calendar).bars
    clock, processor = best(lambda: build_bars(ticks, timeframe, calendar), ROUNDS)
    objects, _ = best(lambda: bars.bars(SYMBOL, timeframe.name), 3)
    rates = f"{count / clock / 1e6:>6.0f} M ticks/s of the clock {count / processor / 1e6:>6.0f} M of the processor"
    print(f"{timeframe.name:>5} {calendar_name:<10} {rates}  ({len(bars):,} bars, {objects / len(bars) * 1e6:.2f} µs for each object)")


if __name__ == "__main__":
    walk = random_walk(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
    for hours in ("24/7", "CME_INDEX"):
        for name in ("144t", "1", "30s", "3t"):
            check(walk.head(CHECKED), Timeframe.parse(name), hours)
            measure(walk, Timeframe.parse(name), hours)
