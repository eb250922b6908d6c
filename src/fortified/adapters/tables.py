"""Ticks and bars by column, with the report of how they were read.

Owns the shapes in which whole files are handed on. Knows nothing of files, and does not import what reads them, which is slow to start.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.timeframe import Timeframe

MAX_SAMPLES: Final = 20


class BadRow(msgspec.Struct, frozen=True):
    """A row that was left out. ``line`` is 1-based; a CSV file's header is line 1, a Parquet file's first row is row 1."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class FileReport(msgspec.Struct, frozen=True):
    """What was read: all ``rows``, how many of them were ``bad``, counts per reason, and the first bad rows."""

    rows: int
    bad: int = 0
    counts: Mapping[str, int] = {}
    samples: tuple[BadRow, ...] = ()

    def __add__(self, other: "FileReport") -> "FileReport":
        counts = {reason: self.counts.get(reason, 0) + other.counts.get(reason, 0) for reason in (*self.counts, *other.counts)}
        return FileReport(self.rows + other.rows, self.bad + other.bad, counts, (*self.samples, *other.samples)[:MAX_SAMPLES])


class TickTable(msgspec.Struct, frozen=True, eq=False):
    """Ticks in feed order, by column: UTC nanoseconds int64, the rest float64.

    ``bid`` and ``ask`` are NaN where there was none, and None when no file has the column.
    """

    ts_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    bid: NDArray[np.float64] | None
    ask: NDArray[np.float64] | None
    report: FileReport

    def __len__(self) -> int:
        return len(self.ts_ns)


class BarTable(msgspec.Struct, frozen=True, eq=False):
    """Bars in the order of time, by column. ``vwap`` is (high + low + close) / 3 where the file has none, ``ticks`` 0."""

    timeframe: Timeframe
    ts_open: NDArray[np.int64]
    ts_close: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    vwap: NDArray[np.float64]
    ticks: NDArray[np.int64]
    complete: NDArray[np.bool_]
    report: FileReport

    def __len__(self) -> int:
        return len(self.ts_open)

    def part(self, first: int, stop: int) -> "BarTable":
        """The rows ``first`` to ``stop`` (exclusive)."""
        cut = {name: getattr(self, name)[first:stop] for name in self.__struct_fields__ if name not in ("timeframe", "report")}
        return msgspec.structs.replace(self, **cut)
