"""Metrics of an optimization as people read them."""

from html import escape

from fortified.research.report.markup import NONE, number, percent

_NAMES = {"net_pnl": "Net P&L", "return_percent": "Return", "max_drawdown": "Drawdown"}


def name(metric: str) -> str:
    """``Profit factor`` for ``profit_factor``."""
    return _NAMES.get(metric) or metric.replace("_", " ").capitalize()


def label(metric: str) -> str:
    """The name as charts take it, escaped."""
    return escape(name(metric))


def shown(metric: str, value: float | None) -> str:
    """A value of the metric."""
    if value is None:
        return NONE
    if metric == "win_rate":
        return percent(100 * value)
    return percent(value, 2) if metric.endswith("_percent") else number(value, 0 if metric == "trades" else 2)
