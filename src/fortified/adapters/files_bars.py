"""Files of bars.

Owns which columns a file of bars has, under which names, what it may lack, and what a good row of it is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from fortified.adapters.files_read import SYMBOL, columns, find, pick, read
from fortified.adapters.files_sift import Check, Columns, Sieve, missing_or_wrong, number, number_checks, sift, time_checks, time_ns
from fortified.adapters.tables import BarTable
from fortified.domain.timeframe import Timeframe

OHLC: Final = ("open", "high", "low", "close")
_TIME: Final = "UTC nanoseconds or ISO-8601"
_OPEN_TIME: Final = ("ts_open", "ts_open_ns", "ts_start_ns", "ts_start", "ts_ns", "ts", "time", "datetime", "timestamp", "date", "")
"""The last is the column of a pandas index, which has no name."""
_DAYS: Final = (19_700_101, 22_611_231)
_OPTIONAL: Final = {
    "ts_close": ("ts_close", "ts_close_ns", "ts_end_ns", "ts_end"),
    "volume": ("volume",),
    "vwap": ("vwap",),
    "ticks": ("ticks", "n_ticks", "trades"),
    "complete": ("complete",),
    SYMBOL: (SYMBOL,),
}
"""Bar columns a file may have: our name, and the spellings it is looked for."""


def load_bar_file(path: Path, timeframe: Timeframe, symbol: str | None, *, strict: bool) -> BarTable:
    """The bars of one file; see ``fortified.adapters.files.load_bars``."""
    found = columns(path)
    wanted = {"time": pick(path, found, _OPEN_TIME)} | {name: pick(path, found, (name,)) for name in OHLC}
    if timeframe.is_tick:
        pick(path, found, _OPTIONAL["ts_close"])
    wanted |= {ours: theirs for ours, names in _OPTIONAL.items() if (theirs := find(found, names)) is not None}
    raw = read(path, wanted, symbol)
    frame, report = sift(path, raw, _columns(path, raw, timeframe), Sieve(_checks(raw), 0 if timeframe.is_tick else 1, strict))
    arrays = {name: frame[name].to_numpy() for name in frame.columns if name != "time"}
    return BarTable(timeframe=timeframe, ts_open=frame["time"].to_numpy(), report=report, **arrays)


def joined_bars(parts: Sequence[BarTable]) -> BarTable:
    """One table of all, which are of one timeframe."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in BarTable.__struct_fields__ if name not in ("timeframe", "report")]
    report = sum((part.report for part in parts[1:]), parts[0].report)
    return msgspec.structs.replace(
        parts[0], report=report, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def _columns(path: Path, raw: pl.DataFrame, timeframe: Timeframe) -> Columns:
    """The columns of a BarTable out of the raw ones."""
    has = raw.columns
    start = _stamps(path, raw, "time")
    typed: Columns = {"time": start, **{name: number(path, raw, name) for name in OHLC}}
    typed["ts_close"] = _stamps(path, raw, "ts_close") if "ts_close" in has else start + timeframe.length_ns
    typical = (typed["high"] + typed["low"] + typed["close"]) / 3
    typed["vwap"] = pl.coalesce(number(path, raw, "vwap"), typical) if "vwap" in has else typical
    typed["volume"] = number(path, raw, "volume") if "volume" in has else pl.lit(0.0)
    typed["ticks"] = pl.col("ticks").cast(pl.Int64, strict=False) if "ticks" in has else pl.lit(0, pl.Int64)
    unfinished = pl.col("complete").cast(pl.String).str.to_lowercase().is_in(["0", "false"]) if "complete" in has else pl.lit(False)
    return typed | {"complete": ~unfinished.fill_null(False)}


def _checks(raw: pl.DataFrame) -> list[Check]:
    opened, high, low, close = (pl.col(name) for name in OHLC)
    checks = [missing_or_wrong(SYMBOL, "a symbol")[0]] if SYMBOL in raw.columns else []
    checks += [*time_checks(_TIME), *number_checks(*OHLC)]
    checks += [Check("high is below open, low or close", "high", high < pl.max_horizontal(opened, low, close))]
    checks += [Check("low is above open or close", "low", low > pl.min_horizontal(opened, close))]
    if "ts_close" in raw.columns:
        checks += missing_or_wrong("ts_close", _TIME)
        checks += [Check("ts_close is before the open", "ts_close", pl.col("ts_close") < pl.col("time"))]
    if "volume" in raw.columns:
        checks += [*number_checks("volume"), Check("volume is negative", "volume", pl.col("volume") < 0)]
    if "ticks" in raw.columns:
        checks += [*missing_or_wrong("ticks", "a whole number"), Check("ticks is negative", "ticks", pl.col("ticks") < 0)]
    return checks


def _stamps(path: Path, raw: pl.DataFrame, name: str) -> pl.Series:
    """Integers as days when all look like 20250304, else as nanoseconds; without an integer, ISO-8601."""
    integers = time_ns(path, raw, name, iso=False)
    if integers.null_count() == len(integers):
        return time_ns(path, raw, name, iso=True)
    if integers.drop_nulls().is_between(*_DAYS).all():  # as nanoseconds they would be the first blink of 1970
        return integers.cast(pl.String).str.to_datetime("%Y%m%d", time_unit="ns", strict=False).to_physical()
    return integers
