"""Makes the pictures of docs/indicators and docs/strategies: ``.venv/bin/python scripts/pictures.py [name …]`` from the project's root.

The charts are those of the report, over an invented market that is always the same, drawn by a headless Chromium. They are opaque, so that
they can be read on a light and on a dark page.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from fortified.domain.market import Bar
from fortified.indicators.atr import ATR
from fortified.indicators.base import BarIndicator, Indicator, SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.sma import SMA
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend
from fortified.indicators.wilders import WildersAverage
from fortified.indicators.wma import WMA
from fortified.indicators.zigzag import TREND_REVERSAL, ZigZagHighLow
from fortified.research.interface import Ticks, run_backtest
from fortified.research.report.lines import indicator_lines
from fortified.research.report.markup import Html, element
from fortified.research.report.page import chart, document
from fortified.research.report.prices import PriceChart
from fortified.research.result import BacktestResult
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
WIDTH, PRICES_PX, LEGEND_PX, SCALE = 860, 264, 24, 1.15
BARS, TICKS, START = 140, 60, np.datetime64("2026-03-02T14:30", "ns")
ZONE = "America/Chicago"
STYLE = Html("<style>body { padding: 0; background: var(--card); } .modebar-container, .note { display: none; }</style>")


class Picture(NamedTuple):
    """What is run, and which of the lines that a report shows on request are shown: those with one of the ``words`` in their names.

    ``panel``: with what lies below the prices.
    """

    strategy: str | type[BaseStrategy]
    params: Mapping[str, Any] = {}
    words: tuple[str, ...] = ()
    panel: bool = False


def showing(*indicators: Indicator) -> type[BaseStrategy]:
    """A strategy that feeds copies of ``indicators`` and does nothing else."""

    class Showing(BaseStrategy):
        name = "showing"

        def __init__(self, config: StrategyConfig, logger: Logger) -> None:
            super().__init__(config, logger)
            for number, indicator in enumerate(indicators):
                setattr(self, f"shown_{number}", indicator.fork())

        def warmup_periods(self) -> int:
            return 0

        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> None:
            for indicator in vars(self).values():
                if isinstance(indicator, SeriesIndicator):
                    indicator.update(bar.close)
                elif isinstance(indicator, BarIndicator):
                    indicator.update(bar.high, bar.low, bar.close)

    return Showing


PICTURES: Mapping[str, Picture] = {
    "ema": Picture(showing(EMA(20), SMA(20))),
    "sma": Picture(showing(SMA(20), SMA(50))),
    "wma": Picture(showing(WMA(20), SMA(20))),
    "hull": Picture(showing(HullAverage(20), WMA(20)), words=("HullAverage",)),
    "wilders": Picture(showing(WildersAverage(20), EMA(20))),
    "atr": Picture(showing(ATR()), panel=True),
    "triple_ema": Picture(showing(TripleEMATrend(TripleEMA()))),
    "zigzag_high_low": Picture(showing(ZigZagHighLow(TREND_REVERSAL)), words=("ZigZagHighLow", "flip", "repaints")),
    "reversal_arrows": Picture(showing(ReversalArrows(ZigZagHighLow(TREND_REVERSAL))), words=("keeps them",)),
    "supertrend": Picture(showing(SuperTrend()), words=("upper", "lower")),
    "strategy_ema": Picture("ema"),
    "strategy_triple_ema": Picture("triple_ema"),
    "strategy_supertrend": Picture("supertrend", panel=True),
}


@cache
def market() -> Ticks:
    """Bars of five minutes with swings of several lengths."""
    dice, count = np.random.default_rng(20), BARS * TICKS
    at = np.arange(count) / TICKS
    swings = 58 * np.sin(at / 9.5 + 5) + 30 * np.sin(at / 23) + 14 * np.sin(at / 3.3)
    price = 20_000 + swings + np.cumsum(dice.normal(0, 1.1, count))
    step = np.timedelta64(300 * 1_000_000_000 // TICKS, "ns")
    return Ticks(START + np.arange(count) * step, 0.25 * np.rint(4 * price))


def run(picture: Picture) -> BacktestResult:
    return run_backtest(market(), symbol="/NQ", timeframe="5", strategy=picture.strategy, params=picture.params, warmup=25, calendar="24/7")


def page(picture: Picture) -> tuple[str, int]:
    """A page with the chart alone, and its height."""
    result = run(picture)
    drawn = indicator_lines(result)
    if not picture.panel:
        drawn = replace(drawn, lines=tuple(line for line in drawn.lines if not line.panel))
    prices = PriceChart(result, ZONE, drawn, PRICES_PX)
    figure = prices.figure()
    figure.data = [trace for trace in figure.data if trace.visible != "legendonly" or any(word in trace.name for word in picture.words)]
    for trace in figure.data:
        trace.visible, trace.name = True, _plain(trace.name)
    for label in figure.layout.annotations:
        label.text = _plain(label.text)
    height = prices.height + LEGEND_PX
    return document("Picture", STYLE, element("main", chart("price", figure, height, "Prices"))), height


def _plain(name: str) -> str:
    """Without the attribute that ``showing`` gave; a direction has no other name."""
    return re.sub(r"shown_\d\.?(: )?", "", name) or "direction"


def draw(name: str, picture: Picture) -> str:
    """Write the picture; returns its name and size."""
    browser = next((path for each in BROWSERS if (path := shutil.which(each))), None)
    if browser is None:
        sys.exit("No Chromium was found; install one.")
    out = FOLDER / f"{name}.png"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        html, height = page(picture)
        file.write_text(html, encoding="utf-8")
        words = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{height}"),
            *(f"--force-device-scale-factor={SCALE}", "--virtual-time-budget=20000", f"--user-data-dir={folder}/profile"),
        )
        asked = [browser, *words, f"--screenshot={out}", file.as_uri()]
        subprocess.run(asked, check=True, capture_output=True, timeout=60)  # noqa: S603  # all words are written here
    return f"{out.name}: {out.stat().st_size / 1024:.0f} kB"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    chosen = sys.argv[1:] or PICTURES
    print("\n".join(draw(name, PICTURES[name]) for name in chosen))
