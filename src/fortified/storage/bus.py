"""The market bus over Redis Streams: what is published, and where a publication stopped.

Owns the commands of a published bar and update. This is the hot path: an update is put together from bytes that
are constant, shared by the timeframes of a tick, or encoded in one call. Must not know how commands travel.
"""

from typing import Any

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.market import Bar, Tick
from fortified.ports import ORIGIN, BusReader, Checkpoint, EntryId, StreamRef
from fortified.storage.codec import (
    BAR_FIELDS,
    OPTIONAL_FIELDS,
    UPDATE_FIELDS,
    bar_values,
    decode_bar,
    decode_open_bar,
)
from fortified.storage.keys import BARS_MAXLEN, TICKS_MAXLEN, Keys, Limits
from fortified.storage.publisher import Publisher
from fortified.storage.reader import ReaderOptions, open_reader
from fortified.storage.rows import encode_history
from fortified.storage.wire import Channel, Command, frame

_TRIM_EVERY = 16  # a trim costs the server as much as an entry
_LENGTHS = [b"$%d\r\n" % length for length in range(256)]

_KEPT = 50_000

_encode = msgspec.json.Encoder().encode


def _bulk(value: str | bytes) -> bytes:
    """``value`` framed for the wire."""
    data = value if isinstance(value, bytes) else value.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class _Sizes(dict[float, bytes]):
    """Framed sizes: they repeat."""

    def __missing__(self, size: float) -> bytes:
        framed = _bulk(_encode(size))
        if size:  # 0.0 and -0.0 are one key and two texts
            _make_room(self)
            self[size] = framed
        return framed


class _Quotes(dict[tuple[float | None, float | None], tuple[int, bytes]]):
    """Framed fields of the quotes around ticks, and how many they are."""

    def __missing__(self, quote: tuple[float | None, float | None]) -> tuple[int, bytes]:
        known = [(name, value) for name, value in zip(("bid", "ask"), quote, strict=True) if value is not None]
        fields = (len(known), b"".join(_bulk(name) + _bulk(_encode(value)) for name, value in known))
        if all(quote):
            _make_room(self)
            self[quote] = fields
        return fields


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT:
        kept.clear()


def _label(name: str) -> bytes:
    """The end of a value, and the name of the next field."""
    return b"\r\n" + _bulk(name)


_TS = _bulk("ts")
_MULTI, _EXEC = frame([("MULTI",)]), frame([("EXEC",)])
_SIZE, _OPEN, _HIGH, _LOW, _CLOSE = map(_label, ("size", "open", "high", "low", "close"))
_VOLUME, _TICKS, _FILL, _REST, _TS_OPEN = *map(_label, ("volume", "ticks", "fill", "rest")), _bulk("ts_open")


class _Lane:
    """The constant bytes of one pair of streams."""

    def __init__(self, keys: Keys, ref: StreamRef, bars_maxlen: int, ticks_maxlen: int) -> None:
        add, limit = _bulk("XADD"), _bulk("MAXLEN") + _bulk("~")
        ticks, bars = _bulk(keys.ticks_stream(ref)), _bulk(keys.bars_stream(ref))
        parts = 3 + 2 * len(UPDATE_FIELDS)
        trimmed = ticks + limit + _bulk(str(ticks_maxlen))
        # by the number of optional fields, without and with a trim
        self.update_heads = [b"*%d\r\n" % (parts + 2 * extra) + add + ticks for extra in range(len(OPTIONAL_FIELDS) + 1)]
        self.trim_heads = [b"*%d\r\n" % (parts + 3 + 2 * extra) + add + trimmed for extra in range(len(OPTIONAL_FIELDS) + 1)]
        self.bar_head = b"*%d\r\n" % (6 + 2 * len(BAR_FIELDS)) + add + bars + limit + _bulk(str(bars_maxlen))
        self.history = keys.bars(ref)
        self.updates_published = self.bars_published = 0
        self.begun = (-1, 0)
        """Which flush the last update waits for, and the place of the empty piece before it in the buffer."""


