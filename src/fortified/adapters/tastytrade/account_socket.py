"""The connection to TastyTrade's account streamer: opened, watched, opened again.

Owns the socket, its timers and the queue of wake-ups. What is said over it is for ``AccountStream``. After each connect there is a
``reconnected``: whatever was said meanwhile was missed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from fortified.adapters.pacing import Backoff, Sleep, chance
from fortified.adapters.tastytrade.account_stream import HEARTBEAT_S, AccountStream, Connected, Notice, Refusal
from fortified.adapters.tastytrade.orders import Canonical
from fortified.adapters.transport import TokenSource
from fortified.domain.errors import VenueError, VenueUnavailable
from fortified.domain.venue import WakeUp

STREAM_URL: Final = "wss://streamer.tastyworks.com"
_LARGEST_FRAME: Final = 4 * 2**20
_log = structlog.get_logger(__name__)
# The library logs frames at DEBUG, and ours hold the access token.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.INFO)


class FrameJournal(Protocol):
    """Who writes down frames."""

    def opened(self, url: str) -> None: ...

    def sent(self, frame: str | bytes) -> None: ...

    def received(self, frame: str | bytes) -> None: ...

    def closed(self, reason: str) -> None: ...


class WakeUps:
    """A bounded queue. Who reads too slowly is told once that he missed something, and looks at everything."""

    def __init__(self, limit: int = 1000) -> None:
        self._queue: asyncio.Queue[WakeUp | None] = asyncio.Queue()
        self._limit = limit

    def put(self, wake_up: WakeUp) -> None:
        if self._queue.qsize() >= self._limit:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(WakeUp("reconnected", text="more was said than was read in time"))
        self._queue.put_nowait(wake_up)

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def all(self) -> AsyncIterator[WakeUp]:
        """Until ``end``."""
        while (wake_up := await self._queue.get()) is not None:
            yield wake_up
        self._queue.put_nowait(None)  # for whoever else reads


class AccountSocket:
    """Keeps a connection to ``url`` from ``start`` to ``close``. Every step of a connect has ``limit_s``."""

    def __init__(
        self,
        url: str,
        account_number: str,
        *,
        tokens: TokenSource,
        canonical: Canonical,
        user_agent: str,
        journal: FrameJournal | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        silence_s: float | None = None,
        limit_s: float = 10.0,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._url, self._account, self._tokens, self._canonical = url, account_number, tokens, canonical
        self._user_agent, self._journal = user_agent, journal
        self._heartbeat_s, self._silence_s, self._limit_s = heartbeat_s, silence_s, limit_s
        self._backoff = backoff or Backoff(first=0.5, cap=30.0)
        self._monotonic, self._sleep = monotonic, sleep
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._ended = ""
        self.wake_ups = WakeUps()
        self.sessions = 0
        """How often a connection was made."""

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set()

    async def start(self) -> None:
        """Begin. Returns once connected; raises VenueUnavailable when that takes longer than ``limit_s``, and stops trying."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="tastytrade account streamer")
        try:
            async with asyncio.timeout(self._limit_s):
                await self._connected.wait()
        except TimeoutError:
            await self._stop()
            why = self._ended or "no answer"
            raise VenueUnavailable(
                f"TastyTrade's account streamer is not reached: {why}. Check TASTY_ACCOUNT_ID and the network."
            ) from None

    async def close(self) -> None:
        """End for good: ``wake_ups`` end too."""
        await self._stop()
        self.wake_ups.end()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._connected.clear()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._session()
            except (WebSocketException, OSError, TimeoutError, VenueError) as error:
                self._ended = str(error) or type(error).__name__
            except Exception as error:  # an odd message must not end the stream for good
                self._ended = type(error).__name__
                _log.exception("account streamer failed", venue="tastytrade")
            if self._connected.is_set():
                failures = 0
                self._connected.clear()
                self.wake_ups.put(WakeUp("lost", text=self._ended))
            _log.warning("account streamer is not connected", venue="tastytrade", reason=self._ended)
            if self._journal is not None:
                self._journal.closed(self._ended)
            await self._sleep(self._backoff.delay(failures, chance()))
            failures += 1

    async def _session(self) -> None:
        token = await self._tokens.token()
        async with connect(
            self._url,
            user_agent_header=self._user_agent,
            open_timeout=self._limit_s,
            close_timeout=1,
            ping_interval=None,  # the heartbeat is the proof of life
            max_size=_LARGEST_FRAME,
            logger=_library_log,
        ) as socket:
            if self._journal is not None:
                self._journal.opened(self._url)
            stream = AccountStream(
                self._account, self._canonical, now=self._monotonic(), heartbeat_s=self._heartbeat_s, silence_s=self._silence_s
            )
            await self._say(socket, stream.connect(token, self._monotonic()))
            await self._converse(socket, stream, token)

    async def _converse(self, socket: ClientConnection, stream: AccountStream, token: str) -> None:
        opened = self._monotonic()
        while True:
            now = self._monotonic()
            if stream.is_silent(now):
                raise VenueUnavailable("nothing was heard for too long")
            if not stream.is_connected and now - opened >= self._limit_s:
                raise VenueUnavailable("the connect was not answered")
            if stream.is_connected and now >= stream.next_heartbeat:
                token = await self._tokens.token()
                await self._say(socket, stream.heartbeat(token, self._monotonic()))
            frame = await self._hear(socket, min(1.0, max(0.0, stream.next_heartbeat - now)))
            if frame is None:
                continue
            match stream.receive(frame, self._monotonic()):
                case Connected():
                    self.sessions += 1
                    self._connected.set()
                    self.wake_ups.put(WakeUp("reconnected"))
                case Notice(wake_up=wake_up):
                    self.wake_ups.put(wake_up)
                case Refusal(action=action, message=message):
                    if message == "failed":
                        self._tokens.reject(token)
                    raise VenueUnavailable(f"{action} was refused: {message}")

    async def _say(self, socket: ClientConnection, frame: bytes) -> None:
        if self._journal is not None:
            self._journal.sent(frame)
        async with asyncio.timeout(self._limit_s):
            await socket.send(frame, text=True)

    async def _hear(self, socket: ClientConnection, wait_s: float) -> bytes | str | None:
        try:
            async with asyncio.timeout(wait_s):
                frame = await socket.recv()
        except TimeoutError:
            return None
        if self._journal is not None:
            self._journal.received(frame)
        return frame
