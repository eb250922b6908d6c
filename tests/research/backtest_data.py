"""Data files and requests for backtests."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fortified.backtests_port import BacktestRequest

SECOND = 1_000_000_000
MONDAY = 1_750_086_000 * SECOND
"""15:00 UTC: the middle of every session."""


def wave(path: Path, count: int = 4_000) -> Path:
    """Ticks of a price that goes up and down, two a second, as Parquet."""
    rows = np.arange(count)
    price = 21_000 + 0.25 * np.abs(rows % 240 - 120) + 0.25 * (rows // 1000)
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"ts_ns": MONDAY + rows * (SECOND // 2), "price": price, "size": 1.0 + rows % 3}).write_parquet(path)
    return path


def request(**changes: Any) -> BacktestRequest:
    """EMA 3/8 on bars of 20 ticks of ``wave.parquet``."""
    fields: dict[str, Any] = {
        **{"files": ("wave.parquet",), "symbol": "/NQ", "timeframe": "20t", "strategy": "ema", "fee": "2.00/contract"},
        **{"params": {"period_1": "3", "period_2": "8"}},
    }
    return BacktestRequest(**(fields | changes))
