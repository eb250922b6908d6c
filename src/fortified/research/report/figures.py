"""The charts of a run besides its prices: equity with drawdown, the distribution of results, and the excursions of trades.

Owns what is drawn of each. Money is in the instrument's currency.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from numpy.typing import NDArray

from fortified.domain.trade import Trade
from fortified.engine.performance import Equity
from fortified.research.report.local_time import wall_seconds
from fortified.research.report.style import ACCENT, ACCENT_SOFT, DOWN, DOWN_SOFT, INK, MUTED, UP, axis, figure, money_axis
from fortified.research.report.thinning import extremes

MAX_POINTS = 5_000
MAX_BINS = 60


def drawdown_percent(value: NDArray[np.float64], cash: float) -> NDArray[np.float64]:
    """At each point how far below its running maximum, which starts at ``cash``, the equity is: percent, ≤ 0."""
    peak = np.maximum(np.maximum.accumulate(value), cash)
    return np.divide(100.0 * (value - peak), peak, out=np.zeros_like(value), where=peak > 0)


def equity_figure(equity: Equity, currency: str, timezone: str) -> go.Figure:
    """The equity at each close, and below it how deep it is under water. Times are local, in milliseconds."""
    cash, times = float(equity.cash), 1000.0 * wall_seconds(equity.ts_ns, timezone)
    drawdown = drawdown_percent(equity.value, cash)
    some, deep = extremes(equity.value, MAX_POINTS), extremes(drawdown, MAX_POINTS)
    amount = "$%{y:,.2f}" if currency == "USD" else f"%{{y:,.2f}} {currency}"
    above: dict[str, Any] = {"name": "Equity", "line": {"color": ACCENT, "width": 1.8}, "hovertemplate": f"<b>{amount}</b><extra></extra>"}
    below: dict[str, Any] = {"name": "Drawdown", "line": {"color": DOWN, "width": 1.2}, "hovertemplate": "%{y:.2f} %<extra></extra>"}
    shared: dict[str, Any] = {"mode": "lines", "hoverlabel": {"namelength": 0}}
    return figure(
        go.Scatter(x=times[[0, -1]], y=[cash, cash], mode="lines", line={"color": MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip"),
        go.Scatter(x=times[some], y=equity.value[some], fill="tonexty", fillcolor=ACCENT_SOFT, **above, **shared),
        go.Scatter(x=times[deep], y=drawdown[deep], yaxis="y2", fill="tozeroy", fillcolor=DOWN_SOFT, **below, **shared),
        xaxis=axis(type="date", anchor="y2", showgrid=False, hoverformat="%a %d %b %Y %H:%M:%S"),
        yaxis=money_axis(currency, domain=[0.34, 1.0], zeroline=False),
        yaxis2=axis(domain=[0.0, 0.26], ticksuffix=" %", rangemode="tozero", nticks=5),
        **{"hovermode": "x unified", "hoversubplots": "axis"},
    )


def distribution_figure(trades: Sequence[Trade], currency: str) -> go.Figure:
    """How often which net result: bars of equal width, one edge at zero."""
    results = np.array([float(trade.net_pnl) for trade in trades])
    edges = _edges(results)
    counts, _ = np.histogram(results, edges)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    mean, median = float(results.mean()), float(np.median(results))
    spans = [f"{left:,.0f} to {right:,.0f}" for left, right in pairwise(edges)]
    colours = [UP if middle > 0 else DOWN for middle in middles]
    sides = ("left", "right") if mean >= median else ("right", "left")
    return figure(
        go.Bar(x=middles, y=counts, width=width * 0.9, marker={"color": colours}, text=spans, textposition="none", name="Trades",
               hovertemplate="<b>%{y} trades</b><br>%{text}<extra></extra>"),
        xaxis=money_axis(currency, "Net P&amp;L of a trade", showgrid=False),
        yaxis=axis("Trades"),
        shapes=[_upright(mean, "solid"), _upright(median, "dot")],
        annotations=[_above(mean, "mean", sides[0]), _above(median, "median", sides[1])],
        margin={"l": 56, "r": 16, "t": 28, "b": 48},
    )  # fmt: skip


def excursion_figure(trades: Sequence[Trade], currency: str) -> go.Figure:
    """What each trade suffered (left) and what it was offered (right) against what came of it; dotted: exits at the very worst and best."""
    size = [float(trade.quantity * trade.multiplier) for trade in trades]
    adverse = np.array([float(trade.mae) * unit for trade, unit in zip(trades, size, strict=True)])
    favourable = np.array([float(trade.mfe) * unit for trade, unit in zip(trades, size, strict=True)])
    net = np.array([float(trade.net_pnl) for trade in trades])
    won = net > 0
    gap = {"line": {"color": MUTED, "width": 1, "dash": "dot"}, "mode": "lines", "hoverinfo": "skip"}
    return figure(
        *_cloud(adverse, net, won, "x", "y", "against it"),
        *_cloud(favourable, net, won, "x2", "y2", "for it"),
        go.Scatter(x=[0, adverse.max()], y=[0, -adverse.max()], **gap),
        go.Scatter(x=[0, favourable.max()], y=[0, favourable.max()], xaxis="x2", yaxis="y2", **gap),
        xaxis=money_axis(currency, "Worst excursion (MAE)", domain=[0, 0.47], rangemode="tozero"),
        xaxis2=money_axis(currency, "Best excursion (MFE)", domain=[0.53, 1], anchor="y2", rangemode="tozero"),
        yaxis=money_axis(currency, "Net P&amp;L"),
        yaxis2=money_axis(currency, matches="y", anchor="x2", showticklabels=False),
        margin={"l": 64, "r": 16, "t": 28, "b": 48},
    )


def _edges(results: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = min(float(results.min()), 0.0), max(float(results.max()), 0.0)
    if low == high:
        low, high = -1.0, 1.0
    raw = (high - low) / min(MAX_BINS, max(8, 2 * int(np.sqrt(len(results)))))
    scale = 10.0 ** np.floor(np.log10(raw))
    width = next(step * scale for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * scale >= raw)
    return np.asarray(np.arange(np.floor(low / width), np.ceil(high / width) + 0.5) * width, np.float64)


def _upright(x: float, dash: str) -> dict[str, Any]:
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": INK, "width": 1.2, "dash": dash}}


def _above(x: float, text: str, side: str) -> dict[str, Any]:
    return {
        "x": x,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": side,
        "text": text,
        "showarrow": False,
        "font": {"color": INK, "size": 11},
    }


def _cloud(x: NDArray[np.float64], y: NDArray[np.float64], won: NDArray[np.bool_], xaxis: str, yaxis: str, word: str) -> list[go.Scatter]:
    look: dict[str, Any] = {"mode": "markers", "xaxis": xaxis, "yaxis": yaxis}
    about = f"net <b>%{{y:,.2f}}</b><br>%{{x:,.2f}} {word}<extra></extra>"
    return [
        go.Scatter(x=x[mask], y=y[mask], marker={"color": colour, "size": 5, "opacity": 0.55}, hovertemplate=about, **look)
        for mask, colour in ((won, UP), (~won, DOWN))
    ]
