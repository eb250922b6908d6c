"""How charts look: the layout and the axes that all of them share.

Owns names of colours only: the style sheet has the colours, one set for light and one for dark, and the script puts them in.
"""

from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types

INK, MUTED, GRID, LINE = "var(--ink)", "var(--muted)", "var(--grid)", "var(--line)"
ACCENT, ACCENT_SOFT, UP, DOWN = "var(--accent)", "var(--accent-soft)", "var(--up)", "var(--down)"
DOWN_SOFT, CARD, LONG, SHORT = "var(--down-soft)", "var(--card)", "var(--long)", "var(--short)"
CANDLE_UP, CANDLE_DOWN = "var(--candle-up)", "var(--candle-down)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LEG = "var(--leg)"
LINES = ("var(--line-1)", "var(--line-2)", "var(--line-3)", "var(--line-4)")


def figure(*traces: Any, **layout: Any) -> go.Figure:
    """A figure in the one look of all."""
    shared: dict[str, Any] = {
        **{"template": "none", "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"},
        "font": {"family": FONT, "size": 12, "color": MUTED},
        "margin": {"l": 64, "r": 16, "t": 12, "b": 40},
        "hoverlabel": {"bgcolor": CARD, "bordercolor": LINE, "font": {"color": INK, "size": 12, "family": FONT}, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)", "font": {"color": INK}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        **{"showlegend": False, "hovermode": "closest", "bargap": 0.08},
    }
    return go.Figure(list(traces), shared | layout)


def axis(title: str | None = None, **more: Any) -> dict[str, Any]:
    """An axis in the one look of all."""
    look: dict[str, Any] = {
        **{"gridcolor": GRID, "linecolor": LINE, "zerolinecolor": LINE, "zerolinewidth": 1, "tickcolor": LINE},
        **{"automargin": True, "showline": False, "ticks": "", "title": {"text": title, "standoff": 8} if title else None},
    }
    return look | more


def money_axis(currency: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """An axis of amounts of ``currency``."""
    sign = {"tickformat": "$,.2~f"} if currency == "USD" else {"tickformat": ",.2~f", "ticksuffix": f" {currency}"}
    return axis(title) | sign | more
