"""The indicators of a strategy, watched over the bars of its run.

Owns running the strategy once more. What it answers is not looked at: no order follows. Knows nothing of charts.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.market import Bar, BarFlag
from fortified.indicators.base import Floats, Indicator
from fortified.research.result import BacktestResult
from fortified.strategies.base import BaseStrategy, StrategyConfig

_CHUNK: Final = 16_384
"""Rows that are held as Python numbers at a time; long runs would fill the memory with them."""
_LOOKS: Final = 500
"""Bars of other timeframes after which it is known which indicators they are fed to."""


class Watched(msgspec.Struct, frozen=True, eq=False):
    """One indicator. ``path``: where it is, as in ``trend.average``. ``columns``: by line, one value per bar, NaN where there was none.

    ``is_other``: it is fed with bars of another timeframe.
    """

    path: str
    indicator: Indicator
    columns: dict[str, Floats]
    is_other: bool = False


class Watch(msgspec.Struct, frozen=True, eq=False):
    """All indicators, the outer before those within.

    ``told``: whether the strategy was told each bar. ``starts``: the first bar, and those at which it began anew.
    """

    indicators: tuple[Watched, ...]
    told: NDArray[np.bool_]
    starts: tuple[int, ...]


def watch(result: BacktestResult) -> Watch:
    """The indicators of ``result``'s strategy after each bar. Raises whatever the strategy raises."""
    strategy = _fresh(result)
    held = list(_indicators(strategy, "", set()))
    names = [f"{path}.{line}" for path, indicator in held for line in indicator.lines]
    read = attrgetter("name", *names)  # with one name alone it would give no tuple
    nothing = (None,) * (1 + len(names))
    told, starts, table, rows = np.ones(len(result.bars), np.bool_), [0], np.empty((len(result.bars), len(names))), []
    bars = result.bars.bars(result.instrument.symbol, result.timeframe.name)
    others: Iterable[Sequence[Bar]] = repeat(()) if result.others is None else result.others()
    fed, looks = set[str](), 0
    for place, (bar, shown) in enumerate(zip(bars, others, strict=False), start=1):
        if bar.flags & BarFlag.GAP and place > 1:
            strategy = _fresh(result)
            starts.append(place - 1)
        for other in shown:
            before = _states(held) if looks < _LOOKS else {}
            strategy.on_other_bar(other)
            fed.update(path for path, state in _states(held if before else ()).items() if state != before[path])
            looks += 1
        if bar.flags & BarFlag.PARTIAL_START:
            told[place - 1] = False
            rows.append(nothing)
        else:
            strategy.on_new_bar(bar, None)
            rows.append(read(strategy))
        if len(rows) == _CHUNK or place == len(table):
            table[place - len(rows) : place] = np.array([row[1:] for row in rows], np.float64)
            rows.clear()
    columns = iter(table.T)
    seen = (Watched(path, indicator, {line: next(columns) for line in indicator.lines}, path in fed) for path, indicator in held)
    return Watch(tuple(seen), told, tuple(starts))


def _states(held: Iterable[tuple[str, Indicator]]) -> dict[str, str]:
    return {path: repr(indicator.snapshot()) for path, indicator in held}


def _indicators(owner: object, prefix: str, seen: set[int]) -> Iterator[tuple[str, Indicator]]:
    for name, value in vars(owner).items():
        if isinstance(value, Indicator) and id(value) not in seen:
            seen.add(id(value))
            yield prefix + name, value
            yield from _indicators(value, f"{prefix}{name}.", seen)


def _fresh(result: BacktestResult) -> BaseStrategy:
    log = logging.Logger("report")  # of its own: what it said in the run was said there
    log.addHandler(logging.NullHandler())
    return result.strategy(StrategyConfig(result.instrument.symbol, result.timeframe.name, result.options.params), log)
