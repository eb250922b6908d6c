"""Topics and outboxes: how events wait for WebSocket clients.

Owns sequence numbers, what is kept for a resume, conflation and the bound on a slow client. Knows no socket.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from fortified.orchestration.events import SystemEvent

KEPT_EVENTS = 512
MAX_WAITING = 2_000

type Encoder = Callable[[SystemEvent, int], str]


class Delta:
    """An event with its number in its topic. It is encoded when the first client gets it, and only once."""

    __slots__ = ("_encode", "_text", "event", "seq")

    def __init__(self, seq: int, event: SystemEvent, encode: Encoder) -> None:
        self.seq = seq
        self.event = event
        self._encode = encode
        self._text: str | None = None

    def text(self) -> str:
        """The message as JSON."""
        if self._text is None:
            self._text = self._encode(self.event, self.seq)
        return self._text


class Outbox:
    """What waits for one client, in order. Conflatable items replace their predecessor; the others are bounded."""

    def __init__(self, on_overflow: Callable[[], None], limit: int = MAX_WAITING) -> None:
        self._items: OrderedDict[Hashable, Delta | str] = OrderedDict()
        self._on_overflow = on_overflow
        self._limit = limit
        self._count = 0
        self._ready = asyncio.Event()
        self._overflowed = False

    def put(self, item: Delta | str, key: Hashable | None = None) -> None:
        """Add ``item``; with ``key`` it replaces the waiting item of that key. Never waits.

        Beyond the limit everything is dropped, ``on_overflow`` is called once, and nothing is taken any more.
        """
        if self._overflowed:
            return
        if key is None:
            self._count += 1
            key = self._count
        else:
            self._items.pop(key, None)
        self._items[key] = item
        if len(self._items) > self._limit:
            self._items.clear()
            self._overflowed = True
            self._on_overflow()
        else:
            self._ready.set()

    def discard(self, key: Hashable) -> None:
        """Forget the waiting item of ``key``."""
        self._items.pop(key, None)

    async def get(self) -> str:
        """The next message; waits for one."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        _, item = self._items.popitem(last=False)
        return item if isinstance(item, str) else item.text()


class Topic:
    """The numbered events of one subject, and who hears them.

    Numbers grow by one with each event. Conflatable events (those with a ``slot``) are kept one per slot; of the others the newest
    ``KEPT_EVENTS``. A gap in the numbers a client sees is conflation, never a loss.
    """

    def __init__(self, name: Hashable, epoch: str, encode: Encoder) -> None:
        self.name = name
        self.epoch = epoch
        self.seq = 0
        self.subscribers: set[Outbox] = set()
        self._encode = encode
        self._kept: deque[Delta] = deque(maxlen=KEPT_EVENTS)
        self._slots: dict[Hashable, Delta] = {}
        self._floor = 0

    def publish(self, event: SystemEvent, *, slot: Hashable | None = None, ends: Hashable | None = None) -> None:
        """Number ``event`` and hand it to all. ``ends`` names the slot whose event this one makes obsolete."""
        self.seq += 1
        delta = Delta(self.seq, event, self._encode)
        if ends is not None:
            self._slots.pop(ends, None)
        if slot is not None:
            self._slots[slot] = delta
        else:
            if len(self._kept) == KEPT_EVENTS:
                self._floor = self._kept[0].seq
            self._kept.append(delta)
        for outbox in self.subscribers:
            if ends is not None:
                outbox.discard((self.name, ends))
            outbox.put(delta, None if slot is None else (self.name, slot))

    def latest(self, slot: Hashable) -> SystemEvent | None:
        """The event that is current in ``slot``."""
        delta = self._slots.get(slot)
        return delta.event if delta else None

    def kept(self) -> list[SystemEvent]:
        """The events that are not conflated, oldest first."""
        return [delta.event for delta in self._kept]

    def since(self, seq: int, epoch: str | None) -> list[tuple[Delta, Hashable | None]] | None:
        """What came after ``seq``, each with its slot; None when that is not known any more (or never was)."""
        if not self._floor <= seq <= self.seq or epoch not in (None, self.epoch):
            return None
        missed: list[tuple[Delta, Hashable | None]] = [(delta, None) for delta in self._kept if delta.seq > seq]
        missed += [(delta, slot) for slot, delta in self._slots.items() if delta.seq > seq]
        return sorted(missed, key=lambda entry: entry[0].seq)

    def join(self, outbox: Outbox, missed: list[tuple[Delta, Hashable | None]] | None = None) -> None:
        """Hand ``missed`` to ``outbox`` and everything that follows."""
        for delta, slot in missed or ():
            outbox.put(delta, None if slot is None else (self.name, slot))
        self.subscribers.add(outbox)

    def leave(self, outbox: Outbox) -> None:
        """Hand nothing more to ``outbox``."""
        self.subscribers.discard(outbox)
        for slot in self._slots:
            outbox.discard((self.name, slot))
