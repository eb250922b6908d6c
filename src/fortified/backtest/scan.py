"""The first tick that reaches a level, and the extremes between two ticks.

Owns the search, compiled where numba is there and with numpy otherwise. Both compare floats as ``engine.tick_level`` does.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.bars import kernels
from fortified.backtest.tape import Tape
from fortified.engine.tick_level import TOLERANCE

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

NAN = math.nan


class Watch(NamedTuple):
    """What to look for: a price at ``low`` or below, at ``high`` or above, or a trailing stop. NaN: nothing there.

    The trailing stop is ``trail`` points behind the best price since the entry, on a tick; ``sign`` is the direction of the position.
    """

    low: float = NAN
    high: float = NAN
    sign: int = 0
    trail: float = NAN
    best: float = NAN
    tick: float = 1.0


def first_reaching(price: Floats, start: int, stop: int, watch: Watch) -> int:
    """The first place in [start, stop) whose price reaches a level; ``stop`` when none does."""
    compiled = kernels("run_kernels")
    if compiled is not None:
        return int(compiled.first_reaching(price, start, stop, *watch))
    part = price[start:stop]
    reached = (part <= watch.low) | (part >= watch.high)
    if watch.trail == watch.trail:  # only NaN differs from itself
        best = np.concatenate(([watch.best], part[:-1]))
        best = watch.sign * np.maximum.accumulate(watch.sign * best)
        level = np.rint((best - watch.sign * watch.trail) / watch.tick) * watch.tick
        reached |= (part - level) * watch.sign <= TOLERANCE * watch.tick
    found = np.flatnonzero(reached)
    return start + int(found[0]) if len(found) else stop


def extremes(tape: Tape, first: Ints, stop: Ints) -> tuple[Floats, Floats]:
    """Highest and lowest price of the places ``first[i]`` to ``stop[i]`` (exclusive), which do not overlap; NaN where there is none."""
    compiled = kernels("run_kernels")
    if compiled is not None:
        high, low = compiled.extremes(tape.price, tape.ends, tape.bars.high, tape.bars.low, first, stop)
        return high, low
    high, low = np.full(len(first), NAN), np.full(len(first), NAN)
    for index, (start, end) in enumerate(zip(first.tolist(), stop.tolist(), strict=True)):
        if start < end:
            high[index], low[index] = tape.price[start:end].max(), tape.price[start:end].min()
    return high, low
