"""Both venues on loopback with a clock that stands still, and raw clients to talk to them."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Options, Simulation

MONDAY = int(datetime(2026, 11, 16, 15, 0, tzinfo=UTC).timestamp()) * 1_000_000_000
"""10:00 in New York: everything trades."""
LIMIT_S = 5


class Stream:
    """A WebSocket that reads JSON within a time limit."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, message: Any) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def hear(self) -> Any:
        return orjson.loads(await asyncio.wait_for(self.connection.recv(), LIMIT_S))

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The next message that ``wanted`` accepts."""
        while not wanted(message := await self.hear()):
            pass
        return message

    async def silent(self) -> bool:
        """Whether nothing is said, behind what this side can still provoke."""
        try:
            await asyncio.wait_for(self.connection.recv(), 0.05)
        except TimeoutError:
            return True
        return False

    async def end(self) -> None:
        """Wait for the other side to end it."""
        await asyncio.wait_for(self.connection.wait_closed(), LIMIT_S)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MONDAY)


@pytest.fixture
def options() -> Options:
    return Options(always_open=False)


@pytest.fixture
async def simulation(clock: ManualClock, options: Options) -> AsyncIterator[Simulation]:
    async with Simulation(clock, options) as running:
        yield running


@pytest.fixture
async def tasty(simulation: Simulation) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of TastyTrade that has a token."""
    headers = {"User-Agent": "test/1.0", "Accept-Version": "20261012"}
    async with httpx2.AsyncClient(base_url=simulation.tastytrade_url, headers=headers, timeout=LIMIT_S, trust_env=False) as client:
        known = simulation.tastytrade.credentials
        form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token, "client_secret": known.client_secret}
        token = (await client.post("/oauth/token", json=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
async def schwab(simulation: Simulation) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Schwab that has a token."""
    known = simulation.schwab.credentials
    async with httpx2.AsyncClient(base_url=simulation.schwab_url, timeout=LIMIT_S, trust_env=False) as client:
        basic = base64.b64encode(f"{known.client_id}:{known.client_secret}".encode()).decode()
        form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
        answer = await client.post("/v1/oauth/token", data=form, headers={"Authorization": f"Basic {basic}"})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.fixture
async def streams() -> AsyncIterator[Callable[[str], Awaitable[Stream]]]:
    """Opens WebSockets that end with the test."""
    opened: list[ClientConnection] = []

    async def open_one(url: str) -> Stream:
        opened.append(await connect(url, ping_interval=None, proxy=None, close_timeout=1))
        return Stream(opened[-1])

    yield open_one
    for connection in opened:
        connection.transport.abort()
        await connection.wait_closed()


@pytest.fixture
async def schwab_stream(
    simulation: Simulation, schwab: httpx2.AsyncClient, streams: Callable[[str], Awaitable[Stream]]
) -> Callable[[], Awaitable[Stream]]:
    """Opens streams of Schwab that are logged in."""

    async def open_one() -> Stream:
        info = (await schwab.get("/trader/v1/userPreference")).json()["streamerInfo"][0]
        stream = await streams(info["streamerSocketUrl"])
        await stream.say(command(simulation, "ADMIN", "LOGIN", Authorization=schwab.headers["Authorization"].removeprefix("Bearer ")))
        answer = await stream.hear()
        assert answer["response"][0]["content"]["code"] == 0
        return stream

    return open_one


def command(simulation: Simulation, service: str, name: str, **parameters: Any) -> dict[str, Any]:
    """A command for Schwab's streamer."""
    venue = simulation.schwab
    ids = {"SchwabClientCustomerId": venue.customer_id, "SchwabClientCorrelId": venue.correl_id}
    return {"service": service, "command": name, "requestid": "1", **ids, "parameters": parameters}
