"""One WebSocket connection: origin, authentication, reading, writing, ending.

Owns the life of a connection and its close codes. What the messages ask for is the session's business.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from fortified.api import messages
from fortified.api.deps import Services, services_of
from fortified.api.errors import ApiError, unauthenticated
from fortified.api.hub import Client
from fortified.api.security import NS_PER_SECOND, Claims
from fortified.api.topics import Outbox
from fortified.api.wire import iso_time
from fortified.domain.errors import FortifiedError, StoreUnavailable

AUTH_SECONDS = 5.0
MAX_MESSAGE_BYTES = 64 * 1024
_CLOSE_SECONDS = 2.0
_MAX_REASON_BYTES = 120
UNAUTHENTICATED, TRY_LATER, TOO_BIG, MALFORMED, UNSUPPORTED = 4401, 1013, 1009, 1007, 1003


class Auth(msgspec.Struct, tag="auth", forbid_unknown_fields=True):
    """The first message; later it extends the session with a newer token."""

    token: str


class Ping(msgspec.Struct, tag="ping", forbid_unknown_fields=True):
    """Answered by ``pong``."""


class SocketSession(ABC):
    """What a kind of socket does with its messages."""

    @abstractmethod
    def decode(self, text: str) -> Any:
        """The message in ``text``: Auth, Ping, or one of the session's own. Raises msgspec.DecodeError."""

    @abstractmethod
    async def handle(self, message: Any) -> None:
        """Do what one of the session's own messages asks for. A FortifiedError becomes an error message."""

    async def start(self) -> None:
        """Called once, after authentication."""
        return

    async def background(self) -> None:
        """Runs while the connection lasts."""
        return


type SessionFactory = Callable[[Services, Outbox], SocketSession]


class _EndedError(Exception):
    """The connection is over. ``code`` None: the client left by itself."""

    def __init__(self, code: int | None = None, word: str = "", detail: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.word = word
        self.detail = detail


async def serve(websocket: WebSocket, factory: SessionFactory) -> None:
    """Serve one connection until it ends."""
    services = services_of(websocket)
    if not _origin_allowed(websocket, services.context.cors_origins):
        await websocket.close()
        return
    await websocket.accept()
    await _Connection(websocket, services, factory).run()


def _origin_allowed(websocket: WebSocket, origins: tuple[str, ...]) -> bool:
    origin = websocket.headers.get("origin")
    return origin is None or origin in origins or urlsplit(origin).netloc == websocket.headers.get("host")


class _Connection:
    def __init__(self, websocket: WebSocket, services: Services, factory: SessionFactory) -> None:
        self._websocket = websocket
        self._services = services
        self._ending: asyncio.Future[_EndedError] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox(self._overflow)
        self._session = factory(services, self._outbox)
        self._expires_s = 0

    async def run(self) -> None:
        try:
            if self._services.hub.is_full:
                raise _EndedError(TRY_LATER, "too_many_clients", "Too many WebSocket clients; try again later.")
            claims = await self._authenticate()
            with self._services.hub.connected(Client(self._outbox, claims.sub, self._end)):
                await self._converse(claims)
        except _EndedError as ended:
            await self._close(ended)
        except WebSocketDisconnect:
            return

    # --- ending ---

    def _end(self, code: int, detail: str) -> None:
        if not self._ending.done():
            self._ending.set_result(_EndedError(code, "closed", detail))

    def _overflow(self) -> None:
        self._services.hub.dropped += 1
        self._end(TRY_LATER, "This client reads too slowly; connect again and resume.")

    async def _close(self, ended: _EndedError) -> None:
        if ended.code is None:
            return
        reason = ended.detail.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        # A client that does not read cannot be told; it is left to the server's keep-alive then.
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._websocket.send_text(messages.error(ended.word, ended.detail))
                await self._websocket.close(ended.code, reason)

    # --- authentication ---

    async def _authenticate(self) -> Claims:
        accounts, tickets = self._services.accounts, self._services.tickets
        ticket = self._websocket.query_params.get("ticket")
        try:
            if ticket is not None:
                return await accounts.confirm(tickets.take(ticket))
            async with asyncio.timeout(AUTH_SECONDS):
                message = self._decode(await self._receive())
            if not isinstance(message, Auth):
                raise unauthenticated('Send {"type": "auth", "token": "<access_token>"} first.')
            return await accounts.claims(message.token)
        except TimeoutError:
            detail = f"No auth message came within {AUTH_SECONDS:g} s."
            raise _EndedError(UNAUTHENTICATED, "unauthenticated", detail) from None
        except msgspec.ValidationError as error:
            raise _EndedError(UNAUTHENTICATED, "unauthenticated", f"The auth message is not valid: {error}.") from None
        except ApiError as error:
            raise _EndedError(UNAUTHENTICATED, error.code, str(error)) from None
        except StoreUnavailable as error:
            raise _EndedError(TRY_LATER, "store_unavailable", str(error)) from None

    def _welcome(self, claims: Claims) -> None:
        self._expires_s = claims.exp
        fields = {"user": claims.sub, "role": claims.role, "expires_at": iso_time(claims.exp * NS_PER_SECOND)}
        self._outbox.put(messages.encode({"type": "authenticated", **fields}))

    # --- the conversation ---

    async def _converse(self, claims: Claims) -> None:
        self._welcome(claims)
        end: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._await_end())
                group.create_task(self._write())
                group.create_task(self._read())
                group.create_task(self._session.background())
        except* (_EndedError, WebSocketDisconnect) as ends:
            end = ends.exceptions[0]
        if end is not None:
            raise end

    async def _await_end(self) -> None:
        raise await self._ending

    async def _write(self) -> None:
        while True:
            await self._websocket.send_text(await self._outbox.get())

    async def _read(self) -> None:
        try:
            await self._session.start()
        except StoreUnavailable as error:
            raise _EndedError(TRY_LATER, "store_unavailable", str(error)) from None
        while True:
            try:
                async with asyncio.timeout(self._expires_s - self._services.context.clock.now_ns() / NS_PER_SECOND):
                    text = await self._receive()
            except TimeoutError:
                raise _EndedError(UNAUTHENTICATED, "token_expired", "The token has expired; connect with a new one.") from None
            try:
                message = self._decode(text)
            except msgspec.ValidationError as error:
                self._outbox.put(messages.error("invalid_message", f"{error}."))
                continue
            await self._answer(message)

    async def _dispatch(self, message: Any) -> None:
        match message:
            case Ping():
                self._outbox.put(messages.encode({"type": "pong"}))
            case Auth():
                self._welcome(await self._services.accounts.claims(message.token))
            case _:
                await self._session.handle(message)

    async def _answer(self, message: Any) -> None:
        try:
            await self._dispatch(message)
        except ApiError as error:
            self._outbox.put(messages.error(error.code, str(error)))
        except StoreUnavailable as error:
            self._outbox.put(messages.error("store_unavailable", str(error)))
        except FortifiedError as error:
            self._outbox.put(messages.error("invalid_input", str(error)))

    async def _receive(self) -> str:
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise _EndedError
        text = event.get("text")
        if not isinstance(text, str):
            raise _EndedError(UNSUPPORTED, "unsupported", "Binary messages are not read. Send JSON as text.")
        if len(text.encode()) > MAX_MESSAGE_BYTES:
            raise _EndedError(TOO_BIG, "too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes at most.")
        return text

    def _decode(self, text: str) -> Any:
        try:
            return self._session.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            raise _EndedError(MALFORMED, "malformed", f"The message is not JSON: {error}.") from None
