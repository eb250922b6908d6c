"""TastyTrade's account streamer, as a raw client sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from fortified.simulators.faults import Fault, Kind
from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Simulation

pytestmark = pytest.mark.anyio
ACCOUNT = "5WX00001"
BUY: dict[str, Any] = {
    "time-in-force": "Day",
    "order-type": "Market",
    "legs": [{"instrument-type": "Equity", "symbol": "SPY", "action": "Buy to Open", "quantity": 10}],
}
type Open = Callable[[str], Awaitable[Any]]


@pytest.fixture
def action(tasty: httpx2.AsyncClient) -> Callable[..., dict[str, Any]]:
    """An action with a token that is valid."""
    return lambda name, **more: {"action": name, "auth-token": tasty.headers["Authorization"], "request-id": 2, **more}


@pytest.fixture
async def stream(simulation: Simulation, streams: Open, action: Callable[..., dict[str, Any]]) -> Any:
    """A stream that is connected."""
    found = await streams(simulation.tastytrade_streamer_url)
    await found.say(action("connect", value=[ACCOUNT]))
    assert (await found.hear())["status"] == "ok"
    return found


async def buy(simulation: Simulation, tasty: httpx2.AsyncClient) -> int:
    number = (await tasty.post(f"/accounts/{ACCOUNT}/orders", json=BUY)).json()["data"]["order"]["id"]
    simulation.push("SPY", "680")
    return int(number)


async def test_connect_and_heartbeat(simulation: Simulation, streams: Open, action: Callable[..., dict[str, Any]]) -> None:
    stream = await streams(simulation.tastytrade_streamer_url)
    await stream.say(action("heartbeat"))
    assert (await stream.hear())["message"] == "connect-not-completed"
    await stream.say(action("connect", value=["5WX99999"]))
    assert (await stream.hear())["message"] == "failed"
    await stream.say(action("connect", value=[ACCOUNT]))
    answer = await stream.hear()
    assert (answer["status"], answer["action"], answer["value"], answer["request-id"]) == ("ok", "connect", [ACCOUNT], 2)
    await stream.say(action("heartbeat"))
    assert await stream.hear() == {
        "status": "ok",
        "action": "heartbeat",
        "request-id": 2,
        "web-socket-session-id": answer["web-socket-session-id"],
    }
    await stream.say(action("dance"))
    assert (await stream.hear())["message"] == "not implemented"


async def test_an_order_is_told_as_a_whole_each_time(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any) -> None:
    number = await buy(simulation, tasty)
    told = [await stream.hear() for _ in range(5)]
    assert [frame["type"] for frame in told] == ["Order", "Order", "Order", "CurrentPosition", "AccountBalance"]
    assert [frame["data"]["status"] for frame in told[:3]] == ["Routed", "Live", "Filled"]
    assert {frame["data"]["id"] for frame in told[:3]} == {number}
    assert told[2]["data"]["legs"][0]["fills"][0]["fill-price"] == "680.0"
    assert told[3]["data"]["quantity-direction"] == "Long"


async def test_nothing_is_told_again(simulation: Simulation, tasty: httpx2.AsyncClient, streams: Open, action: Any, stream: Any) -> None:
    await buy(simulation, tasty)
    second = await streams(simulation.tastytrade_streamer_url)
    await second.say(action("connect", value=[ACCOUNT]))
    assert (await second.hear())["status"] == "ok"
    assert await second.silent()


async def test_each_send_needs_a_token_that_is_valid_now(clock: ManualClock, stream: Any, action: Callable[..., dict[str, Any]]) -> None:
    clock.advance(901)
    await stream.say(action("heartbeat"))
    assert (await stream.hear())["message"] == "failed"


async def test_a_server_that_forgot_the_session(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any, action: Any) -> None:
    simulation.account_streamer.forget_sessions()
    await buy(simulation, tasty)
    await stream.say(action("heartbeat"))
    assert (await stream.hear())["message"] == "connect-not-completed"


async def test_filled_before_the_fill_is_told(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any) -> None:
    simulation.tastytrade_faults.next("fill", Kind.FILLED_EARLY)
    await buy(simulation, tasty)
    first = await stream.until(lambda frame: frame["data"]["status"] == "Filled")
    assert first["data"]["legs"][0]["fills"] == []
    assert len((await stream.hear())["data"]["legs"][0]["fills"]) == 1


async def test_positions_lag_behind_the_fill(simulation: Simulation, clock: ManualClock, tasty: httpx2.AsyncClient, stream: Any) -> None:
    simulation.tastytrade_faults.next("fill", Fault(Kind.LAG, seconds=3))
    await buy(simulation, tasty)
    assert (await stream.until(lambda frame: frame["data"].get("status") == "Filled"))["type"] == "Order"
    leg = {"instrument-type": "Equity", "symbol": "SPY", "action": "Sell to Close", "quantity": 10}
    sell = {**BUY, "legs": [leg], "advanced-instructions": {"strict-position-effect-validation": True}}
    refused = await tasty.post(f"/accounts/{ACCOUNT}/orders", json=sell)
    assert refused.json()["error"]["errors"][0]["code"] == "closing_with_no_position"
    assert (await tasty.get(f"/accounts/{ACCOUNT}/positions")).json()["data"]["items"] == []
    clock.advance(3)
    assert (await tasty.post(f"/accounts/{ACCOUNT}/orders", json=sell)).status_code == 201
    assert (await stream.hear())["type"] == "CurrentPosition"
