"""What a day of a catalogue lacks.

Owns the measures of the gap report. Silence counts only while the calendar says that the market is open.
"""

from collections.abc import Iterator
from datetime import date
from typing import Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.catalogue_days import TradingDay
from fortified.domain.calendar import Calendar

type Change = Literal["new", "changed", "unchanged", "missing"]


class DayReport(msgspec.Struct, frozen=True):
    """A trading day of a catalogue after an import.

    ``rows_before`` is how many it had. ``silence_ns`` is the longest stretch without a row in
    an open session, begun at ``silence_from_ns``. ``empty_sessions`` of its ``sessions`` have no row. ``duplicates`` are rows that equal
    the row before them: prints may, so they are kept.
    """

    symbol: str
    kind: str
    day: date
    change: Change
    rows: int
    rows_before: int
    first_ns: int | None
    last_ns: int | None
    silence_ns: int
    silence_from_ns: int | None
    sessions: int
    empty_sessions: int
    duplicates: int


def examine(
    day: TradingDay, frame: pl.DataFrame, calendar: Calendar, symbol: str, kind: str, change: Change, rows_before: int
) -> DayReport:
    """The report of a day with the rows ``frame``, which may be none."""
    starts = frame[frame.columns[0]].to_numpy()
    ends = frame["ts_close"].to_numpy() if "ts_close" in frame.columns else starts
    spans = list(_sessions(calendar, day))
    counts = [int(np.searchsorted(starts, close) - np.searchsorted(starts, opened)) for opened, close in spans]
    silence_ns, since_ns = max((_silence(starts, ends, *span) for span in spans), default=(0, None))
    return DayReport(
        symbol=symbol,
        kind=kind,
        day=day.day,
        change=change,
        rows=len(frame),
        rows_before=rows_before,
        first_ns=int(starts[0]) if len(starts) else None,
        last_ns=int(starts[-1]) if len(starts) else None,
        silence_ns=silence_ns,
        silence_from_ns=since_ns,
        sessions=len(spans),
        empty_sessions=counts.count(0),
        duplicates=_duplicates(frame),
    )


def _sessions(calendar: Calendar, day: TradingDay) -> Iterator[tuple[int, int]]:
    for session in calendar.sessions(day.start_ns, day.end_ns):
        yield max(session.open_ns, day.start_ns), min(session.close_ns, day.end_ns)


def _silence(starts: NDArray[np.int64], ends: NDArray[np.int64], open_ns: int, close_ns: int) -> tuple[int, int]:
    """The longest time from the open or the end of a row to the next row or the close, and when it began."""
    rows = slice(*np.searchsorted(starts, (open_ns, close_ns)))
    begins = np.concatenate([[open_ns], np.minimum(ends[rows], close_ns)])
    lengths = np.concatenate([starts[rows], [close_ns]]) - begins
    longest = int(lengths.argmax())
    return int(lengths[longest]), int(begins[longest])


def _duplicates(frame: pl.DataFrame) -> int:
    same = (pl.col(name).eq_missing(pl.col(name).shift()) for name in frame.columns)
    return int(frame.select(pl.all_horizontal(same).sum()).item())
