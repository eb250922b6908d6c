"""Tick and bar files: CSV, CSV.gz, Parquet.

Owns which columns a tick or bar file has and what a good row of it is. File order is feed order. Bad rows are left out, counted and
reported with their line. Knows nothing of who reads the tables.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.files_read import columns, find, fingerprint, pick, read
from fortified.adapters.files_sift import Check, Columns, Sieve, missing_or_wrong, number, sift, time_ns
from fortified.adapters.tables import BadRow, BarTable, FileReport, TickTable
from fortified.domain.errors import DataError
from fortified.domain.timeframe import Timeframe

__all__ = ["BadRow", "BarTable", "FileReport", "TickTable", "fingerprint", "load_bars", "load_ticks", "sniff"]

_OPEN_TIME: Final = ("ts_open", "ts_open_ns", "ts_start_ns", "ts_start", "ts_ns", "ts", "time", "datetime", "timestamp", "date")
_OHLC: Final = ("open", "high", "low", "close")
_OPTIONAL: Final = {
    "ts_close": ("ts_close", "ts_close_ns", "ts_end_ns", "ts_end"),
    "volume": ("volume",),
    "vwap": ("vwap",),
    "ticks": ("ticks", "n_ticks", "trades"),
    "complete": ("complete",),
}
"""Bar columns a file may have: our name, and the spellings it is looked for."""


def sniff(path: Path) -> Literal["ticks", "bars"]:
    """What the columns of ``path`` say it holds; ``DataError`` when neither."""
    found = columns(path)
    if "price" in found:
        return "ticks"
    if found.keys() >= set(_OHLC):
        return "bars"
    raise DataError(
        f"{path} holds neither ticks (price, size) nor bars ({', '.join(_OHLC)}); its columns are {', '.join(found.values())}. Rename them."
    )


def load_ticks(paths: Sequence[Path], *, strict: bool = False, tolerance_ns: int = 0) -> TickTable:
    """The ticks of ``paths``, one after the other.

    Columns ``ts_ns`` (or ``ts``, ISO-8601), ``price``, ``size``, optional ``bid``, ``ask``; others are ignored. A row may be older than the
    latest before it by ``tolerance_ns``; one that is older still is bad.

    Raises:
        DataError: a file cannot be read or used, a file begins before the one before it ends, or a row is bad and ``strict``.
    """
    if not paths:
        raise DataError("No tick file is given. Give at least one .csv, .csv.gz or .parquet file.")
    parts = [_load_ticks(path, strict, tolerance_ns) for path in paths]
    for path, part, before, earlier in zip(paths[1:], parts[1:], paths, parts, strict=False):
        if part.ts_ns[0] < earlier.ts_ns.max() - tolerance_ns:
            raise DataError(
                f"{path} begins at {part.ts_ns[0]}, before {before} ends at {earlier.ts_ns.max()}. Give the files in the order of time."
            )
    return parts[0] if len(parts) == 1 else _joined(parts)


def load_bars(path: Path, timeframe: Timeframe, *, strict: bool = False) -> BarTable:
    """The bars of ``path``, which are of ``timeframe``.

    The open time is ``ts_open``, ``ts_start_ns``, ``time``, ``date`` or alike: integers are UTC nanoseconds, text is ISO-8601. ``open``,
    ``high``, ``low``, ``close`` must be there; ``ts_close`` (or ``ts_end_ns``) must for tick bars; ``volume``, ``vwap``, ``ticks`` and
    ``complete`` may.

    Raises:
        DataError: the file cannot be read or used, or a row is bad and ``strict``.
    """
    found = columns(path)
    wanted = {"time": pick(path, found, _OPEN_TIME)} | {name: pick(path, found, (name,)) for name in _OHLC}
    if timeframe.is_tick:
        pick(path, found, _OPTIONAL["ts_close"])
    wanted |= {ours: theirs for ours, names in _OPTIONAL.items() if (theirs := find(found, names)) is not None}
    raw = read(path, wanted)
    frame, report = sift(path, raw, _bar_columns(path, raw, timeframe), Sieve(_bar_checks(raw), 0 if timeframe.is_tick else 1, strict))
    arrays = {name: frame[name].to_numpy() for name in frame.columns if name != "time"}
    return BarTable(timeframe=timeframe, ts_open=frame["time"].to_numpy(), report=report, **arrays)


def _load_ticks(path: Path, strict: bool, tolerance_ns: int) -> TickTable:
    found = columns(path)
    stamp = pick(path, found, ("ts_ns", "ts"))
    wanted = {"time": stamp} | {name: pick(path, found, (name,)) for name in ("price", "size")}
    quotes = [name for name in ("bid", "ask") if name in found]
    wanted |= {name: found[name] for name in quotes}
    raw = read(path, wanted)
    iso = "ts_ns" not in found
    checks = [
        *_time_checks("ISO-8601" if iso else "UTC nanoseconds"),
        *_number_checks("price", "size"),
        Check("size is negative", "size", pl.col("size") < 0),
        *(missing_or_wrong(name, "a number")[1] for name in quotes),
    ]
    typed: Columns = {"time": time_ns(path, raw, "time", iso=iso), **{name: number(path, raw, name) for name in ("price", "size", *quotes)}}
    frame, report = sift(path, raw, typed, Sieve(checks, -tolerance_ns, strict))
    bid, ask = (frame[name].fill_null(math.nan).to_numpy() if name in quotes else None for name in ("bid", "ask"))
    return TickTable(frame["time"].to_numpy(), frame["price"].to_numpy(), frame["size"].to_numpy(), bid, ask, report)


def _bar_columns(path: Path, raw: pl.DataFrame, timeframe: Timeframe) -> Columns:
    """The columns of a BarTable out of the raw ones."""
    has = raw.columns
    start = _bar_time(path, raw, "time")
    typed: Columns = {"time": start, **{name: number(path, raw, name) for name in _OHLC}}
    typed["ts_close"] = _bar_time(path, raw, "ts_close") if "ts_close" in has else start + timeframe.length_ns
    typical = (typed["high"] + typed["low"] + typed["close"]) / 3
    typed["vwap"] = pl.coalesce(number(path, raw, "vwap"), typical) if "vwap" in has else typical
    typed["volume"] = number(path, raw, "volume") if "volume" in has else pl.lit(0.0)
    typed["ticks"] = pl.col("ticks").cast(pl.Int64, strict=False) if "ticks" in has else pl.lit(0, pl.Int64)
    unfinished = pl.col("complete").cast(pl.String).str.to_lowercase().is_in(["0", "false"]) if "complete" in has else pl.lit(False)
    return typed | {"complete": ~unfinished.fill_null(False)}


def _bar_checks(raw: pl.DataFrame) -> list[Check]:
    opened, high, low, close = (pl.col(name) for name in _OHLC)
    checks = [*_time_checks("UTC nanoseconds or ISO-8601"), *_number_checks(*_OHLC)]
    checks += [Check("high is below open, low or close", "high", high < pl.max_horizontal(opened, low, close))]
    checks += [Check("low is above open or close", "low", low > pl.min_horizontal(opened, close))]
    if "ts_close" in raw.columns:
        checks += missing_or_wrong("ts_close", "UTC nanoseconds or ISO-8601")
        checks += [Check("ts_close is before the open", "ts_close", pl.col("ts_close") < pl.col("time"))]
    if "volume" in raw.columns:
        checks += [*_number_checks("volume"), Check("volume is negative", "volume", pl.col("volume") < 0)]
    if "ticks" in raw.columns:
        checks += [*missing_or_wrong("ticks", "a whole number"), Check("ticks is negative", "ticks", pl.col("ticks") < 0)]
    return checks


def _bar_time(path: Path, raw: pl.DataFrame, name: str) -> pl.Series:
    """Integers as nanoseconds when any of them is one, else ISO-8601."""
    integers = time_ns(path, raw, name, iso=False)
    return integers if integers.null_count() < len(integers) else time_ns(path, raw, name, iso=True)


def _time_checks(what: str) -> list[Check]:
    return [*missing_or_wrong("time", what), Check("time is before 1970", "time", pl.col("time") < 0)]


def _number_checks(*names: str) -> list[Check]:
    return [
        check
        for name in names
        for check in (*missing_or_wrong(name, "a number"), Check(f"{name} is not finite", name, ~pl.col(name).is_finite()))
    ]


def _joined(parts: Sequence[TickTable]) -> TickTable:
    """One table of all; a file without quotes among files with them has none."""

    def quotes(name: Literal["bid", "ask"]) -> NDArray[np.float64] | None:
        given = [getattr(part, name) for part in parts]
        if all(column is None for column in given):
            return None
        return np.concatenate([np.full(len(part), np.nan) if column is None else column for part, column in zip(parts, given, strict=True)])

    stamps, prices, sizes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ts_ns", "price", "size"))
    report = parts[0].report
    for part in parts[1:]:
        report += part.report
    return TickTable(stamps, prices, sizes, quotes("bid"), quotes("ask"), report)
