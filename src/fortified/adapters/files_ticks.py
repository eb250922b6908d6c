"""Files of ticks.

Owns which columns a file of ticks has and what a good row of it is. Where every row is good, which a few passes over the numbers tell, they
are taken as they are; only else are rows looked at one by one.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.files_read import SYMBOL, columns, is_csv, is_dbn, pick, read, read_numbers
from fortified.adapters.files_sift import Check, Columns, Sieve, missing_or_wrong, number, number_checks, sift, time_checks, time_ns
from fortified.adapters.tables import FileReport, TickTable

_QUOTES: Final = ("bid", "ask")
_NUMBERS: Final = ("price", "size", *_QUOTES)
_TYPES: Final = {"time": pl.Int64, **dict.fromkeys(_NUMBERS, pl.Float64)}


def load_tick_file(path: Path, symbol: str | None, *, strict: bool, tolerance_ns: int) -> TickTable:
    """The ticks of one file; see ``fortified.adapters.files.load_ticks``."""
    found = columns(path)
    stamp = pick(path, found, ("ts_ns", "ts"))
    wanted = {"time": stamp} | {name: pick(path, found, (name,)) for name in ("price", "size")}
    wanted |= {name: found[name] for name in (*_QUOTES, SYMBOL) if name in found}
    iso = "ts_ns" not in found
    if is_csv(path) and not iso and SYMBOL not in wanted:
        numbers = read_numbers(path, wanted, {ours: _TYPES[ours] for ours in wanted})
        if numbers is not None and (table := _as_it_is(numbers)) is not None:
            return table
    raw = read(path, wanted, symbol)
    return _as_it_is(raw) or _sifted(path, raw, iso, Sieve(_checks(raw, iso), -tolerance_ns, strict))


def joined_ticks(parts: Sequence[TickTable]) -> TickTable:
    """One table of all; a file without quotes among files with them has none."""
    if len(parts) == 1:
        return parts[0]

    def quotes(name: Literal["bid", "ask"]) -> NDArray[np.float64] | None:
        given = [getattr(part, name) for part in parts]
        if all(column is None for column in given):
            return None
        return np.concatenate([np.full(len(part), np.nan) if column is None else column for part, column in zip(parts, given, strict=True)])

    stamps, prices, sizes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ts_ns", "price", "size"))
    report = sum((part.report for part in parts[1:]), parts[0].report)
    return TickTable(stamps, prices, sizes, quotes("bid"), quotes("ask"), report)


def _as_it_is(raw: pl.DataFrame) -> TickTable | None:
    """The table, if every row is good as it stands."""
    quotes = [name for name in _QUOTES if name in raw.columns]
    needed = raw.select("time", "price", "size")
    plain = raw.schema["time"] == pl.Int64 and all(_is_plain(raw.schema[name]) for name in ("price", "size", *quotes))
    if raw.is_empty() or not plain or any(needed.null_count().row(0)) or (SYMBOL in raw.columns and raw[SYMBOL].has_nulls()):
        return None
    stamps = _array(raw["time"], np.dtype(np.int64))
    price, size = (_array(raw[name], np.dtype(np.float64)) for name in ("price", "size"))
    if stamps[0] < 0 or (stamps[1:] < stamps[:-1]).any() or not np.isfinite(price).all() or not 0 <= size.min() <= size.max() < math.inf:
        return None
    bid, ask = (_quotes(raw[name]) if name in quotes else None for name in _QUOTES)
    return TickTable(stamps, price, size, bid, ask, FileReport(raw.height))


def _is_plain(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_float()


def _quotes(column: pl.Series) -> NDArray[np.float64] | None:
    return None if column.null_count() == len(column) else _array(column, np.dtype(np.float64))


def _array[D: (np.int64, np.float64)](column: pl.Series, dtype: np.dtype[D]) -> NDArray[D]:
    """The column in one piece, null as NaN. It is put together here: numpy asks for large pages, which are there much sooner."""
    chunks = column.get_chunks()
    if len(chunks) == 1 and not column.has_nulls():
        return np.asarray(column.to_numpy(), dtype)
    whole, at = np.empty(len(column), dtype), 0
    for chunk in chunks:
        whole[at : at + len(chunk)] = chunk.cast(pl.Float64).fill_null(math.nan).to_numpy() if chunk.has_nulls() else chunk.to_numpy()
        at += len(chunk)
    return whole


def _checks(raw: pl.DataFrame, iso: bool) -> list[Check]:
    return [
        *((missing_or_wrong(SYMBOL, "a symbol")[0],) if SYMBOL in raw.columns else ()),
        *time_checks("ISO-8601" if iso else "UTC nanoseconds"),
        *number_checks("price", "size"),
        Check("size is negative", "size", pl.col("size") < 0),
        *(missing_or_wrong(name, "a number")[1] for name in _QUOTES if name in raw.columns),
    ]


def _sifted(path: Path, raw: pl.DataFrame, iso: bool, sieve: Sieve) -> TickTable:
    has = [name for name in _NUMBERS if name in raw.columns]
    typed: Columns = {"time": time_ns(path, raw, "time", iso=iso and not is_dbn(path)), **{name: number(path, raw, name) for name in has}}
    frame, report = sift(path, raw, typed, sieve)
    bid, ask = (frame[name].fill_null(math.nan).to_numpy() if name in has else None for name in _QUOTES)
    return TickTable(frame["time"].to_numpy(), frame["price"].to_numpy(), frame["size"].to_numpy(), bid, ask, report)
