"""Each fault, as a raw client sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from fortified.simulators.faults import Fault, Faults, Kind
from fortified.simulators.orders import State
from fortified.simulators.server import Simulation

pytestmark = pytest.mark.anyio
ORDERS = "/accounts/5WX00001/orders"
POST = "POST /accounts/*/orders"
LIMIT = {
    "time-in-force": "Day",
    "order-type": "Limit",
    "price": "600",
    "price-effect": "Debit",
    "legs": [{"instrument-type": "Equity", "symbol": "SPY", "action": "Buy to Open", "quantity": 1}],
}
SCHWAB_LIMIT = {
    "orderType": "LIMIT",
    "price": "600",
    "session": "NORMAL",
    "duration": "DAY",
    "orderStrategyType": "SINGLE",
    "orderLegCollection": [{"instruction": "BUY", "quantity": 1, "instrument": {"symbol": "SPY", "assetType": "EQUITY"}}],
}


def states(simulation: Simulation) -> list[State]:
    return [order.state for order in simulation.tastytrade.exchange.orders.values()]


# --- requests


@pytest.mark.parametrize(("kind", "accepted"), [(Kind.DROP_BEFORE, 0), (Kind.DROP_AFTER, 1), (Kind.CUT_ANSWER, 1)])
async def test_the_connection_is_cut(simulation: Simulation, tasty: httpx2.AsyncClient, kind: Kind, accepted: int) -> None:
    simulation.tastytrade_faults.next(POST, kind)
    with pytest.raises(httpx2.TransportError):
        await tasty.post(ORDERS, json=LIMIT)
    assert states(simulation) == [State.WORKING] * accepted
    assert (await tasty.post(ORDERS, json=LIMIT)).status_code == 201


@pytest.mark.parametrize(("kind", "accepted"), [(Kind.STATUS, 0), (Kind.STATUS_AFTER, 1)])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_wrong_status(simulation: Simulation, tasty: httpx2.AsyncClient, kind: Kind, accepted: int, status: int) -> None:
    simulation.tastytrade_faults.next(POST, Fault(kind, status=status))
    assert (await tasty.post(ORDERS, json=LIMIT)).status_code == status
    assert len(states(simulation)) == accepted


async def test_a_compressed_error(simulation: Simulation, schwab: httpx2.AsyncClient) -> None:
    simulation.schwab_faults.next("GET /trader/v1/userPreference", Fault(Kind.STATUS, status=500, text='{"message":"no"}', gzip=True))
    answer = await schwab.get("/trader/v1/userPreference")
    assert (answer.headers["Content-Encoding"], answer.json()) == ("gzip", {"message": "no"})


async def test_an_answer_that_is_no_json(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next(POST, Kind.GARBLED)
    answer = await tasty.post(ORDERS, json=LIMIT)
    assert (answer.status_code, answer.text) == (201, "<html>Bad Gateway")
    assert states(simulation) == [State.WORKING]


@pytest.mark.parametrize(("kind", "accepted"), [(Kind.SLOW_BEFORE, 0), (Kind.SLOW_AFTER, 1)])
async def test_an_answer_that_is_too_slow(simulation: Simulation, tasty: httpx2.AsyncClient, kind: Kind, accepted: int) -> None:
    simulation.tastytrade_faults.next(POST, Fault(kind, seconds=60))
    with pytest.raises(httpx2.ReadTimeout):
        await tasty.post(ORDERS, json=LIMIT, timeout=0.1)
    assert len(states(simulation)) == accepted


async def test_an_order_that_is_taken_when_nobody_waits_for_it(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next(POST, Fault(Kind.SLOW_BEFORE, seconds=0.2))
    taken = asyncio.Event()
    simulation.tastytrade.exchange.listeners.append(lambda event: taken.set())
    with pytest.raises(httpx2.ReadTimeout):
        await tasty.post(ORDERS, json=LIMIT, timeout=0.05)
    assert states(simulation) == []
    await asyncio.wait_for(taken.wait(), 5)
    assert states(simulation) == [State.WORKING]


async def test_a_request_that_arrives_twice(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next(POST, Kind.TWICE)
    await tasty.post(ORDERS, json=LIMIT)
    assert states(simulation) == [State.WORKING, State.WORKING]


async def test_a_token_that_ends_early(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next("GET *", Kind.EXPIRE_TOKEN)
    assert [(await tasty.get("/customers/me/accounts")).status_code for _ in range(2)] == [401, 401]


@pytest.mark.parametrize(("kind", "location"), [(Kind.NO_LOCATION, None), (Kind.WRONG_LOCATION, "1")])
async def test_the_location_of_an_order(simulation: Simulation, schwab: httpx2.AsyncClient, kind: Kind, location: str | None) -> None:
    key = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()[0]["hashValue"]
    simulation.schwab_faults.next("POST */orders", kind)
    answer = await schwab.post(f"/trader/v1/accounts/{key}/orders", json=SCHWAB_LIMIT)
    told = answer.headers.get("Location")
    assert (answer.status_code, told and told.rpartition("/")[2]) == (201, location)
    assert len(simulation.schwab.exchange.orders) == 1


# --- orders


async def test_a_rejection_behind_the_acceptance(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next("order", Fault(Kind.REJECT, text="no"))
    placed = (await tasty.post(ORDERS, json=LIMIT)).json()["data"]["order"]
    assert placed["status"] == "Routed"
    found = (await tasty.get(f"{ORDERS}/{placed['id']}")).json()["data"]
    assert (found["status"], found["reject-reason"]) == ("Rejected", "no")


async def test_an_order_that_never_trades(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    simulation.tastytrade_faults.next("order", Kind.SILENT)
    await tasty.post(ORDERS, json=LIMIT)
    simulation.push("SPY", "500")
    assert states(simulation) == [State.WORKING]


@pytest.mark.parametrize(("kind", "state"), [(Kind.STUCK, State.CANCELLING), (Kind.FILL_FIRST, State.FILLED)])
async def test_a_cancel_that_does_not_come_true(simulation: Simulation, tasty: httpx2.AsyncClient, kind: Kind, state: State) -> None:
    number = (await tasty.post(ORDERS, json=LIMIT)).json()["data"]["order"]["id"]
    simulation.tastytrade_faults.next("cancel", kind)
    assert (await tasty.delete(f"{ORDERS}/{number}")).json()["data"]["status"] == "Cancel Requested"
    assert states(simulation) == [state]


async def test_a_fill_that_overtakes_a_replacement(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    number = (await tasty.post(ORDERS, json=LIMIT)).json()["data"]["order"]["id"]
    simulation.tastytrade_faults.next("replace", Kind.FILL_FIRST)
    terms = {name: value for name, value in LIMIT.items() if name != "legs"}
    assert (await tasty.put(f"{ORDERS}/{number}", json=terms)).status_code == 422
    assert states(simulation) == [State.FILLED]


async def test_a_replacement_that_hangs(simulation: Simulation, schwab: httpx2.AsyncClient) -> None:
    key = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()[0]["hashValue"]
    location = (await schwab.post(f"/trader/v1/accounts/{key}/orders", json=SCHWAB_LIMIT)).headers["Location"]
    simulation.schwab_faults.next("replace", Kind.STUCK)
    assert (await schwab.put(location, json=SCHWAB_LIMIT)).status_code == 503
    assert (await schwab.get(location)).json()["status"] == "PENDING_REPLACE"


# --- frames


@pytest.fixture
async def stream(simulation: Simulation, tasty: httpx2.AsyncClient, streams: Callable[[str], Awaitable[Any]]) -> Any:
    found = await streams(simulation.tastytrade_streamer_url)
    await found.say({"action": "connect", "auth-token": tasty.headers["Authorization"], "value": ["5WX00001"]})
    assert (await found.hear())["status"] == "ok"
    return found


async def statuses(stream: Any, count: int) -> list[str]:
    return [(await stream.hear())["data"]["status"] for _ in range(count)]


async def test_frames_are_lost_doubled_and_late(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any) -> None:
    faults = simulation.tastytrade_faults
    faults.next("stream Order", Kind.MISSING)
    await tasty.post(ORDERS, json=LIMIT)
    assert await statuses(stream, 1) == ["Live"]
    faults.next("stream Order", Kind.TWICE)
    await tasty.post(ORDERS, json=LIMIT)
    assert await statuses(stream, 3) == ["Routed", "Routed", "Live"]
    faults.next("stream Order", Kind.LATE)
    await tasty.post(ORDERS, json=LIMIT)
    assert await statuses(stream, 2) == ["Live", "Routed"]


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.ABORT, Kind.KICK])
async def test_the_stream_ends_instead_of_a_frame(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any, kind: Kind) -> None:
    simulation.tastytrade_faults.next("stream Order", kind)
    await tasty.post(ORDERS, json=LIMIT)
    with pytest.raises(ConnectionClosed):
        await stream.hear()


async def test_a_frozen_socket_stays_open_and_says_nothing(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any) -> None:
    simulation.tastytrade_faults.next("stream Order", Kind.FREEZE)
    await tasty.post(ORDERS, json=LIMIT)
    pong = await stream.connection.ping()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pong, 0.1)
    assert await stream.silent()
    assert stream.connection.close_code is None


@pytest.mark.parametrize("kind", [Kind.DENY, Kind.MISSING])
async def test_a_command_that_is_refused_or_ignored(simulation: Simulation, tasty: httpx2.AsyncClient, stream: Any, kind: Kind) -> None:
    simulation.tastytrade_faults.next("command heartbeat", kind)
    heartbeat = {"action": "heartbeat", "auth-token": tasty.headers["Authorization"]}
    await stream.say(heartbeat)
    if kind is Kind.DENY:
        assert (await stream.hear())["message"] == "failed"
    await stream.say(heartbeat)
    assert (await stream.hear())["status"] == "ok"
    assert await stream.silent()


@pytest.mark.parametrize(("fault", "code"), [(Kind.KICK, 12), (Kind.DENY, 22)])
async def test_a_command_ends_or_fails_at_schwab(
    simulation: Simulation, schwab_stream: Callable[[], Awaitable[Any]], fault: Kind, code: int
) -> None:
    stream = await schwab_stream()
    simulation.schwab_faults.next("command SUBS *", fault)
    ids = {"SchwabClientCustomerId": simulation.schwab.customer_id, "SchwabClientCorrelId": simulation.schwab.correl_id}
    words = {"keys": "SPY", "fields": "0,1"}
    await stream.say({"service": "LEVELONE_EQUITIES", "command": "SUBS", "requestid": "2", **ids, "parameters": words})
    assert (await stream.hear())["response"][0]["content"]["code"] == code


# --- rules


def test_rules_count_skip_and_end() -> None:
    faults = Faults()
    faults.next("GET /a*", Kind.STATUS, times=2, skip=1)
    assert [faults.take("GET /abc") is not None for _ in range(5)] == [False, True, True, False, False]
    assert faults.take("GET /b") is None
    faults.always("stream X", Kind.MISSING, every=3)
    assert [faults.take("stream X") is not None for _ in range(7)] == [False, False, True, False, False, True, False]
    faults.clear("stream X")
    assert [faults.take("stream X") for _ in range(3)] == [None] * 3
    assert len(faults.happened) == 4


def test_chance_is_decided_by_the_seed() -> None:
    def run(seed: int) -> list[Kind | None]:
        faults = Faults(seed)
        faults.by_chance("*", [Kind.DROP_BEFORE, Kind.DROP_AFTER], 0.3)
        taken = [faults.take("POST /orders") for _ in range(200)]
        return [fault.kind if fault else None for fault in taken]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < sum(kind is not None for kind in run(1)) < 90
