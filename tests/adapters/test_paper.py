"""The paper broker: a venue that answers like one, fills by the engine's models, and says what it would have sent."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal
from typing import Any

import pytest
from tests.builders import NQ, PAPER, bar, order, update

from fortified.adapters.paper import PaperBroker
from fortified.adapters.paper_requests import WouldSend
from fortified.domain.instrument import get_instrument
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel

pytestmark = pytest.mark.anyio
S, BUY, SELL = OrderStatus, OrderSide.BUY, OrderSide.SELL
SPY = get_instrument("SPY")


def broker(**options: Any) -> PaperBroker:
    return PaperBroker("tastytrade", NQ, **options)


def said(events: Any) -> list[OrderStatus]:
    return [event.status for event in events]


async def test_a_market_order_fills_at_the_next_event() -> None:
    paper = broker(fees=FeeModel.parse("2/contract"))
    paper.on_market(update(9, 100.0))
    assert said(await paper.place_order(order(seq=9))) == [S.SUBMITTED, S.ACCEPTED]
    assert said(paper.on_market(bar(0))) == []  # a closed bar whose ticks were seen is no market event
    [event] = paper.on_market(update(10, 101.5))
    assert event.fill is not None
    assert (event.status, event.fill.price, event.fill.fee, event.fill.seq, event.fill.quantity) == (S.FILLED, Decimal("101.5"), 4, 10, 2)
    assert (event.fill.fill_id, event.fill.reason, event.ts_event) == ("o1.1", "cross_up", update(10).ts_event)
    assert said(paper.on_market(update(11))) == []


async def test_it_fills_at_once_by_the_model_last() -> None:
    events = await broker(fills=FillModel("last")).place_order(order())
    assert said(events) == [S.SUBMITTED, S.ACCEPTED, S.FILLED]
    assert events[-1].fill is not None
    assert events[-1].fill.price == 20_000


async def test_the_second_leg_of_a_reversal_takes_the_event_that_filled_the_first() -> None:
    paper = broker()
    await paper.place_order(order(SELL, seq=9, purpose=Purpose.EXIT))
    [closed] = paper.on_market(update(10, 101.5))
    events = await paper.place_order(order(SELL, seq=9, order_id="o2", ts_created=closed.ts_event))
    assert events[-1].fill is not None
    assert (events[-1].fill.price, events[-1].fill.seq) == (Decimal("101.5"), 10)


async def test_a_resting_order_can_be_cancelled_once() -> None:
    paper = broker()
    limit = order(type=OrderType.LIMIT, limit_price=Decimal(99))
    await paper.place_order(limit)
    assert said(await paper.cancel_order(limit, 5)) == [S.CANCELED]
    assert said(await paper.cancel_order(limit, 6)) == []
    assert said(paper.on_market(update(10, 90.0))) == []


async def test_a_stop_limit_is_triggered_then_works_as_a_limit() -> None:
    paper = broker()
    await paper.place_order(order(type=OrderType.STOP_LIMIT, stop_price=Decimal(101), limit_price=Decimal(102)))
    assert said(paper.on_market(update(10, 100.0))) == []
    [triggered] = paper.on_market(update(11, 103.0))
    assert (triggered.status, triggered.triggered) == (S.ACCEPTED, True)
    assert said(paper.on_market(update(12, 102.5))) == []
    [filled] = paper.on_market(update(13, 101.75))
    assert filled.fill is not None
    assert filled.fill.price == Decimal("101.75")


async def test_a_restarted_broker_goes_on_with_what_was_working() -> None:
    stop = order(type=OrderType.STOP_LIMIT, stop_price=Decimal(101), limit_price=Decimal(102), triggered=True)
    paper = broker()
    paper.on_market(update(11, 103.0))
    await paper.restore([stop])
    assert said(paper.on_market(update(12, 101.0))) == [S.FILLED]


@pytest.mark.parametrize(
    ("venue", "instrument", "one", "text"),
    [
        ("schwab", NQ, order(), "takes no futures orders"),
        ("tastytrade", NQ, order(quantity="1.5"), "not a whole number"),
        ("tastytrade", NQ, order(type=OrderType.LIMIT, limit_price=Decimal("100.1")), "not a multiple of the tick 0.25"),
        ("schwab", SPY, order(type=OrderType.STOP, stop_price=Decimal("100.001")), "not a multiple of the tick 0.01"),
    ],
)
async def test_it_refuses_what_the_venue_would_refuse(venue: str, instrument: Any, one: Order, text: str) -> None:
    events = await PaperBroker(venue, instrument).place_order(one)
    assert said(events) == [S.SUBMITTED, S.REJECTED]
    assert text in events[-1].text


async def requested(venue: str, instrument: Any, one: Order) -> WouldSend:
    heard: list[WouldSend] = []
    await PaperBroker(venue, instrument, log=heard.append).place_order(one)
    [request] = heard
    assert request.headers["Authorization"] == "Bearer <token>"
    assert "<" not in str(request.body)
    return request


async def test_what_tastytrade_would_have_been_sent() -> None:
    one = order(SELL, type=OrderType.LIMIT, limit_price=Decimal("20001.25"), purpose=Purpose.EXIT)
    request = await requested("tastytrade", NQ, one)
    assert request.url == "https://api.tastyworks.com/accounts/{account}/orders"
    assert request.body == {
        **{"time-in-force": "GTC", "order-type": "Limit", "external-identifier": "o1", "price": "20001.25", "price-effect": "Credit"},
        "legs": [{"instrument-type": "Future", "symbol": "/NQ", "quantity": 2, "action": "Sell"}],
        "advanced-instructions": {"strict-position-effect-validation": True},
    }


@pytest.mark.parametrize(("kind", "triggered"), [(OrderType.STOP, True), (OrderType.MARKET_IF_TOUCHED, False)])
async def test_a_level_that_we_hold_would_have_been_sent_as_a_market_order(kind: OrderType, triggered: bool) -> None:
    held = order(SELL, type=kind, stop_price=Decimal("20000.25"), triggered=triggered, purpose=Purpose.EXIT)
    body = (await requested("tastytrade", NQ, held)).body
    assert (body["order-type"], "stop-trigger" in body, body["time-in-force"]) == ("Market", False, "Day")


async def test_what_schwab_would_have_been_sent() -> None:
    request = await requested("schwab", SPY, order(SELL, symbol="SPY", type=OrderType.STOP, stop_price=Decimal("500.5")))
    assert request.url == "https://api.schwabapi.com/trader/v1/accounts/{account}/orders"
    [leg] = request.body["orderLegCollection"]
    assert (leg["instruction"], leg["instrument"]["symbol"], request.body["orderType"], request.body["stopPrice"]) == (
        *("SELL_SHORT", "SPY", "STOP", "500.5"),
    )


async def test_a_budget_buys_whole_units_at_the_price_of_the_fill() -> None:
    paper = broker(fees=FeeModel.parse("2/contract"))
    await paper.place_order(order(quantity=5, budget=Decimal(10_000)))
    [event] = paper.on_market(update(10, 101.5))
    assert event.fill is not None
    assert (event.status, event.quantity, event.fill.quantity, event.fill.price, event.fill.fee) == (S.FILLED, 4, 4, Decimal("101.5"), 8)


@pytest.mark.parametrize(("budget", "units"), [("10150", 4), ("10160.14", 4), ("10160.15", 5)])
async def test_the_fee_is_paid_out_of_the_budget(budget: str, units: int) -> None:
    paper = broker(fees=FeeModel.parse("0.1%"))
    await paper.place_order(order(budget=Decimal(budget)))
    [event] = paper.on_market(update(10, 101.5))  # 2030 a contract, and 2.03 for the venue
    assert event.quantity == units


async def test_a_budget_counts_by_the_model_last_and_at_a_stop() -> None:
    events = await broker(fills=FillModel("last")).place_order(order(budget=Decimal(1_250_000)))
    assert (events[-1].status, events[-1].quantity) == (S.FILLED, 3)
    paper = broker()
    await paper.place_order(order(type=OrderType.STOP, stop_price=Decimal(101), budget=Decimal(10_000)))
    [event] = paper.on_market(update(10, 125.0))
    assert event.fill is not None
    assert (event.fill.quantity, event.fill.price) == (4, 125)


async def test_a_budget_that_buys_nothing_at_the_fill_ends_the_order() -> None:
    paper = broker()
    await paper.place_order(order(quantity=1, budget=Decimal(2_000)))
    [event] = paper.on_market(update(10, 101.5))
    assert (event.status, event.fill) == (S.CANCELED, None)
    assert "2000 of money buys no unit at 101.5" in event.text
    assert said(paper.on_market(update(11, 10.0))) == []


async def test_its_account_is_of_paper() -> None:
    assert broker().account == PAPER
