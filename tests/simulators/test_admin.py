"""The side door, and the command that opens all of it."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from fortified.simulators.server import Options, Simulation
from fortified.simulators.server import Ports as Addresses

pytestmark = pytest.mark.anyio
LIMIT = {
    "time-in-force": "Day",
    "order-type": "Limit",
    "price": "600",
    "price-effect": "Debit",
    "external-identifier": "mine",
    "legs": [{"instrument-type": "Equity", "symbol": "SPY", "action": "Buy to Open", "quantity": 4}],
}


@pytest.fixture
async def admin(simulation: Simulation) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=simulation.admin_url, trust_env=False) as client:
        yield client


async def place(tasty: httpx2.AsyncClient) -> int:
    return int((await tasty.post("/accounts/5WX00001/orders", json=LIMIT)).json()["data"]["order"]["id"])


async def test_the_truth(tasty: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    number = await place(tasty)
    await admin.post("/orders", json={"venue": "tastytrade", "order": number, "do": "fill", "price": "599.5", "quantity": "3"})
    state = (await admin.get("/state")).json()["tastytrade"]["5WX00001"]
    order = state["orders"][0]
    assert (order["state"], order["client_id"], [(fill["price"], fill["quantity"]) for fill in order["fills"]]) == (
        "working",
        "mine",
        [("599.5", "3")],
    )
    assert state["positions"] == {"SPY": {"quantity": "3", "average_price": "599.5", "realized": "0.0"}}


async def test_a_price_moves_the_market(tasty: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    await place(tasty)
    assert (await admin.post("/price", json={"symbol": "SPY", "price": "599"})).status_code == 200
    state = (await admin.get("/state")).json()["tastytrade"]["5WX00001"]
    assert state["orders"][0]["state"] == "filled"
    assert (await admin.post("/price", json={"symbol": "ZZZZ", "price": "1"})).status_code == 400


@pytest.mark.parametrize(("deed", "state"), [("reject", "rejected"), ("cancel", "cancelled"), ("expire", "expired")])
async def test_an_order_ends_by_hand(tasty: httpx2.AsyncClient, admin: httpx2.AsyncClient, deed: str, state: str) -> None:
    wish = {"venue": "tastytrade", "order": await place(tasty), "do": deed}
    assert (await admin.post("/orders", json=wish)).json()["state"] == state
    assert (await admin.post("/orders", json=wish)).status_code == 400


async def test_faults_by_hand(tasty: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    wish = {"venue": "tastytrade", "pattern": "GET /customers/*", "kind": "status", "status": 429, "times": None}
    assert (await admin.post("/faults", json=wish)).status_code == 200
    assert [(await tasty.get("/customers/me/accounts")).status_code for _ in range(2)] == [429, 429]
    told = (await admin.get("/faults")).json()["tastytrade"]
    assert (len(told["rules"]), len(told["happened"])) == (1, 2)
    await admin.delete("/faults")
    assert (await tasty.get("/customers/me/accounts")).status_code == 200


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("/faults", {"venue": "tastytrade", "pattern": "*", "kind": "rain"}),
        ("/faults", {"venue": "elsewhere", "pattern": "*", "kind": "status"}),
        ("/venue", {"venue": "tastytrade", "do": "dance"}),
        ("/nowhere", {}),
    ],
)
async def test_a_wish_that_cannot_be_granted(admin: httpx2.AsyncClient, path: str, wish: dict[str, Any]) -> None:
    answer = await admin.post(path, json=wish)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]


async def test_venues_by_hand(
    simulation: Simulation, tasty: httpx2.AsyncClient, schwab: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    await place(tasty)
    for venue, deed in (
        ("tastytrade", "wipe"),
        ("tastytrade", "forget_sessions"),
        ("tastytrade", "expire_tokens"),
        ("schwab", "expire_refresh"),
        ("schwab", "kick"),
    ):
        assert (await admin.post("/venue", json={"venue": venue, "do": deed})).status_code == 200
    assert not simulation.tastytrade.exchange.orders
    assert (await tasty.get("/customers/me/accounts")).status_code == 401
    assert not simulation.schwab.refresh.valid(simulation.schwab.credentials.refresh_token)
    assert "POST /faults" in (await admin.get("/")).json()["doors"]


async def test_a_port_that_is_taken(simulation: Simulation) -> None:
    taken = int(simulation.admin_url.rpartition(":")[2])
    with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1:{taken}"):
        await Simulation(simulation.clock, Options(), ports=Addresses(tastytrade_api=taken)).__aenter__()


async def test_the_command_serves_until_it_is_told_to_end() -> None:
    words = ("-m", "fortified", "simulate", "all", "--port", "0", "--symbols", "SPY")
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while (found := re.search(rb"admin.*(http://[\d.]+:\d+)", await process.stdout.readline())) is None:
                pass
            async with httpx2.AsyncClient(base_url=found.group(1).decode(), trust_env=False) as client:
                assert (await client.get("/state")).json()["schwab"]["10000001"]["cash"] == "250000"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_command_names_what_is_wrong() -> None:
    words = ("-m", "fortified", "simulate", "all", "--symbols", "ZZZZ")
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, b"ZZZZ is not listed" in said, b"Traceback" in said) == (2, True, False)
