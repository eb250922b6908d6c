"""Schwab's OAuth, trader and market data interfaces, as a raw client sees them."""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Simulation

pytestmark = pytest.mark.anyio
WINDOW = {"fromEnteredTime": "2026-11-16T00:00:00.000Z", "toEnteredTime": "2026-11-17T00:00:00.000Z"}


def order(instruction: str = "BUY", quantity: int = 10, kind: str = "MARKET", symbol: str = "SPY", **more: Any) -> dict[str, Any]:
    leg = {"instruction": instruction, "quantity": quantity, "instrument": {"symbol": symbol, "assetType": "EQUITY"}}
    body = {"orderType": kind, "session": "NORMAL", "duration": "DAY", "orderStrategyType": "SINGLE"}
    return {**body, "orderLegCollection": [leg], **more}


def limit(price: str, instruction: str = "BUY", quantity: int = 10, **more: Any) -> dict[str, Any]:
    return order(instruction, quantity, "LIMIT", price=price, **more)


def bracket(entry: dict[str, Any], target: str, stop: str) -> dict[str, Any]:
    legs = [limit(target, "SELL"), order("SELL", kind="STOP", stopPrice=stop)]
    return {**entry, "orderStrategyType": "TRIGGER", "childOrderStrategies": [{"orderStrategyType": "OCO", "childOrderStrategies": legs}]}


@pytest.fixture
async def account(schwab: httpx2.AsyncClient) -> str:
    """The path of the account."""
    numbers = (await schwab.get("/trader/v1/accounts/accountNumbers")).json()
    return f"/trader/v1/accounts/{numbers[0]['hashValue']}"


async def place(client: httpx2.AsyncClient, account: str, body: dict[str, Any]) -> int:
    answer = await client.post(f"{account}/orders", json=body)
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return int(answer.headers["Location"].rpartition("/")[2])


