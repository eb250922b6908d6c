"""The market bus over Redis Streams: what is published, and where a publication stopped.

Owns the commands of a published bar and update. This is the hot path: an update is one string put together from parts that are shared by
the timeframes of a tick, by the ticks of a bar, or kept in a table of numbers. Must not know how commands travel.
"""

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.market import Bar, Tick
from fortified.ports import ORIGIN, BusReader, Checkpoint, EntryId, StreamRef
from fortified.storage.codec import (
    BAR_FIELDS,
    OPEN_BAR_FIELDS,
    TICK_FIELDS,
    bar_values,
    decode_bar,
    decode_open_bar,
    number,
)
from fortified.storage.keys import BARS_MAXLEN, TICKS_MAXLEN, Keys, Limits
from fortified.storage.publisher import Publisher
from fortified.storage.reader import ReaderOptions, open_reader
from fortified.storage.rows import encode_history
from fortified.storage.unacked import Unacked
from fortified.storage.wire import Channel, frame

_NUMBERS_KEPT = 50_000


def _bulk(text: str) -> str:
    """``text`` framed for the wire."""
    return f"${len(text.encode())}\r\n{text}\r\n"


def _text(*command: str) -> str:
    return frame([command]).decode()


class _Numbers(dict[float | None, str]):
    """Framed numbers: prices and sizes repeat."""

    def __missing__(self, value: float | None) -> str:
        text = _bulk(number(value))
        if value != 0:  # 0.0 and -0.0 are the same key, and not the same text
            if len(self) >= _NUMBERS_KEPT:
                self.clear()
            self[value] = text
        return text


class _Lane:
    """The constant bytes of one pair of streams, and those that stay the same while a bar is open."""

    def __init__(self, keys: Keys, ref: StreamRef, bars_maxlen: int, ticks_maxlen: int) -> None:
        update_parts = 5 + 2 * (len(TICK_FIELDS) + 1 + len(OPEN_BAR_FIELDS))
        bar_parts = 5 + 2 * len(BAR_FIELDS)
        limit = f"{_bulk('MAXLEN')}{_bulk('~')}"
        self.update_head = f"*{update_parts + 1}\r\n{_bulk('XADD')}{_bulk(keys.ticks_stream(ref))}{limit}{_bulk(str(ticks_maxlen))}"
        self.bar_head = f"*{bar_parts + 1}\r\n{_bulk('XADD')}{_bulk(keys.bars_stream(ref))}{limit}{_bulk(str(bars_maxlen))}"
        self.history = keys.bars(ref)
        self.bars_published = 0
        self.opening: OpenBar | None = None
        self.opening_text = ""


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
        self._numbers = _Numbers()
        self._append = publisher.buffer.append
        self._tick: Tick | None = None
        self._entry: EntryId | None = None
        self._tick_text = ""
        self._previous: EntryId | None = None
        self._previous_text = ""

    # --- publication ---

    def publish_update(  # noqa: PLR0917 - the port's
        self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float
    ) -> None:
        """One command, ``bar.seq`` being that of ``tick``. Values are framed here without calls: this runs per tick and timeframe."""
        lane = self._lanes.get(ref) or self._lane(ref)
        if tick is not self._tick or entry is not self._entry:
            self._share_tick(entry, tick)
        if previous is not self._previous:
            self._previous, self._previous_text = previous, _bulk(str(previous))
        opening = lane.opening
        if (
            opening is None
            or bar.ts_open != opening.ts_open
            or bar.ts_first != opening.ts_first
            or bar.ts_end != opening.ts_end
            or bar.flags != opening.flags
        ):
            self._share_opening(lane, bar)
        numbers = self._numbers
        notional, done, count, last = number(bar.notional), number(fill), str(bar.ticks), str(bar.ts_last)
        self._append(
            f"{lane.update_head}{self._tick_text}{self._previous_text}{lane.opening_text}"
            f"$4\r\nopen\r\n{numbers[bar.open]}$4\r\nhigh\r\n{numbers[bar.high]}$3\r\nlow\r\n{numbers[bar.low]}"
            f"$5\r\nclose\r\n{numbers[bar.close]}$6\r\nvolume\r\n{numbers[bar.volume]}"
            f"$8\r\nnotional\r\n${len(notional)}\r\n{notional}\r\n$5\r\nticks\r\n${len(count)}\r\n{count}\r\n"
            f"$7\r\nts_last\r\n${len(last)}\r\n{last}\r\n$4\r\nfill\r\n${len(done)}\r\n{done}\r\n"
        )
        if not self._publisher.scheduled:
            self._publisher.schedule()

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        """To the history first: whoever reads the bar from the stream finds it there."""
        lane = self._lanes.get(ref) or self._lane(ref)
        member = encode_history(bar).decode()
        self._append(_text("ZADD", lane.history, str(bar.ts_open // 1_000_000), member))
        if lane.bars_published % self._limits.every == 0:
            self._append(_text("ZREMRANGEBYRANK", lane.history, "0", str(-self._limits.history - 1)))
        lane.bars_published += 1
        values = zip(BAR_FIELDS, bar_values(bar, str(previous)), strict=True)
        self._append(f"{lane.bar_head}{_bulk(str(entry))}{''.join(_bulk(name) + _bulk(value) for name, value in values)}")
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
        numbers = self._numbers
        self._tick, self._entry = tick, entry
        self._tick_text = (
            f"{_bulk(str(entry))}$3\r\nseq\r\n{_bulk(str(tick.seq))}$2\r\nts\r\n{_bulk(str(tick.ts_event))}"
            f"$4\r\nrecv\r\n{_bulk(str(tick.ts_recv))}$5\r\nprice\r\n{numbers[tick.price]}"
            f"$4\r\nsize\r\n{numbers[tick.size]}$3\r\nbid\r\n{numbers[tick.bid]}$3\r\nask\r\n{numbers[tick.ask]}$4\r\nprev\r\n"
        )

    def _share_opening(self, lane: _Lane, bar: OpenBar) -> None:
        lane.opening = msgspec.structs.replace(bar)  # a copy: the aggregator goes on changing its own
        lane.opening_text = (
            f"$7\r\nts_open\r\n{_bulk(str(bar.ts_open))}$6\r\nts_end\r\n{_bulk(str(bar.ts_end))}"
            f"$8\r\nts_first\r\n{_bulk(str(bar.ts_first))}$5\r\nflags\r\n{_bulk(str(int(bar.flags)))}"
        )

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
