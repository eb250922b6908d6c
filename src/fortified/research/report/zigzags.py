"""Zigzags on a chart: the legs as they were told, and what a chart makes of them in hindsight.

Owns finding the bars of pivots, also where a strategy began anew. What is here under the name of a chart has seen later bars.
"""

from collections.abc import Callable, Iterator

import numpy as np

from fortified.backtest.columns import BarColumns
from fortified.indicators.base import Floats
from fortified.indicators.reversal_arrows import ARMED_FROM
from fortified.indicators.zigzag import Reversal, ZigZagHighLow
from fortified.indicators.zigzag_chart import points, trend_reversal
from fortified.research.report.drawn import Places
from fortified.research.report.watch import Watch, Watched


def pivots(zigzag: Watched, starts: tuple[int, ...]) -> tuple[Places, Floats]:
    """Where the first leg began and where each ended one had its extreme, with the prices; a NaN parts what lies before and after a start.

    An extreme lies where the number of its bar last changed: that holds wherever the zigzag began to count.
    """
    columns = zigzag.columns
    flip = np.nan_to_num(columns["flip"])
    flips, first = np.flatnonzero(flip), _first_decided(np.nan_to_num(columns["direction"]), starts)
    up, first_up = flip[flips] > 0, columns["direction"][first] > 0
    ends = np.where(up, *(_changed(columns[name], starts, flips) for name in ("min_bar", "max_bar")))
    begun = np.where(first_up, *(_changed(columns[name], starts, first) for name in ("min_low", "max_high")))
    opened, ended = np.where(first_up, columns["min_low"][first], columns["max_high"][first]), columns["pivot"][flips]
    places = np.concatenate([starts[1:], begun, ends]).astype(np.int64)
    order = np.argsort(places, kind="stable")
    return places[order], np.concatenate([np.full(len(starts) - 1, np.nan), opened, ended])[order]


def chart_points(bars: BarColumns, seen: Watch, reversal: Reversal) -> tuple[Places, Floats]:
    """The zigzag as a chart draws it when all bars are known."""

    def drawn(high: Floats, low: Floats, close: Floats) -> Floats:
        return points(ZigZagHighLow(reversal).compute(high, low, close))

    places, values = [], []
    for rows, line in _stretches(bars, seen, drawn):
        known = np.isfinite(line)
        places += [rows[known], rows[known][-1:]]
        values += [line[known], np.full(min(1, len(rows[known])), np.nan)]
    return np.concatenate(places), np.concatenate(values)


def chart_arrows(bars: BarColumns, seen: Watch, reversal: Reversal) -> tuple[Places, Places]:
    """The arrows up and down that a chart keeps when all bars are known."""

    def drawn(high: Floats, low: Floats, close: Floats) -> Floats:
        arrows = trend_reversal(high, low, close, reversal=reversal)["arrow"]
        arrows[:ARMED_FROM] = 0.0
        return arrows

    found = list(_stretches(bars, seen, drawn))
    up, down = ([rows[side * arrows > 0] for rows, arrows in found] for side in (1, -1))
    return np.concatenate(up), np.concatenate(down)


def _stretches(bars: BarColumns, seen: Watch, told: Callable[[Floats, Floats, Floats], Floats]) -> Iterator[tuple[Places, Floats]]:
    """From each start of the strategy to the next: the bars it was told, and what ``told`` makes of their prices."""
    for start, end in zip(seen.starts, (*seen.starts[1:], len(bars)), strict=True):
        rows = start + np.flatnonzero(seen.told[start:end])
        yield rows, told(bars.high[rows], bars.low[rows], bars.close[rows])


def _first_decided(direction: Floats, starts: tuple[int, ...]) -> Places:
    """In each stretch the place of the first leg, if there is one."""
    decided = np.flatnonzero(direction)
    found = np.searchsorted(decided, starts)
    first = decided[found[found < len(decided)]]
    return np.unique(first)


def _changed(values: Floats, starts: tuple[int, ...], at: Places) -> Places:
    """For each place of ``at`` the last one, itself included, where a stretch began or a known value followed on another one."""
    rows = np.flatnonzero(np.isfinite(values))
    moved = np.append(True, np.diff(values[rows]) != 0.0)
    begun = np.searchsorted(rows, starts)
    moved[begun[begun < len(rows)]] = True
    since = np.maximum.accumulate(np.where(moved, np.arange(len(rows)), 0))
    return np.asarray(rows[since[np.searchsorted(rows, at)]], np.int64)
