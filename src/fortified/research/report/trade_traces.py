"""The trades of a run on the chart of its prices: entries, exits, and the way from one to the other.

Owns how a trade looks, and how many are drawn.
"""

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from numpy.typing import NDArray

from fortified.domain.trade import Trade
from fortified.research.report.local_time import stamp
from fortified.research.report.markup import money, price_decimals
from fortified.research.report.style import CARD, DOWN, INK, LONG, SHORT, UP
from fortified.research.result import BacktestResult

MAX_MARKED: Final = 4_000


class TradeTraces:
    """The traces of one result's trades; ``step`` bars are one candle."""

    def __init__(self, result: BacktestResult, timezone: str, step: int) -> None:
        self._result, self._timezone, self._step = result, timezone, step
        self.every = -(-len(result.trades) // MAX_MARKED) or 1
        """One trade of so many is drawn."""
        self.marked = result.trades[:: self.every]
        """The trades that are drawn."""

    def traces(self) -> list[go.Scatter]:
        """What lies above comes later."""
        return [*self._links(), self._exits(), *self._entries()]

    def _links(self) -> list[go.Scatter]:
        """From each entry to its exit, in the colour of the outcome."""
        won = [trade for trade in self.marked if trade.net_pnl > 0]
        lost = [trade for trade in self.marked if trade.net_pnl <= 0]
        return [self._link(won, "Won", UP), self._link(lost, "Lost", DOWN)]

    def _link(self, trades: Sequence[Trade], name: str, colour: str) -> go.Scatter:
        x, y = np.full((len(trades), 3), np.nan), np.full((len(trades), 3), np.nan)
        x[:, 0], x[:, 1] = self._places([trade.ts_entry for trade in trades]), self._places([trade.ts_exit for trade in trades])
        y[:, 0], y[:, 1] = [float(trade.entry_price) for trade in trades], [float(trade.exit_price) for trade in trades]
        look: dict[str, Any] = {
            "mode": "lines",
            "line": {"color": colour, "width": 1.6, "dash": "dot"},
            "hoverinfo": "skip",
            "meta": "link",
        }
        return go.Scatter(x=x.ravel(), y=np.asarray(y.ravel(), np.float32), name=name, connectgaps=False, **look)

    def _entries(self) -> list[go.Scatter]:
        longs = [trade for trade in self.marked if trade.side == "LONG"]
        shorts = [trade for trade in self.marked if trade.side != "LONG"]
        return [self._entry(longs, "Long entry", "triangle-up", LONG), self._entry(shorts, "Short entry", "triangle-down", SHORT)]

    def _entry(self, trades: Sequence[Trade], name: str, symbol: str, colour: str) -> go.Scatter:
        about = [f"{_units(trade)} on {self._stamp(trade.ts_entry)}, {escape(trade.entry_reason)}" for trade in trades]
        marker = {"symbol": symbol, "color": colour, "size": 10, "line": {"color": CARD, "width": 1}}
        places, prices = [trade.ts_entry for trade in trades], [trade.entry_price for trade in trades]
        return self._points(places, prices, text=about, name=name, marker=marker, meta="entry")

    def _exits(self) -> go.Scatter:
        gains = (money(trade.net_pnl, self._result.instrument.currency, sign=True) for trade in self.marked)
        about = [
            f"{_units(trade)} on {self._stamp(trade.ts_exit)}, {escape(trade.exit_reason)}, net {gain}"
            for trade, gain in zip(self.marked, gains, strict=True)
        ]
        marker = {"symbol": "circle", "color": CARD, "size": 7, "line": {"color": INK, "width": 1.4}}
        places, prices = [trade.ts_exit for trade in self.marked], [trade.exit_price for trade in self.marked]
        return self._points(places, prices, text=about, name="Exit", marker=marker, meta="exit")

    def _points(self, stamps: list[int], prices: list[Decimal], **look: Any) -> go.Scatter:
        decimals = price_decimals(self._result.instrument.tick_size)
        about = f"<b>%{{fullData.name}} at %{{y:,.{decimals}f}}</b><br>%{{text}}<extra></extra>"
        y = np.array([float(price) for price in prices], np.float32)
        return go.Scatter(x=self._places(stamps), y=y, mode="markers", hovertemplate=about, **look)

    def _places(self, stamps: list[int]) -> NDArray[np.float64]:
        places = np.searchsorted(self._result.bars.ts_open, np.array(stamps, np.int64), side="right") - 1
        return np.maximum(places, 0) / self._step

    def _stamp(self, ts_ns: int) -> str:
        return stamp(ts_ns, self._timezone)


def _units(trade: Trade) -> str:
    return f"{trade.quantity.normalize():f}"
