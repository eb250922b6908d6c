"""The WebSocketManager: from the system's events to the topics that sockets subscribe to.

Owns which topics exist, for how long, and the one listener on the trading system. Its listener is synchronous and costs
O(subscribers); with nobody connected there is none. Knows no socket protocol.
"""

import asyncio
import functools
import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from fortified.api.messages import activity_delta, chart_delta
from fortified.api.topics import Outbox, Topic
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.position import Position
from fortified.orchestration.events import Listeners, RunnerStatus, SystemEvent
from fortified.ports import StreamRef

PARTIAL = "partial"
ACTIVITY = "activity"
DEFAULT_LINGER_S = 30.0
MAX_CLIENTS = 500


class Client(msgspec.Struct, eq=False):
    """A connected client: its outbox, its user, and how to end it with a close code and a reason."""

    outbox: Outbox
    email: str
    end: Callable[[int, str], None]


class WebSocketManager:
    """Topics and clients. A topic without subscribers lives on for ``linger_s`` seconds, so that a client can resume."""

    def __init__(
        self,
        listeners: Listeners,
        mark: Callable[[str], Decimal | None],
        *,
        linger_s: float = DEFAULT_LINGER_S,
    ) -> None:
        self._encode_activity = functools.partial(activity_delta, mark=mark)
        self._listeners = listeners
        self._linger_s = linger_s
        self._charts: dict[tuple[str, str], Topic] = {}
        self._activity: Topic | None = None
        self._timers: dict[Topic, asyncio.TimerHandle] = {}
        self._clients: set[Client] = set()
        self._epoch = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        # One object: Listeners.remove compares by identity, and each access to a method makes a new one.
        self._listener = self.on_event
        self._listening = False
        self.dropped = 0

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        return len(self._clients) >= MAX_CLIENTS

    @contextmanager
    def connected(self, client: Client) -> Iterator[None]:
        """Count ``client`` while it lasts, and take it out of every topic at the end."""
        self._clients.add(client)
        try:
            yield
        finally:
            self._clients.discard(client)
            for topic in self._topics():
                if client.outbox in topic.subscribers:
                    self.unsubscribe(topic, client.outbox)

    def end_user(self, email: str, code: int, reason: str) -> None:
        """End the connections of a user."""
        for client in [known for known in self._clients if known.email == email]:
            client.end(code, reason)

    def chart(self, ref: StreamRef) -> Topic:
        """The topic of the bars of ``ref``; it listens from now on."""
        key = (ref.symbol, ref.timeframe)
        topic = self._charts.get(key)
        if topic is None:
            topic = self._charts[key] = Topic(key, self._next_epoch(), chart_delta)
            self._listen()
        self._keep(topic)
        return topic

    def activity(self) -> Topic:
        """The topic of runners, orders, fills, trades, positions and denials; it listens from now on."""
        if self._activity is None:
            self._activity = Topic(ACTIVITY, self._next_epoch(), self._encode_activity)
            self._listen()
        self._keep(self._activity)
        return self._activity

    def unsubscribe(self, topic: Topic, outbox: Outbox) -> None:
        """Take ``outbox`` out of ``topic``."""
        topic.leave(outbox)
        self._keep(topic)

    def on_event(self, event: SystemEvent) -> None:
        """The listener."""
        if isinstance(event, BarUpdate):
            topic = self._charts.get((event.symbol, event.timeframe))
            if topic is not None:
                topic.publish(event, slot=PARTIAL)
        elif isinstance(event, Bar):
            topic = self._charts.get((event.symbol, event.timeframe))
            if topic is not None:
                topic.publish(event, ends=PARTIAL)
        elif self._activity is not None:
            self._activity.publish(event, slot=_slot(event))

    def close(self) -> None:
        """End all: no listener, no timer, no client."""
        for client in list(self._clients):
            client.end(1001, "the server is shutting down")
        for topic in self._topics():
            self._drop(topic)

    def _topics(self) -> list[Topic]:
        return [*self._charts.values(), *([self._activity] if self._activity else [])]

    def _next_epoch(self) -> str:
        return f"{self._epoch}-{next(self._numbers)}"

    def _listen(self) -> None:
        if not self._listening:
            self._listeners.add(self._listener)
            self._listening = True

    def _keep(self, topic: Topic) -> None:
        timer = self._timers.pop(topic, None)
        if timer is not None:
            timer.cancel()
        if not topic.subscribers:
            loop = asyncio.get_running_loop()
            self._timers[topic] = loop.call_later(self._linger_s, self._expire, topic)

    def _expire(self, topic: Topic) -> None:
        if topic.subscribers:
            self._timers.pop(topic, None)
        else:
            self._drop(topic)

    def _drop(self, topic: Topic) -> None:
        timer = self._timers.pop(topic, None)
        if timer is not None:
            timer.cancel()
        if topic is self._activity:
            self._activity = None
        else:
            self._charts = {key: known for key, known in self._charts.items() if known is not topic}
        if self._listening and not self._topics():
            self._listeners.remove(self._listener)
            self._listening = False


def _slot(event: SystemEvent) -> tuple[str, ...] | None:
    # Of a runner and of a position only the newest state matters; the others are facts of their own.
    match event:
        case RunnerStatus():
            return ("runner", event.strategy, event.symbol, event.timeframe, event.mode)
        case Position():
            return ("position", event.account, event.strategy, event.symbol)
        case _:
            return None
