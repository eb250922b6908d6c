"""What of a strategy's indicators is drawn, and where.

Owns the part that each line plays on a chart: about the prices, as a state, as a mark, or in a panel of its own when it is of another size
than the prices. Knows no colours.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import numpy as np

from fortified.indicators.base import Floats, Indicator
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.zigzag import ZigZagHighLow
from fortified.research.report.drawn import Drawn, Legs, Line, Marks, State
from fortified.research.report.watch import Watch, Watched, watch
from fortified.research.report.zigzags import chart_arrows, chart_points, pivots
from fortified.research.result import BacktestResult

NEAR_SHARE: Final = 0.9
"""The share of an indicator's values that must lie about the prices."""

Part = Literal["price", "aside", "panel", "state", "mark", "pivots", "none"]
"""``aside`` lies about the prices too, and is shown when it is asked for."""

_PARTS: Final[Mapping[type[Indicator], Mapping[str, Part]]] = {
    SuperTrend: {"upper": "aside", "lower": "aside", "flip": "mark"},
    ReversalArrows: {"value": "aside", "arrow": "mark"},
    ZigZagHighLow: {
        **dict.fromkeys(("value", "max_high", "min_low", "price_high", "price_low"), "aside"),
        **{"flip": "mark", "pivot": "pivots"},
        **dict.fromkeys(("pivot_bar", "max_bar", "min_bar"), "none"),  # numbers of bars: where the others lie
    },
}
_STATES: Final = np.array([-1.0, 0.0, 1.0])

type Same = list[tuple[Watched, str]]
"""Lines that are the same everywhere: an outer indicator repeats those of its inner ones."""


def indicator_lines(result: BacktestResult) -> Drawn:
    """The indicators of ``result``'s strategy as they are drawn."""
    if not len(result.bars):
        return Drawn()
    try:
        seen = watch(result)
    except Exception as error:  # whatever the user's strategy raises, the report is made
        return Drawn(problem=f"The indicators are not drawn: the strategy failed when it was run again ({type(error).__name__}: {error}).")
    parts = _Parts(result, seen)
    return Drawn(tuple(parts.lines()), tuple(parts.states()), tuple(parts.legs()), tuple(parts.marks()))


class _Parts:
    """The watched lines by the part they play."""

    def __init__(self, result: BacktestResult, seen: Watch) -> None:
        self.bars, self.seen = result.bars, seen
        low, high = float(result.bars.low.min()), float(result.bars.high.max())
        self.low, self.high = low - (high - low), high + (high - low)
        self.parts = {
            (watched.path, line): self.part(watched.indicator, line, values)
            for watched in seen.indicators
            for line, values in watched.columns.items()
        }

    def part(self, indicator: Indicator, line: str, values: Floats) -> Part:
        known = values[np.isfinite(values)]
        if not len(known):
            return "none"
        if (said := next((parts.get(line) for kind, parts in _PARTS.items() if isinstance(indicator, kind)), None)) is not None:
            return said
        if np.isin(known, _STATES).all():
            return "state"
        return "price" if float(np.mean((known >= self.low) & (known <= self.high))) >= NEAR_SHARE else "panel"

    def all(self, *parts: Part) -> Iterator[tuple[Watched, str, Floats]]:
        for watched in self.seen.indicators:
            for line, values in watched.columns.items():
                if self.parts[watched.path, line] in parts:
                    yield watched, line, values

    def lines(self) -> Iterator[Line]:
        found: dict[bytes, Same] = {}
        for watched, line, values in self.all("price", "aside", "panel"):
            found.setdefault(values.tobytes(), []).append((watched, line))
        for same in found.values():
            same.sort(key=lambda one: one[0].path.count("."))
            watched, line = same[0]
            values, hidden = watched.columns[line], all(self.is_aside(*one) for one in same)
            panel = watched.path if self.parts[watched.path, line] == "panel" else ""
            side = watched.columns["direction"] if isinstance(watched.indicator, SuperTrend) and line == "value" else None
            yield Line(_name(same), values, panel, hidden and not panel, side)

    def is_aside(self, watched: Watched, line: str) -> bool:
        return "." in watched.path or self.parts[watched.path, line] == "aside"

    def states(self) -> Iterator[State]:
        for watched, line, values in self.all("state"):
            yield State(watched.path if line == "direction" else _name([(watched, line)]), values)

    def legs(self) -> Iterator[Legs]:
        for watched, _, _ in self.all("pivots"):
            if watched.is_other:
                continue  # it counts bars that are not drawn here
            yield Legs(f"{watched.path}: legs", *pivots(watched, self.seen.starts))
        for watched in self.seen.indicators:
            if isinstance(watched.indicator, ZigZagHighLow) and not watched.is_other:
                found = chart_points(self.bars, self.seen, watched.indicator.reversal)
                yield Legs(f"{watched.path}: as a chart draws it (repaints)", *found, repaints=True)

    def marks(self) -> Iterator[Marks]:
        for watched, line, values in self.all("mark"):
            yield Marks(f"{watched.path}: {line}", np.flatnonzero(values > 0), np.flatnonzero(values < 0), hidden=line == "flip")
        for watched in self.seen.indicators:
            if isinstance(watched.indicator, ReversalArrows) and not watched.is_other:
                found = chart_arrows(self.bars, self.seen, watched.indicator.zigzag.reversal)
                yield Marks(f"{watched.path}: arrows as a chart keeps them (repaint)", *found, hidden=True, repaints=True)


def _name(same: Same) -> str:
    """``trend: fast EMA 9``: where it is, which line, and of what, as far as these are known."""
    path = same[0][0].path
    line = next((line for _, line in same if line != "value"), "")
    whole = next((watched.indicator for watched, line in same if line == "value" and hasattr(watched.indicator, "period")), None)
    if whole is None and not line:
        whole = same[0][0].indicator
    words = [line, *([] if whole is None else [type(whole).__name__, _settings(whole)])]
    return f"{path}: {' '.join(word for word in words if word)}"


def _settings(indicator: Indicator) -> str:
    if isinstance(indicator, SuperTrend):
        return f"{indicator.atr.period} × {indicator.multiplier:g}"
    return str(getattr(indicator, "period", ""))
