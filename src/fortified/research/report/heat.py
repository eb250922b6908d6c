"""How the objective lies over the space that was searched: heat maps of two parameters, or a line over a single one.

Owns which points are on a map: those that have the best point's values in all other parameters.
"""

from collections.abc import Sequence
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types

from fortified.research.optimize.objective import MINIMISED, NEUTRAL
from fortified.research.optimize.result import OptimizeResult, Point
from fortified.research.report.markup import number
from fortified.research.report.metrics import label
from fortified.research.report.style import ACCENT, CARD, INK, axis, figure

MAX_PAIRS = 10
MAX_LABELLED = 24
"""Columns and rows of a map on which the numbers are written as well."""


def searched(result: OptimizeResult) -> list[str]:
    """The parameters with more than one value, those with most values first."""
    return sorted((name for name, values in result.space.items() if len(values) > 1), key=lambda name: -len(result.space[name]))


def pairs(result: OptimizeResult) -> list[tuple[str, str]]:
    """The pairs of parameters to map, the pair with most values first."""
    return list(combinations(searched(result), 2))[:MAX_PAIRS]


def heat_figure(result: OptimizeResult, across: str, upward: str, metric: str) -> go.Figure:
    """``metric`` of the train data over two parameters; blank where nothing was evaluated, with a frame about the best."""
    columns, rows, best = result.space[across], result.space[upward], result.points[0]
    place = {str(value): number for number, value in enumerate(columns)}, {str(value): number for number, value in enumerate(rows)}
    cells: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    for point in _slice(result.points, best, {across, upward}):
        x, y = place[0].get(str(point.params[across])), place[1].get(str(point.params[upward]))
        if x is not None and y is not None:
            cells[y][x] = point.train.get(metric)
    labelled = max(len(columns), len(rows)) <= MAX_LABELLED
    about = f"{escape(across)} %{{x}}<br>{escape(upward)} %{{y}}<br><b>{label(metric)} %{{z:,.4~f}}</b><extra></extra>"
    look: dict[str, Any] = {"xgap": 1, "ygap": 1, "hoverongaps": False, "hovertemplate": about}
    look |= (
        {"text": [[_short(value) for value in line] for line in cells], "texttemplate": "%{text}", "textfont": {"size": 11}}
        if labelled
        else {}
    )
    names = [[escape(str(value)) for value in values] for values in (columns, rows)]
    middle = place[0][str(best.params[across])], place[1][str(best.params[upward])]
    return figure(
        go.Heatmap(x=names[0], y=names[1], z=cells, colorbar={"thickness": 10, "outlinewidth": 0}, **look, **_colours(cells, metric)),
        xaxis=axis(escape(across), type="category", showgrid=False, categoryorder="array", categoryarray=names[0]),
        yaxis=axis(escape(upward), type="category", showgrid=False, categoryorder="array", categoryarray=names[1]),
        shapes=[_frame(*middle)],
        margin={"l": 64, "r": 16, "t": 12, "b": 52},
    )


def line_figure(result: OptimizeResult, name: str, metric: str) -> go.Figure:
    """``metric`` of the train data over one parameter."""
    found = {str(point.params[name]): point.train.get(metric) for point in _slice(result.points, result.points[0], {name})}
    values, best = [str(value) for value in result.space[name]], result.points[0]
    labels = list(map(escape, values))
    return figure(
        go.Scatter(x=labels, y=[found.get(value) for value in values], mode="lines+markers", line={"color": ACCENT, "width": 1.8}),
        go.Scatter(
            x=[escape(str(best.params[name]))],
            y=[best.train.get(metric)],
            mode="markers",
            marker={"size": 12, "color": CARD, "line": {"width": 2.5, "color": INK}},
        ),
        xaxis=axis(escape(name), type="category", showgrid=False, categoryorder="array", categoryarray=labels),
        yaxis=axis(label(metric)),
    )


def _slice(points: Sequence[Point], best: Point, free: set[str]) -> list[Point]:
    fixed = {name: value for name, value in best.params.items() if name not in free}
    return [point for point in points if all(point.params.get(name) == value for name, value in fixed.items())]


def _frame(x: int, y: int) -> dict[str, Any]:
    """About the cell in column ``x`` and row ``y``; an axis of categories counts them."""
    return {"type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5, "line": {"color": INK, "width": 3}}


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return number(value / 1000, 1) + "k" if abs(value) >= 1000 else number(value, 0 if abs(value) >= 100 else 2)


def _colours(cells: list[list[float | None]], metric: str) -> dict[str, Any]:
    """Red where it loses and green where it earns, when the metric tells; else from pale to green."""
    known = [value for line in cells for value in line if value is not None and np.isfinite(value)]
    low, high, neutral = min(known, default=0.0), max(known, default=0.0), NEUTRAL.get(metric, 0.0)
    if low < neutral:
        reach = max(neutral - low, high - neutral)
        return {
            "colorscale": [[0, "var(--heat-0)"], [0.5, "var(--heat-1)"], [1, "var(--heat-2)"]],
            "zmin": neutral - reach,
            "zmax": neutral + reach,
        }
    return {"colorscale": [[0, "var(--heat-1)"], [1, "var(--heat-2)"]], "reversescale": metric in MINIMISED}
