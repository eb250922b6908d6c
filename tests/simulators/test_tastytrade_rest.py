"""TastyTrade's REST interface, as a raw client sees it."""

from typing import Any

import httpx2
import pytest

from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Options, Simulation

pytestmark = pytest.mark.anyio
ACCOUNT = "/accounts/5WX00001"


def kebab(words: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in words.items()}


def order(symbol: str = "SPY", action: str = "Buy to Open", quantity: int = 10, **more: Any) -> dict[str, Any]:
    kind = "Future" if symbol.startswith("/") else "Equity"
    leg = {"instrument-type": kind, "symbol": symbol, "action": action, "quantity": quantity}
    return {"time-in-force": "Day", "order-type": "Market", **kebab(more), "legs": [leg]}


def limit(price: str, symbol: str = "SPY", action: str = "Buy to Open", quantity: int = 10, **more: Any) -> dict[str, Any]:
    effect = "Debit" if action.startswith("Buy") else "Credit"
    return order(symbol, action, quantity, **{"order_type": "Limit", "price": price, "price_effect": effect, **more})


def stop(trigger: str, action: str = "Sell to Close", **more: Any) -> dict[str, Any]:
    return order("SPY", action, order_type="Stop", stop_trigger=trigger, **more)


async def codes(client: httpx2.AsyncClient, body: dict[str, Any], path: str = "orders") -> list[str]:
    """The codes with which an order is refused."""
    answer = await client.post(f"{ACCOUNT}/{path}", json=body)
    assert answer.status_code in (400, 422), answer.text
    return [error["code"] for error in answer.json()["error"].get("errors", [answer.json()["error"]])]


async def hold(simulation: Simulation, client: httpx2.AsyncClient, quantity: int = 10) -> None:
    """Buy some SPY at 680."""
    assert (await client.post(f"{ACCOUNT}/orders", json=order(quantity=quantity))).status_code == 201
    simulation.push("SPY", "680")


