"""Tick and bar files: CSV, CSV.gz, Parquet, Databento DBN.

Owns how several files become one table. File order is feed order. Bad rows are left out, counted and reported with their line. Knows
nothing of who reads the tables.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fortified.adapters.files_bars import OHLC, joined_bars, load_bar_file
from fortified.adapters.files_read import columns, fingerprint, symbols
from fortified.adapters.files_ticks import joined_ticks, load_tick_file
from fortified.adapters.tables import BadRow, BarTable, FileReport, TickTable
from fortified.domain.errors import DataError
from fortified.domain.timeframe import Timeframe

__all__ = ["BadRow", "BarTable", "FileReport", "TickTable", "check_order", "fingerprint", "load_bars", "load_ticks", "sniff", "symbols"]


def sniff(path: Path) -> Literal["ticks", "bars"]:
    """What the columns of ``path`` say it holds; ``DataError`` when neither."""
    found = columns(path)
    if "price" in found:
        return "ticks"
    if found.keys() >= set(OHLC):
        return "bars"
    raise DataError(
        f"{path} holds neither ticks (price, size) nor bars ({', '.join(OHLC)}); its columns are {', '.join(found.values())}. Rename them."
    )


def load_ticks(paths: Sequence[Path], *, symbol: str | None = None, strict: bool = False, tolerance_ns: int = 0) -> TickTable:
    """The ticks of ``paths``, one after the other.

    Columns ``ts_ns`` (or ``ts``, ISO-8601), ``price``, ``size``, optional ``bid``, ``ask`` and ``symbol``; others are ignored. Of a file
    with symbols the rows of ``symbol`` are taken, which may be None when there is one. A row may be older than the latest before it by
    ``tolerance_ns``; one that is older still is bad.

    Raises:
        DataError: a file cannot be read or used or has not this symbol, a file begins before the one before it ends, or a row is bad and
            ``strict``.
    """
    if not paths:
        raise DataError("No tick file is given. Give at least one .csv, .csv.gz, .parquet or .dbn file.")
    parts = [load_tick_file(path, symbol, strict=strict, tolerance_ns=tolerance_ns) for path in paths]
    for path, part, before, earlier in zip(paths[1:], parts[1:], paths, parts, strict=False):
        check_order(path, int(part.ts_ns[0]), before, int(earlier.ts_ns.max()), tolerance_ns)
    return joined_ticks(parts)


def load_bars(paths: Path | Sequence[Path], timeframe: Timeframe, *, symbol: str | None = None, strict: bool = False) -> BarTable:
    """The bars of ``paths``, which are of ``timeframe``, one after the other.

    The open time is ``ts_open``, ``ts_start_ns``, ``time``, ``date`` or alike: integers are UTC nanoseconds, text is ISO-8601. ``open``,
    ``high``, ``low``, ``close`` must be there; ``ts_close`` (or ``ts_end_ns``) must for tick bars; ``volume``, ``vwap``, ``ticks``,
    ``complete`` and ``symbol`` may.

    Raises:
        DataError: a file cannot be read or used or has not this symbol, a file begins before the one before it ends, or a row is bad and
            ``strict``.
    """
    files = [paths] if isinstance(paths, Path) else paths
    if not files:
        raise DataError("No bar file is given. Give at least one .csv, .csv.gz, .parquet or .dbn file.")
    parts = [load_bar_file(path, timeframe, symbol, strict=strict) for path in files]
    for path, part, before, earlier in zip(files[1:], parts[1:], files, parts, strict=False):
        check_order(path, int(part.ts_open[0]), before, int(earlier.ts_open[-1]), 0 if timeframe.is_tick else -1)
    return joined_bars(parts)


def check_order(path: Path, begins_ns: int, before: Path, ends_ns: int, tolerance_ns: int) -> None:
    """Raise ``DataError`` when a file begins more than ``tolerance_ns`` before the one before it ends."""
    if begins_ns + tolerance_ns < ends_ns:
        raise DataError(f"{path} begins at {begins_ns}, before {before} ends at {ends_ns}. Give the files in the order of time.")
