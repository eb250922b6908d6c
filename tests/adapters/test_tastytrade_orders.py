"""Orders to TastyTrade's words and back, on every sample there is."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.tasty_fake import SAMPLES, fill, order, raw_order, sample

from fortified.adapters.tastytrade.orders import (
    EQUITY,
    FUTURE,
    ORDER_TYPES,
    Leg,
    bracket_body,
    oco_body,
    order_body,
    replace_body,
    venue_order,
)
from fortified.adapters.tastytrade.statuses import STATUSES, WORKING
from fortified.adapters.tastytrade.wire import decode
from fortified.domain.errors import RemoteProtocolError
from fortified.domain.order import OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder

S = OrderStatus
NQ, SPY = Leg("/NQZ6", FUTURE), Leg("SPY", EQUITY)
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the venue are not beside the project")


def canonical(symbol: str, _: int | None) -> str:
    return {"/NQZ6": "/NQZ26"}.get(symbol, symbol)


def read(*args: Any, **fields: Any) -> VenueOrder:
    return venue_order(decode(json.dumps(raw_order(*args, **fields))), canonical)


# --- ours into theirs ---


def test_a_future_is_bought_and_sold_and_shares_are_opened_and_closed() -> None:
    actions = {
        (leg.kind, side, purpose): order_body(order(side=side, purpose=purpose), leg)["legs"][0]["action"]
        for leg in (NQ, SPY)
        for side in OrderSide
        for purpose in Purpose
    }
    assert actions == {
        **{(FUTURE, side, purpose): side.value.title() for side in OrderSide for purpose in Purpose},
        (EQUITY, OrderSide.BUY, Purpose.ENTRY): "Buy to Open",
        (EQUITY, OrderSide.SELL, Purpose.ENTRY): "Sell to Open",
        (EQUITY, OrderSide.BUY, Purpose.EXIT): "Buy to Close",
        (EQUITY, OrderSide.SELL, Purpose.EXIT): "Sell to Close",
    }


def test_a_limit_order_goes_out_whole() -> None:
    assert order_body(order(limit_price=Decimal("20000.2500")), NQ) == {
        "time-in-force": "Day",
        "order-type": "Limit",
        "external-identifier": order().order_id,
        "price": "20000.25",
        "price-effect": "Debit",
        "legs": [{"instrument-type": "Future", "symbol": "/NQZ6", "action": "Buy", "quantity": 2}],
    }


@pytest.mark.parametrize("kind", ORDER_TYPES)
def test_each_type_has_its_prices_and_no_others(kind: OrderType) -> None:
    body = order_body(order(type=kind, limit_price=Decimal(5), stop_price=Decimal(6)), SPY)
    assert ("price" in body, "price-effect" in body, "stop-trigger" in body) == {
        OrderType.MARKET: (False, False, False),
        OrderType.LIMIT: (True, True, False),
        OrderType.STOP: (False, False, True),
        OrderType.STOP_LIMIT: (True, True, True),
    }[kind]


@pytest.mark.parametrize("kind", ORDER_TYPES)
def test_every_exit_is_validated_strictly_and_rests_beyond_the_day(kind: OrderType) -> None:
    closing = order_body(order(type=kind, purpose=Purpose.EXIT, stop_price=Decimal(6)), NQ)
    assert closing["advanced-instructions"] == {"strict-position-effect-validation": True}
    assert closing["time-in-force"] == ("Day" if kind is OrderType.MARKET else "GTC")
    opening = order_body(order(type=kind, stop_price=Decimal(6)), NQ)
    assert "advanced-instructions" not in opening
    assert opening["time-in-force"] == "Day"


@given(st.decimals(-100_000, 100_000, places=4), st.sampled_from(OrderSide))
def test_a_price_of_either_sign_reads_back_as_it_went_out(price: Decimal, side: OrderSide) -> None:
    body = order_body(order(limit_price=price, side=side), NQ)
    assert "e" not in body["price"].lower()
    assert not body["price"].startswith("-")
    leg = {"action": side.value.title()}
    shown = read(price=body["price"], **{"price-effect": body.get("price-effect", "None")}, leg=leg)
    assert shown.limit_price == price


def test_a_bracket_and_an_oco_hold_the_same_orders_as_are_sent_alone() -> None:
    entry, target, stop = (order_body(order(order_id=str(place)), NQ) for place in range(3))
    assert bracket_body(entry, target, stop) == {"type": "OTOCO", "trigger-order": entry, "orders": [target, stop]}
    assert oco_body(target, stop) == {"type": "OCO", "orders": [target, stop]}


def test_a_replacement_has_no_legs_and_keeps_our_id() -> None:
    assert replace_body(order(type=OrderType.STOP, purpose=Purpose.EXIT), None, Decimal("19990.50")) == {
        "time-in-force": "GTC",
        "order-type": "Stop",
        "external-identifier": order().order_id,
        "stop-trigger": "19990.5",
    }


# --- theirs into ours ---


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Received", S.ACCEPTED),
        ("Routed", S.ACCEPTED),
        ("In Flight", S.ACCEPTED),
        ("Contingent", S.ACCEPTED),
        ("Live", S.ACCEPTED),
        ("Cancel Requested", S.PENDING_CANCEL),
        ("Replace Requested", S.PENDING_REPLACE),
        ("Filled", S.FILLED),
        ("Cancelled", S.CANCELED),
        ("Expired", S.EXPIRED),
        ("Rejected", S.REJECTED),
        ("Removed", S.CANCELED),
        ("Partially Removed", S.CANCELED),
    ],
)
def test_every_word_has_its_row(word: str, status: OrderStatus) -> None:
    assert STATUSES[word] is status
    assert (read(status=word).status, read(status=word).raw_status) == (status, word)
    assert (word in WORKING) == (status in {S.ACCEPTED, S.PENDING_CANCEL, S.PENDING_REPLACE})


def test_there_are_no_more_rows_than_the_test_above_has() -> None:
    assert len(STATUSES) == 13


def test_an_unknown_word_is_kept_and_means_nothing() -> None:
    odd = read(status="Teleported")
    assert (odd.status, odd.raw_status) == (None, "Teleported")
    assert "Teleported" in odd.text


def test_a_partial_fill_is_a_live_order_of_which_less_remains() -> None:
    part = read(leg={"remaining-quantity": "1.0", "fills": [fill("a")]})
    assert (part.status, part.filled_quantity, len(part.fills)) == (S.PARTIALLY_FILLED, Decimal(1), 1)
    assert read(leg={"remaining-quantity": 1}).filled_quantity == 1  # told before its fill
    leaving = read(status="Cancel Requested", leg={"remaining-quantity": 1, "fills": [fill("a")]})
    assert (leaving.status, leaving.filled_quantity) == (S.PENDING_CANCEL, Decimal(1))


def test_fills_that_are_sent_again_count_once_and_one_without_a_price_not_yet() -> None:
    again = read(
        leg={"remaining-quantity": 0, "fills": [fill("a"), fill("a"), fill("b", "1.0", "20000.25"), {"fill-id": "c", "quantity": 9}]}
    )
    assert [(one.fill_id, one.quantity, one.price) for one in again.fills] == [
        ("a", Decimal(1), Decimal(20000)),
        ("b", Decimal(1), Decimal("20000.25")),
    ]
    assert again.fills[0].ts_event == 1795392002_500_000_000
    assert again.filled_quantity == 2


def test_filled_may_be_said_before_all_fills() -> None:
    early = read(status="Filled", leg={"remaining-quantity": 0, "fills": [fill("a")]})
    assert (early.status, early.filled_quantity, len(early.fills)) == (S.FILLED, Decimal(2), 1)


@pytest.mark.parametrize("word", ["Cancelled", "Expired", "Rejected", "Removed"])
def test_what_remains_of_an_order_that_is_over_proves_no_fill(word: str) -> None:
    assert read(status=word, leg={"remaining-quantity": 0}).filled_quantity == 0
    assert read(status=word, leg={"remaining-quantity": 0, "fills": [fill("a")]}).filled_quantity == 1


def test_a_replaced_order_is_never_taken_for_a_cancel() -> None:
    old = read(status="Cancelled", edited=True, **{"replacing-order-id": 8})
    assert (old.status, old.raw_status, old.replaced_by) == (S.PENDING_REPLACE, "Cancelled", "8")
    assert read(8, status="Contingent", **{"replaces-order-id": 7}).replaces == "7"


def test_types_that_drift_and_fields_that_are_new_change_nothing() -> None:
    plain = read()
    assert read("7", leg={"quantity": "2.0", "remaining-quantity": "2"}, price=20000.25) == plain
    assert read(**{"new-field": {"deep": [1]}, "destination-venue": None}) == plain
    assert read(**{"updated-at": 0, "received-at": "yesterday", "terminal-at": 5}).ts_updated == 5 * 10**6
    assert read(**{"order-type": "Iceberg"}).type is None
    assert read(**{"price-effect": None}).limit_price == Decimal("20000.25")


def test_numbers_never_pass_through_a_float() -> None:
    assert read(2**62 + 1).venue_order_id == str(2**62 + 1)
    exact = read(leg={"fills": [fill("a", price="0.1234567890123456789")]})
    assert exact.fills[0].price == Decimal("0.1234567890123456789")


def test_an_action_that_is_not_known_freezes_the_order() -> None:
    assert read(leg={"action": "Allocate"}).status is None
    assert "'Allocate'" in read(leg={"action": "Allocate"}).text


@pytest.mark.parametrize("missing", ["id", "legs"])
def test_an_order_of_which_nothing_can_be_said_is_refused(missing: str) -> None:
    raw = raw_order()
    del raw[missing]
    with pytest.raises(RemoteProtocolError, match="without id or symbol"):
        venue_order(raw, canonical)


# --- samples ---

ORDER_SAMPLES = {
    "docs_delete_order_response": (["data"], {"12345": S.PENDING_CANCEL}),
    "docs_get_order_filled": (["data"], {"1": S.FILLED}),
    "docs_post_order_response_market": (["data", "order"], {"1": S.ACCEPTED}),
    "docs_stream_order_live": (["data"], {"1": S.ACCEPTED}),
    "frame_order-market.documented": (["data"], {"1": S.ACCEPTED}),
    "frame_order.documented": (["data"], {"1": S.FILLED}),
    "lean_Post_Submit_Order_Response": (["data", "order"], {"270561": S.ACCEPTED}),
    "leancs_24_DeserializeSubmitOrderResponse": (["data", "order"], {"270561": S.ACCEPTED}),
    "leancs_25_DeserializeStreamFilledOrderMessage": (["data"], {"270602": S.FILLED}),
    "leancs_26_DeserializeRestOpenOrderResponse": (["data", "items"], {"270976": S.ACCEPTED}),
    "leancs_27_DeserializeRestOpenOrderResponseWithGoodTilDateTimeInForce": (["data", "items"], {"271261": S.ACCEPTED}),
    "docs_post_complex_otoco_response": (["data", "complex-order", "orders"], {"2002750871": S.ACCEPTED, "2002750872": S.ACCEPTED}),
    "mcp_search_orders_excerpt_terminal_before_cancelled": (["items"], {"1048779": S.CANCELED, "1048775": S.PENDING_REPLACE}),
    "mcp_get_live_orders": (
        ["items"],
        {
            **{"1075264": S.CANCELED, "1075263": S.CANCELED, "1075262": S.CANCELED, "1075261": S.PENDING_REPLACE},
            **{"1068086": S.CANCELED, "1068063": S.CANCELED},
        },
    ),
}


@needs_samples
@pytest.mark.parametrize("name", ORDER_SAMPLES)
def test_orders_of_the_samples_are_read(name: str) -> None:
    path, expected = ORDER_SAMPLES[name]
    found = sample(name)
    for key in path:
        found = found[key]
    orders = [venue_order(raw, canonical) for raw in (found if isinstance(found, list) else [found])]
    assert {one.venue_order_id: one.status for one in orders} == expected
    assert all(one.quantity > 0 and one.type is not None for one in orders)
    assert all(sum(one.quantity for one in each.fills) == each.filled_quantity for each in orders)


@needs_samples
def test_a_dry_run_shows_orders_without_id_which_are_no_orders() -> None:
    for raw in sample("mcp_dry_run_complex_order")["complex-order"]["orders"]:
        with pytest.raises(RemoteProtocolError):
            venue_order(raw, canonical)
        assert raw["status"] in STATUSES


@needs_samples
def test_the_words_of_all_samples_have_rows() -> None:
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if "order-type" in value and "status" in value:
                found.add(value["status"])
            for item in value.values():
                walk(item)

    for path in SAMPLES.glob("*.json"):
        walk(json.loads(path.read_bytes()))
    assert found
    assert found <= STATUSES.keys()


@needs_samples
def test_the_bracket_of_the_guide_has_the_shape_of_ours() -> None:
    guide = sample("docs_request_otoco")
    entry = order_body(order(symbol="UA"), Leg("UA", EQUITY))
    ours = bracket_body(
        entry, order_body(order(purpose=Purpose.EXIT), SPY), order_body(order(type=OrderType.STOP, stop_price=Decimal(6)), SPY)
    )
    assert ours.keys() == guide.keys()
    assert guide["trigger-order"].keys() - {"underlying-symbol"} <= ours["trigger-order"].keys()
    assert guide["trigger-order"]["legs"][0].keys() == ours["trigger-order"]["legs"][0].keys()
