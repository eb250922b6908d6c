"""What a run walks: the rows of selected files in a span of time.

Owns the cut. A span is half-open; a tick is in it by its stamp, a bar by its open.
"""

import numpy as np
from numpy.typing import NDArray

from fortified.adapters.files import load_bars, load_ticks
from fortified.adapters.files_select import Selection
from fortified.adapters.tables import BarTable, TickTable
from fortified.domain.errors import DataError


def load_selected(
    selection: Selection, symbol: str, *, strict: bool = False, start_ns: int | None = None, end_ns: int | None = None
) -> TickTable | BarTable:
    """The rows of ``symbol`` stamped in [start, end).

    Raises:
        DataError: a file cannot be used, or no row is in the span; says what span the files have.
    """
    if selection.timeframe is None:
        ticks = load_ticks(selection.files, symbol=symbol, strict=strict)
        return ticks if start_ns is end_ns is None else _cut_ticks(ticks, _rows(ticks.ts_ns, start_ns, end_ns))
    bars = load_bars(selection.files, selection.timeframe, symbol=symbol, strict=strict)
    return bars if start_ns is end_ns is None else _cut_bars(bars, _rows(bars.ts_open, start_ns, end_ns))


def _rows(stamps: NDArray[np.int64], start_ns: int | None, end_ns: int | None) -> slice:
    start = 0 if start_ns is None else int(np.searchsorted(stamps, start_ns))
    stop = len(stamps) if end_ns is None else int(np.searchsorted(stamps, end_ns))
    if start >= stop:
        asked = f"{'the beginning' if start_ns is None else _utc(start_ns)} to {'the end' if end_ns is None else _utc(end_ns)}"
        held = f"{_utc(int(stamps[0]))} to {_utc(int(stamps[-1]))}"
        raise DataError(f"There is no data from {asked}; the files hold {held} UTC. Choose another span.")
    return slice(start, stop)


def _cut_ticks(table: TickTable, rows: slice) -> TickTable:
    bid, ask = (None if column is None else column[rows] for column in (table.bid, table.ask))
    return TickTable(table.ts_ns[rows], table.price[rows], table.size[rows], bid, ask, table.report)


def _cut_bars(table: BarTable, rows: slice) -> BarTable:
    columns = {name: getattr(table, name)[rows] for name in BarTable.__struct_fields__ if name not in ("timeframe", "report")}
    return BarTable(timeframe=table.timeframe, report=table.report, **columns)


def _utc(ts_ns: int) -> str:
    return str(np.datetime_as_string(np.datetime64(ts_ns, "ns"), "s"))
