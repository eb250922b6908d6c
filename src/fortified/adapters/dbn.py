"""Databento DBN files: trades, trades with quotes, and bars of time.

Owns what a record of each schema means in our columns. Prices are int64 of 1e-9 and become the nearest float64; the time is the venue's,
``ts_event``. Knows nothing of good and bad rows: what is undefined is null.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import databento_dbn as dbn
import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.dbn_records import read_metadata, read_records
from fortified.adapters.dbn_symbols import names_of, present, rows_of
from fortified.adapters.files_symbols import canonical
from fortified.domain.errors import DataError
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe


class Schema(msgspec.Struct, frozen=True):
    """The record type on the wire, its fields, our columns by these fields, and the length of a bar."""

    rtype: int
    fields: Sequence[tuple[str, str]]
    columns: Mapping[str, str]
    timeframe: Timeframe | None = None


_TRADE: Final = {"ts_ns": "ts_event", "price": "price", "size": "size"}
_QUOTED: Final = _TRADE | {"bid": "bid_px_00", "ask": "ask_px_00"}
_BAR: Final = {"ts_open": "ts_event", "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"}
_NO_PRICE: Final = frozenset(("size", "volume"))
_SCHEMAS: Final = {
    "trades": Schema(0, dbn.TradeMsg._dtypes, _TRADE),
    "tbbo": Schema(1, dbn.MBP1Msg._dtypes, _QUOTED),
    "mbp-1": Schema(1, dbn.MBP1Msg._dtypes, _QUOTED),
} | {
    f"ohlcv-{name}": Schema(rtype, dbn.OHLCVMsg._dtypes, _BAR, Timeframe.parse(name))
    for rtype, name in ((32, "1s"), (33, "1m"), (34, "1h"), (35, "1d"))
}
_FUTURES: Final = ("GLBX.", "IFEU.", "IFUS.", "IFLL.", "NDEX.", "XEUR.", "XEEE.", "XCBF.")
"""How the names of the datasets of futures begin; their symbols have no slash."""
_LATEST: Final = 2**62
_EXACT: Final = 2**53
_SCALE: Final = 10**9


def columns(path: Path) -> list[str]:
    """Our names of the columns in the file; ``DataError`` when it is none of the schemas that are read."""
    return [*_schema(path, read_metadata(path)).columns, "symbol"]


def timeframe(path: Path) -> Timeframe | None:
    """The timeframe of the bars in the file, None for ticks."""
    return _schema(path, read_metadata(path)).timeframe


def symbols(path: Path) -> dict[str, str | None]:
    """The names in the file, each with the symbol that it is; None for spreads and the like. Empty when ids have no names.

    Raises:
        DataError: the file cannot be used.
    """
    metadata = read_metadata(path)
    schema = _schema(path, metadata)
    records = read_records(path, schema.rtype, schema.fields)
    future = metadata.dataset.startswith(_FUTURES)
    year = datetime.fromtimestamp(min(int(records["ts_event"][0]), _LATEST) // NS_PER_SECOND, UTC).year
    return {name: canonical(name, future=future, year=year) for name in present(names_of(metadata.mappings), records["instrument_id"])}


def read(path: Path, symbol: str | None) -> pl.DataFrame:
    """The rows of ``symbol`` (None: of the only one) by our columns, and ``row``, the number of the record from 0.

    Raises:
        DataError: the file is torn, has no records, or not this symbol.
    """
    metadata = read_metadata(path)
    schema = _schema(path, metadata)
    records = read_records(path, schema.rtype, schema.fields)
    rows = rows_of(path, records, names_of(metadata.mappings), symbol)
    if "bid" in schema.columns:
        trades = records["action"] == b"T"
        rows = np.flatnonzero(trades) if rows is None else rows[trades[rows]]
        if not len(rows):
            raise DataError(f"{path} holds quotes and no trades. Give a file that has trades.")
    chosen = records if rows is None else records[rows]
    frame = pl.DataFrame({ours: _column(ours, chosen[theirs]) for ours, theirs in schema.columns.items()})
    return frame if rows is None else frame.with_columns(row=pl.Series(rows))


def _schema(path: Path, metadata: dbn.Metadata) -> Schema:
    found = _SCHEMAS.get(str(metadata.schema))
    if found is None:
        raise DataError(f"{path} is of the schema {metadata.schema or 'mixed'}, which is not read. Use one of: {', '.join(_SCHEMAS)}.")
    return found


def _column(name: str, raw: NDArray[Any]) -> pl.Series:
    if name.startswith("ts_"):
        stamps = pl.Series(raw.astype(np.int64))  # what is beyond int64, as the undefined stamp, turns negative
        return stamps.set(stamps < 0, None)
    if name in _NO_PRICE:
        return pl.Series(raw.astype(np.float64))
    fixed = np.ascontiguousarray(raw)
    return pl.Series(_nearest(fixed)).set(pl.Series(fixed == dbn.UNDEF_PRICE), None)


def _nearest(fixed: NDArray[np.int64]) -> NDArray[np.float64]:
    """The float64 nearest to ``fixed`` / 1e9."""
    prices: NDArray[np.float64] = fixed / _SCALE
    large = (fixed > _EXACT) | (fixed < -_EXACT)  # these are rounded on their way to float64 already
    if large.any():
        prices[large] = [int(value) / _SCALE for value in fixed[large]]
    return prices
