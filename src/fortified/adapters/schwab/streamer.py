"""The one connection to Schwab's streamer: opened, kept, and opened again.

Owns the socket and when to connect. A user may have one connection, so broker and market data share this one. What it says goes to all
listeners in order; what is wanted survives reconnections.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from fortified.adapters.pacing import Backoff, chance
from fortified.adapters.schwab.frames import Code
from fortified.adapters.schwab.stream import (
    DEFAULT_SILENCE_NS,
    Failed,
    LoggedIn,
    Noise,
    Severed,
    StreamEvent,
    StreamProtocol,
)
from fortified.adapters.schwab.wire import StreamerInfo
from fortified.adapters.transport import TokenSource
from fortified.domain.errors import FortifiedError
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.ports import Clock

Listener = Callable[[StreamEvent], None]
KICKED: Final = "Another program uses the one streamer connection that Schwab allows (thinkorswim, or a second server); end it."
_OPEN_TIMEOUT_S: Final = 15.0
_SEND_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 3.0
_MAX_WAIT_S: Final = 1.0
"""The clock may be set meanwhile."""
_MAX_MESSAGE: Final = 16 * 1024 * 1024
_LIVED_NS: Final = 60 * NS_PER_SECOND
_STEADY_NS: Final = 600 * NS_PER_SECOND
"""A connection that lived as long had no rival."""

_log = structlog.get_logger(__name__)
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.INFO)  # at DEBUG the library logs frames, and the log-in holds the access token


class FrameJournal(Protocol):
    """Who writes down what goes over the socket; redacting it is theirs."""

    def opened(self, url: str) -> None: ...

    def sent(self, frame: str | bytes) -> None: ...

    def received(self, frame: str | bytes) -> None: ...

    def closed(self, reason: str) -> None: ...


class SchwabStreamer:
    """``info`` says where the streamer is; ``tokens`` has the access token.

    After a loss it connects again with ``backoff``; when another program took the connection, with ``kicked``, so that two do not
    throw each other out for ever.
    """

    def __init__(
        self,
        info: Callable[[], Awaitable[StreamerInfo]],
        tokens: TokenSource,
        clock: Clock,
        *,
        journal: FrameJournal | None = None,
        backoff: Backoff | None = None,
        kicked: Backoff | None = None,
        silence_ns: int = DEFAULT_SILENCE_NS,
    ) -> None:
        self._info, self._tokens, self._clock, self._journal = info, tokens, clock, journal
        self._backoff = backoff or Backoff(1.0, 60.0)
        self._kicked = kicked or Backoff(60.0, 900.0)
        self._silence_ns = silence_ns
        self._listeners: list[Listener] = []
        self._wishes: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {}
        self._protocol: StreamProtocol | None = None
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._attempts = 0
        self._kicks = 0

    def listen(self, listener: Listener) -> None:
        """``listener`` is called with each event from now on; it must not block."""
        self._listeners.append(listener)

    def want(self, service: str, keys: Collection[str], fields: Collection[int]) -> None:
        """Rows of ``keys``, and of no others, shall come from ``service``."""
        self._wishes[service] = tuple(keys), tuple(fields)
        if self._protocol is not None:
            self._protocol.want(service, keys, fields)
        self._changed.set()

    @property
    def heard_ns(self) -> int | None:
        """When the server was last heard, by message or heartbeat; None when we are not logged in."""
        return self._protocol.heard_ns if self._protocol is not None and self._protocol.logged_in else None

    def start(self) -> None:
        """Connect, and stay connected until ``close``. Again: nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="schwab streamer")

    async def close(self) -> None:
        """Log out and end the connection."""
        self._closing.set()
        self._changed.set()
        task, self._task = self._task, None
        if task is not None:
            _, late = await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
            if late:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._closing.is_set():
            severed = await self._connection()
            self._protocol = None
            if self._closing.is_set():
                return
            self._tell(severed)
            await self._pause(severed)

    async def _connection(self) -> Severed:
        """One connection, from its opening to its end; why it ended."""
        began = self._clock.now_ns()
        try:
            severed = await self._converse()
        except (OSError, WebSocketException, TimeoutError, ValueError) as error:
            severed = Severed(None, f"Schwab's streamer is not reached ({type(error).__name__}: {error}); connecting again.")
        except FortifiedError as error:
            severed = Severed(None, str(error))
        lived = self._clock.now_ns() - began
        self._attempts = 0 if lived >= _LIVED_NS else self._attempts
        self._kicks = 0 if lived >= _STEADY_NS else self._kicks
        if severed.code == Code.CLOSE_CONNECTION:
            severed = Severed(severed.code, f"{KICKED} ({severed.text})")
        _log.warning("schwab streamer ended", code=severed.code, reason=severed.text)
        return severed

    async def _converse(self) -> Severed:
        info, token = await self._info(), await self._tokens.token()
        async with connect(
            info.streamer_socket_url,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=None,  # the server's heartbeats are the proof of life
            max_size=_MAX_MESSAGE,
            logger=_library_log,
        ) as socket:
            protocol = self._protocol = StreamProtocol(info, token, self._clock.now_ns(), silence_ns=self._silence_ns)
            for service, (keys, fields) in self._wishes.items():
                protocol.want(service, keys, fields)
            if self._journal is not None:
                self._journal.opened(info.streamer_socket_url)
            reader = asyncio.create_task(self._read(socket, protocol))
            try:
                severed = await self._write(socket, protocol, reader)
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            if severed.code is None:
                socket.transport.abort()  # nobody is there to say good-bye to
            if self._journal is not None:
                self._journal.closed(severed.text)
        if severed.code == Code.LOGIN_DENIED:
            self._tokens.reject(token)
        return severed

    async def _write(self, socket: ClientConnection, protocol: StreamProtocol, reader: asyncio.Task[None]) -> Severed:
        """Send what is next until the conversation is over."""
        while protocol.severed is None:
            self._changed.clear()
            if self._closing.is_set():
                if not protocol.logged_in:
                    return Severed(None, "closed before the log-in")
                protocol.leave()
            message = protocol.next_message(self._clock.now_ns())
            if message is not None:
                if self._journal is not None:
                    self._journal.sent(message)
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    await socket.send(message, text=True)
            if reader.done():
                if (fault := reader.exception()) is not None:
                    _log.error("a listener of schwab's streamer failed", exc_info=fault)
                return protocol.severed or Severed(None, "Schwab's streamer closed the connection; connecting again.")
            for event in protocol.on_time(self._clock.now_ns()):
                self._hear(event)
            if protocol.severed is None:
                await self._until_changed((protocol.deadline_ns - self._clock.now_ns()) / NS_PER_SECOND)
        return protocol.severed

    async def _read(self, socket: ClientConnection, protocol: StreamProtocol) -> None:
        """Hear what comes; ends with the connection."""
        try:
            async for message in socket:
                if self._journal is not None:
                    self._journal.received(message)
                for event in protocol.receive(message, self._clock.now_ns()):
                    self._hear(event)
                self._changed.set()
                if protocol.severed is not None:
                    return
        except WebSocketException:
            return
        finally:
            self._changed.set()

    def _hear(self, event: StreamEvent) -> None:
        match event:
            case Severed():
                return  # told by the connection's end
            case LoggedIn():
                _log.info("schwab streamer logged in", server=event.server, status=event.status)
            case Failed():
                _log.warning("schwab streamer refused", service=event.service, command=event.command, code=event.code, text=event.text)
            case Noise():
                _log.info("schwab streamer noise", text=event.text)
        self._tell(event)

    def _tell(self, event: StreamEvent) -> None:
        for listener in self._listeners:
            listener(event)

    async def _until_changed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(seconds, _MAX_WAIT_S))):
                await self._changed.wait()

    async def _pause(self, severed: Severed) -> None:
        if severed.code == Code.CLOSE_CONNECTION:
            seconds = self._kicked.delay(self._kicks, chance())
            self._kicks += 1
        else:
            seconds = self._backoff.delay(self._attempts, chance())
            self._attempts += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
