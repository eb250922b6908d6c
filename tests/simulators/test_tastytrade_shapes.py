"""TastyTrade's answers and frames against captured ones: the same keys and types."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fortified.simulators.orders import State
from fortified.simulators.server import Options, Simulation
from fortified.simulators.tastytrade.shapes import STATUSES

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "tastytrade"
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")]
ACCOUNT = "/accounts/5WX00001"
LEG = {"instrument-type": "Equity", "symbol": "AAPL", "action": "Buy to Open", "quantity": 1}


@pytest.fixture
def options() -> Options:
    return Options(strings_only=False)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def differences(real: Any, ours: Any, path: str = "") -> list[str]:
    """Where ``ours`` lacks a key of ``real``, or has another type there; whole numbers and their strings are one type."""
    if isinstance(real, dict):
        if not isinstance(ours, dict):
            return [path]
        return [
            found for key in real for found in (differences(real[key], ours[key], f"{path}.{key}") if key in ours else [f"{path}.{key}"])
        ]
    if isinstance(real, list):
        return differences(real[0], ours[0], f"{path}[]") if real and ours else []
    drifting = path.rpartition(".")[2] in ("quantity", "multiplier", "restricted-quantity")
    return [] if drifting or real is None or type(real) is type(ours) else [f"{path}: {type(real).__name__}, ours {type(ours).__name__}"]


async def test_accounts(tasty: httpx2.AsyncClient, simulation: Simulation) -> None:
    await tasty.post(f"{ACCOUNT}/orders", json={"time-in-force": "Day", "order-type": "Market", "legs": [LEG]})
    simulation.push("AAPL", "270")
    for path, name in (
        ("balances", "lean_Get_Account_Balance"),
        ("positions", "lean_Get_Positions"),
        ("trading-status", "docex_trading_status"),
    ):
        assert differences(sample(name), (await tasty.get(f"{ACCOUNT}/{path}")).json()) == []
    assert differences({"data": sample("cap_cert_accounts")}, (await tasty.get("/customers/me/accounts")).json()) == []
    assert differences(sample("lean_Get_Api_Quote_Token"), (await tasty.get("/api-quote-tokens")).json()) == []


async def test_instruments_and_sessions(tasty: httpx2.AsyncClient) -> None:
    equity = (await tasty.get("/instruments/equities", params={"symbol[]": "AAPL"})).json()["data"]
    assert differences(sample("cap_cert_equities"), equity) == []
    future = (await tasty.get("/instruments/futures", params={"product-code[]": "ES"})).json()["data"]["items"][0]
    real = sample("mcp_get_futures_ES")["items"][0]
    options_only = ("option-tick-sizes", "spread-tick-sizes", "future-etf-equivalent", "underlying-", "futures-trading-cutoff-times")
    assert [found for found in differences(real, future) if not any(word in found for word in options_only)] == []
    session = (await tasty.get("/market-time/equities/sessions/current")).json()["data"]
    assert differences(sample("cap_cert_market-session-current"), session) == []


async def test_orders(tasty: httpx2.AsyncClient, simulation: Simulation) -> None:
    market = {"time-in-force": "Day", "order-type": "Market", "legs": [LEG]}
    placed = (await tasty.post(f"{ACCOUNT}/orders", json=market)).json()
    assert differences(sample("leancs_24_DeserializeSubmitOrderResponse"), placed) == []
    simulation.push("AAPL", "270")
    filled = (await tasty.get(f"{ACCOUNT}/orders/{placed['data']['order']['id']}")).json()
    extra = ("in-flight-at", "live-at", "user-id", "username", "data.destination-venue")
    assert [found for found in differences(sample("docs_get_order_filled"), filled) if not found.endswith(extra)] == []
    limit = {**market, "order-type": "Stop Limit", "time-in-force": "GTC", "price": "4", "price-effect": "Debit", "stop-trigger": "2000"}
    number = (await tasty.post(f"{ACCOUNT}/orders", json={**limit, "source": "test"})).json()["data"]["order"]["id"]
    working = (await tasty.get(f"{ACCOUNT}/orders", params={"start-date": "2026-01-01", "status[]": "Live"})).json()
    assert differences(sample("leancs_26_DeserializeRestOpenOrderResponse"), working) == []
    gone = (await tasty.delete(f"{ACCOUNT}/orders/{number}")).json()
    assert differences(sample("docs_delete_order_response"), gone) == []
    refused = (await tasty.delete(f"{ACCOUNT}/orders/{number}")).json()
    assert differences(sample("docs_error_cannot_update_order_422"), refused) == []


async def test_a_documented_bracket_is_taken(tasty: httpx2.AsyncClient) -> None:
    body = sample("docs_request_otoco")
    for one, effect in ((body["trigger-order"], 270), *zip(body["orders"], (280, 260), strict=True)):
        one["legs"][0]["symbol"] = one["underlying-symbol"] = "AAPL"
        one["stop-trigger" if "stop-trigger" in one else "price"] = effect
    placed = (await tasty.post(f"{ACCOUNT}/complex-orders", json=body)).json()
    missing = [found for found in differences(sample("docs_post_complex_otoco_response"), placed) if not found.endswith("preflight-id")]
    assert missing == []


async def test_frames(tasty: httpx2.AsyncClient, simulation: Simulation, streams: Callable[[str], Awaitable[Any]]) -> None:
    stream = await streams(simulation.tastytrade_streamer_url)
    words = {"auth-token": tasty.headers["Authorization"], "request-id": 1}
    await stream.say({"action": "heartbeat", **words})
    assert differences(sample("frame_error-connect.documented"), await stream.hear()) == []
    await stream.say({"action": "connect", "value": ["5WX00001"], **words})
    assert differences(sample("leancs_08_DeserializeConnectResponseStatusOk"), await stream.hear()) == []
    await stream.say({"action": "heartbeat", **words})
    assert differences(sample("leancs_05_DeserializeStreamHeartbeatMessage"), await stream.hear()) == []
    await tasty.post(f"{ACCOUNT}/orders", json={"time-in-force": "Day", "order-type": "Market", "legs": [LEG]})
    simulation.push("AAPL", "270")
    told = await stream.until(lambda frame: frame["data"].get("status") == "Filled")
    assert differences(sample("leancs_25_DeserializeStreamFilledOrderMessage"), told) == []
    assert differences(sample("frame_current-position.derived"), await stream.hear()) == []
    assert differences(sample("frame_account-balance.derived"), await stream.hear()) == []


def test_every_state_has_a_word() -> None:
    assert set(STATUSES) == set(State)
