"""Starting, stopping, positions, orders and manual triggers."""

import httpx2
import pytest
from tests.api.fakes import A_RUNNER, NOON, FakeManager, FlakyStore, a_position, an_order
from tests.api.test_tickers import FLAT

from fortified.domain.account import AccountId
from fortified.engine.inputs import Denial, DenialCode
from fortified.ports import LedgerUnit

pytestmark = pytest.mark.anyio


@pytest.fixture
async def configured(admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await admin.post("/api/tickers", json=FLAT)
    return admin


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_start_status_stop(configured: httpx2.AsyncClient, method: str) -> None:
    started = await configured.request(method, "/api/start-trading?strategy=ema&live_mode=false")
    assert started.status_code == 200
    (runner,) = started.json()["runners"]
    assert (runner["symbol"], runner["mode"], runner["state"], runner["last_bar_time"]) == ("/NQ", "paper", "running", None)
    status = await configured.get("/api/trading-status?strategy=ema")
    assert status.json()["runners"] == [runner]
    assert (await configured.get("/api/trading-status")).json()["runners"] == [runner]
    stopped = await configured.request(method, "/api/stop-trading?strategy=ema")
    assert stopped.json() == {"strategy": "ema", "runners": []}


async def test_a_live_start_by_get_needs_a_confirmation_and_then_the_manager_decides(
    configured: httpx2.AsyncClient,
) -> None:
    url = "/api/start-trading?strategy=ema&live_mode=true"
    unconfirmed = await configured.get(url)
    assert unconfirmed.status_code == 409
    assert "confirm=ema" in unconfirmed.json()["reasons"][0]
    for refused in (await configured.get(url + "&confirm=ema"), await configured.post(url)):
        assert refused.status_code == 409
        assert refused.json()["reasons"] == ["ALLOW_LIVE is not set.", "No broker is connected."]
    assert (await configured.get("/api/trading-status")).json()["runners"] == []


@pytest.mark.parametrize("query", ["", "?strategy=", "?strategy=ema&live_mode=maybe"])
async def test_bad_start_queries(configured: httpx2.AsyncClient, query: str) -> None:
    answer = await configured.post(f"/api/start-trading{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


async def test_unknown_strategies_are_not_found(configured: httpx2.AsyncClient) -> None:
    assert (await configured.post("/api/start-trading?strategy=nope")).status_code == 404
    assert (await configured.post("/api/stop-trading?strategy=nope")).status_code == 404


async def test_positions_carry_marks_and_plain_decimals(admin: httpx2.AsyncClient, store: FlakyStore, manager: FakeManager) -> None:
    await store.ledger.commit(LedgerUnit(A_RUNNER, positions=[a_position("-3", "-63000.01")]))
    (position,) = (await admin.get("/api/positions?strategy=ema")).json()
    assert position["quantity"] == "-3"
    assert (position["side"], position["broker"], position["trade_type"]) == ("SHORT", "tastytrade", "paper")
    assert position["average_price"] == "21000.0033333333"
    assert position["mark"] == "21010.25"
    assert position["unrealized_pnl"] == "-614.80"
    assert position["broker_quantity"] is None
    manager.marks.clear()
    (unmarked,) = (await admin.get("/api/positions")).json()
    assert (unmarked["mark"], unmarked["unrealized_pnl"]) == (None, None)


async def test_orders_by_list_and_id(admin: httpx2.AsyncClient, store: FlakyStore) -> None:
    await store.ledger.commit(LedgerUnit(A_RUNNER, orders=[an_order("o-1")]))
    (order,) = (await admin.get("/api/orders?strategy=ema&symbol=/NQ")).json()
    assert (order["average_fill_price"], order["created_at"]) == ("21000.5", "2025-01-01T12:00:00.000000Z")
    assert (await admin.get("/api/orders/o-1")).json() == order
    assert (await admin.get("/api/orders/none")).status_code == 404
    assert (await admin.get("/api/orders?limit=501")).status_code == 422


async def test_manual_trigger_needs_a_runner(configured: httpx2.AsyncClient) -> None:
    answer = await configured.post("/api/manual-trigger", json={"ticker": "SPX", "action": "long"})
    assert answer.status_code == 404
    assert "start-trading" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/manual-trigger", "/api/ema-manual-trigger", "/api/strategies/ema/manual-trigger"])
async def test_manual_trigger_honours_the_idempotency_key(configured: httpx2.AsyncClient, path: str) -> None:
    await configured.post("/api/start-trading?strategy=ema")
    body, key = {"ticker": "/nq", "action": "short"}, {"Idempotency-Key": "once-1"}
    first = (await configured.post(path, json=body, headers=key)).json()
    assert (first["command_id"], first["duplicate"], first["runners"]) == ("once-1", False, ["ema"])
    second = (await configured.post(path, json=body, headers=key)).json()
    assert second == first | {"duplicate": True}
    third = (await configured.post(path, json=body)).json()
    assert third["orders"][0]["order_id"] != first["orders"][0]["order_id"]
    assert len((await configured.get("/api/orders")).json()) == 2


@pytest.mark.parametrize("body", [{"ticker": "SPY", "action": "up"}, {"ticker": "SPY"}, {"ticker": "SPY", "action": "long", "quantity": 5}])
async def test_bad_triggers(configured: httpx2.AsyncClient, body: object) -> None:
    assert (await configured.post("/api/manual-trigger", json=body)).status_code == 422


async def test_a_bad_idempotency_key_is_refused(configured: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "x" * 129}
    answer = await configured.post("/api/manual-trigger", json={"ticker": "SPY", "action": "long"}, headers=headers)
    assert answer.status_code == 422


async def test_denials_say_why_an_order_was_not_made(admin: httpx2.AsyncClient, store: FlakyStore) -> None:
    denial = Denial(DenialCode.SESSION_CLOSED, "The market is closed.", AccountId("paper:tastytrade"), NOON)
    await store.ledger.commit(LedgerUnit(A_RUNNER, denials=[denial]))
    (answer,) = (await admin.get("/api/denials?strategy=ema")).json()
    assert (answer["symbol"], answer["mode"]) == ("/NQ", "paper")
    assert answer["denial"] == {
        "code": "SESSION_CLOSED",
        "text": "The market is closed.",
        "account": "paper:tastytrade",
        "time": "2025-01-01T12:00:00.000000Z",
        "reason": "",
    }
