"""A consumer of one pair of streams: both read at once, merged by id, with the holes seen.

Owns the watermark of the merge, the entries pending from before a crash, and the chain of predecessors. Must not know what a consumer does
with an event; acknowledging is the ledger's, in the same transaction as the effects.

The publisher writes both streams in the order of ids, so one reply that has all there was in both is complete up to its
last id. When a stream gave as many entries as were asked for, it may have more: entries of the other one with a greater
id are held back until the next reply.
"""

import asyncio
from typing import Any

import hiredis
import msgspec

from fortified.domain.errors import InvariantError, StoreUnavailable
from fortified.domain.market import Bar, BarUpdate
from fortified.ports import BusEvent, EntryId, StreamRef
from fortified.storage.codec import Fields, decode_bar, decode_update
from fortified.storage.endpoint import Endpoint
from fortified.storage.wire import REPLY_TIMEOUT_S, Command, Connection, connect, frame, refusal, unavailable

_NEW = b">"
_BEGINNING = b"0-0"


class ReaderOptions(msgspec.Struct, frozen=True):
    """Which streams to read, and as whom. ``count`` is the most entries of a stream in one reply."""

    bars: str
    updates: str
    ref: StreamRef
    group: str
    consumer: str
    count: int


class _Entry(msgspec.Struct):
    """An entry that was received. ``fields`` is None when it was trimmed while it was pending."""

    entry: EntryId
    id: bytes
    fields: Fields | None
    is_bar: bool


class RedisReader:
    """Implements ``BusReader`` over a connection of its own, as reads block it."""

    def __init__(self, endpoint: Endpoint, options: ReaderOptions, delivered: bytes | None) -> None:
        self._endpoint, self._options = endpoint, options
        self._delivered = delivered  # id of the last event; None when nothing is known of what came before
        self._received = [_BEGINNING, _BEGINNING]  # last ids of bars and updates that reached this process
        self._held: list[_Entry] = []
        self._lost: list[_Entry] = []
        self._gap = False
        self._recovering = True
        self._started = False
        self._connection: Connection | None = None
        self._reply: asyncio.Future[list[Any]] | None = None

    async def read(self, timeout_ms: int) -> list[BusEvent]:
        try:
            if self._connection is None or not self._connection.is_open:
                await self._connect()
            if self._recovering:
                await self._recover()
            if not self._held:
                return self._deliver(await self._read(_NEW, _NEW, timeout_ms))
            events = self._deliver(await self._read(_NEW, _NEW, 0))
            return events or self._deliver(await self._read(_NEW, _NEW, timeout_ms))
        except StoreUnavailable:
            self._recovering = True
            raise

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._reply is not None:
            self._reply.add_done_callback(_forget)

    # --- connection ---

    async def _connect(self) -> None:
        lost = self._connection
        self._reply = None
        self._recovering = True
        connection = await connect(self._endpoint)
        if lost is not None:
            # The server may still keep the lost connection, blocked, and would give it the next entry.
            await connection.request(frame([("CLIENT", "KILL", "ID", lost.client_id)]), 1)
        self._connection = connection

    async def _recover(self) -> None:
        """Fetch what the server gave to this consumer and never saw acknowledged, as far as it is not in our hands."""
        more = True
        while more:
            page = await self._read(self._received[0], self._received[1], 0)
            self._held += page[0]
            more = bool(page[1])
        if self._held and not self._started:
            self._delivered = None  # what came before the first of them was acknowledged in another life
        self._started = True
        self._recovering = False

    async def _read(self, bars_after: bytes, updates_after: bytes, timeout_ms: int) -> tuple[list[_Entry], list[bytes]]:
        """One reply: its entries, and the last ids of streams that may have more."""
        if self._reply is None:
            self._reply = self._ask(bars_after, updates_after, timeout_ms)
        connection = self._connection
        assert connection is not None
        try:
            async with asyncio.timeout(timeout_ms / 1000 + REPLY_TIMEOUT_S):
                # A caller that gives up must not lose the entries that are on their way.
                replies = await asyncio.shield(self._reply)
        except TimeoutError:
            connection.close()
            raise unavailable(self._endpoint, "no reply") from None
        self._reply = None
        reply = replies[-1]
        if isinstance(reply, hiredis.ReplyError):
            raise self._refused(reply)
        return self._parse(reply or ())

    def _ask(self, bars_after: bytes, updates_after: bytes, timeout_ms: int) -> asyncio.Future[list[Any]]:
        options = self._options
        commands: list[Command] = [
            ("XACK", options.bars if lost.is_bar else options.updates, options.group, lost.id) for lost in self._lost
        ]
        self._lost.clear()
        block = ("BLOCK", timeout_ms) if timeout_ms > 0 else ()
        streams = ("STREAMS", options.bars, options.updates, bars_after, updates_after)
        commands.append(("XREADGROUP", "GROUP", options.group, options.consumer, "COUNT", options.count, *block, *streams))
        assert self._connection is not None
        return self._connection.request(frame(commands), len(commands))

    def _refused(self, reply: hiredis.ReplyError) -> Exception:
        options = self._options
        if str(reply).startswith(("NOGROUP", "UNBLOCKED")):
            return InvariantError(
                f"the consumer group {options.group} of {options.updates} vanished: the Redis at {self._endpoint} lost its "
                f"data or somebody deleted the stream. Start the strategy again."
            )
        return refusal(self._endpoint, reply)

    # --- merge ---

    def _parse(self, reply: Any) -> tuple[list[_Entry], list[bytes]]:
        entries: list[_Entry] = []
        more: list[bytes] = []
        for key, rows in reply:
            is_bar = key == self._options.bars.encode()
            for row_id, fields in rows:
                ms, _, n = row_id.partition(b"-")
                entries.append(_Entry(EntryId(int(ms), int(n)), row_id, fields, is_bar))
            if rows:
                self._received[0 if is_bar else 1] = rows[-1][0]
            if len(rows) >= self._options.count:
                more.append(rows[-1][0])
        return entries, more

    def _deliver(self, received: tuple[list[_Entry], list[bytes]]) -> list[BusEvent]:
        entries, more = received
        if self._held:
            entries = self._held + entries
            self._held = []
        if len(entries) > 1:
            entries.sort(key=_by_id)
        if more:
            watermark = min(EntryId.parse(last.decode()) for last in more)
            self._held = [entry for entry in entries if entry.entry > watermark]
            entries = entries[: len(entries) - len(self._held)]
        events: list[BusEvent] = []
        for entry in entries:
            if entry.fields is None:
                self._lost.append(entry)
                self._gap = True
                continue
            events.append(self._event(entry))
        return events

    def _event(self, entry: _Entry) -> BusEvent:
        fields = entry.fields
        assert fields is not None
        payload: Bar | BarUpdate
        if entry.is_bar:
            payload, previous = decode_bar(fields)
        else:
            payload, previous = decode_update(self._options.ref, entry.entry, fields)
        gap = self._gap or (self._delivered is not None and previous != self._delivered)
        self._gap = False
        self._delivered = entry.id
        return BusEvent(entry.entry, payload, gap)


