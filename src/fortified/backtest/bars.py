"""The bars of whole arrays of ticks, bit for bit those of the aggregators.

Owns which rows make a bar when time never runs backwards, and what is said of the rows that make none. Where it does run backwards, or
without numba, the aggregators themselves are fed; they are the truth. numba takes long to import: only building bars imports it.
"""

import functools
import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, repeat
from multiprocessing.process import parent_process
from types import ModuleType
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.aggregation.factory import create_aggregator
from fortified.backtest.columns import BarColumns, TickColumns
from fortified.domain.calendar import CONTINUOUS, Calendar
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import NS_PER_SECOND, SECONDS_PER_DAY, Timeframe

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

_CHUNK = 65_536
MOST_THREADS, ROWS_PER_THREAD = 8, 500_000
_LAST_NS = 2**63 - 1
_NS_PER_DAY = SECONDS_PER_DAY * NS_PER_SECOND


class Built(msgspec.Struct, frozen=True, eq=False):
    """The bars that the stamps of the ticks close, so not the unfinished one, and the counters of the aggregator behind the last tick.

    ``accepted`` tells which rows were taken into a bar; None: every one. ``ordered``: time never runs backwards in them.
    """

    bars: BarColumns
    late: int
    out_of_session: int
    accepted: NDArray[np.bool_] | None
    ordered: bool


class Sessions(NamedTuple):
    """The sessions that hold ticks: the rows ``first`` to ``stop`` (exclusive) lie in [opens, closes), a bar of a day in [begins, ends)."""

    first: Ints
    stop: Ints
    opens: Ints
    closes: Ints
    begins: Ints
    ends: Ints

    def joined(self) -> "Sessions":
        """The same over rows without those between sessions."""
        rows = self.stop - self.first
        stop = np.cumsum(rows)
        return self._replace(first=stop - rows, stop=stop)


class Cuts(NamedTuple):
    """The rows ``start`` to ``stop`` (exclusive) of each bar, and its stamps. ``ends`` is when it is over, if not by its count."""

    start: Ints
    stop: Ints
    ts_open: Ints
    ts_close: Ints
    ends: Ints
    complete: NDArray[np.bool_]
    session_end: NDArray[np.bool_]

    def over(self, now_ns: int) -> "Cuts":
        """Without the last bar, unless it is over; those before it are."""
        open_bar = len(self.ends) and now_ns < self.ends[-1]
        return Cuts._make(column[:-1] for column in self) if open_bar else self


def build_bars(ticks: TickColumns, timeframe: Timeframe, calendar: Calendar) -> Built:
    """What a fresh aggregator makes of ``ticks``, where a tick's number is its row and it was received when it was stamped."""
    ts = np.ascontiguousarray(ticks.ts_ns, np.int64)
    price, size = np.ascontiguousarray(ticks.price, np.float64), np.ascontiguousarray(ticks.size, np.float64)
    compiled = kernels()
    if compiled is None or not _forward(compiled, ts):
        return _feed(ts, price, size, timeframe, calendar)
    sessions, now_ns = _sessions(ts, calendar), int(ts[-1]) if len(ts) else 0
    late = int(np.searchsorted(ts, 0))
    outside = len(ts) - late - int((sessions.stop - sessions.first).sum())
    accepted = _accepted(len(ts), sessions) if late or outside else None
    rows = None
    if accepted is not None and timeframe.is_daily:  # a day goes on behind its break, and the rows in the break are not of it
        rows, sessions = np.flatnonzero(accepted), sessions.joined()
        ts, price, size = ts[rows], price[rows], size[rows]
    cuts = _cuts(compiled, ts, sessions, timeframe, calendar).over(now_ns)
    last = cuts.stop - 1
    return Built(_reduce(compiled, price, size, cuts, last if rows is None else rows[last]), late, outside, accepted, True)


@functools.cache
def kernels(name: str = "kernels") -> ModuleType | None:
    """The compiled loops of that name; None where numba is missing or does not work with what is installed."""
    try:
        return importlib.import_module(f"fortified.backtest.{name}")
    except ImportError:
        return None


def _feed(ts: Ints, price: Floats, size: Floats, timeframe: Timeframe, calendar: Calendar) -> Built:
    aggregator = create_aggregator("", timeframe, calendar)
    before, add, after = aggregator.before, aggregator.add, aggregator.after
    made: list[Bar] = []
    accepted = np.empty(len(ts), np.bool_)
    for start in range(0, len(ts), _CHUNK):
        rows = slice(start, start + _CHUNK)
        stamps = ts[rows].tolist()
        ticks = map(Tick, repeat(""), range(start, start + len(stamps)), stamps, stamps, price[rows].tolist(), size[rows].tolist())
        for row, tick in enumerate(ticks, start):
            if (over := before(tick)) is not None:
                made.append(over)
            accepted[row] = add(tick)
            if (full := after()) is not None:
                made.append(full)
    ordered = bool((np.diff(ts[accepted]) >= 0).all())
    return Built(BarColumns.of(made), aggregator.late, aggregator.out_of_session, None if accepted.all() else accepted, ordered)


