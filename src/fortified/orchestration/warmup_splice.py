"""Which bars of the past are known to follow one another without a hole, up to where the stream takes over.

Owns the splice of stored and fetched bars: by bar key (when a bar opens, and for tick bars when it closes), never by number, because a
source numbers its history as it likes. Pure: knows no store and no source.

Two neighbours belong together when one side has them both, or when no time of trading lies between them. What is published is one unbroken
row save where a bar is flagged; what is backfilled (``seq`` below 0) is so among itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe
from fortified.ports import Checkpoint

BROKEN = BarFlag.GAP | BarFlag.PARTIAL_START


class Seam(msgspec.Struct, frozen=True):
    """Where the stream takes over: ``last`` is the last closed bar that it does not bring; ``ts_open`` (ns) tells, where there is no such
    bar, when the first one opens that it brings. Both None: nothing was published yet."""

    last: Bar | None = None
    ts_open: int | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint | None) -> "Seam":
        """The seam of a reader that joins the streams at ``checkpoint``."""
        if checkpoint is None:
            return cls()
        return cls(checkpoint.last_closed, None if checkpoint.open_bar is None else checkpoint.open_bar.ts_open)


class Row(msgspec.Struct):
    """One bar, and who has it."""

    stored: Bar | None
    fetched: Bar | None

    @property
    def bar(self) -> Bar:
        """The stored version, which is the one that was acted on, unless only the fetched one is whole."""
        stored, fetched = self.stored, self.fetched
        if stored is None or (fetched is not None and stored.flags & BROKEN and not fetched.flags & BROKEN):
            assert fetched is not None
            return fetched
        return stored


class Splice:
    """Splices bars of one timeframe in the sessions of ``calendar``."""

    def __init__(self, timeframe: Timeframe, calendar: Calendar) -> None:
        self.is_tick = timeframe.is_tick
        self._calendar = calendar

    def place(self, bar: Bar) -> tuple[int, int, int]:
        """The order of bars. The first two are the key: a time bar is the interval that it opens, however its source ends it."""
        return (bar.ts_open, bar.ts_close, max(bar.seq, -1)) if self.is_tick else (bar.ts_open, 0, 0)

    def rows(self, stored: Sequence[Bar], fetched: Sequence[Bar], seam: Seam) -> list[Row]:
        """All bars before the stream, oldest first, each once; of two that overlap the stored one. Both inputs are in order."""
        twins: defaultdict[tuple[int, int], list[Bar]] = defaultdict(list)
        for bar in fetched:
            twins[self.place(bar)[:2]].append(bar)
        known = {self.place(bar)[:2] for bar in stored}
        rows = [Row(bar, twin.pop(0) if (twin := twins.get(self.place(bar)[:2])) else None) for bar in stored]
        rows += [Row(None, bar) for bar in fetched if self.place(bar)[:2] not in known]
        rows.sort(key=lambda row: self.place(row.bar))
        return _apart(row for row in rows if self._is_before(row.bar, seam))

    def tail(self, rows: Sequence[Row], seam: Seam) -> Sequence[Row]:
        """The end of ``rows`` that has no hole and reaches the stream; empty when it does not reach it."""
        if not rows or not self._reaches(rows[-1], seam):
            return ()
        holes = (number for number, pair in enumerate(pairwise(rows), 1) if not self._joined(*pair))
        return rows[max(holes, default=0) :]

    def nothing_between(self, ts_close: int, ts_open: int) -> bool:
        """Whether no time of trading lies between the end of a bar of time and the beginning of another. Counts of trades never tell."""
        if self.is_tick or ts_open < ts_close:
            return False
        return ts_open == ts_close or next(self._calendar.sessions(ts_close, ts_open), None) is None

    def _is_before(self, bar: Bar, seam: Seam) -> bool:
        if seam.last is not None:
            return self.place(bar) <= self.place(seam.last)
        return seam.ts_open is None or bar.ts_close <= seam.ts_open

    def _reaches(self, row: Row, seam: Seam) -> bool:
        """Whether ``row`` is the last bar before the stream. A source's history reaches the present; what is stored need not."""
        if seam.last is not None:
            return self.place(row.bar)[:2] == self.place(seam.last)[:2]
        if row.fetched is not None:
            return True
        return seam.ts_open is not None and self.nothing_between(row.bar.ts_close, seam.ts_open)

    def _joined(self, one: Row, other: Row) -> bool:
        """Whether nothing is missing between two neighbours."""
        in_source = one.fetched is not None and other.fetched is not None and not other.fetched.flags & BROKEN
        in_store = one.stored is not None and other.stored is not None and not other.stored.flags & BROKEN
        if in_store:  # where publication began behind a backfill, nobody saw both sides
            assert one.stored is not None
            assert other.stored is not None
            in_store = not one.stored.seq < 0 <= other.stored.seq
        if in_source or in_store:
            return True
        return not other.bar.flags & BarFlag.GAP and self.nothing_between(one.bar.ts_close, other.bar.ts_open)


def _apart(rows: Iterable[Row]) -> list[Row]:
    """``rows`` without fetched bars that begin within the one before: the source cuts bars elsewhere than we do."""
    kept: list[Row] = []
    for row in rows:
        if row.stored is not None or not kept or kept[-1].bar.ts_close <= row.bar.ts_open:
            kept.append(row)
    return kept
