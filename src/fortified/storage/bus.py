"""The market bus over Redis Streams: what is published, and where a publication stopped.

Owns the commands of a published bar and update. This is the hot path: an update is put together from bytes that
are constant, shared by the timeframes of a tick, or encoded in one call. Must not know how commands travel.
"""

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.market import Bar, Tick
from fortified.ports import ORIGIN, BusReader, Checkpoint, EntryId, StreamRef
from fortified.storage.codec import (
    BAR_FIELDS,
    UPDATE_FIELDS,
    bar_values,
    decode_bar,
    decode_open_bar,
)
from fortified.storage.keys import BARS_MAXLEN, TICKS_MAXLEN, Keys, Limits
from fortified.storage.publisher import Publisher
from fortified.storage.reader import ReaderOptions, open_reader
from fortified.storage.rows import encode_history
from fortified.storage.unacked import Unacked
from fortified.storage.wire import Channel, Command, frame

_TRIM_EVERY = 16  # a trim costs the server as much as an entry
_LENGTHS = [b"$%d\r\n" % length for length in range(4_096)]
_FILL = b"$4\r\nfill\r\n"
_BAR = b"\r\n$3\r\nbar\r\n"

_encode = msgspec.json.Encoder().encode


def _bulk(value: str | bytes) -> bytes:
    """``value`` framed for the wire."""
    data = value if isinstance(value, bytes) else value.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class _Lane:
    """The constant bytes of one pair of streams."""

    def __init__(self, keys: Keys, ref: StreamRef, bars_maxlen: int, ticks_maxlen: int) -> None:
        add, limit = _bulk("XADD"), _bulk("MAXLEN") + _bulk("~")
        ticks, bars = _bulk(keys.ticks_stream(ref)), _bulk(keys.bars_stream(ref))
        parts = 3 + 2 * len(UPDATE_FIELDS)
        self.update_head = b"*%d\r\n" % parts + add + ticks
        self.update_trim_head = b"*%d\r\n" % (parts + 3) + add + ticks + limit + _bulk(str(ticks_maxlen))
        self.bar_head = b"*%d\r\n" % (6 + 2 * len(BAR_FIELDS)) + add + bars + limit + _bulk(str(bars_maxlen))
        self.history = keys.bars(ref)
        self.updates_published = self.bars_published = 0


class RedisBus:
    """Implements ``MarketBus``. One publisher and one publishing process per symbol; any number of readers."""

    def __init__(
        self,
        keys: Keys,
        channel: Channel,
        publisher: Publisher,
        unacked: Unacked,
        *,
        bars_maxlen: int = BARS_MAXLEN,
        ticks_maxlen: int = TICKS_MAXLEN,
        limits: Limits,
        read_count: int = 512,
    ) -> None:
        self._keys, self._channel, self._publisher, self._unacked = keys, channel, publisher, unacked
        self._bars_maxlen, self._ticks_maxlen, self._read_count = bars_maxlen, ticks_maxlen, read_count
        self._limits = limits
        self._lanes: dict[StreamRef, _Lane] = {}
        self._extend = publisher.buffer.extend
        self._tick: Tick | None = None
        self._entry: EntryId | None = None
        self._tick_bytes = b""
        self._previous: EntryId | None = None
        self._previous_bytes = b""

    # --- publication ---

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None:
        """One command. This runs per tick and timeframe, so it makes few calls."""
        lane = self._lanes.get(ref) or self._lane(ref)
        if tick is not self._tick or entry is not self._entry:
            self._share_tick(entry, tick)
        if previous is not self._previous:
            self._previous, self._previous_bytes = previous, _bulk(str(previous)) + _FILL
        head = lane.update_head if lane.updates_published % _TRIM_EVERY else lane.update_trim_head
        lane.updates_published += 1
        done, values = _encode(fill), _encode(bar)
        self._extend(
            (head, self._tick_bytes, self._previous_bytes, _LENGTHS[len(done)], done, _BAR, _LENGTHS[len(values)], values, b"\r\n")
        )
        self._publisher.added += 1
        if not self._publisher.scheduled:
            self._publisher.schedule()

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        """To the history first: whoever reads the bar from the stream finds it there."""
        lane = self._lanes.get(ref) or self._lane(ref)
        commands: list[Command] = [("ZADD", lane.history, bar.ts_open // 1_000_000, encode_history(bar))]
        if lane.bars_published % self._limits.every == 0:
            commands.append(("ZREMRANGEBYRANK", lane.history, 0, -self._limits.history - 1))
        lane.bars_published += 1
        values = zip(BAR_FIELDS, bar_values(bar, str(previous)), strict=True)
        self._extend((frame(commands), lane.bar_head, _bulk(str(entry)), *(_bulk(part) for pair in values for part in pair)))
        self._publisher.added += len(commands) + 1
        if not self._publisher.scheduled:
            self._publisher.schedule()

    async def drain(self) -> None:
        await self._publisher.drain()

    async def flush(self) -> None:
        await self._publisher.flush()

    def _lane(self, ref: StreamRef) -> _Lane:
        lane = self._lanes[ref] = _Lane(self._keys, ref, self._bars_maxlen, self._ticks_maxlen)
        return lane

    def _share_tick(self, entry: EntryId, tick: Tick) -> None:
        """What all timeframes of a tick have in common."""
        self._tick, self._entry = tick, entry
        self._tick_bytes = b"%b$4\r\ntick\r\n%b$4\r\nprev\r\n" % (_bulk(str(entry)), _bulk(_encode(tick)))

    # --- where it stopped, and who reads ---

    async def checkpoint(self, ref: StreamRef) -> Checkpoint | None:
        """As the server has it: what is published and not yet confirmed does not count."""
        updates, bars = await self._channel.transaction(
            [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in (self._keys.ticks_stream(ref), self._keys.bars_stream(ref))]
        )
        if not updates and not bars:
            return None
        last_update = EntryId.parse(updates[0][0].decode()) if updates else ORIGIN
        last_bar = EntryId.parse(bars[0][0].decode()) if bars else ORIGIN
        return Checkpoint(
            open_bar=decode_open_bar(updates[0][1]) if last_update > last_bar else None,
            last_update=last_update,
            last_bar=last_bar,
            last_closed=decode_bar(bars[0][1])[0] if bars else None,
        )

    async def reader(self, ref: StreamRef, group: str, consumer: str, start: EntryId | None) -> BusReader:
        options = ReaderOptions(
            bars=self._keys.bars_stream(ref),
            updates=self._keys.ticks_stream(ref),
            ref=ref,
            group=group,
            consumer=consumer,
            count=self._read_count,
        )
        return await open_reader(self._channel.endpoint, options, start, self._unacked.of(ref, group))