def _sessions(ts: Ints, calendar: Calendar) -> Sessions:
    found = list(calendar.sessions(max(int(ts[0]), 0), int(ts[-1]) + 1)) if len(ts) else []
    opens = np.array([session.open_ns for session in found], np.int64)
    closes = np.array([min(session.close_ns, _LAST_NS) for session in found], np.int64)
    days = [calendar.bucket(session, _NS_PER_DAY, session.open_ns) for session in found]
    begins, ends = np.array([begin for begin, _ in days], np.int64), np.array([min(end, _LAST_NS) for _, end in days], np.int64)
    first, stop = np.searchsorted(ts, np.maximum(opens, 0)), np.searchsorted(ts, closes)  # before 0 every tick is late
    return Sessions(*(column[stop > first] for column in (first, stop, opens, closes, begins, ends)))


def _accepted(rows: int, sessions: Sessions) -> NDArray[np.bool_]:
    accepted = np.zeros(rows, np.bool_)
    for first, stop in zip(sessions.first.tolist(), sessions.stop.tolist(), strict=True):
        accepted[first:stop] = True
    return accepted


def _cuts(compiled: ModuleType, ts: Ints, sessions: Sessions, timeframe: Timeframe, calendar: Calendar) -> Cuts:
    if timeframe.is_tick:
        return _by_count(ts, sessions, timeframe.length)
    if timeframe.is_daily and calendar.name != CONTINUOUS:
        return _by_day(sessions)
    first, stop = sessions.first, sessions.stop
    buckets = (ts[stop - 1] - ts[first]) // timeframe.length_ns + 2
    most = int(np.minimum(buckets, stop - first).sum())
    start, stop, begins, ends = compiled.cut(ts, first, stop, sessions.opens, sessions.closes, timeframe.length_ns, most)
    return Cuts(start, stop, begins, ends, ends, np.ones(len(ends), np.bool_), np.isin(ends, sessions.closes))


def _by_count(ts: Ints, sessions: Sessions, length: int) -> Cuts:
    bars = -(-(sessions.stop - sessions.first) // length)
    bar_in_session = np.arange(bars.sum()) - np.repeat(np.cumsum(bars) - bars, bars)
    start = np.repeat(sessions.first, bars) + bar_in_session * length
    stop = np.minimum(start + length, np.repeat(sessions.stop, bars))
    full = stop - start == length
    ts_close = ts[stop - 1]
    return Cuts(start, stop, ts[start], ts_close, np.where(full, ts_close, np.repeat(sessions.closes, bars)), full, ~full)


def _by_day(sessions: Sessions) -> Cuts:
    """One bar of all sessions of a trading day."""
    begins, ends = sessions.begins, sessions.ends
    first = np.flatnonzero(np.diff(begins, prepend=-1))
    last = np.flatnonzero(np.diff(begins, append=-1))
    every = np.ones(len(first), np.bool_)
    return Cuts(sessions.first[first], sessions.stop[last], begins[first], ends[first], ends[first], every, ~every)


def _reduce(compiled: ModuleType, price: Floats, size: Floats, cuts: Cuts, seq: Ints) -> BarColumns:
    start, last = cuts.start, cuts.stop - 1
    high, low, volume, notional = side_by_side(
        len(price), len(start), lambda part: compiled.reduce(price, size, start[part], cuts.stop[part])
    )
    close = price[last]
    return BarColumns(
        ts_open=cuts.ts_open,
        ts_close=cuts.ts_close,
        open=price[start],
        high=high,
        low=low,
        close=close,
        volume=volume,
        vwap=np.divide(notional, volume, out=close.copy(), where=volume > 0),
        ticks=cuts.stop - start,
        seq=seq,
        complete=cuts.complete,
        flags=np.where(cuts.session_end, int(BarFlag.SESSION_END), 0),
    )


def _forward(compiled: ModuleType, ts: Ints) -> bool:
    """Whether time never runs backwards."""
    parts = _parts(len(ts), len(ts))
    with ThreadPoolExecutor(len(parts)) as pool:  # each part begins with the last tick of the one before
        return all(pool.map(lambda part: compiled.forward(ts[max(part.start - 1, 0) : part.stop]), parts))


def side_by_side(rows: int, items: int, work: Callable[[slice], tuple[Floats, ...]]) -> list[Floats]:
    """The columns of ``work`` over all items, which hold ``rows`` rows: in threads, for kernels run without the interpreter's lock."""
    parts = _parts(rows, items)
    if len(parts) == 1:
        return list(work(parts[0]))
    with ThreadPoolExecutor(len(parts)) as pool:
        return [np.concatenate(columns) for columns in zip(*pool.map(work, parts), strict=True)]


def _parts(rows: int, items: int) -> list[slice]:
    """Even parts of the items, at most one for each processor, and none so small that a thread costs more than it spares."""
    alone = parent_process() is None  # the siblings of a worker have the other processors
    count = max(1, min(os.cpu_count() or 1, MOST_THREADS, rows // ROWS_PER_THREAD)) if alone else 1
    edges = [items * part // count for part in range(count + 1)]
    return [slice(begin, end) for begin, end in pairwise(edges)]
