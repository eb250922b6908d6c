"""A scripted HTTP server on a real socket, for what an adapter makes of answers, and of none."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Received(msgspec.Struct, frozen=True):
    """A request as it came. ``path`` is as it was sent, percent signs and all."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class Answer(msgspec.Struct, frozen=True):
    """``cut`` ends the connection: ``before`` a word is said, or in the ``middle`` of the body. ``hang`` says nothing."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = {}
    cut: str = ""
    hang: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[Received], Answer]


class VenueServer:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.received: list[Received] = []
        self.url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    def lines(self) -> list[str]:
        return [received.line for received in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        received = Received(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.received.append(received)
        answer = self.script(received)
        if answer.hang:
            await reader.read()
            return False
        if answer.cut == "before":
            writer.transport.abort()
            return False
        lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        content = answer.content
        writer.write(f"HTTP/1.1 {answer.status} Said\r\n{lines}Content-Length: {len(content)}\r\n\r\n".encode())
        writer.write(content[: len(content) // 2] if answer.cut == "middle" else content)
        await writer.drain()
        return answer.cut != "middle"

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def venue_server(script: Script) -> AsyncIterator[VenueServer]:
    venue = VenueServer(script)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    venue.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield venue
    finally:
        server.close()
        venue.cut()


class ManualClock:
    """A clock that a test sets."""

    def __init__(self, now_ns: int = 1_790_000_000_000_000_000) -> None:
        self.now = now_ns

    def now_ns(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += int(seconds * 10**9)


class ManualTime:
    """Monotonic seconds and a sleep that takes none of them from anybody but this clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