async def look(client: httpx2.AsyncClient, account: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{account}/orders/{number}")).json()
    return found


async def test_a_market_order_is_taken_and_then_filled(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    number = await place(schwab, account, order())
    assert (await look(schwab, account, number))["status"] == "QUEUED"
    simulation.push("SPY", "680.10", bid="680.09", ask="680.11")
    found = await look(schwab, account, number)
    assert (found["status"], found["filledQuantity"], found["remainingQuantity"]) == ("FILLED", 10.0, 0.0)
    activity = found["orderActivityCollection"][0]
    assert (activity["executionType"], activity["executionLegs"][0]["price"]) == ("FILL", 680.11)
    inner = (await schwab.get(account, params={"fields": "positions"})).json()["securitiesAccount"]
    assert [(held["instrument"]["symbol"], held["longQuantity"], held["averagePrice"]) for held in inner["positions"]] == [
        ("SPY", 10.0, 680.11)
    ]
    assert inner["currentBalances"]["cashBalance"] == 243_198.9
    assert "positions" not in (await schwab.get(account)).json()["securitiesAccount"]


async def test_a_cancelled_order_has_a_phantom_execution(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    number = await place(schwab, account, limit("600"))
    simulation.push("SPY", "680")
    assert (await look(schwab, account, number))["status"] == "WORKING"
    assert (await schwab.delete(f"{account}/orders/{number}")).status_code == 200
    found = await look(schwab, account, number)
    assert (found["status"], found["filledQuantity"], found["remainingQuantity"]) == ("CANCELED", 0.0, 0.0)
    activity = found["orderActivityCollection"][0]
    assert (activity["executionType"], activity["quantity"], activity["executionLegs"][0]["price"]) == ("CANCELED", 10.0, 0.0)
    assert (await schwab.delete(f"{account}/orders/{number}")).status_code == 400


async def test_replace_gives_a_new_number(schwab: httpx2.AsyncClient, account: str) -> None:
    old = await place(schwab, account, limit("600"))
    answer = await schwab.put(f"{account}/orders/{old}", json=limit("601"))
    new = int(answer.headers["Location"].rpartition("/")[2])
    assert (answer.status_code, new != old) == (201, True)
    assert (await look(schwab, account, old))["status"] == "REPLACED"
    assert (await look(schwab, account, new))["price"] == 601.0
    assert (await schwab.put(f"{account}/orders/{old}", json=limit("602"))).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        limit("680.001"),
        {**limit("680"), "price": 680.25},
        order(kind="LIMIT"),
        order(kind="STOP"),
        order(quantity=0),
        {**order(), "orderLegCollection": [{**order()["orderLegCollection"][0], "quantity": 1.5}]},
        order(session="SEAMLESS"),
        order(duration="GOOD_TILL_CANCEL"),
        order(duration="FOREVER"),
        order(symbol="ZZZZ"),
        order(surprise=1),
        order("BUY_TO_OPEN"),
        order(kind="TRAILING_STOP"),
        {**order(), "orderLegCollection": []},
        {"orderStrategyType": "OCO", "childOrderStrategies": [limit("690", "SELL")]},
        {**order(), "orderStrategyType": "TRIGGER"},
    ],
)
async def test_it_refuses_at_once(simulation: Simulation, schwab: httpx2.AsyncClient, account: str, body: dict[str, Any]) -> None:
    answer = await schwab.post(f"{account}/orders", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"]
    assert not simulation.schwab.exchange.orders


async def test_futures_are_not_traded(schwab: httpx2.AsyncClient, account: str) -> None:
    leg = {"instruction": "BUY", "quantity": 1, "instrument": {"symbol": "/NQZ6", "assetType": "FUTURE"}}
    assert (await schwab.post(f"{account}/orders", json={**order(), "orderLegCollection": [leg]})).status_code == 400


async def rejection(client: httpx2.AsyncClient, account: str, body: dict[str, Any]) -> str:
    """What is taken, and rejected behind that."""
    found = await look(client, account, await place(client, account, body))
    assert found["status"] == "REJECTED", found
    assert "orderActivityCollection" not in found
    return str(found["statusDescription"])


async def test_what_the_position_does_not_allow_is_rejected_later(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    assert "oversold" in await rejection(schwab, account, order("SELL"))
    assert "oversold" in await rejection(schwab, account, order("BUY_TO_COVER"))
    assert "buying power" in await rejection(schwab, account, order(quantity=5_000))
    await place(schwab, account, order())
    simulation.push("SPY", "680")
    assert "oversold" in await rejection(schwab, account, order("SELL", 11))
    assert "long position" in await rejection(schwab, account, order("SELL_SHORT"))
    await place(schwab, account, order("SELL", kind="STOP", stopPrice="600"))
    assert "open orders" in await rejection(schwab, account, order("SELL"))


async def test_a_short_is_sold_short_and_covered(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    await place(schwab, account, order("SELL_SHORT"))
    simulation.push("SPY", "680")
    assert "buy to cover" in await rejection(schwab, account, order())
    await place(schwab, account, order("BUY_TO_COVER"))
    simulation.push("SPY", "670")
    truth = simulation.schwab.exchange.accounts["10000001"].truth
    assert truth.quantity("SPY") == 0
    assert truth.cash == 250_100


async def test_a_bracket_shows_its_children_within_it(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    number = await place(schwab, account, bracket(order(), "690", "670"))

    async def statuses() -> list[str]:
        found = await look(schwab, account, number)
        oco = found["childOrderStrategies"][0]
        assert (oco["orderStrategyType"], "orderLegCollection" in oco) == ("OCO", False)
        return [found["status"], *(child["status"] for child in oco["childOrderStrategies"])]

    assert await statuses() == ["QUEUED", "AWAITING_PARENT_ORDER", "AWAITING_PARENT_ORDER"]
    simulation.push("SPY", "680")
    simulation.push("SPY", "681")
    assert await statuses() == ["FILLED", "WORKING", "AWAITING_STOP_CONDITION"]
    simulation.push("SPY", "690.5")
    assert await statuses() == ["FILLED", "FILLED", "CANCELED"]
    listed = (await schwab.get(f"{account}/orders", params=WINDOW)).json()
    assert [found["orderId"] for found in listed] == [number]


async def test_an_oco_alone(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    await place(schwab, account, order())
    simulation.push("SPY", "680")
    legs = [limit("690", "SELL"), order("SELL", kind="STOP", stopPrice="670")]
    number = await place(schwab, account, {"orderStrategyType": "OCO", "childOrderStrategies": legs})
    assert (await look(schwab, account, number))["status"] == "WORKING"
    assert (await schwab.put(f"{account}/orders/{number}", json=limit("1", "SELL"))).status_code == 400
    await schwab.delete(f"{account}/orders/{number}")
    assert (await look(schwab, account, number))["status"] == "CANCELED"


async def test_an_order_waits_for_the_open_and_ends_with_its_day(
    simulation: Simulation, clock: ManualClock, schwab: httpx2.AsyncClient, account: str
) -> None:
    clock.advance(13 * 3600)  # 23:00
    schwab.headers["Authorization"] = f"Bearer {simulation.schwab.access.issue()}"
    waits, ends = await place(schwab, account, order()), await place(schwab, account, limit("600"))
    assert (await look(schwab, account, waits))["status"] == "PENDING_ACTIVATION"
    clock.advance(11 * 3600)  # 10:00
    schwab.headers["Authorization"] = f"Bearer {simulation.schwab.access.issue()}"
    simulation.push("SPY", "680")
    assert [(await look(schwab, account, number))["status"] for number in (waits, ends)] == ["FILLED", "WORKING"]
    clock.advance(6.5 * 3600)  # 16:30
    schwab.headers["Authorization"] = f"Bearer {simulation.schwab.access.issue()}"
    assert (await look(schwab, account, ends))["status"] == "EXPIRED"


async def test_a_search_wants_both_times(schwab: httpx2.AsyncClient, account: str) -> None:
    number = await place(schwab, account, limit("600"))
    for wrong in (
        {},
        {**WINDOW, "toEnteredTime": "2026-11-17"},
        {**WINDOW, "fromEnteredTime": "2024-01-01T00:00:00.000Z"},
        {**WINDOW, "status": "X"},
    ):
        assert (await schwab.get(f"{account}/orders", params=wrong)).status_code == 400
    found = (await schwab.get(f"{account}/orders", params={**WINDOW, "status": "QUEUED"})).json()
    assert [one["orderId"] for one in found] == [number]
    assert (await schwab.get(f"{account}/orders", params={**WINDOW, "status": "FILLED"})).json() == []


async def test_login_by_browser(simulation: Simulation, clock: ManualClock, schwab: httpx2.AsyncClient) -> None:
    known = simulation.schwab.credentials
    basic = {"Authorization": "Basic " + base64.b64encode(f"{known.client_id}:{known.client_secret}".encode()).decode()}
    asked = {"response_type": "code", "client_id": known.client_id, "redirect_uri": known.redirect_uri, "state": "s"}

    async def code() -> str:
        page = await schwab.get("/v1/oauth/authorize", params=asked)
        assert page.status_code == 302
        assert "%40&session=" in page.headers["Location"]
        words = parse_qs(urlsplit(page.headers["Location"]).query)
        assert words["state"] == ["s"]
        return words["code"][0]

    async def granted(**form: str) -> httpx2.Response:
        return await schwab.post("/v1/oauth/token", data=form, headers=basic)

    first = await code()
    tokens = (await granted(grant_type="authorization_code", code=first, redirect_uri=known.redirect_uri)).json()
    assert tokens["expires_in"] == 1800
    again = await granted(grant_type="authorization_code", code=first, redirect_uri=known.redirect_uri)
    assert again.status_code == 400
    late = await code()
    clock.advance(31)
    assert (await granted(grant_type="authorization_code", code=late, redirect_uri=known.redirect_uri)).status_code == 400
    clock.advance(6 * 86_400)
    fresh = (await granted(grant_type="refresh_token", refresh_token=tokens["refresh_token"])).json()
    assert fresh["refresh_token"] == tokens["refresh_token"]
    clock.advance(86_400)  # refreshing did not prolong it
    ended = await granted(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (ended.status_code, ended.json()["error"]) == (400, "unsupported_token_type")
    wrong = await schwab.post("/v1/oauth/token", data={"grant_type": "refresh_token"}, headers={"Authorization": "Basic eDp5"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


async def test_an_access_token_lasts_half_an_hour(clock: ManualClock, schwab: httpx2.AsyncClient, account: str) -> None:
    clock.advance(1_799)
    assert (await schwab.get(account)).status_code == 200
    clock.advance(1)
    assert (await schwab.get(account)).status_code == 401
    assert "errors" in (await schwab.get("/marketdata/v1/quotes", params={"symbols": "SPY"})).json()


async def test_price_history(simulation: Simulation, clock: ManualClock, schwab: httpx2.AsyncClient) -> None:
    now = clock.now_ns() // 1_000_000
    asked: dict[str, Any] = {"symbol": "SPY", "periodType": "day", "frequencyType": "minute", "startDate": now - 3_600_000, "endDate": now}
    extended = (await schwab.get("/marketdata/v1/pricehistory", params=asked)).json()["candles"]
    regular = (await schwab.get("/marketdata/v1/pricehistory", params={**asked, "needExtendedHoursData": "false"})).json()["candles"]
    assert (len(extended), len(regular)) == (60, 30)
    assert regular == extended[30:]
    usual = (await schwab.get("/marketdata/v1/pricehistory", params={"symbol": "SPY"})).json()["candles"]
    last = datetime.fromtimestamp(usual[-1]["datetime"] / 1_000, UTC)
    assert last.date().isoformat() == "2026-11-13"  # the business day before
    assert (await schwab.get("/marketdata/v1/pricehistory", params={**asked, "frequency": 2})).status_code == 400
    assert (await schwab.get("/marketdata/v1/pricehistory", params={"symbol": "ZZZZ"})).status_code == 404


async def test_quotes(simulation: Simulation, schwab: httpx2.AsyncClient) -> None:
    simulation.push("SPY", "681", 3, "680.99", "681.01")
    found = (await schwab.get("/marketdata/v1/quotes", params={"symbols": "SPY,ZZZZ"})).json()
    assert (found["SPY"]["quote"]["lastPrice"], found["SPY"]["quote"]["askPrice"]) == (681.0, 681.01)
    assert found["errors"]["invalidSymbols"] == ["ZZZZ"]


async def test_preview_says_what_would_be_rejected(simulation: Simulation, schwab: httpx2.AsyncClient, account: str) -> None:
    fine = (await schwab.post(f"{account}/previewOrder", json=limit("680"))).json()
    assert fine["orderStrategy"]["status"] == "ACCEPTED"
    wrong = (await schwab.post(f"{account}/previewOrder", json=limit("680", "SELL"))).json()
    assert wrong["orderStrategy"]["status"] == "REJECTED"
    assert wrong["orderValidationResult"]["rejects"][0]["originalSeverity"] == "REJECT"
    assert not simulation.schwab.exchange.orders
