"""Closed bars within one process."""

from collections.abc import Sequence

from fortified.domain.market import Bar
from fortified.ports import StreamRef
from fortified.storage.history import identity, ordered
from fortified.storage.keys import Limits


class MemoryHistory:
    """Implements ``HistoryStore``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bars: dict[StreamRef, dict[tuple[int, int], Bar]] = {}

    def publish(self, ref: StreamRef, bar: Bar) -> None:
        """A bar from the bus: of two versions the one with the later tick stays."""
        bars = self._bars.setdefault(ref, {})
        place = identity(ref, bar)
        if place not in bars or bars[place].seq <= bar.seq:
            bars[place] = bar
        if len(bars) > self._limits.history + self._limits.every:
            self._trim(ref)

    async def bars(
        self, ref: StreamRef, *, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
    ) -> Sequence[Bar]:
        if limit is not None and limit <= 0:
            return ()
        bars = [
            bar
            for bar in ordered(ref, self._bars.get(ref, {}).values())
            if (start_ns is None or bar.ts_open >= start_ns) and (end_ns is None or bar.ts_open < end_ns)
        ]
        return bars if limit is None else bars[-limit:]

    async def add(self, ref: StreamRef, bars: Sequence[Bar]) -> None:
        known = self._bars.setdefault(ref, {})
        for bar in bars:
            known.setdefault(identity(ref, bar), bar)
        if len(known) > self._limits.history:
            self._trim(ref)

    def _trim(self, ref: StreamRef) -> None:
        kept = ordered(ref, self._bars[ref].values())[-self._limits.history :]
        self._bars[ref] = {identity(ref, bar): bar for bar in kept}
