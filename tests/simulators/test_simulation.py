"""All venues at once, on one market that moves by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError
from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Options, Simulation

pytestmark = pytest.mark.anyio
LIMIT_S = 10


@pytest.fixture
def clock() -> Any:
    return SystemClock()


@pytest.fixture
def options() -> Options:
    return Options(feed=True, symbols=("/NQ",))


async def until(read: Callable[[], Awaitable[str]], wanted: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await read() != wanted:  # noqa: ASYNC110  # a venue is asked, it sets no event
            await asyncio.sleep(0.02)


async def test_orders_are_filled_at_both_brokers(simulation: Simulation, tasty: httpx2.AsyncClient, schwab: httpx2.AsyncClient) -> None:
    future = simulation.find("/NQ")
    assert future is not None
    leg = {"instrument-type": "Future", "symbol": future.symbol, "action": "Buy", "quantity": 1}
    body = {"time-in-force": "Day", "order-type": "Market", "legs": [leg]}
    placed = (await tasty.post("/accounts/5WX00001/orders", json=body)).json()["data"]["order"]["id"]

    async def at_tastytrade() -> str:
        return str((await tasty.get(f"/accounts/5WX00001/orders/{placed}")).json()["data"]["status"])

    await until(at_tastytrade, "Filled")
    key = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()[0]["hashValue"]
    share = {"instruction": "BUY", "quantity": 1, "instrument": {"symbol": "MSFT", "assetType": "EQUITY"}}
    order = {"orderType": "MARKET", "session": "NORMAL", "duration": "DAY", "orderLegCollection": [share]}
    location = (await schwab.post(f"/trader/v1/accounts/{key}/orders", json=order)).headers["Location"]

    async def at_schwab() -> str:
        return str((await schwab.get(location)).json()["status"])

    await until(at_schwab, "FILLED")  # what has an order has prices


async def test_quotes_lead_to_the_same_market(
    simulation: Simulation, tasty: httpx2.AsyncClient, streams: Callable[[str], Awaitable[Any]]
) -> None:
    token = (await tasty.get("/api-quote-tokens")).json()["data"]
    future = simulation.find("/NQ")
    assert future is not None
    stream = await streams(token["dxlink-url"])
    await stream.say({"type": "SETUP", "channel": 0, "version": "0.1-test/1", "keepaliveTimeout": 60, "acceptKeepaliveTimeout": 60})
    await stream.until(lambda frame: frame.get("state") == "UNAUTHORIZED")
    await stream.say({"type": "AUTH", "channel": 0, "token": token["token"]})
    await stream.until(lambda frame: frame.get("state") == "AUTHORIZED")
    await stream.say({"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED", "parameters": {"contract": "STREAM"}})
    await stream.until(lambda frame: frame["type"] == "CHANNEL_OPENED")
    await stream.say({"type": "FEED_SETUP", "channel": 1, "acceptAggregationPeriod": 0, "acceptDataFormat": "COMPACT"})
    wanted = {"type": "TimeAndSale", "symbol": future.streamer_symbol}
    await stream.say({"type": "FEED_SUBSCRIPTION", "channel": 1, "add": [wanted]})
    frame = await stream.until(lambda frame: frame["type"] == "FEED_DATA")
    assert frame["data"][0] == "TimeAndSale"
    assert future.streamer_symbol in frame["data"][1]


async def test_one_venue_alone() -> None:
    async with Simulation(ManualClock(1), venues=("schwab",)) as simulation:
        assert simulation.schwab_url
        assert not simulation.tastytrade_url


def test_what_is_not_listed_has_no_price() -> None:
    with pytest.raises(ConfigError, match="ZZZZ is not listed"):
        Simulation(ManualClock(1)).push("ZZZZ", "1")
