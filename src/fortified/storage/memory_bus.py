"""The market bus within one process, with the semantics of the one over Redis: groups, pending entries, trimming, holes.

Must not know the ledger's rows; the ledger tells it what was acknowledged.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from fortified.aggregation.base import OpenBar, update_of
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.ports import ORIGIN, BusEvent, BusReader, Checkpoint, EntryId, LedgerUnit, StreamRef
from fortified.storage.memory_history import MemoryHistory

_SLAB = 100  # Redis trims whole nodes too, not each entry

_Row = tuple[EntryId, EntryId, Bar | BarUpdate]
"""Entry, its predecessor, payload."""


class _Stream:
    """Entries in the order of ids, the newest ``maxlen`` or a slab more."""

    def __init__(self, maxlen: int) -> None:
        self._maxlen = maxlen
        self._ids: list[EntryId] = []
        self._rows: list[_Row] = []
        self.last = ORIGIN

    def append(self, row: _Row) -> bool:
        """False when an entry of this id or a later one was there before."""
        if row[0] <= self.last:
            return False
        self.last = row[0]
        self._ids.append(row[0])
        self._rows.append(row)
        if len(self._ids) >= self._maxlen + _SLAB:
            del self._ids[:_SLAB], self._rows[:_SLAB]
        return True

    def after(self, entry: EntryId, count: int) -> list[_Row]:
        first = bisect_right(self._ids, entry)
        return self._rows[first : first + count]

    def find(self, entry: EntryId) -> _Row | None:
        place = bisect_left(self._ids, entry)
        return self._rows[place] if place < len(self._ids) and self._ids[place] == entry else None

    def __len__(self) -> int:
        return len(self._ids)


class _Group:
    """A consumer group of a pair: how far it was given each stream, and what it has not acknowledged."""

    def __init__(self, bars_given: EntryId, updates_given: EntryId) -> None:
        self.bars_given, self.updates_given = bars_given, updates_given
        self.pending: set[EntryId] = set()


class _Pair:
    """Both streams of a ``StreamRef``, their groups, and the readers that wait."""

    def __init__(self, bars_maxlen: int, ticks_maxlen: int) -> None:
        self.bars, self.updates = _Stream(bars_maxlen), _Stream(ticks_maxlen)
        self.open_bar: OpenBar | None = None
        self.last_closed: Bar | None = None
        self.groups: dict[str, _Group] = {}
        self.waiting: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting.clear()


class MemoryBus:
    """Implements ``MarketBus``."""

    def __init__(self, history: MemoryHistory, *, bars_maxlen: int, ticks_maxlen: int, read_count: int) -> None:
        self._history = history
        self._bars_maxlen, self._ticks_maxlen, self._read_count = bars_maxlen, ticks_maxlen, read_count
        self._pairs: dict[StreamRef, _Pair] = {}

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None:
        pair = self._pair(ref)
        if pair.updates.append((entry, previous, update_of(ref.symbol, ref.timeframe, tick, bar, fill))):
            pair.open_bar = msgspec.structs.replace(bar)
            if pair.waiting:
                pair.wake()

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        self._history.publish(ref, bar)
        pair = self._pair(ref)
        if pair.bars.append((entry, previous, bar)):
            pair.last_closed = bar
            if pair.waiting:
                pair.wake()

    async def drain(self) -> None:
        return

    async def flush(self) -> None:
        return

    async def checkpoint(self, ref: StreamRef) -> Checkpoint | None:
        pair = self._pairs.get(ref)
        if pair is None or (not len(pair.bars) and not len(pair.updates)):
            return None
        update, bar = pair.updates.last, pair.bars.last
        open_bar = msgspec.structs.replace(pair.open_bar) if pair.open_bar is not None and update > bar else None
        return Checkpoint(open_bar=open_bar, last_update=update, last_bar=bar, last_closed=pair.last_closed)

    async def reader(self, ref: StreamRef, group: str, consumer: str, start: EntryId | None) -> BusReader:
        pair = self._pair(ref)
        known = pair.groups.get(group)
        if known is None:
            known = pair.groups[group] = _Group(start or pair.bars.last, start or pair.updates.last)
            delivered = start
        else:
            delivered = max(known.bars_given, known.updates_given)
        return MemoryReader(pair, known, delivered, self._read_count)

    def acknowledge(self, unit: LedgerUnit) -> None:
        """What a commit acknowledges."""
        runner = unit.runner
        pair = self._pairs.get(StreamRef(runner.symbol, runner.timeframe))
        group = pair.groups.get(runner.group) if pair is not None else None
        if group is not None:
            group.pending.difference_update(unit.bars_acked, unit.updates_acked)

    def _pair(self, ref: StreamRef) -> _Pair:
        pair = self._pairs.get(ref)
        if pair is None:
            pair = self._pairs[ref] = _Pair(self._bars_maxlen, self._ticks_maxlen)
        return pair


class MemoryReader:
    """Implements ``BusReader``."""

    def __init__(self, pair: _Pair, group: _Group, delivered: EntryId | None, count: int) -> None:
        self._pair, self._group, self._count = pair, group, count
        self._delivered = delivered
        self._gap = False
        self._recovered = False

    async def read(self, timeout_ms: int) -> Sequence[BusEvent]:
        events = self._take()
        if events or timeout_ms <= 0:
            return events
        future = asyncio.get_running_loop().create_future()
        self._pair.waiting.add(future)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await future
        except TimeoutError:
            pass
        finally:
            self._pair.waiting.discard(future)
        return self._take()

    async def close(self) -> None:
        return

    def _take(self) -> list[BusEvent]:
        return [self._event(row) for row in (*self._pending_rows(), *self._new_rows())]

    def _pending_rows(self) -> list[_Row]:
        """Once: what was delivered to this group in another life."""
        if self._recovered:
            return []
        self._recovered = True
        rows: list[_Row] = []
        for entry in sorted(self._group.pending):
            self._delivered = None
            row = self._pair.updates.find(entry) or self._pair.bars.find(entry)
            if row is None:
                self._group.pending.discard(entry)
                self._gap = True
            else:
                rows.append(row)
        return rows

    def _new_rows(self) -> list[_Row]:
        group = self._group
        bars = self._pair.bars.after(group.bars_given, self._count)
        updates = self._pair.updates.after(group.updates_given, self._count)
        ends = [rows[-1][0] for rows in (bars, updates) if len(rows) == self._count]
        if ends:
            watermark = min(ends)
            bars = [row for row in bars if row[0] <= watermark]
            updates = [row for row in updates if row[0] <= watermark]
        if bars:
            group.bars_given = bars[-1][0]
        if updates:
            group.updates_given = updates[-1][0]
        return sorted(bars + updates, key=_by_id)

    def _event(self, row: _Row) -> BusEvent:
        entry, previous, payload = row
        gap = self._gap or (self._delivered is not None and previous != self._delivered)
        self._gap, self._delivered = False, entry
        self._group.pending.add(entry)
        return BusEvent(entry, payload, gap)


def _by_id(row: _Row) -> EntryId:
    return row[0]
