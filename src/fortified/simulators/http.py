"""HTTP/1.1 on a socket, down to the transport, so that connections can be cut where a test wants them cut.

Owns connections and the faults of a request. What a request means is the business of the handler it is given.
"""

import asyncio
import contextlib
import gzip
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import httptools

from fortified.simulators.faults import Fault, Faults, Kind
from fortified.simulators.messages import Reply, Request, target

type Answer = Callable[[Request], Reply]

_log = logging.getLogger(__name__)
_BEFORE = {Kind.DROP_BEFORE, Kind.STATUS, Kind.SLOW_BEFORE, Kind.TWICE}


class HttpServer:
    """Serves ``answer`` on one address. ``faults`` are asked once for each request."""

    def __init__(self, answer: Answer, faults: Faults, expire_tokens: Callable[[], None] = lambda: None) -> None:
        self.answer = answer
        self.faults = faults
        self.expire_tokens = expire_tokens
        self.connections: set[_Connection] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Reply]] = set()

    def reply(self, request: Request) -> Reply:
        """The answer; a bug of the simulator is one too, and a line in the log."""
        try:
            return self.answer(request)
        except Exception:
            _log.exception("the simulator could not answer %s %s", request.method, request.path)
            return Reply(500, b"the simulator has a bug; its log has the trace")

    def later(self, request: Request, seconds: float) -> asyncio.Task[Reply]:
        """Answer when the time is over, whether anybody still waits for it or not."""

        async def wait() -> Reply:
            await asyncio.sleep(seconds)
            return self.reply(request)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 is any free one."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut what is open and stop listening."""
        for task in list(self._tasks):
            task.cancel()
        if self._server is not None:
            self._server.close()
            for connection in list(self.connections):
                connection.cut()
            await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: asyncio.Queue[tuple[Request, bool]] = asyncio.Queue()
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so
        self._server.connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._write(Reply(400, b"bad request"), keep=False)
            self._transport.close()

    def cut(self) -> None:
        """End the connection without a goodbye."""
        self._transport.abort()

    # --- the parser's calls

    def _begin(self) -> None:
        self._url, self._headers, self._body = b"", dict[str, str](), bytearray()

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        path, query = target(self._url.decode("latin-1"))
        method = self._parser.get_method().decode()
        self._waiting.put_nowait((Request(method, path, query, self._headers, bytes(self._body)), self._parser.should_keep_alive()))

    # --- one request

    async def _serve(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                request, keep = await self._waiting.get()
                await self._one(request, keep)
                if not keep:
                    self._transport.close()
                    return

    async def _one(self, request: Request, keep: bool) -> None:
        fault = self._server.faults.take(f"{request.method} {request.path}")
        if fault is None:
            self._write(self._server.reply(request), keep)
        elif fault.kind in _BEFORE:
            await self._before(fault, request, keep)
        else:
            await self._after(fault, request, keep)

    async def _before(self, fault: Fault, request: Request, keep: bool) -> None:
        if fault.kind is Kind.DROP_BEFORE:
            return self.cut()
        if fault.kind is Kind.STATUS:
            return self._write(_wrong(fault), keep)
        if fault.kind is Kind.SLOW_BEFORE:
            return self._write(await asyncio.shield(self._server.later(request, fault.seconds)), keep)
        self._server.reply(request)
        return self._write(self._server.reply(request), keep)

    async def _after(self, fault: Fault, request: Request, keep: bool) -> None:
        if fault.kind is Kind.EXPIRE_TOKEN:
            self._server.expire_tokens()
        reply = self._server.reply(request)
        match fault.kind:
            case Kind.DROP_AFTER:
                self.cut()
            case Kind.CUT_ANSWER:
                await self._cut_within(reply)
            case Kind.STATUS_AFTER:
                self._write(_wrong(fault), keep)
            case Kind.GARBLED:
                self._write(Reply(reply.status, b"<html>Bad Gateway", {**reply.headers, "content-type": "text/html"}), keep)
            case Kind.NO_LOCATION:
                self._write(_located(reply, None), keep)
            case Kind.WRONG_LOCATION:
                self._write(_located(reply, "1"), keep)
            case _:
                await asyncio.sleep(fault.seconds)
                self._write(reply, keep)

    def _write(self, reply: Reply, keep: bool) -> None:
        if not self._transport.is_closing():
            self._transport.write(_encoded(reply, keep))

    async def _cut_within(self, reply: Reply) -> None:
        """Headers and half of the body go out before the end; at least a length that is never reached."""
        whole = _encoded(Reply(reply.status, reply.body or b" " * 64, reply.headers), keep=True)
        self._transport.write(whole[: len(whole) - max(1, len(reply.body or b" " * 64) // 2)])
        self._transport.close()


def _encoded(reply: Reply, keep: bool) -> bytes:
    words = {"content-length": str(len(reply.body)), "connection": "keep-alive" if keep else "close", **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", *(f"{name}: {value}" for name, value in words.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + reply.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _wrong(fault: Fault) -> Reply:
    body = (fault.text or '{"message":"simulated fault","errors":[]}').encode()
    headers = {"content-type": "application/json"}
    if fault.gzip:
        return Reply(fault.status, gzip.compress(body, mtime=0), {**headers, "content-encoding": "gzip"})
    return Reply(fault.status, body, headers)


def _located(reply: Reply, order: str | None) -> Reply:
    """``reply`` with the last word of its Location replaced by ``order``, or without it."""
    kept = {name: value for name, value in reply.headers.items() if name != "location"}
    if order is not None and "location" in reply.headers:
        kept["location"] = f"{reply.headers['location'].rpartition('/')[0]}/{order}"
    return Reply(reply.status, reply.body, kept)