async def test_a_market_order_is_routed_and_then_filled(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    answer = await tasty.post(f"{ACCOUNT}/orders", json=order(external_identifier="mine"))
    placed = answer.json()["data"]["order"]
    assert (placed["status"], placed["external-identifier"]) == ("Routed", "mine")
    simulation.push("SPY", "680.10", bid="680.09", ask="680.11")
    now = (await tasty.get(f"{ACCOUNT}/orders/{placed['id']}")).json()["data"]
    assert now["status"] == "Filled"
    assert [(fill["fill-price"], fill["quantity"]) for fill in now["legs"][0]["fills"]] == [("680.11", 10)]
    position = (await tasty.get(f"{ACCOUNT}/positions")).json()["data"]["items"][0]
    assert (float(position["quantity"]), position["quantity-direction"], position["average-open-price"]) == (10, "Long", "680.11")
    balance = (await tasty.get(f"{ACCOUNT}/balances")).json()["data"]
    assert balance["cash-balance"] == "243198.892"


async def test_a_future_is_bought_and_flipped(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    chain = (await tasty.get("/instruments/futures", params={"product-code[]": "NQ"})).json()["data"]["items"]
    front = next(contract for contract in chain if contract["active-month"])
    assert front["streamer-symbol"].endswith(":XCME")
    await tasty.post(f"{ACCOUNT}/orders", json=order(front["symbol"], "Buy", 1))
    simulation.push("/NQ", "25000")
    await tasty.post(f"{ACCOUNT}/orders", json=order(front["symbol"], "Sell", 2))
    simulation.push("/NQ", "25010")
    held = simulation.tastytrade.exchange.accounts["5WX00001"].truth
    assert held.quantity(front["symbol"]) == -1
    assert held.positions[front["symbol"]].realized == 200
    one = (await tasty.get(f"/instruments/futures/{front['symbol'].replace('/', '%2F')}")).json()["data"]
    assert one == front


async def test_partial_fills_follow_the_size_of_prints(clock: ManualClock) -> None:
    async with (
        Simulation(clock, Options(by_size=True)) as simulation,
        httpx2.AsyncClient(base_url=simulation.tastytrade_url, headers={"User-Agent": "t/1"}, trust_env=False) as client,
    ):
        client.headers["Authorization"] = f"Bearer {simulation.tastytrade.access.issue()}"
        number = (await client.post(f"{ACCOUNT}/orders", json=limit("680"))).json()["data"]["order"]["id"]
        simulation.push("SPY", "679.99", 4)
        partial = (await client.get(f"{ACCOUNT}/orders/{number}")).json()["data"]
        assert (partial["status"], partial["legs"][0]["remaining-quantity"]) == ("Live", 6)
        simulation.push("SPY", "679", 9)
        done = (await client.get(f"{ACCOUNT}/orders/{number}")).json()["data"]
        assert (done["status"], [fill["fill-price"] for fill in done["legs"][0]["fills"]]) == ("Filled", ["679.99", "680.0"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (order(time_in_force="GTC"), "gtc_market_orders_not_supported"),
        (limit("680.001"), "invalid_price_increment"),
        (limit("680", price_effect="Credit"), "cant_buy_for_credit"),
        (limit("680", price_effect=None), "price_effect_required"),
        (order(price="680", price_effect="Debit"), "invalid_price"),
        (order(order_type="Stop"), "invalid_stop_trigger"),
        (order(quantity=0), "invalid_quantity"),
        (order("ZZZZ"), "instrument_not_found"),
        (order("/NQZ6", "Buy to Open"), "invalid_action"),
        (order(action="Buy"), "invalid_action"),
        (order(quantity=10_000), "margin_check_failed"),
        (order(time_in_force="Whenever"), "invalid_body"),
        (order(surprise=1), "invalid_body"),
        ({**limit("680"), "price": 680.25}, "not_a_decimal_string"),
    ],
)
async def test_preflight_refuses(tasty: httpx2.AsyncClient, body: dict[str, Any], code: str) -> None:
    assert code in await codes(tasty, body)


async def test_an_opening_market_order_waits_for_no_open(simulation: Simulation, clock: ManualClock, tasty: httpx2.AsyncClient) -> None:
    clock.advance(13 * 3600)  # 23:00 in New York
    tasty.headers["Authorization"] = f"Bearer {simulation.tastytrade.access.issue()}"
    assert await codes(tasty, order()) == ["market_closed"]
    waits = (await tasty.post(f"{ACCOUNT}/orders", json=limit("680"))).json()["data"]
    assert waits["order"]["status"] == "Received"
    assert [warning["code"] for warning in waits["warnings"]] == ["tif.next_valid_session"]


async def test_a_close_without_a_position_is_rewritten_unless_strict(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    strict = {"strict-position-effect-validation": True}
    assert await codes(tasty, order(action="Sell to Close", advanced_instructions=strict)) == ["closing_with_no_position"]
    answer = (await tasty.post(f"{ACCOUNT}/orders", json=order(action="Sell to Close"))).json()["data"]
    assert answer["order"]["legs"][0]["action"] == "Sell to Open"
    assert [warning["code"] for warning in answer["warnings"]] == ["closing_with_no_position"]
    simulation.push("SPY", "680")
    assert await codes(tasty, order(action="Buy to Open")) == ["opening_against_opposite_position"]
    assert await codes(tasty, order(action="Buy to Close", quantity=11)) == ["closing_more_than_position"]


async def test_replace_gives_a_new_number_and_links_both(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    old = (await tasty.post(f"{ACCOUNT}/orders", json=limit("600", external_identifier="mine"))).json()["data"]["order"]["id"]
    terms = {"time-in-force": "Day", "order-type": "Limit", "price": "601", "price-effect": "Debit"}
    new = (await tasty.put(f"{ACCOUNT}/orders/{old}", json=terms)).json()["data"]
    assert (new["status"], new["replaces-order-id"], new["external-identifier"]) == ("Contingent", old, "mine")
    before = (await tasty.get(f"{ACCOUNT}/orders/{old}")).json()["data"]
    assert (before["status"], before["edited"], before["replacing-order-id"]) == ("Cancelled", True, new["id"])
    after = (await tasty.get(f"{ACCOUNT}/orders/{new['id']}")).json()["data"]
    assert (after["status"], after["price"]) == ("Live", "601.0")
    gone = await tasty.put(f"{ACCOUNT}/orders/{old}", json=terms)
    assert (gone.status_code, gone.json()["error"]["code"]) == (422, "cannot_update_order")


async def test_cancel(tasty: httpx2.AsyncClient) -> None:
    number = (await tasty.post(f"{ACCOUNT}/orders", json=limit("600"))).json()["data"]["order"]["id"]
    assert (await tasty.delete(f"{ACCOUNT}/orders/{number}")).json()["data"]["status"] == "Cancel Requested"
    assert (await tasty.get(f"{ACCOUNT}/orders/{number}")).json()["data"]["status"] == "Cancelled"
    assert (await tasty.delete(f"{ACCOUNT}/orders/{number}")).status_code == 422


async def test_a_bracket_waits_for_its_trigger_and_one_leg_ends_the_other(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    body = {"type": "OTOCO", "trigger-order": order(), "orders": [limit("690", action="Sell to Close"), stop("670")]}
    placed = (await tasty.post(f"{ACCOUNT}/complex-orders", json=body)).json()["data"]["complex-order"]
    assert {one["contingent-status"] for one in placed["orders"]} == {"Pending Order"}
    assert placed["orders"][0]["complex-order-tag"] == "OTOCO::oco-1-order"
    simulation.push("SPY", "680")

    async def statuses() -> list[str]:
        now = (await tasty.get(f"{ACCOUNT}/complex-orders/{placed['id']}")).json()["data"]
        return [now["trigger-order"]["status"], *(one["status"] for one in now["orders"])]

    assert await statuses() == ["Filled", "Live", "Live"]
    simulation.push("SPY", "669.5")
    assert await statuses() == ["Filled", "Cancelled", "Filled"]
    assert simulation.tastytrade.exchange.accounts["5WX00001"].truth.quantity("SPY") == 0


async def test_an_oco_is_one_limit_and_one_stop(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    await hold(simulation, tasty)
    both = {"type": "OCO", "orders": [limit("690", action="Sell to Close"), limit("670", action="Sell to Close")]}
    assert await codes(tasty, both, "complex-orders") == ["invalid_oco_order_type_combo"]
    fine = {"type": "OCO", "orders": [limit("690", action="Sell to Close"), stop("670")]}
    number = (await tasty.post(f"{ACCOUNT}/complex-orders", json=fine)).json()["data"]["complex-order"]["id"]
    await tasty.delete(f"{ACCOUNT}/complex-orders/{number}")
    orders = (await tasty.get(f"{ACCOUNT}/complex-orders/{number}")).json()["data"]["orders"]
    assert [one["status"] for one in orders] == ["Cancelled", "Cancelled"]


async def test_search_wants_a_start_and_has_pages(tasty: httpx2.AsyncClient) -> None:
    for price in range(600, 612):
        await tasty.post(f"{ACCOUNT}/orders", json=limit(str(price), quantity=1))
    assert (await tasty.get(f"{ACCOUNT}/orders")).status_code == 400
    answer = (await tasty.get(f"{ACCOUNT}/orders", params={"start-date": "2026-11-16", "page-offset": 1})).json()
    assert (answer["pagination"]["total-items"], answer["pagination"]["total-pages"]) == (12, 2)
    assert [item["price"] for item in answer["data"]["items"]] == ["601.0", "600.0"]
    live = await tasty.get(f"{ACCOUNT}/orders", params={"start-at": "2026-11-16T00:00:00Z", "status[]": "Filled"})
    assert live.json()["data"]["items"] == []


async def test_headers_are_demanded(simulation: Simulation, clock: ManualClock, tasty: httpx2.AsyncClient) -> None:
    no_agent = tasty.build_request("GET", "/customers/me/accounts")
    del no_agent.headers["User-Agent"]
    assert (await tasty.send(no_agent)).status_code == 401
    assert (await tasty.get("/customers/me/accounts", headers={"Accept-Version": "20200101"})).status_code == 406
    assert (await tasty.get("/customers/me/accounts")).json()["data"]["items"][0]["account"]["account-number"] == "5WX00001"
    assert (await tasty.get("/accounts/5WX99999/balances")).status_code == 403
    clock.advance(15 * 60)
    assert (await tasty.get("/customers/me/accounts")).status_code == 401


async def test_dry_run_makes_nothing(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    answer = (await tasty.post(f"{ACCOUNT}/orders/dry-run", json=limit("680"))).json()["data"]
    assert "id" not in answer["order"]
    assert answer["order"]["updated-at"] == 0
    assert answer["buying-power-effect"]["change-in-buying-power"] == "3400.0"
    assert not simulation.tastytrade.exchange.orders


async def test_numbers_drift_in_type(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    await hold(simulation, tasty)
    seen = [(await tasty.get(f"{ACCOUNT}/positions")).json()["data"]["items"][0]["multiplier"] for _ in range(3)]
    assert sorted(map(str, seen)) == ["1", "1", "1.0"]
    assert {type(value) for value in seen} == {int, str}


async def test_sessions_and_quote_tokens(simulation: Simulation, tasty: httpx2.AsyncClient) -> None:
    session = (await tasty.get("/market-time/equities/sessions/current")).json()["data"]
    assert (session["state"], session["open-at"]) == ("Open", "2026-11-16T14:30:00.000+00:00")
    token = (await tasty.get("/api-quote-tokens")).json()["data"]
    assert (token["level"], token["dxlink-url"]) == ("api", simulation.dxlink_url)
    assert simulation.dxlink.valid(token["token"])
