"""Closed bars in a ZSET, by opening time.

Owns which bars are the same: of time bars those that open together, of tick bars those with the same last tick too. Must not know streams.
"""

from collections.abc import Iterable, Sequence

from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.ports import StreamRef
from fortified.storage.keys import Keys, Limits
from fortified.storage.rows import decode_history, encode_history
from fortified.storage.wire import Channel

_MS = 1_000_000


def identity(ref: StreamRef, bar: Bar) -> tuple[int, int]:
    """What makes a bar the same bar: a backfilled time bar is the published one, whatever its ticks were numbered."""
    return bar.ts_open, bar.seq if Timeframe.parse(ref.timeframe).is_tick else 0


def ordered(ref: StreamRef, bars: Iterable[Bar]) -> list[Bar]:
    """``bars`` oldest first, each once; of two versions the one with the later tick."""
    return list({identity(ref, bar): bar for bar in sorted(bars, key=lambda bar: (bar.ts_open, bar.seq))}.values())


class RedisHistory:
    """Implements ``HistoryStore``."""

    def __init__(self, keys: Keys, channel: Channel, limits: Limits) -> None:
        self._keys, self._channel, self._limits = keys, channel, limits

    async def bars(
        self, ref: StreamRef, *, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
    ) -> Sequence[Bar]:
        if limit is not None and limit <= 0:
            return ()
        key = self._keys.bars(ref)
        low = "-inf" if start_ns is None else start_ns // _MS
        high = "+inf" if end_ns is None else f"({end_ns // _MS}"
        count = -1 if limit is None else limit * 2  # two versions of a bar may be there
        edge = end_ns // _MS if end_ns is not None else "+inf"
        members, at_edge = await self._channel.pipeline(
            [
                ("ZREVRANGEBYSCORE", key, high, low, "LIMIT", 0, count),
                ("ZRANGEBYSCORE", key, edge, edge if end_ns is not None else "(0"),
            ]
        )
        found = (decode_history(ref, member) for member in (*members, *at_edge))
        bars = [
            bar for bar in ordered(ref, found) if (start_ns is None or bar.ts_open >= start_ns) and (end_ns is None or bar.ts_open < end_ns)
        ]
        return bars if limit is None else bars[-limit:]

    async def add(self, ref: StreamRef, bars: Sequence[Bar]) -> None:
        if not bars:
            return
        first, last = min(bar.ts_open for bar in bars), max(bar.ts_open for bar in bars)
        known = {identity(ref, bar) for bar in await self.bars(ref, start_ns=first, end_ns=last + 1)}
        new = {identity(ref, bar): bar for bar in reversed(bars) if identity(ref, bar) not in known}
        if not new:
            return
        key = self._keys.bars(ref)
        rows = [part for bar in new.values() for part in (bar.ts_open // _MS, encode_history(bar))]
        await self._channel.pipeline([("ZADD", key, *rows), ("ZREMRANGEBYRANK", key, 0, -self._limits.history - 1)])
