"""Charts of whether what was chosen holds elsewhere: train against test, and the folds of a walk forward."""

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from numpy.typing import NDArray

from fortified.research.optimize.result import OptimizeResult, Point
from fortified.research.report.metrics import label
from fortified.research.report.style import ACCENT, INK, MUTED, axis, figure

MAX_DOTS = 4_000


def both(points: Sequence[Point], metric: str) -> list[tuple[Point, float, float]]:
    """The points that have the metric on train and test data, with both values."""
    found = []
    for point in points:
        train, test = point.train.get(metric), None if point.test is None else point.test.get(metric)
        if train is not None and test is not None:
            found.append((point, train, test))
    return found


def rank_correlation(points: Sequence[Point], metric: str) -> float | None:
    """Spearman's: how alike the order is on train and on test data, 1 the same, 0 chance. None below 3 points or without spread."""
    pairs = both(points, metric)
    if len(pairs) < 3:
        return None
    train, test = (_ranks(np.array(values)) for values in ([pair[1] for pair in pairs], [pair[2] for pair in pairs]))
    spread = float(train.std() * test.std())
    return float(np.mean((train - train.mean()) * (test - test.mean()))) / spread if spread else None


def held_figure(result: OptimizeResult, metric: str) -> go.Figure:
    """The metric on the train data (across) against that on the test data (upward)."""
    pairs = both(result.points, metric)[:MAX_DOTS]
    train, test = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    about = ["<br>".join(f"{escape(name)} {escape(str(value))}" for name, value in pair[0].params.items()) for pair in pairs]
    ends = [min([*train, *test], default=0.0), max([*train, *test], default=1.0)]
    template = "%{text}<br><b>train %{x:,.4~f}, test %{y:,.4~f}</b><extra></extra>"
    dots = {"color": ACCENT, "size": 8, "opacity": 0.6}
    ring = {"symbol": "circle-open", "size": 17, "color": INK, "line": {"width": 2.5, "color": INK}}
    first = pairs[:1] if pairs and pairs[0][0] is result.points[0] else []
    return figure(
        go.Scatter(x=ends, y=ends, mode="lines", line={"color": MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip"),
        go.Scatter(x=train, y=test, mode="markers", marker=dots, text=about, hovertemplate=template),
        go.Scatter(x=[pair[1] for pair in first], y=[pair[2] for pair in first], mode="markers", marker=ring, hoverinfo="skip"),
        xaxis=axis(f"{label(metric)}, train", zeroline=True),
        yaxis=axis(f"{label(metric)}, test", zeroline=True),
        margin={"l": 64, "r": 16, "t": 12, "b": 52},
    )


def folds_figure(result: OptimizeResult, metric: str) -> go.Figure:
    """The metric of each fold on the data it was chosen on, and on those behind."""
    names = [f"Fold {fold.number}" for fold in result.folds]
    template = "%{x}, %{fullData.name}: <b>%{y:,.4~f}</b><extra></extra>"
    return figure(
        go.Bar(
            x=names,
            y=[fold.train.get(metric) for fold in result.folds],
            name="train",
            marker={"color": MUTED, "opacity": 0.5},
            hovertemplate=template,
        ),
        go.Bar(x=names, y=[fold.test.get(metric) for fold in result.folds], name="test", marker={"color": ACCENT}, hovertemplate=template),
        **{"xaxis": axis(showgrid=False), "yaxis": axis(label(metric)), "showlegend": True, "bargap": 0.35, "barmode": "group"},
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)