def _forget(reply: asyncio.Future[list[Any]]) -> None:
    """Nobody waits for this reply any more, so nobody needs to hear how it ended."""
    if not reply.cancelled():
        reply.exception()


def _by_id(entry: _Entry) -> EntryId:
    return entry.entry


async def open_reader(endpoint: Endpoint, options: ReaderOptions, start: EntryId | None) -> RedisReader:
    """Join the group, which begins behind ``start`` when it is new."""
    connection = await connect(endpoint)
    try:
        delivered = await _join(connection, endpoint, options, start)
    finally:
        connection.close()
    return RedisReader(endpoint, options, delivered)


async def _join(connection: Connection, endpoint: Endpoint, options: ReaderOptions, start: EntryId | None) -> bytes | None:
    """Create the group on both streams at once, or find it; the id of the last entry it was given, None when not known."""
    streams = (options.bars, options.updates)
    begin = "$" if start is None else str(start)
    commands: list[Command] = [
        ("MULTI",),
        *(("XGROUP", "CREATE", stream, options.group, begin, "MKSTREAM") for stream in streams),
        ("EXEC",),
        *(("XINFO", "GROUPS", stream) for stream in streams),
    ]
    replies = await connection.request(frame(commands), len(commands))
    created, *groups = replies[3:]
    failed = [reply for reply in (*replies[:3], *created) if isinstance(reply, hiredis.ReplyError)]
    for reply in failed:
        if not str(reply).startswith("BUSYGROUP"):
            raise refusal(endpoint, reply)
    if not failed:
        return None if start is None else begin.encode()
    last = [_last_delivered(rows, options.group) for rows in groups]
    return str(max(last)).encode()


def _last_delivered(groups: Any, group: str) -> EntryId:
    for flat in groups:
        facts = dict(zip(flat[::2], flat[1::2], strict=True))
        if facts[b"name"] == group.encode():
            return EntryId.parse(facts[b"last-delivered-id"].decode())
    return EntryId(0, 0)
