"""The indicators of a run on the chart of its prices.

Owns how a line, a state, legs and marks look. ``meta`` of a trace tells the script of the page how to show it in a view that has less room.
"""

from collections.abc import Iterator
from html import escape
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from numpy.typing import NDArray

from fortified.backtest.columns import BarColumns
from fortified.indicators.base import Floats
from fortified.research.report.drawn import Drawn, Legs, Line, Marks, Places, State
from fortified.research.report.style import DOWN, LEG, LINES, MUTED, UP


class IndicatorTraces:
    """The traces of ``drawn``; ``step`` bars are one candle. The states are on ``y2``, the panels on ``y3`` and so on."""

    def __init__(self, drawn: Drawn, bars: BarColumns, step: int) -> None:
        self.drawn, self._bars, self._step = drawn, bars, step
        self._last = np.minimum(np.arange(0, len(bars), step) + step, len(bars)) - 1
        """The last bar of each candle."""
        self._axes = {panel: f"y{number}" for number, panel in enumerate(drawn.panels, start=3)}

    def traces(self) -> list[Any]:
        """What lies above comes later."""
        colours = cycle(LINES)
        found = [
            trace for line in self.drawn.lines if not line.panel for trace in self._line(line, MUTED if line.hidden else next(colours))
        ]
        found += [self._legs(legs) for legs in self.drawn.legs]
        found += [trace for marks in self.drawn.marks for trace in self._marks(marks)]
        for panel in self.drawn.panels:
            own = [line for line in self.drawn.lines if line.panel == panel]
            found += [trace for line, colour in zip(own, cycle(LINES), strict=False) for trace in self._line(line, colour)]
        return [*found, *map(self._state, self.drawn.states, range(len(self.drawn.states)))]

    def _line(self, line: Line, colour: str) -> Iterator[go.Scatter]:
        if line.side is None:
            yield self._stroke(line, line.values, {"color": colour, "width": 1.0 if line.hidden else 1.4})
        else:
            for side, tint in ((1.0, UP), (-1.0, DOWN)):
                values = np.where(line.side == side, line.values, np.nan)
                yield self._stroke(line, values, {"color": tint, "width": 2.0}, legendgroup=line.name, showlegend=side > 0)

    def _stroke(self, line: Line, values: Floats, stroke: dict[str, Any], **more: Any) -> go.Scatter:
        look: dict[str, Any] = {"showlegend": not line.panel, "meta": "line"} | _shown(hidden=line.hidden) | more
        axis = {"yaxis": self._axes[line.panel]} if line.panel else {}
        return go.Scatter(y=self._seen(values), name=escape(line.name), mode="lines", line=stroke, hoverinfo="skip", **axis, **look)

    def _legs(self, legs: Legs) -> go.Scatter:
        stroke = {"color": LEG, "width": 1.2 if legs.repaints else 1.8, "dash": "dash" if legs.repaints else "solid"}
        return go.Scatter(
            **{"x": self._places(legs.places), "y": np.asarray(legs.values, np.float32), "name": escape(legs.name), "line": stroke},
            **{"mode": "lines", "hoverinfo": "skip", "meta": "legs", **_shown(hidden=legs.repaints)},
        )

    def _marks(self, marks: Marks) -> Iterator[go.Scatter]:
        look, size = ("-open", 13) if marks.repaints else ("", 9)  # around the arrow that was told, where there was one
        for name, places, prices, colour in (("up", marks.up, self._bars.low, UP), ("down", marks.down, self._bars.high, DOWN)):
            marker = {"symbol": f"arrow-{name}{look}", "color": colour, "size": size}
            shown = {"showlegend": name == "up", "legendgroup": marks.name} | _shown(hidden=marks.hidden)
            yield go.Scatter(
                **{"x": self._places(places), "y": np.asarray(prices[places], np.float32), "name": escape(marks.name), "marker": marker},
                **{"mode": "markers", "hoverinfo": "skip", "meta": "mark", **shown},
            )

    def _state(self, state: State, row: int) -> go.Heatmap:
        values = np.nan_to_num(self._seen(state.values)).astype(np.int8)
        return go.Heatmap(
            **{"z": values[None, :], "y0": row, "dy": 1, "yaxis": "y2", "name": escape(state.name), "hoverinfo": "skip", "meta": "state"},
            **{"colorscale": [[0, DOWN], [0.5, "rgba(0,0,0,0)"], [1, UP]], "zmin": -1, "zmax": 1, "showscale": False, "ygap": 2},
            opacity=0.75,
        )

    def _seen(self, values: Floats) -> NDArray[np.float32]:
        return np.asarray(values[self._last], np.float32)

    def _places(self, places: Places) -> NDArray[np.float64]:
        return places / self._step


def _shown(*, hidden: bool) -> dict[str, Any]:
    """What is hidden comes last in the legend."""
    return {"visible": "legendonly", "legendrank": 1001} if hidden else {"visible": True}