class RedisBus:
    """Implements ``MarketBus``. One publisher and one publishing process per symbol; any number of readers."""

    def __init__(
        self,
        keys: Keys,
        channel: Channel,
        publisher: Publisher,
        *,
        bars_maxlen: int = BARS_MAXLEN,
        ticks_maxlen: int = TICKS_MAXLEN,
        limits: Limits,
        read_count: int = 512,
    ) -> None:
        self._keys, self._channel, self._publisher = keys, channel, publisher
        self._bars_maxlen, self._ticks_maxlen, self._read_count = bars_maxlen, ticks_maxlen, read_count
        self._limits = limits
        self._lanes: dict[StreamRef, _Lane] = {}
        self._extend = publisher.buffer.extend
        self._tick: Tick | None = None
        self._entry: EntryId | None = None
        self._tick_bytes = b""
        self._sizes, self._quotes = _Sizes(), _Quotes()
        self._joined = (-1, 0)  # where the last transaction of which flush ends
        self._extra = 0
        self._extra_bytes = b""
        self._previous: EntryId | None = None
        self._previous_bytes = b""

    # --- publication ---

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None:
        """One command. This runs per tick and timeframe, so it makes few calls."""
        lane = self._lanes.get(ref) or self._lane(ref)
        if tick is not self._tick or entry is not self._entry:
            self._share_tick(entry, tick)
        if previous is not self._previous:
            self._previous, self._previous_bytes = previous, b"%d-%d," % (previous.ms, previous.n)
        lane.begun = (self._publisher.flushes, len(self._publisher.buffer))
        extra, extra_bytes = self._extra, self._extra_bytes
        if bar.close != tick.price:
            extra, extra_bytes = extra + 1, extra_bytes + _bulk("price") + _bulk(_encode(tick.price))
        heads = lane.update_heads if lane.updates_published % _TRIM_EVERY else lane.trim_heads
        lane.updates_published += 1
        # One call for all numbers, cut at its commas.
        opened, high, low, close, volume, fill_text, rest = _encode(
            (
                *(bar.open, bar.high, bar.low, bar.close, bar.volume, fill),
                *(tick.ts_recv, bar.ts_end, bar.notional, bar.ts_first, bar.ts_last, bar.flags),
            )
        )[1:-1].split(b",", 6)
        rest = self._previous_bytes + rest
        ts_open, ticks = b"%d" % bar.ts_open, b"%d" % bar.ticks
        lengths = _LENGTHS
        self._extend(
            (
                *(b"", heads[extra], self._tick_bytes),
                *(_TS_OPEN, lengths[len(ts_open)], ts_open, _OPEN, lengths[len(opened)], opened, _HIGH, lengths[len(high)], high),
                *(_LOW, lengths[len(low)], low, _CLOSE, lengths[len(close)], close, _VOLUME, lengths[len(volume)], volume),
                *(_TICKS, lengths[len(ticks)], ticks, _FILL, lengths[len(fill_text)], fill_text, _REST, lengths[len(rest)], rest),
                *(b"\r\n", extra_bytes),
            )
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
        joined = self._join_last_update(lane)
        self._extend((frame(commands), lane.bar_head, _bulk(str(entry)), *(_bulk(part) for pair in values for part in pair), joined))
        self._publisher.added += len(commands) + 1
        if not self._publisher.scheduled:
            self._publisher.schedule()

    def _join_last_update(self, lane: _Lane) -> bytes:
        """Make one transaction of the update that filled the bar and the bar, so that a waiting reader gets both in one reply.

        Returns its end, to be sent behind the bar; nothing when that update is gone, or within the transaction of another bar.
        """
        publisher, (flush, place) = self._publisher, lane.begun
        if flush != publisher.flushes or (self._joined[0] == flush and place < self._joined[1]):
            return b""
        publisher.buffer[place] = _MULTI
        self._joined = (flush, len(publisher.buffer))
        publisher.added += 2
        return _EXEC

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
        place, ts = b"%d-%d" % (entry.ms, entry.n), b"%d" % tick.ts_event
        self._tick_bytes = b"$%d\r\n%b\r\n%b$%d\r\n%b%b%b" % (len(place), place, _TS, len(ts), ts, _SIZE, self._sizes[tick.size])
        self._extra, self._extra_bytes = self._quotes[tick.bid, tick.ask]

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
            open_bar=decode_open_bar(last_update, updates[0][1]) if last_update > last_bar else None,
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
        return await open_reader(self._channel.endpoint, options, start)
