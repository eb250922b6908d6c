"""The wire to Redis: one connection, framed by hand, parsed by hiredis.

Owns connecting, logging in, pairing replies with requests, and which exception a failure becomes. Must not know keys or what values mean.
Every connection of the storage layer is made here, so time limits and shapes (RESP2, bytes) are the same everywhere.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from fortified.domain.errors import ConfigError, FortifiedError, InvariantError, StoreUnavailable
from fortified.storage.endpoint import Endpoint

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 10.0
NOTHING = object()
"""What the parser says while a reply is not complete."""

_FIX = "Start it, set REDIS_URL to a server that runs, or unset REDIS_URL to use the embedded one."
_PASSING = frozenset(("LOADING", "BUSY", "MISCONF", "OOM", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "UNBLOCKED"))
_REFUSED = frozenset(("NOAUTH", "WRONGPASS", "NOPERM"))

Argument = str | bytes | int
Command = tuple[Argument, ...]


_pack = cast(Callable[[Command], bytes], hiredis.pack_command)  # its stub allows commands of one word only


def frame(commands: Sequence[Command]) -> bytes:
    """The bytes of ``commands``, to be sent as one."""
    return b"".join(map(_pack, commands))


def unavailable(endpoint: Endpoint, reason: object) -> StoreUnavailable:
    """The error of a server that cannot be reached."""
    return StoreUnavailable(f"Redis at {endpoint} does not answer ({reason}). {_FIX}")


def refusal(endpoint: Endpoint, reply: hiredis.ReplyError) -> FortifiedError:
    """The exception that an error reply becomes."""
    text = str(reply)
    code = text.partition(" ")[0]
    if code in _PASSING:
        return StoreUnavailable(f"Redis at {endpoint} cannot serve now: {text}. Its own log says more.")
    if code in _REFUSED or "AUTH" in text or "invalid password" in text:
        return ConfigError(f"Redis at {endpoint} refuses this user or password ({code}). Correct both in REDIS_URL.")
    if "DB index" in text:
        return ConfigError(f"Redis at {endpoint} has no database {endpoint.db}. Choose another at the end of REDIS_URL.")
    return InvariantError(f"Redis at {endpoint} refuses a command: {text}")


class Connection(asyncio.Protocol):
    """One connection. Replies answer requests in order, or go to ``receive`` when its owner set that."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._parser = hiredis.Reader(notEnoughData=NOTHING)
        self._requests: deque[tuple[int, list[Any], asyncio.Future[list[Any]]]] = deque()
        self._transport: asyncio.Transport | None = None
        self.client_id = 0
        self.receive: Callable[[hiredis.Reader], None] = self._answer
        self.on_lost: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def write(self, data: bytes) -> None:
        """Send without expecting anything. Nothing happens on a lost connection."""
        if self._transport is not None:
            self._transport.write(data)

    def request(self, data: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Send ``count`` framed commands; the future gets their replies, error replies among them."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self._transport is None:
            future.set_exception(unavailable(self._endpoint, "connection lost"))
        else:
            self._requests.append((count, [], future))
            self._transport.write(data)
        return future

    def close(self) -> None:
        """Drop the connection; what waits gets StoreUnavailable."""
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            self.receive(self._parser)
        except hiredis.ProtocolError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        requests, self._requests = self._requests, deque()
        for _, _, future in requests:
            if not future.done():
                future.set_exception(unavailable(self._endpoint, exc or "connection lost"))
        if self.on_lost is not None:
            self.on_lost()

    def _answer(self, parser: hiredis.Reader) -> None:
        while (reply := parser.gets()) is not NOTHING:
            count, replies, future = self._requests[0]
            replies.append(reply)
            if len(replies) == count:
                self._requests.popleft()
                if not future.done():
                    future.set_result(replies)


async def connect(endpoint: Endpoint) -> Connection:
    """A connection that is logged in, on the right database, to a server that serves.

    Raises StoreUnavailable, or ConfigError when the server refuses user, password or database.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(endpoint)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if endpoint.path:
                await loop.create_unix_connection(lambda: connection, endpoint.path)
            else:
                context = ssl.create_default_context() if endpoint.tls else None
                transport, _ = await loop.create_connection(lambda: connection, endpoint.host, endpoint.port, ssl=context)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await _log_in(connection, endpoint)
    except TimeoutError:
        connection.close()
        raise unavailable(endpoint, f"no answer within {CONNECT_TIMEOUT_S:g} s") from None
    except OSError as error:
        connection.close()
        raise unavailable(endpoint, error.strerror or error) from None
    except BaseException:
        connection.close()
        raise
    return connection


async def _log_in(connection: Connection, endpoint: Endpoint) -> None:
    commands: list[Command] = []
    if endpoint.password:
        commands.append(("AUTH", endpoint.username or "default", endpoint.password))
    if endpoint.db:
        commands.append(("SELECT", endpoint.db))
    commands += [("CLIENT", "SETNAME", "fortified"), ("PING",), ("CLIENT", "ID")]
    replies = await connection.request(frame(commands), len(commands))
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise refusal(endpoint, reply)
    connection.client_id = int(replies[-1])


class Channel:
    """Requests over one connection, which is made again when it was lost. Tasks may share it: requests are pipelined."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    async def connection(self) -> Connection:
        """The open connection; raises like ``connect``."""
        connection = self._connection
        if connection is not None and connection.is_open:
            return connection
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                self._connection = await connect(self.endpoint)
            return self._connection

    async def send(self, data: bytes, count: int) -> list[Any]:
        """Replies to ``count`` framed commands, error replies among them. StoreUnavailable: the outcome is not known."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self.connection()
        future = connection.request(data, count)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await future
        except TimeoutError:
            connection.close()
            raise unavailable(self.endpoint, f"no reply within {REPLY_TIMEOUT_S:g} s") from None

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Replies to ``commands``, not atomic; the first error reply is raised."""
        return self.checked(await self.send(frame(commands), len(commands))) if commands else []

    async def call(self, *command: Argument) -> Any:
        """The reply to one command."""
        return (await self.pipeline([command]))[0]

    async def transaction(self, commands: Sequence[Command]) -> list[Any]:
        """Replies to ``commands``, executed as one or not at all."""
        data = b"".join((_MULTI, *map(_pack, commands), _EXEC))
        replies = await self.send(data, len(commands) + 2)
        return self.checked(self.checked(replies)[-1])

    def checked(self, replies: list[Any]) -> list[Any]:
        """``replies``, none of which is an error; the first error is raised."""
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise refusal(self.endpoint, reply)
        return replies

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


_MULTI = frame([("MULTI",)])
_EXEC = frame([("EXEC",)])
