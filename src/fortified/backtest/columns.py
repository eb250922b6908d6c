"""Ticks and bars by column, as backtests walk them.

Owns the two shapes. Knows nothing of files, nor of how bars are built.
"""

from itertools import repeat
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.market import Bar


class TickColumns(Protocol):
    """Ticks in feed order: UTC nanoseconds int64, the rest float64; ``bid`` and ``ask`` are NaN where there was none."""

    @property
    def ts_ns(self) -> NDArray[np.int64]: ...
    @property
    def price(self) -> NDArray[np.float64]: ...
    @property
    def size(self) -> NDArray[np.float64]: ...
    @property
    def bid(self) -> NDArray[np.float64] | None: ...
    @property
    def ask(self) -> NDArray[np.float64] | None: ...


class BarColumns(msgspec.Struct, frozen=True, eq=False):
    """Closed bars in the order of time, each column as the field of ``Bar`` it is named after. ``seq`` is a row of the ticks."""

    ts_open: NDArray[np.int64]
    ts_close: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    vwap: NDArray[np.float64]
    ticks: NDArray[np.int64]
    seq: NDArray[np.int64]
    complete: NDArray[np.bool_]
    flags: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.seq)

    def bars(self, symbol: str, timeframe_name: str) -> list[Bar]:
        """The rows as bars of ``symbol``."""
        columns = (
            *(self.ts_open, self.ts_close, self.open, self.high, self.low, self.close),
            *(self.volume, self.ticks, self.vwap, self.seq, self.complete, self.flags),
        )
        return list(map(Bar, repeat(symbol), repeat(timeframe_name), *(column.tolist() for column in columns)))

    @classmethod
    def of(cls, bars: list[Bar]) -> "BarColumns":
        """The columns of ``bars``."""
        integers, floats = np.int64, np.float64
        return cls(
            ts_open=np.array([bar.ts_open for bar in bars], integers),
            ts_close=np.array([bar.ts_close for bar in bars], integers),
            open=np.array([bar.open for bar in bars], floats),
            high=np.array([bar.high for bar in bars], floats),
            low=np.array([bar.low for bar in bars], floats),
            close=np.array([bar.close for bar in bars], floats),
            volume=np.array([bar.volume for bar in bars], floats),
            vwap=np.array([bar.vwap for bar in bars], floats),
            ticks=np.array([bar.ticks for bar in bars], integers),
            seq=np.array([bar.seq for bar in bars], integers),
            complete=np.array([bar.complete for bar in bars], np.bool_),
            flags=np.array([bar.flags for bar in bars], integers),
        )
