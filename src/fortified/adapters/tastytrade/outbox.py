"""Batches of events on their way to whoever reads them, in the order they were put.

Owns the order and the bound. Putting never waits, so that no two writers can overtake each other; who can be held up waits for room
before he reads more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from fortified.domain.market import SourceEvent

_LARGEST: Final = 512
"""Events in one batch: whoever reads looks after the rest of the process between batches."""


class Outbox:
    """``limit`` batches are many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._batches: deque[Sequence[SourceEvent]] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    @property
    def is_full(self) -> bool:
        return len(self._batches) >= self._limit

    def put(self, batch: Sequence[SourceEvent]) -> None:
        """Append ``batch``, in pieces where it is large."""
        if batch:
            self._batches.extend(batch[at : at + _LARGEST] for at in range(0, len(batch), _LARGEST))
            self._filled.set()
            if self.is_full:
                self._room.clear()

    async def room(self) -> None:
        """Wait until there is room."""
        await self._room.wait()

    def close(self) -> None:
        """End ``all``; what was not read is gone."""
        self._closed = True
        self._filled.set()
        self._room.set()

    async def all(self) -> AsyncIterator[Sequence[SourceEvent]]:
        """The batches, until ``close``."""
        while not self._closed:
            while self._batches and not self._closed:
                batch = self._batches.popleft()
                if not self.is_full:
                    self._room.set()
                yield batch
            self._filled.clear()
            if not self._closed:
                await self._filled.wait()
