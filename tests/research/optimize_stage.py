"""Data, options and strategies that searches are tested on."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fortified.adapters.tables import FileReport
from fortified.engine.fills import FillModel
from fortified.research.optimize.run import Optimization, Search
from fortified.runs import RunOptions

ROOT = Path(__file__).parents[2]
MONDAY_NS = 1_750_086_000 * 1_000_000_000
HEADER = """
import os, signal, time
from pathlib import Path
import msgspec
from fortified.strategies.base import BaseStrategy
"""
PLAIN = """
class Own(BaseStrategy):
    class Params(msgspec.Struct, frozen=True):
        a: int = 1
        b: int = 1
    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.seen = 0
        self.begin()
    def begin(self): pass
    def warmup_periods(self): return 1
    def on_new_bar(self, bar, position):
        self.seen += 1
        if position is None and self.seen % (5 + self.params.a) == 0:
            return {"side": "BUY", "reason": "entry_own"}
        if position is not None and self.seen % (3 + self.params.b) == 0:
            return {"side": "SELL", "reason": "exit_own"}
"""


def walk(path: Path, count: int = 3_000) -> Path:
    """Ticks of a random walk, two a second, as Parquet; the same in every run."""
    steps = np.random.default_rng(7).integers(-2, 3, count)
    price = 5_000 + 0.25 * np.cumsum(steps)
    stamps = MONDAY_NS + np.arange(count) * 500_000_000
    pl.DataFrame({"ts_ns": stamps, "price": price, "size": np.ones(count)}).write_parquet(path)
    return path


def minutes(path: Path, count: int) -> Path:
    """Bars of a minute of a random walk, as Parquet."""
    close = 5_000 + 0.25 * np.cumsum(np.random.default_rng(7).integers(-9, 10, count))
    stamps = MONDAY_NS + np.arange(count) * 60_000_000_000
    prices = {"open": close, "high": close + 1, "low": close - 1, "close": close}
    pl.DataFrame({"ts_ns": stamps, **prices, "volume": np.ones(count)}).write_parquet(path)
    return path


def head(path: Path, count: int) -> Path:
    """A file of the first rows of another."""
    found = path.with_name(f"head-{count}.parquet")
    pl.read_parquet(path).head(count).write_parquet(found)
    return found


def own(path: Path, begin: str = "pass") -> str:
    """A strategy file whose ``begin`` runs when it is made."""
    path.write_text(HEADER + PLAIN.replace("def begin(self): pass", f"def begin(self):\n        {begin}"))
    return str(path)


def options(file: Path, strategy: str = "ema", **changes: Any) -> RunOptions:
    """A run over bars of 10 ticks."""
    made = RunOptions(
        files=(file,),
        symbol="/ES",
        timeframe="10t",
        strategy=strategy,
        params={},
        quantity=Decimal(1),
        fills=FillModel("next", 0),
        fee="2.00/contract",
        warmup=None,
        calendar="24/7",
        tick_size=None,
        multiplier=None,
        flatten=False,
        speed=None,
    )
    return msgspec.structs.replace(made, **changes)


def optimization(run_options: RunOptions, **search: Any) -> Optimization:
    """A search in this process, unless ``jobs`` says otherwise."""
    return Optimization(run_options, Search(**({"jobs": 1} | search)), no_report)


def no_report(report: FileReport) -> None:
    """Bad rows are of no interest."""


def no_progress(done: int, total: int) -> None:
    """Nor is progress."""


def start(directory: Path, *words: object, **environment: str) -> subprocess.Popen[bytes]:
    """`fortified optimize` as a process of its own, leader of its group."""
    known = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "REDIS_HOST")}
    return subprocess.Popen(
        [sys.executable, "-m", "fortified", "optimize", *map(str, words)],
        cwd=directory,
        env=known | {"PYTHONPATH": str(ROOT / "src"), "FORTIFIED_DATA_DIR": str(directory / "data"), "COLUMNS": "200"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
