"""Names of the instruments in a DBN file.

Owns how the symbol mappings of the metadata lead from a name to records. Knows nothing of prices.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.dbn_records import Records
from fortified.adapters.files_symbols import choose
from fortified.domain.errors import DataError
from fortified.domain.timeframe import NS_PER_SECOND

type Ids = NDArray[np.uint32]


class Interval(msgspec.Struct, frozen=True):
    """A name has the id from ``start_ns`` until before ``end_ns``."""

    instrument_id: int
    start_ns: int
    end_ns: int


type Names = Mapping[str, Sequence[Interval]]


def names_of(mappings: Mapping[str, Sequence[Mapping[str, Any]]]) -> Names:
    """The ids of each name. The side of a mapping that is a number is the id."""
    names: dict[str, list[Interval]] = {}
    for key, intervals in mappings.items():
        for interval in intervals:
            theirs: str = interval["symbol"]
            name, number = (key, theirs) if theirs.isdigit() else (theirs, key)
            if number.isdigit():
                span = Interval(int(number), _midnight(interval["start_date"]), _midnight(interval["end_date"]))
                names.setdefault(name, []).append(span)
    return names


def present(names: Names, ids: Ids) -> list[str]:
    """The names that have records."""
    return _present(names, _distinct(ids))


def rows_of(path: Path, records: Records, names: Names, symbol: str | None) -> NDArray[np.int64] | None:
    """The rows of the symbol (None: the only one), None for all of them.

    Raises:
        DataError: the symbol is not there, or which is meant cannot be told.
    """
    ids = np.ascontiguousarray(records["instrument_id"])
    distinct = _distinct(ids)
    found = _present(names, distinct)
    if not found and len(distinct) > 1:
        raise DataError(f"{path} holds several instruments without their names. Export it again with symbol mappings.")
    chosen = choose(path, found, symbol) if found else None
    if chosen is None or len(found) == len(distinct) == 1:
        return None
    return np.flatnonzero(_mask(ids, records["ts_event"], names, chosen))


def _mask(ids: Ids, stamps: NDArray[np.uint64], names: Names, chosen: str) -> NDArray[np.bool_]:
    """Where the records are of ``chosen``. The days of a mapping count only for an id that had several names."""
    others = {span.instrument_id for name, spans in names.items() if name != chosen for span in spans}
    mask = np.zeros(len(ids), np.bool_)
    for span in names[chosen]:
        of_id = ids == span.instrument_id
        mask |= of_id & (stamps >= span.start_ns) & (stamps < span.end_ns) if span.instrument_id in others else of_id
    return mask


def _distinct(ids: Ids) -> set[int]:
    """The ids; most files have one, which is seen without sorting."""
    return {int(ids[0])} if (ids == ids[0]).all() else set(pl.Series(ids).unique().to_list())


def _present(names: Names, distinct: set[int]) -> list[str]:
    return [name for name, spans in names.items() if any(span.instrument_id in distinct for span in spans)]


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_SECOND
