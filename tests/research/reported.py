"""Runs and pages that the tests of reports look at."""

from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fortified.adapters.tables import FileReport, TickTable
from fortified.engine.fills import FillModel
from fortified.registry import Registry
from fortified.research.data import Data
from fortified.research.optimize.result import Fold, OptimizeResult, Point
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy

SECOND = 1_000_000_000
START = 1_772_406_000 * SECOND  # Sunday 2026-03-01, 17:00 in Chicago

OPTIONS = RunOptions(
    files=(Path("ticks.csv"),),
    symbol="/NQ",
    timeframe="144t",
    strategy="ema",
    params={"period_1": "3", "period_2": "8"},
    quantity=Decimal(1),
    fills=FillModel("next", slippage_ticks=1),
    fee="2.25/contract",
    warmup=None,
    calendar=None,
    tick_size=None,
    multiplier=None,
    flatten=True,
    speed=None,
)


def ticks(count: int) -> TickTable:
    """Three weeks of prints that go up and down."""
    dice = np.random.default_rng(7)
    ts = START + np.cumsum(dice.exponential(1_814_400 * SECOND / count, count)).astype(np.int64)
    price = 20_000 + 0.25 * np.rint(np.cumsum(dice.normal(0, 1, count)) + 400 * np.sin(np.arange(count) / 1500))
    return TickTable(ts, price, np.ones(count), price - 0.25, price, FileReport(count))


def run(count: int = 30_000, strategy: type[BaseStrategy] | None = None, **options: Any) -> BacktestResult:
    """A run over ``count`` ticks."""
    asked = msgspec.structs.replace(OPTIONS, **options)
    return Backtest(asked, Data(ticks=ticks(count)), strategy or Registry().resolve(asked.strategy)).run()


def metrics(value: float) -> dict[str, float | None]:
    return {
        "sharpe": value,
        "net_pnl": 1000 * value,
        "profit_factor": 1 + value / 3,
        "trades": 80.0,
        "max_drawdown": 900.0,
        "win_rate": 0.4,
    }


def search(**fields: Any) -> OptimizeResult:
    """A grid of two parameters with a lonely peak, its best points tested, and two folds. (2, 20) was not evaluated."""
    grid = [{"fast": fast, "slow": slow} for fast in (1, 2, 3) for slow in (10, 20, 30, 40) if (fast, slow) != (2, 20)]
    best = {"fast": 3, "slow": 30}
    values = {"sharpe": lambda params: 2.0 if params == best else params["fast"] / 10 - params["slow"] / 100}
    points = [Point(params, metrics(values["sharpe"](params)), metrics(0.1 * params["fast"])) for params in grid]
    points.sort(key=lambda point: -(point.train["sharpe"] or 0))
    day = 86_400 * SECOND
    folds = [
        Fold(n, START + n * day, START + (n + 3) * day, START + (n + 3) * day, START + (n + 4) * day, best, metrics(1.5), metrics(-0.5))
        for n in (1, 2)
    ]
    whole = OptimizeResult(
        objective="sharpe",
        method="grid",
        space={"fast": [1, 2, 3], "slow": [10, 20, 30, 40]},
        points=points,
        folds=folds,
        warnings=["the best point is a lonely peak"],
        symbol="/NQ",
        timeframe="144t",
        strategy="ema",
        bars=500,
        version="1.2.3",
    )
    return msgspec.structs.replace(whole, **fields)


class Page(HTMLParser):
    """What an HTML document holds: its tags with their attributes, what stands in each element with an id, and its scripts."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self.text = ""
        self._open: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        for _, name in self._open:
            if name and tag == "tr":
                self.rows[name] = self.rows.get(name, 0) + 1
        if tag not in self.VOID:
            self._open.append((tag, found.get("id")))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> was closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data
        if self._open and self._open[-1][0] not in ("script", "style"):
            self.text += data

    def ids(self) -> set[str]:
        return {value for _, attributes in self.tags if (value := attributes.get("id"))}

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
