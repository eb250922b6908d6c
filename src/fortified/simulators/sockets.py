"""WebSockets of streamers, and what goes wrong on them.

Owns connections, their outgoing frames and the faults of frames and commands. What a message means is the business of the ``Session`` it
is given to.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fortified.simulators.faults import Faults, Kind

_QUEUED = 10_000


class Session(Protocol):
    """The conversation with one client: plain functions, no sockets."""

    def received(self, message: str) -> None: ...

    def denied(self, message: str) -> None: ...

    def ended(self) -> None: ...

    def kicked(self) -> None: ...


class Wire:
    """One connection as its session sees it: frames go out in order, unless a fault says otherwise."""

    def __init__(self, connection: ServerConnection, faults: Faults) -> None:
        self._connection = connection
        self._faults = faults
        self._frames: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED)
        self._late: str | None = None
        self.frozen = asyncio.Event()
        self.session: Session | None = None

    def send(self, kind: str, frame: str) -> None:
        """Queue ``frame``, which the faults know as ``stream <kind>``."""
        fault = self._faults.take(f"stream {kind}")
        if fault is not None and self.break_off(fault.kind):
            return
        if fault is not None and fault.kind is Kind.MISSING:
            return
        if fault is not None and fault.kind is Kind.LATE:
            self._late = frame
            return
        self._put(frame)
        if fault is not None and fault.kind is Kind.TWICE:
            self._put(frame)
        if self._late is not None:
            late, self._late = self._late, None
            self._put(late)

    def break_off(self, kind: Kind) -> bool:
        """End or freeze the connection, if that is what ``kind`` is."""
        match kind:
            case Kind.CLOSE:
                self.close()
            case Kind.ABORT:
                self._connection.transport.abort()
            case Kind.FREEZE:
                self.frozen.set()
                self._connection.transport.pause_reading()  # else pings would still be answered
            case Kind.KICK if self.session is not None:
                self.session.kicked()
            case _:
                return False
        return True

    def close(self) -> None:
        """Close in order, behind the frames that are queued."""
        self._put(None)

    def _put(self, frame: str | None) -> None:
        if not self.frozen.is_set():
            if self._frames.full():  # a client that does not read: what a venue does is to let it go
                self._connection.transport.abort()
            else:
                self._frames.put_nowait(frame)

    async def pump(self) -> None:
        """Send what is queued, until the connection is closed."""
        with contextlib.suppress(ConnectionClosed):
            while (frame := await self._frames.get()) is not None:
                if self.frozen.is_set():
                    return
                await self._connection.send(frame)
            await self._connection.close()


class SocketServer:
    """Serves sessions that ``begin`` makes, one for each connection."""

    def __init__(self, begin: Callable[[Wire], Session], faults: Faults, command: Callable[[str], str]) -> None:
        self._begin = begin
        self._faults = faults
        self._command = command
        self._server: Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 is any free one."""
        self._server = await serve(self._talk, host, port, ping_interval=None, compression=None, close_timeout=1)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """End all connections and stop listening."""
        if self._server is not None:
            for connection in list(self._server.connections):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()

    async def _talk(self, connection: ServerConnection) -> None:
        wire = Wire(connection, self._faults)
        session = wire.session = self._begin(wire)
        pump = asyncio.create_task(wire.pump())
        try:
            with contextlib.suppress(ConnectionClosed):
                while not wire.frozen.is_set():
                    self._hear(wire, session, str(await connection.recv()))
                await connection.wait_closed()
        finally:
            session.ended()
            pump.cancel()

    def _hear(self, wire: Wire, session: Session, message: str) -> None:
        fault = self._faults.take(f"command {self._command(message)}")
        if fault is not None and fault.kind is Kind.DENY:
            session.denied(message)
        elif fault is None or not (wire.break_off(fault.kind) or fault.kind is Kind.MISSING):
            session.received(message)
