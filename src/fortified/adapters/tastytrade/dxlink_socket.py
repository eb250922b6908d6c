"""The connection to DXLink: opened, watched, opened again.

Owns the socket, its timer, the renewal of the token on an open connection, and the back-off between connections. What is said over it is
for ``DxLink``; what the data means, for the listener. While the listener is held up nothing more is read, and the venue waits.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from fortified.adapters.pacing import Backoff, Sleep, chance
from fortified.adapters.tastytrade.account_socket import FrameJournal
from fortified.adapters.tastytrade.dxlink import ChannelPlan, DxLink, Ready, Signal, Subscription, Timing, Unauthorized
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.tastytrade.quote_tokens import QuoteTokens
from fortified.domain.errors import AuthExpired, ProtocolError, RemoteProtocolError, VenueError, VenueUnavailable

_LARGEST_FRAME: Final = 64 * 2**20
_RENEW_AGAIN_S: Final = 30.0
_EXPECTED: Final = (WebSocketException, OSError, TimeoutError, VenueError, ProtocolError)
_log = structlog.get_logger(__name__)
# The library logs frames at DEBUG, and one of ours holds the token.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.INFO)


class Listener(Protocol):
    """Who is told what the connection brings."""

    async def on_ready(self) -> None: ...

    async def on_signals(self, signals: Sequence[Signal]) -> None: ...

    async def on_lost(self, reason: str) -> None: ...

    def on_time(self) -> None:
        """Must not wait: keep-alive depends on it."""


class SocketOptions(msgspec.Struct, frozen=True):
    """Times in s. ``tick_s`` is how often the timer looks, ``first_s`` how long ``start`` waits."""

    version: str = "fortified/0"
    timing: Timing = Timing()
    backoff: Backoff = Backoff(first=0.5, cap=30.0)
    tick_s: float = 0.1
    first_s: float = 20.0


class DxLinkSocket:
    """Keeps a connection from ``start`` to ``close``."""

    def __init__(
        self,
        plans: Sequence[ChannelPlan],
        tokens: QuoteTokens,
        listener: Listener,
        *,
        options: SocketOptions | None = None,
        journal: FrameJournal | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.reconnects = 0
        self.reason = ""
        """Why it is not connected, or was not the last time."""
        self._plans, self._tokens, self._listener = plans, tokens, listener
        self._options, self._journal = options or SocketOptions(), journal
        self._monotonic, self._sleep = monotonic, sleep
        self._task: asyncio.Task[None] | None = None
        self._link: DxLink | None = None
        self._ready = asyncio.Event()
        self._flush = asyncio.Event()
        self._refused: AuthExpired | None = None
        self._settled = asyncio.Event()
        self._is_busy = False
        self._token: QuoteToken | None = None
        self._renew_at = 0.0

    @property
    def is_connected(self) -> bool:
        return self._ready.is_set()

    @property
    def frame_age_s(self) -> float | None:
        """Since the last frame of any kind; None while there is no connection."""
        return None if self._link is None else self._monotonic() - self._link.last_received

    async def start(self) -> None:
        """Begin. Returns once connected.

        Raises:
            VenueUnavailable, AuthExpired: not connected in time; it stops trying.
        """
        self._settled.clear()
        self._task = asyncio.create_task(self._run(), name="dxlink")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.first_s):
                await self._settled.wait()
        if not self._ready.is_set():
            await self.close()
            if self._refused is not None:
                raise self._refused
            why = self.reason.rstrip(".") or "no answer"
            raise VenueUnavailable(f"TastyTrade's market data is not reached: {why}. Check the network, then start again.")

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._ready.clear()
        self._link = None

    def subscribe(self, channel: int, *subscriptions: Subscription) -> None:
        """Send soon; nothing happens while there is no connection."""
        if self._link is not None and self._link.is_ready:
            self._link.subscribe(channel, *subscriptions)
            self._flush.set()

    def unsubscribe(self, channel: int, *subscriptions: Subscription) -> None:
        """As ``subscribe``."""
        if self._link is not None and self._link.is_ready:
            self._link.unsubscribe(channel, *subscriptions)
            self._flush.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            began = self._monotonic()
            try:
                await self._session()
            except* Exception as errors:  # whatever it was, market data must come back
                error = _first(errors)
                self.reason = str(error) or type(error).__name__
                self._refused = error if isinstance(error, AuthExpired) else None
                if self._refused is not None:
                    self._settled.set()
                if not isinstance(error, _EXPECTED):
                    _log.error("market data met an error of ours", venue="tastytrade", exc_info=error)
            if self._ready.is_set():
                self._ready.clear()
                self.reconnects += 1
                if self._monotonic() - began > self._options.backoff.cap:  # one that ends at once must not be opened again at once
                    failures = 0
                await self._listener.on_lost(self.reason)
            self._link = None
            _log.warning("market data is not connected", venue="tastytrade", reason=self.reason)
            if self._journal is not None:
                self._journal.closed(self.reason)
            await self._sleep(self._options.backoff.delay(failures, chance()))
            failures += 1

    async def _session(self) -> None:
        self._token = token = await self._tokens.get()
        self._is_busy = False
        async with connect(
            token.url,
            open_timeout=self._options.timing.step_s,
            close_timeout=1,
            ping_interval=None,  # the protocol has its own proof of life
            compression=None,
            max_size=_LARGEST_FRAME,
            logger=_library_log,
        ) as socket:
            if self._journal is not None:
                self._journal.opened(token.url)
            link = DxLink(self._plans, token.token, self._options.version, self._monotonic(), self._options.timing)
            self._link = link
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(socket, link))
                group.create_task(self._write(socket, link))
                group.create_task(self._watch(link))

    async def _read(self, socket: ClientConnection, link: DxLink) -> None:
        refusals = 0
        while True:
            frame = await socket.recv(decode=False)
            if self._journal is not None:
                self._journal.received(frame)
            signals = link.receive(frame, self._monotonic())
            self._flush.set()
            self._is_busy = True
            for signal in signals:
                if isinstance(signal, Ready):
                    refusals = 0
                    await self._listener.on_ready()
                    self._ready.set()
                    self._settled.set()
                elif isinstance(signal, Unauthorized):
                    refusals += 1
                    if refusals > 1:
                        raise AuthExpired("TastyTrade refuses the token for market data that it gave. Connect TastyTrade again.")
                    self._tokens.reject(self._token)
                    await self._authorize(link)
            await self._listener.on_signals(signals)
            self._is_busy = False

    async def _write(self, socket: ClientConnection, link: DxLink) -> None:
        while True:
            for frame in link.take(self._monotonic()):
                if self._journal is not None:
                    self._journal.sent(frame)
                async with asyncio.timeout(self._options.timing.step_s):
                    await socket.send(frame, text=True)
            await self._flush.wait()
            self._flush.clear()

    async def _watch(self, link: DxLink) -> None:
        while True:
            await self._sleep(self._options.tick_s)
            now = self._monotonic()
            if self._is_busy:  # frames wait on our side: that is no silence of theirs
                link.last_received = now
            link.on_time(now)
            if link.is_ready and self._tokens.is_due and now >= self._renew_at:
                self._renew_at = now + _RENEW_AGAIN_S
                with contextlib.suppress(VenueError):  # the old one is good for a while
                    await self._authorize(link)
            self._flush.set()
            if self._ready.is_set():
                self._listener.on_time()

    async def _authorize(self, link: DxLink) -> None:
        """Present a new token on the open connection."""
        old, self._token = self._token, await self._tokens.get()
        if old is not None and self._token.url != old.url:
            raise RemoteProtocolError("TastyTrade's market data moved to another address")
        link.authorize(self._token.token, self._monotonic())
        self._flush.set()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    for error in errors.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return errors
