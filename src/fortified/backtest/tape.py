"""The ticks that made bars, one after the other, and where each bar ends among them.

Owns the arrays that drivers walk: without the rows that no bar took, so that places in them count ticks.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.backtest.bars import Built
from fortified.backtest.columns import BarColumns, TickColumns

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]


class Tape(msgspec.Struct, frozen=True, eq=False):
    """Ticks by place. Bar i is over with place ``ends[i]``.

    ``seq`` are the row numbers of the ticks in the file; None when they are the places + ``offset``.
    """

    ts: Ints
    price: Floats
    size: Floats
    bid: Floats | None
    ask: Floats | None
    seq: Ints | None
    bars: BarColumns
    ends: Ints
    offset: int = 0

    @classmethod
    def of(cls, ticks: TickColumns, built: Built) -> "Tape":
        """The ticks that ``built`` was made of."""
        if built.accepted is None:
            return cls(ticks.ts_ns, ticks.price, ticks.size, ticks.bid, ticks.ask, None, built.bars, built.bars.seq)
        rows = np.flatnonzero(built.accepted)
        ends = np.searchsorted(rows, built.bars.seq)
        bid, ask = (None if column is None else column[rows] for column in (ticks.bid, ticks.ask))
        return cls(ticks.ts_ns[rows], ticks.price[rows], ticks.size[rows], bid, ask, rows, built.bars, ends)

    def __len__(self) -> int:
        return len(self.ts)

    def row(self, place: int) -> int:
        """The number of the tick in its file."""
        return place + self.offset if self.seq is None else int(self.seq[place])

    def rows(self, places: Ints) -> Ints:
        """The numbers of the ticks in their file."""
        return places + self.offset if self.seq is None else self.seq[places]

    def part(self, first: int, stop: int) -> "Tape":
        """The bars ``first`` to ``stop`` (exclusive) with their ticks."""
        begin = int(self.ends[first - 1]) + 1 if first else 0
        end = int(self.ends[stop - 1]) + 1 if stop else 0
        ticks = slice(begin, max(begin, end))
        bid, ask = (None if column is None else column[ticks] for column in (self.bid, self.ask))
        seq = None if self.seq is None else self.seq[ticks]
        bars = BarColumns(**{name: getattr(self.bars, name)[first:stop] for name in BarColumns.__struct_fields__})
        ends = self.ends[first:stop] - begin
        return Tape(self.ts[ticks], self.price[ticks], self.size[ticks], bid, ask, seq, bars, ends, self.offset + begin)

    def quote(self, place: int) -> tuple[float | None, float | None]:
        """Bid and ask before the tick, as far as they are known."""
        return _known(self.bid, place), _known(self.ask, place)


def _known(column: Floats | None, place: int) -> float | None:
    if column is None:
        return None
    value = float(column[place])
    return None if math.isnan(value) else value
