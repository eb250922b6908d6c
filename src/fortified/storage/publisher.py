"""The one writer of market data: takes framed commands, sends them in order, keeps them until the server confirms.

Owns batching (one flush per turn of the event loop), back-pressure and sending again after a lost connection. Must not know what the
commands say, only that repeating them in order changes nothing.
"""

import asyncio
import random
from collections import deque

import hiredis
import structlog

from fortified.domain.errors import FortifiedError
from fortified.storage.endpoint import Endpoint
from fortified.storage.wire import NOTHING, Connection, connect, refusal, unavailable

_FIRST_DELAY_S = 0.02
_LONGEST_DELAY_S = 2.0
_REPEATED = "equal or smaller"

_log = structlog.get_logger(__name__)


class Publisher:
    """Sends commands that are idempotent and may be repeated. Limits count commands that are not confirmed yet."""

    def __init__(self, endpoint: Endpoint, *, high_water: int = 20_000, low_water: int = 10_000) -> None:
        self.buffer: list[bytes] = []
        """Pieces of the framed commands of this turn. Whoever extends it counts ``added`` up and calls ``schedule``."""
        self.added = 0
        self.flushes = 0
        self.scheduled = False
        self._endpoint = endpoint
        self._high_water, self._low_water = high_water, low_water
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._sent = 0
        self._confirmed = 0
        self._open_replies = 0  # to the first chunk
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._fault: FortifiedError | None = None
        self._connection: Connection | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def start(self) -> None:
        """Connect for the first time; raises like ``connect``."""
        self._take(await connect(self._endpoint))

    def schedule(self) -> None:
        """Flush at the end of this turn of the event loop."""
        self.scheduled = True
        self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Wait until there is room. Raises what the server refused since the last call."""
        if self._fault is not None:
            self._raise_fault()
        pushed = self._sent + self.added
        if pushed - self._confirmed > self._high_water:
            await self._until(pushed - self._low_water)

    async def flush(self) -> None:
        """Wait until all is confirmed. Raises what the server refused since the last call."""
        await self._until(self._sent + self.added)
        if self._fault is not None:
            self._raise_fault()

    async def close(self) -> None:
        """Send what is waiting if the server takes it at once, then let go."""
        if self._connection is not None and self._connection.is_open:
            try:
                async with asyncio.timeout(_LONGEST_DELAY_S):
                    await self._until(self._sent + self.added)
            except TimeoutError:
                _log.warning("publication_not_confirmed", commands=self._sent + self.added - self._confirmed)
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._connection is not None:
            self._connection.close()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(unavailable(self._endpoint, "closed"))

    # --- sending ---

    def _flush(self) -> None:
        self.scheduled = False
        count, self.added = self.added, 0
        if not count:
            return
        data = b"".join(self.buffer)
        self.buffer.clear()
        self.flushes += 1
        if not self._chunks:
            self._open_replies = count
        self._chunks.append((count, data))
        self._sent += count
        if self._connection is not None:
            self._connection.write(data)

    def _take(self, connection: Connection) -> None:
        connection.receive = self._receive
        connection.on_lost = self._lost
        self._connection = connection
        if self._chunks:
            # The first chunk may be confirmed in part; it goes out whole, and its confirmed replies must not count twice.
            count = self._chunks[0][0]
            self._confirmed -= count - self._open_replies
            self._open_replies = count
            connection.write(b"".join(data for _, data in self._chunks))

    def _lost(self) -> None:
        if not self._closed:
            self._reconnecting = self._loop.create_task(self._reconnect(), name="publisher-reconnect")

    async def _reconnect(self) -> None:
        delay = _FIRST_DELAY_S
        _log.warning("redis_lost", redis=str(self._endpoint), unconfirmed=self._sent - self._confirmed)
        while True:
            try:
                self._take(await connect(self._endpoint))
            except FortifiedError as error:
                _log.warning("redis_still_lost", error=str(error), retry_s=round(delay, 2))
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                delay = min(delay * 2, _LONGEST_DELAY_S)
            else:
                _log.info("redis_back", redis=str(self._endpoint))
                return

    # --- confirmation ---

    def _receive(self, parser: hiredis.Reader) -> None:
        count = 0
        gets = parser.gets
        while (reply := gets()) is not NOTHING:
            count += 1
            for answer in reply if isinstance(reply, list) else (reply,):  # a list is what a transaction answered
                if isinstance(answer, hiredis.ReplyError) and _REPEATED not in str(answer):
                    self._refused(answer)
        self._confirmed += count
        while count:
            if count < self._open_replies:
                self._open_replies -= count
                break
            count -= self._open_replies
            self._chunks.popleft()
            self._open_replies = self._chunks[0][0] if self._chunks else 0
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        for needed, waiter in self._waiters:
            if needed <= self._confirmed and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(needed, waiter) for needed, waiter in self._waiters if not waiter.done()]

    def _refused(self, reply: hiredis.ReplyError) -> None:
        if self._fault is None:
            self._fault = refusal(self._endpoint, reply)
            _log.error("publication_refused", error=str(self._fault))

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        assert fault is not None
        raise fault

    async def _until(self, confirmed: int) -> None:
        """Wait until that many commands are confirmed since the start."""
        if confirmed <= self._confirmed:
            return
        waiter = self._loop.create_future()
        self._waiters.append((confirmed, waiter))
        await waiter
