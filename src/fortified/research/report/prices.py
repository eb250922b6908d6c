"""The price chart: bars, the indicators of the strategy, and every trade where it happened.

Owns the figure at full detail; the script draws as many candles as the view has room for. The x axis counts candles, so that nights and
weekends take no room; ``layout.meta`` holds the local time of each.
"""

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from numpy.typing import NDArray

from fortified.domain.trade import Trade
from fortified.research.report.lines import Line, Lines
from fortified.research.report.local_time import stamp, wall_seconds
from fortified.research.report.markup import money
from fortified.research.report.style import CANDLE_DOWN, CANDLE_UP, CARD, DOWN, INK, LINES, LONG, SHORT, UP, axis, figure
from fortified.research.report.thinning import candles
from fortified.research.result import BacktestResult

MAX_CANDLES = 40_000
"""More than these are joined before they are written, so that the file stays small."""
MAX_MARKED = 4_000


class PriceChart:
    """The figure of one result, and where its trades are on it."""

    def __init__(self, result: BacktestResult, timezone: str, lines: Lines) -> None:
        self._result, self._timezone, self._lines = result, timezone, lines
        self.step = -(-len(result.bars) // MAX_CANDLES) or 1
        """Bars in one candle."""
        self._every = -(-len(result.trades) // MAX_MARKED) or 1
        self.marked = result.trades[:: self._every]
        """The trades that are drawn."""

    def place(self, ts_ns: int) -> float:
        """Where on the x axis the bar is that holds the stamp."""
        return max(0, int(np.searchsorted(self._result.bars.ts_open, ts_ns, side="right")) - 1) / self.step

    @property
    def notes(self) -> list[str]:
        """What a reader should know of what was left out."""
        found = [self._lines.problem] if self._lines.problem else []
        if self.step > 1:
            found.append(f"Each candle joins at least {self.step} bars.")
        if self._every > 1:
            found.append(f"{len(self.marked):,} of {len(self._result.trades):,} trades are marked, one in {self._every}.")
        return found

    def figure(self) -> go.Figure:
        """Candles, lines and markers."""
        bars, decimals = self._result.bars, price_decimals(self._result)
        opens, highs, lows, closes = (np.asarray(column, np.float32) for column in candles(bars, self.step))
        candle = go.Candlestick(
            **{"open": opens, "high": highs, "low": lows, "close": closes, "name": "Price", "whiskerwidth": 0, "showlegend": False},
            increasing={"line": {"color": CANDLE_UP, "width": 1}, "fillcolor": CANDLE_UP},
            decreasing={"line": {"color": CANDLE_DOWN, "width": 1}, "fillcolor": CANDLE_DOWN},
        )
        times = wall_seconds(bars.ts_open[:: self.step], self._timezone)
        return figure(
            *(candle, *map(self._line, self._lines.lines, LINES), *self._links(), self._exits(), *self._entries()),
            xaxis=axis(
                rangeslider={"visible": False},
                showgrid=False,
                zeroline=False,
                showspikes=True,
                spikemode="across",
                spikethickness=1,
                spikedash="dot",
            ),
            yaxis=axis(side="right", fixedrange=True, tickformat=f",.{decimals}f", showspikes=True, spikethickness=1, spikedash="dot"),
            margin={"l": 40, "r": 72, "t": 12, "b": 44},
            **{
                "dragmode": "zoom",
                "showlegend": True,
                "hovermode": "closest",
                "meta": {"times": times, "step": self.step, "decimals": decimals},
            },
        )

    def _line(self, line: Line, colour: str) -> go.Scatter:
        values = np.asarray(line.values[self.step - 1 :: self.step] if self.step > 1 else line.values, np.float32)
        return go.Scatter(
            y=values, name=escape(line.name), mode="lines", line={"color": colour, "width": 1.4}, hoverinfo="skip", meta="line"
        )

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
        about = f"<b>%{{fullData.name}} at %{{y:,.{price_decimals(self._result)}f}}</b><br>%{{text}}<extra></extra>"
        y = np.array([float(price) for price in prices], np.float32)
        return go.Scatter(x=self._places(stamps), y=y, mode="markers", hovertemplate=about, **look)

    def _places(self, stamps: list[int]) -> NDArray[np.float64]:
        places = np.searchsorted(self._result.bars.ts_open, np.array(stamps, np.int64), side="right") - 1
        return np.maximum(places, 0) / self.step

    def _stamp(self, ts_ns: int) -> str:
        return stamp(ts_ns, self._timezone)


def price_decimals(result: BacktestResult) -> int:
    """Decimals of a price of the instrument."""
    exponent = result.instrument.tick_size.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 2


def _units(trade: Trade) -> str:
    return f"{trade.quantity.normalize():f}"
