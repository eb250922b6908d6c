"""The first tick that reaches a level.

Owns the search, compiled where numba is there and with numpy otherwise. Both compare floats as ``engine.tick_level`` does.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.bars import kernels
from fortified.engine.tick_level import TOLERANCE

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
    compiled = kernels()
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
