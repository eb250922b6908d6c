"""The application over a trading system in memory, in process and on a real socket."""

import asyncio
import functools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import httpx2
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from tests.api.fake_backtests import FakeBacktests
from tests.api.fakes import FakeAccess, FakeManager, FlakyStore, ManualClock
from websockets.asyncio.client import ClientConnection, connect

from fortified.api.app import create_app
from fortified.api.facade import ApiContext
from fortified.api.security import hash_password
from fortified.ports import User

PASSWORD = "correct horse battery"
ORIGIN = "https://desk.example"


@functools.cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


@pytest.fixture
def manager(store: FlakyStore, clock: ManualClock) -> FakeManager:
    return FakeManager(store, clock)


@pytest.fixture
def backtests() -> FakeBacktests:
    return FakeBacktests()


@pytest.fixture
def access() -> FakeAccess:
    return FakeAccess()


@pytest.fixture
async def app(manager: FakeManager, backtests: FakeBacktests, access: FakeAccess, store: FlakyStore, clock: ManualClock) -> FastAPI:
    for role in ("viewer", "trader", "admin"):
        await store.users.put_user(User(f"{role}@example.com", _password_hash(), role))
    return create_app(
        ApiContext(
            manager=manager,
            backtests=backtests,
            clock=clock,
            jwt_secret=SecretStr("short"),
            access_minutes=15,
            refresh_days=30,
            version="1.2.3",
            access=access,
            schwab_callback="/registered/callback",
            cors_origins=(ORIGIN,),
        )
    )


class Login(Protocol):
    def __call__(self, role: str = "admin") -> Awaitable[httpx2.AsyncClient]: ...


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Not logged in."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        yield client


@pytest.fixture
async def login(app: FastAPI) -> AsyncIterator[Login]:
    """Gives a client that is logged in with a role."""
    async with AsyncExitStack() as stack:

        async def log_in(role: str = "admin") -> httpx2.AsyncClient:
            transport = httpx2.ASGITransport(app=app)
            client = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://test"))
            answer = await client.post("/api/login", json={"email": f"{role}@example.com", "password": PASSWORD})
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            return client

        yield log_in


@pytest.fixture
async def admin(login: Login) -> httpx2.AsyncClient:
    return await login("admin")


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """Host and port of a real server."""
    with socket.socket() as listener:
        # Small buffers, so that a client which does not read is felt after kilobytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait at most ten seconds until ``condition`` holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("the condition did not come true within ten seconds")


class Peer:
    """A WebSocket client that speaks JSON and waits at most five seconds for an answer."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of a type; others are passed over."""
        while True:
            message = await self.receive()
            if message["type"] == kind:
                return message

    async def closed(self) -> tuple[int | None, str | None]:
        """Code and reason of the close that must come."""
        async with asyncio.timeout(5):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason


Open = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def dial(address: str) -> AsyncIterator[Open]:
    """Opens a socket without authenticating."""
    async with AsyncExitStack() as stack:

        async def open_socket(path: str, **options: Any) -> Peer:
            connection = connect(f"ws://{address}{path}", **options)
            return Peer(await stack.enter_async_context(connection))

        yield open_socket


@pytest.fixture
async def open_peer(dial: Open, admin: httpx2.AsyncClient) -> Open:
    """Opens an authenticated socket."""

    async def open_socket(path: str, **options: Any) -> Peer:
        peer = await dial(path, **options)
        await peer.send(type="auth", token=admin.headers["Authorization"].removeprefix("Bearer "))
        assert (await peer.receive())["type"] == "authenticated"
        return peer

    return open_socket


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Tracebacks without the values of variables, as the server logs them."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    yield
    structlog.reset_defaults()
