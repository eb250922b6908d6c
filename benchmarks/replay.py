"""Speed of the whole replay path: file → aggregation → Redis streams → consumer group → runner → PaperBroker → ledger.

Run ``python benchmarks/replay.py [ticks]`` from the project's root; it starts its own server. Loading the file is not counted.
"""

import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import uvloop

from fortified.adapters.tables import FileReport
from fortified.bootstrap_replay import Progress, run_replay
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.runs import RunOptions
from fortified.settings import load_settings


def write_ticks(path: Path, count: int) -> None:
    """A random walk on quarter points with quotes, about 100 ticks a second."""
    dice = np.random.default_rng(7)
    ts = 1_760_000_000_000_000_000 + np.cumsum(dice.integers(0, 20_000_000, count))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count))
    frame = pl.DataFrame({"ts_ns": ts, "price": price, "size": dice.integers(1, 9, count), "bid": price - 0.25, "ask": price + 0.25})
    frame.write_parquet(path)


async def measure(directory: Path, count: int, timeframe: str) -> None:
    file = directory / "ticks.parquet"
    write_ticks(file, count)
    options = RunOptions(
        files=(file,),
        symbol="/NQ",
        timeframe=timeframe,
        strategy="ema",
        params={},
        quantity=Decimal(1),
        fills=FillModel(),
        fee="2.00/contract",
        warmup=None,
        calendar="24/7",
        tick_size=None,
        multiplier=None,
        flatten=False,
        speed=None,
    )
    settings = load_settings(fortified_data_dir=directory / "data")
    began = [0.0]

    def loaded(_: FileReport) -> None:
        began[0] = time.perf_counter()

    result = await run_replay(settings, options, Progress(), loaded)
    seconds = time.perf_counter() - began[0]
    rate = count / seconds
    print(f"{timeframe:>5}: {rate:>9,.0f} ticks/s  ({count:,} ticks, {result.bars} bars, {len(result.fills)} fills, {seconds:.2f} s)")


if __name__ == "__main__":
    ticks = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    configure_logging("ERROR", "console")
    for name in ("144t", "1"):
        with tempfile.TemporaryDirectory() as home:
            uvloop.run(measure(Path(home), ticks, name))
