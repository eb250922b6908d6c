"""Bars for peers that build none of their own, as fast as numpy makes them; counted in their time."""

from typing import NamedTuple

import numpy as np
from benchmarks.peers.job import NS_PER_MINUTE, Floats, Ints, Ticks, ticks_per_bar


class Bars(NamedTuple):
    """Bars by column. The last one may be incomplete: orders fill at its open, and what its close says comes too late for any."""

    ts_open: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    complete: int


def resample(ticks: Ticks, timeframe: str) -> Bars:
    """Bars of a number of ticks, or of the minutes that have ticks."""
    per_bar = ticks_per_bar(timeframe)
    count = len(ticks.ts_ns)
    if per_bar is None:
        first = minutes(ticks.ts_ns)
        complete = len(first) - 1
    else:
        first = np.arange(0, count, per_bar)
        complete = count // per_bar
    last = np.append(first[1:], count) - 1
    return Bars(
        ticks.ts_ns[first],
        ticks.price[first],
        np.maximum.reduceat(ticks.price, first),
        np.minimum.reduceat(ticks.price, first),
        ticks.price[last],
        np.add.reduceat(ticks.size, first),
        complete,
    )


def minutes(ts_ns: Ints) -> Ints:
    """The first row of each minute that has one."""
    edges = np.arange(ts_ns[0] // NS_PER_MINUTE, ts_ns[-1] // NS_PER_MINUTE + 1) * NS_PER_MINUTE
    first = np.searchsorted(ts_ns, edges)
    return first[np.diff(np.append(first, len(ts_ns))) > 0]
