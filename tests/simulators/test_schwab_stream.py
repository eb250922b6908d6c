"""Schwab's streamer, as a raw client sees it."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from fortified.simulators.faults import Kind
from fortified.simulators.feed import ManualClock
from fortified.simulators.schwab.activity import decimal
from fortified.simulators.server import Simulation

pytestmark = pytest.mark.anyio
type Open = Callable[[], Awaitable[Any]]
BUY = {
    "orderType": "LIMIT",
    "price": "680",
    "session": "NORMAL",
    "duration": "DAY",
    "orderStrategyType": "SINGLE",
    "orderLegCollection": [{"instruction": "BUY", "quantity": 10, "instrument": {"symbol": "SPY", "assetType": "EQUITY"}}],
}


@pytest.fixture
def ask(simulation: Simulation) -> Callable[..., dict[str, Any]]:
    """A command."""
    ids = {"SchwabClientCustomerId": simulation.schwab.customer_id, "SchwabClientCorrelId": simulation.schwab.correl_id}
    return lambda service, name, **words: {"service": service, "command": name, "requestid": "1", **ids, "parameters": words}


async def code(stream: Any, message: Any) -> int:
    """The code with which ``message`` is answered."""
    await stream.say(message)
    answer = await stream.until(lambda frame: "response" in frame)
    return int(answer["response"][0]["content"]["code"])


async def test_login(simulation: Simulation, schwab: httpx2.AsyncClient, streams: Any, ask: Any) -> None:
    token = schwab.headers["Authorization"].removeprefix("Bearer ")
    stream = await streams(simulation.schwab.streamer_url)
    assert await code(stream, ask("LEVELONE_EQUITIES", "SUBS", keys="SPY", fields="0,1")) == 20
    both = {"requests": [ask("ADMIN", "LOGIN", Authorization=token), ask("LEVELONE_EQUITIES", "SUBS", keys="SPY", fields="0,1")]}
    assert await code(stream, both) == 0
    assert (await stream.hear())["response"][0]["content"]["code"] == 20  # it did not wait for the login
    assert await code(stream, {"requests": [ask("LEVELONE_EQUITIES", "SUBS", keys="SPY", fields="0,1")]}) == 26
    assert await code(stream, {**ask("LEVELONE_EQUITIES", "ADD", keys="QQQ", fields="0,1"), "SchwabClientCorrelId": "x"}) == 20
    assert await code(stream, ask("ADMIN", "LOGOUT")) == 0
    await stream.end()


async def test_a_login_with_an_old_token_is_denied(simulation: Simulation, streams: Any, ask: Any) -> None:
    stream = await streams(simulation.schwab.streamer_url)
    assert await code(stream, ask("ADMIN", "LOGIN", Authorization="old")) == 3
    await stream.end()


async def test_the_second_login_ends_the_first(schwab_stream: Open) -> None:
    first = await schwab_stream()
    second = await schwab_stream()
    assert (await first.hear())["response"][0]["content"]["code"] == 12
    await first.end()
    assert await second.silent()


async def test_commands_and_their_codes(schwab_stream: Open, ask: Any) -> None:
    stream = await schwab_stream()
    keys = ",".join(f"K{number}" for number in range(501))
    for expected, message in (
        (26, ask("LEVELONE_EQUITIES", "SUBS", keys="SPY", fields="0,1,2,3")),
        (28, ask("LEVELONE_EQUITIES", "ADD", keys="QQQ", fields="0,1,2,3")),
        (29, ask("LEVELONE_EQUITIES", "VIEW", fields="0,3")),
        (27, ask("LEVELONE_EQUITIES", "UNSUBS", keys="QQQ")),
        (22, ask("LEVELONE_EQUITIES", "SUBS", keys="SPY")),
        (19, ask("LEVELONE_EQUITIES", "SUBS", keys=keys, fields="0")),
        (11, ask("NYSE_BOOK", "SUBS", keys="SPY", fields="0")),
        (21, ask("LEVELONE_EQUITIES", "DANCE")),
        (21, "no command"),
    ):
        assert await code(stream, message) == expected


async def test_level_one_tells_what_changed(simulation: Simulation, schwab_stream: Open, ask: Any) -> None:
    simulation.push("SPY", "680", 2, "679.99", "680.01")
    stream = await schwab_stream()
    await stream.say(ask("LEVELONE_EQUITIES", "SUBS", keys="SPY", fields="0,1,2,3,8,10,35"))
    image = (await stream.until(lambda frame: "data" in frame))["data"][0]["content"][0]
    assert (image["key"], image["1"], image["2"], image["3"], image["8"], image["cusip"] != "") == ("SPY", 679.99, 680.01, 680.0, 2, True)
    assert "9" not in image
    simulation.push("SPY", "680", 3, "679.99", "680.01")
    frame = (await stream.hear())["data"][0]
    assert frame["content"] == [{"key": "SPY", "8": 5}]


async def test_minutes_come_in_the_order_of_real_frames(simulation: Simulation, clock: ManualClock, schwab_stream: Open, ask: Any) -> None:
    for price in ("680", "682", "679", "681"):
        simulation.push("SPY", price, 5)
    stream = await schwab_stream()
    clock.advance(61)
    await stream.say(ask("CHART_EQUITY", "SUBS", keys="SPY", fields="0,1,2,3,4,5,6,7,8"))
    assert (await stream.hear())["response"][0]["content"]["code"] == 26
    assert await stream.silent()
    clock.advance(2)
    simulation.on_time()
    bar = (await stream.hear())["data"][0]["content"][0]
    assert [bar[str(field)] for field in range(1, 9)] == [180, 680.0, 682.0, 679.0, 681.0, 20.0, 1_794_841_200_000, 20_773]
    assert bar["key"] == "SPY"


async def test_a_stream_without_subscriptions_is_stopped(simulation: Simulation, clock: ManualClock, schwab_stream: Open) -> None:
    stream = await schwab_stream()
    clock.advance(31)
    simulation.on_time()
    beat = await stream.hear()
    assert beat == {"notify": [{"heartbeat": str(clock.now_ns() // 1_000_000)}]}
    assert (await stream.hear())["response"][0]["content"]["code"] == 30
    await stream.end()


@pytest.fixture
async def orders(schwab: httpx2.AsyncClient) -> str:
    key = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()[0]["hashValue"]
    return f"/trader/v1/accounts/{key}/orders"


async def activity(stream: Any, kind: str) -> dict[str, Any]:
    """The next message of that type, its JSON read."""
    found = await stream.until(lambda frame: "data" in frame and frame["data"][0]["content"][0]["2"] == kind)
    row = found["data"][0]["content"][0]
    return {**row, "3": json.loads(row["3"])}


async def test_account_activity(simulation: Simulation, schwab: httpx2.AsyncClient, orders: str, schwab_stream: Open, ask: Any) -> None:
    stream = await schwab_stream()
    await stream.say(ask("ACCT_ACTIVITY", "SUBS", keys="Account Activity", fields="0,1,2,3"))
    await stream.until(lambda frame: "data" in frame and frame["data"][0]["content"][0]["2"] == "SUBSCRIBED")
    location = (await schwab.post(orders, json=BUY)).headers["Location"]
    number = location.rpartition("/")[2]
    created = await activity(stream, "OrderCreated")
    assert (created["3"]["SchwabOrderID"], created["key"]) == (number, "Account Activity")
    await activity(stream, "OrderAccepted")
    simulation.schwab.exchange.fill_now(simulation.schwab.exchange.orders[int(number)], quantity=Decimal(4))
    info = (await activity(stream, "OrderFillCompleted"))["3"]["BaseEvent"]["OrderFillCompletedEventOrderLegQuantityInfo"]
    assert (info["LegStatus"], info["LegSubStatus"]) == ("LegOpen", "LegSubStatusPartiallyFilled")
    assert info["QuantityInfo"]["LeavesQuantity"] == {"lo": "6000000", "signScale": 12}
    await schwab.delete(location)
    await activity(stream, "CancelAccepted")
    assert (await activity(stream, "ExecutionRequestCompleted"))["3"]["BaseEvent"]["ExecutionRequestCompletedEvent"]["ResponseType"] == 7
    out = (await activity(stream, "OrderUROutCompleted"))["3"]["BaseEvent"]["OrderUROutCompletedEvent"]
    assert (out["OutCancelType"], out["CancelQuantity"], out["LeavesQuantity"]) == (
        "ClientCancel",
        {"lo": "6000000", "signScale": 12},
        {"signScale": 12},
    )


async def test_a_replacement_ends_the_old_order_in_the_words_of_a_cancel(
    schwab: httpx2.AsyncClient, orders: str, schwab_stream: Open, ask: Any
) -> None:
    stream = await schwab_stream()
    await stream.say(ask("ACCT_ACTIVITY", "SUBS", keys="Account Activity", fields="0,1,2,3"))
    location = (await schwab.post(orders, json=BUY)).headers["Location"]
    await schwab.put(location, json={**BUY, "price": "679"})
    out = await activity(stream, "OrderUROutCompleted")
    changed = await activity(stream, "ChangeCreated")
    old = location.rpartition("/")[2]
    assert (out["3"]["SchwabOrderID"], changed["3"]["BaseEvent"]["ChangeCreatedEvent"]["ParentSchwabOrderID"]) == (old, old)


async def test_the_empty_frame_of_every_night(
    simulation: Simulation, schwab: httpx2.AsyncClient, orders: str, schwab_stream: Open, ask: Any
) -> None:
    stream = await schwab_stream()
    await stream.say(ask("ACCT_ACTIVITY", "SUBS", keys="Account Activity", fields="0,1,2,3"))
    simulation.schwab_faults.next("activity", Kind.EMPTY)
    await schwab.post(orders, json=BUY)
    row = (await stream.until(lambda frame: "data" in frame and frame["data"][0]["content"][0]["2"] == ""))["data"][0]["content"][0]
    assert row["3"] == "Feature not supported"


@pytest.mark.parametrize(
    ("value", "told"),
    [("213.4091", {"lo": "213409100", "signScale": 12}), ("-22.047", {"lo": "22047000", "signScale": 13}), ("0", {"signScale": 12})],
)
def test_decimals(value: str, told: dict[str, Any]) -> None:
    assert decimal(Decimal(value)) == told
