"""The chart socket: subscriptions to bars of many symbols and timeframes, snapshot then deltas, resume.

Owns the messages of /api/ws/charts. Knows no connection.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from fortified.api import messages
from fortified.api.connection import Auth, Ping, SocketSession
from fortified.api.deps import Services
from fortified.api.errors import ApiError
from fortified.api.hub import PARTIAL
from fortified.api.streams import resolve_stream
from fortified.api.topics import Outbox, Topic
from fortified.domain.market import Bar, BarUpdate
from fortified.ports import StreamRef

MAX_STREAMS = 100
SNAPSHOT_BARS = 300
MAX_SNAPSHOT_BARS = 2_000


class StreamIn(msgspec.Struct, forbid_unknown_fields=True):
    """A stream by name; ``from`` and ``epoch`` say where a client stopped."""

    symbol: str
    timeframe: str | int
    since: int | None = msgspec.field(default=None, name="from")
    epoch: str | None = None


type StreamsIn = Annotated[list[StreamIn], msgspec.Meta(min_length=1, max_length=MAX_STREAMS)]


class Subscribe(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True):
    """``bars`` is how many closed bars the snapshot holds at most."""

    streams: StreamsIn
    bars: Annotated[int, msgspec.Meta(ge=0, le=MAX_SNAPSHOT_BARS)] = SNAPSHOT_BARS


class Unsubscribe(msgspec.Struct, tag="unsubscribe", forbid_unknown_fields=True):
    streams: StreamsIn


class Resume(msgspec.Struct, tag="resume", forbid_unknown_fields=True):
    """Go on behind a sequence number: per stream, or ``from`` for the only subscribed one."""

    streams: StreamsIn | None = None
    since: int | None = msgspec.field(default=None, name="from")
    epoch: str | None = None


_decoder = msgspec.json.Decoder(Auth | Ping | Subscribe | Unsubscribe | Resume)


class ChartSession(SocketSession):
    """The subscriptions of one connection."""

    def __init__(self, services: Services, outbox: Outbox) -> None:
        self._manager = services.context.manager
        self._hub = services.hub
        self._outbox = outbox
        self._topics: dict[StreamRef, Topic] = {}

    def decode(self, text: str) -> Any:
        return _decoder.decode(text)

    async def handle(self, message: Any) -> None:
        match message:
            case Subscribe():
                await self._subscribe([self._resolve(stream) for stream in message.streams], message.bars)
            case Unsubscribe():
                self._unsubscribe([self._resolve(stream) for stream in message.streams])
            case Resume():
                await self._resume(message)

    def _resolve(self, stream: StreamIn) -> StreamRef:
        return resolve_stream(self._manager, stream.symbol, str(stream.timeframe))

    async def _subscribe(self, refs: Sequence[StreamRef], bars: int) -> None:
        if len({*self._topics, *refs}) > MAX_STREAMS:
            raise ApiError(422, "too_many_streams", f"A connection may have {MAX_STREAMS} streams. Unsubscribe some.")
        streams = [self._described(ref) for ref in refs]
        self._outbox.put(messages.encode({"type": "subscribed", "streams": streams}))
        for ref in refs:
            await self._join_with_snapshot(ref, bars)

    def _described(self, ref: StreamRef) -> dict[str, Any]:
        topic = self._hub.chart(ref)
        return {**messages.stream_fields(ref), "seq": topic.seq, "epoch": topic.epoch}

    async def _join_with_snapshot(self, ref: StreamRef, count: int) -> None:
        self._leave(ref)
        # The topic listens before the history is read: a bar that closes meanwhile is in the one or the other.
        self._hub.chart(ref)
        history = await self._manager.store.history.bars(ref, limit=count) if count else ()
        topic = self._hub.chart(ref)
        partial = topic.latest(PARTIAL)
        snapshot = {
            "type": "snapshot",
            **self._described(ref),
            "bars": [messages.bar_body(bar) for bar in _merged(history, topic, count)],
            "partial": messages.partial_body(partial) if isinstance(partial, BarUpdate) else None,
        }
        self._outbox.put(messages.encode(snapshot))
        topic.join(self._outbox)
        self._topics[ref] = topic

    async def _resume(self, message: Resume) -> None:
        for ref, since, epoch in self._resumed_streams(message):
            self._leave(ref)
            topic = self._hub.chart(ref)
            missed = topic.since(since, epoch)
            if missed is None:
                await self._join_with_snapshot(ref, SNAPSHOT_BARS)
                continue
            self._outbox.put(messages.encode({"type": "resumed", **self._described(ref), "from": since, "missed": len(missed)}))
            topic.join(self._outbox, missed)
            self._topics[ref] = topic

    def _resumed_streams(self, message: Resume) -> list[tuple[StreamRef, int, str | None]]:
        if message.streams is not None:
            if any(stream.since is None for stream in message.streams):
                raise ApiError(422, "invalid_message", "Every stream to resume needs 'from', its last sequence number.")
            return [(self._resolve(stream), stream.since or 0, stream.epoch) for stream in message.streams]
        if message.since is None or len(self._topics) != 1:
            raise ApiError(
                422,
                "invalid_message",
                'Name the streams: {"type": "resume", "streams": [{"symbol": …, "timeframe": …, "from": …}]}.',
            )
        return [(next(iter(self._topics)), message.since, message.epoch)]

    def _unsubscribe(self, refs: Sequence[StreamRef]) -> None:
        for ref in refs:
            self._leave(ref)
        streams = [messages.stream_fields(ref) for ref in refs]
        self._outbox.put(messages.encode({"type": "unsubscribed", "streams": streams}))

    def _leave(self, ref: StreamRef) -> None:
        topic = self._topics.pop(ref, None)
        if topic is not None:
            self._hub.unsubscribe(topic, self._outbox)


def _merged(history: Sequence[Bar], topic: Topic, count: int) -> list[Bar]:
    last = (history[-1].ts_open, history[-1].seq) if history else (-1, -1)
    fresh = [event for event in topic.kept() if isinstance(event, Bar) and (event.ts_open, event.seq) > last]
    return [*history, *fresh][-count:] if count else []
