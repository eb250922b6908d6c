"""The price chart: bars, the indicators of the strategy, and every trade where it happened.

Owns the figure at full detail and where its parts stand; the script draws as many candles as the view has room for. The x axis counts
candles, so that nights and weekends take no room; ``layout.meta`` holds the local time of each.
"""

from html import escape
from itertools import cycle
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types

from fortified.research.report.drawn import Drawn
from fortified.research.report.indicator_traces import IndicatorTraces
from fortified.research.report.local_time import wall_seconds
from fortified.research.report.markup import price_decimals
from fortified.research.report.style import CANDLE_DOWN, CANDLE_UP, CARD, INK, LINES, axis, figure
from fortified.research.report.thinning import candles
from fortified.research.report.trade_traces import TradeTraces
from fortified.research.result import BacktestResult

MAX_CANDLES: Final = 40_000
"""More than these are joined before they are written, so that the file stays small."""

PRICES_PX: Final = 504
_STATE, _PANEL, _GAP = 18, 96, 14
"""Heights in pixels: of each state, of each panel, and of what lies between them."""
_SPIKE: Final[dict[str, Any]] = {"showspikes": True, "spikethickness": 1, "spikedash": "dot"}
_MARGIN: Final = {"l": 64, "r": 72, "t": 12, "b": 44}
_LETTER: Final = 6
"""Width in pixels of a letter beside the states."""


class PriceChart:
    """The figure of one result, and where its trades are on it."""

    def __init__(self, result: BacktestResult, timezone: str, drawn: Drawn, prices_px: int = PRICES_PX) -> None:
        self._result, self._timezone, self._drawn = result, timezone, drawn
        self.step = -(-len(result.bars) // MAX_CANDLES) or 1
        """Bars in one candle."""
        self._trades = TradeTraces(result, timezone, self.step)
        states = len(drawn.states) * _STATE
        parts = [("y2", states)] if states else []
        self._below = [*parts, *((f"y{number}", _PANEL) for number, _ in enumerate(drawn.panels, start=3))]
        """The parts below the prices, from top to bottom, and their heights."""
        self._prices = prices_px
        self._inner = prices_px + sum(_GAP + height for _, height in self._below)
        self.height = self._inner + _MARGIN["t"] + _MARGIN["b"]
        """In pixels."""

    def place(self, ts_ns: int) -> float:
        """Where on the x axis the bar is that holds the stamp."""
        return max(0, int(np.searchsorted(self._result.bars.ts_open, ts_ns, side="right")) - 1) / self.step

    @property
    def notes(self) -> list[str]:
        """What a reader should know of what was left out."""
        found = [self._drawn.problem] if self._drawn.problem else []
        if any(legs.repaints for legs in self._drawn.legs):
            found.append("What repaints was not known at its bar: a click into the legend shows it, no order follows it.")
        if self.step > 1:
            found.append(f"Each candle joins at least {self.step} bars.")
        if self._trades.every > 1:
            marked, every = len(self._trades.marked), self._trades.every
            found.append(f"{marked:,} of {len(self._result.trades):,} trades are marked, one in {every}.")
        return found

    def figure(self) -> go.Figure:
        """Candles, indicators and trades."""
        decimals, bars = price_decimals(self._result.instrument.tick_size), self._result.bars
        times = wall_seconds(bars.ts_open[:: self.step], self._timezone)
        indicators = IndicatorTraces(self._drawn, bars, self.step)
        domains = self._domains()
        return figure(
            *(self._candles(), *indicators.traces(), *self._trades.traces()),
            xaxis=axis(
                rangeslider={"visible": False}, showgrid=False, zeroline=False, anchor=list(domains)[-1], spikemode="across", **_SPIKE
            ),
            **{f"yaxis{name[1:]}": self._axis(name, domain, decimals) for name, domain in domains.items()},
            annotations=self._labels(domains),
            margin=_MARGIN | {"l": max([_MARGIN["l"], *(12 + _LETTER * len(state.name) for state in self._drawn.states)])},
            **{"dragmode": "zoom", "showlegend": True, "meta": {"times": times, "step": self.step, "decimals": decimals}},
        )

    def _candles(self) -> go.Candlestick:
        opens, highs, lows, closes = (np.asarray(column, np.float32) for column in candles(self._result.bars, self.step))
        return go.Candlestick(
            **{"open": opens, "high": highs, "low": lows, "close": closes, "name": "Price", "whiskerwidth": 0, "showlegend": False},
            increasing={"line": {"color": CANDLE_UP, "width": 1}, "fillcolor": CANDLE_UP},
            decreasing={"line": {"color": CANDLE_DOWN, "width": 1}, "fillcolor": CANDLE_DOWN},
        )

    def _domains(self) -> dict[str, list[float]]:
        """Where each y axis begins and ends, of the height of the figure."""
        found, top = {"y": [1 - self._prices / self._inner, 1.0]}, 1 - self._prices / self._inner
        for name, height in self._below:
            top -= _GAP / self._inner
            found[name] = [max(0.0, top - height / self._inner), top]
            top -= height / self._inner
        return found

    def _axis(self, name: str, domain: list[float], decimals: int) -> dict[str, Any]:
        shared: dict[str, Any] = {"domain": domain, "side": "right", "fixedrange": True}
        if name == "y":
            return axis(tickformat=f",.{decimals}f", **_SPIKE, **shared)
        if name == "y2":
            return axis(showgrid=False, zeroline=False, showticklabels=False, range=[len(self._drawn.states) - 0.5, -0.5], **shared)
        return axis(nticks=4, zeroline=False, **shared)

    def _labels(self, domains: dict[str, list[float]]) -> list[dict[str, Any]]:
        """The names of the states, beside them, and of the lines of each panel, within it."""
        states = [
            _label(escape(state.name), yref="y2", y=row, xanchor="right", xshift=-6, yanchor="middle")
            for row, state in enumerate(self._drawn.states)
        ]
        panels = []
        for number, panel in enumerate(self._drawn.panels, start=3):
            names = [escape(line.name) for line in self._drawn.lines if line.panel == panel]
            text = "   ".join(f'<span style="color:{colour}">{name}</span>' for name, colour in zip(names, cycle(LINES), strict=False))
            panels.append(_label(text, yref="paper", y=domains[f"y{number}"][1], xanchor="left", yanchor="top", bgcolor=CARD))
        return states + panels


def _label(text: str, **place: Any) -> dict[str, Any]:
    return {"text": text, "xref": "paper", "x": 0, "showarrow": False, "font": {"color": INK, "size": 11}, "borderpad": 1} | place
