"""Schwab's payloads and ours: what is read of real ones, and what is written."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.builders import ns, order

from fortified.adapters.schwab.listing import Window, read_orders, successors
from fortified.adapters.schwab.orders import (
    INSTRUCTIONS,
    SIDES,
    Ticket,
    Unread,
    body_of,
    bracket,
    is_like,
    one_cancels_other,
    read_order,
    refusal,
    ticket_of,
)
from fortified.adapters.schwab.statuses import STATUSES, has_ended, status_of
from fortified.adapters.schwab.wire import (
    Account,
    AccountNumber,
    Preview,
    PriceHistory,
    UserPreference,
    WireOrder,
    decode,
    error_text,
    flatten,
    format_time,
    order_id_of,
    parse_time,
)
from fortified.domain.errors import VenueUnavailable
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "samples"
samples = pytest.mark.skipif(not SHARED.is_dir(), reason="the brokers' samples are not here")
SPY = {"symbol": "SPY", "timeframe": "1"}


def sample(name: str) -> bytes:
    return (SHARED / "schwab" / f"{name}.json").read_bytes()


def schema(name: str) -> dict[str, Any]:
    found = json.loads((SHARED / "openapi" / "schwab_trader.openapi.json").read_bytes())["components"]["schemas"]
    return found[name]  # type: ignore[no-any-return]  # JSON


def wire(order_id: int = 1, status: str = "WORKING", **fields: Any) -> WireOrder:
    """An order of 100 shares of SPY at a limit, as the venue tells it."""
    told: dict[str, Any] = {
        "orderId": order_id,
        "status": status,
        "orderType": "LIMIT",
        "session": "NORMAL",
        "duration": "DAY",
        "orderStrategyType": "SINGLE",
        "price": 500.25,
        "quantity": 100.0,
        "filledQuantity": 0.0,
        "enteredTime": "2025-03-04T15:00:00+0000",
        "orderLegCollection": [
            {"legId": 1, "instruction": "BUY", "quantity": 100.0, "instrument": {"symbol": "SPY", "assetType": "EQUITY"}}
        ],
    }
    return decode(json.dumps(told | fields).encode(), WireOrder, "an order")


def execution(
    kind: str, quantity: float, price: float, activity_id: int | None = 7, time: str = "2025-03-04T15:00:09+0000"
) -> dict[str, Any]:
    leg = {"legId": 1, "quantity": quantity, "price": price, "time": time}
    return {"activityType": "EXECUTION", "activityId": activity_id, "executionType": kind, "quantity": quantity, "executionLegs": [leg]}


def read(told: WireOrder) -> VenueOrder:
    found = read_order(told)
    assert isinstance(found, VenueOrder)
    return found


# --- statuses ---


@samples
@pytest.mark.parametrize("name", ["status", "apiOrderStatus"])
def test_every_published_status_has_its_row(name: str) -> None:
    assert set(schema(name)["enum"]) == set(STATUSES)


def test_a_partial_fill_is_told_by_the_quantity_alone() -> None:
    assert status_of("WORKING", Decimal(0)) is OrderStatus.ACCEPTED
    assert status_of("WORKING", Decimal(1)) is OrderStatus.PARTIALLY_FILLED
    assert status_of("CANCELED", Decimal(1)) is OrderStatus.CANCELED


def test_an_unknown_word_is_kept_and_has_no_status() -> None:
    found = read(wire(status="TELEPORTED"))
    assert (found.status, found.raw_status) == (None, "TELEPORTED")
    assert read(wire(status="UNKNOWN")).status is None


def test_a_replaced_order_has_not_ended_for_us_and_is_no_cancel() -> None:
    assert read(wire(status="REPLACED")).status is OrderStatus.PENDING_REPLACE
    assert has_ended("REPLACED")
    assert not has_ended("PENDING_CANCEL")


# --- fills ---


def test_a_cancelled_order_is_not_filled_by_its_execution_of_type_canceled() -> None:
    told = wire(status="CANCELED", remainingQuantity=0.0, orderActivityCollection=[execution("CANCELED", 100.0, 0.0)])
    assert (read(told).filled_quantity, read(told).fills) == (Decimal(0), ())


def test_fills_are_the_sum_of_executions_with_ids_that_stay() -> None:
    first, second = execution("FILL", 30.0, 500.25, 7), execution("FILL", 70.0, 500.2, 8, "2025-03-04T15:00:11+0000")
    told = read(wire(status="FILLED", filledQuantity=100.0, orderActivityCollection=[second, first]))
    assert [(fill.fill_id, fill.quantity, fill.price) for fill in told.fills] == [
        ("7.1", Decimal(30), Decimal("500.25")),
        ("8.1", Decimal(70), Decimal("500.2")),
    ]
    assert told.filled_quantity == 100
    assert told.ts_updated == ns("2025-03-04 15:00:11")


def test_a_fill_counts_even_where_the_order_says_nothing_was_filled() -> None:
    told = read(wire(status="CANCELED", orderActivityCollection=[execution("FILL", 30.0, 500.25), execution("CANCELED", 70.0, 0.0, 9)]))
    assert (told.status, told.filled_quantity) == (OrderStatus.CANCELED, Decimal(30))


def test_two_fills_that_the_venue_does_not_tell_apart_get_different_ids_in_any_order() -> None:
    fills = [execution("FILL", 30.0, 500.25, None), execution("FILL", 30.0, 500.25, None), execution("FILL", 40.0, 500.3, None)]
    there, back = read(wire(orderActivityCollection=fills)), read(wire(orderActivityCollection=fills[::-1]))
    assert there.fills == back.fills
    assert len({fill.fill_id for fill in there.fills}) == 3
    assert there.filled_quantity == 100


# --- payloads ---


@samples
@pytest.mark.parametrize("name", ["rb_orders", "rb_orders_with_close", "rb_orders_with_iron_condor"])
def test_real_orders_are_read_or_left_out_for_having_several_legs(name: str) -> None:
    told = flatten(decode(sample(name), tuple[WireOrder, ...], "orders"))
    read, unread = read_orders(told, {})
    assert len(read) + len(unread) == len(json.loads(sample(name)))
    assert all("legs" in order.reason for order in unread)
    assert all(order.status is not None and order.ts_entered > 0 and order.filled_quantity == 0 for order in read)


@samples
def test_the_successor_of_a_real_replaced_order_is_found() -> None:
    told = decode(sample("rb_orders_with_iron_condor"), tuple[WireOrder, ...], "orders")
    assert successors(told) == {"1002604357222": "1002604357590"}
    assert {order.status for order in told} == {"FILLED", "CANCELED", "REPLACED", "REJECTED", "PENDING_ACTIVATION"}


@samples
def test_a_real_rejection_has_its_reason() -> None:
    told = [read_order(order) for order in decode(sample("rb_orders_with_iron_condor"), tuple[WireOrder, ...], "orders")]
    rejected = next(order for order in told if isinstance(order, VenueOrder) and order.status is OrderStatus.REJECTED)
    assert "not approved" in rejected.text


@samples
@pytest.mark.parametrize(("name", "reason"), [("sdapi_account_orders", "it has no id"), ("sdapi_order_details", None)])
def test_orders_whose_values_were_blanked_do_not_disturb(name: str, reason: str | None) -> None:
    told = json.loads(sample(name))
    found = read_order(decode(json.dumps(told[0] if isinstance(told, list) else told).encode(), WireOrder, "an order"))
    if reason is None:
        assert isinstance(found, VenueOrder)
        assert (found.ts_entered, found.filled_quantity, found.status) == (0, Decimal(0), OrderStatus.CANCELED)
    else:
        assert found == Unread("REDACTED", reason)


@samples
def test_real_accounts_are_read() -> None:
    account = decode(sample("rb_account"), Account, "the account").securities_account
    assert account.positions[0].average_price == Decimal("1.7466")
    assert account.positions[1].long_quantity - account.positions[1].short_quantity == -1
    accounts = decode(sample("sdapi_accounts"), tuple[Account, ...], "accounts")
    assert accounts[0].securities_account.current_balances.liquidation_value == 0
    numbers = decode(sample("rb_account_numbers"), tuple[AccountNumber, ...], "numbers")
    assert [number.account_number for number in numbers] == ["12345678", "12341234"]


@samples
@pytest.mark.parametrize("name", ["rb_user_preferences", "sdapi_preferences", "schwabpy_preferences"])
def test_real_preferences_name_the_streamer(name: str) -> None:
    info = decode(sample(name), UserPreference, "preferences").streamer_info[0]
    assert info.streamer_socket_url.startswith("wss://")
    assert info.schwab_client_customer_id not in repr(info)


@samples
@pytest.mark.parametrize(
    ("name", "rejects", "warns"),
    [("rb_preview_accepted", 0, 1), ("rb_preview_rejected", 1, 1), ("sdapi_preview_order", 1, 0), ("rb_order_preview", 0, 0)],
)
def test_real_previews_are_read(name: str, rejects: int, warns: int) -> None:
    told = decode(sample(name), Preview, "a preview").order_validation_result
    assert (len(told.rejects), len(told.warns)) == (rejects, warns)


@samples
@pytest.mark.parametrize("name", ["lean_pricehistory_minute_AAPL", "rb_price_history_daily", "sdapi_price_history"])
def test_real_price_history_is_read(name: str) -> None:
    candles = decode(sample(name), PriceHistory, "history").candles
    assert candles
    assert all(candle.low <= candle.open <= candle.high and candle.datetime > 10**12 for candle in candles)


def test_numbers_are_read_from_their_digits() -> None:
    assert wire(price=0.1).price == Decimal("0.1")
    body = b'{"orderId": 9007199254740993, "price": 0.1000000000000000055, "status": null, "orderLegCollection": null}'
    told = decode(body, WireOrder, "an order")
    assert (told.order_id, told.price, told.status) == (9007199254740993, Decimal("0.1000000000000000055"), "UNKNOWN")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"orderId": {}}', b"\x1f\x8b broken", b"\xff\xfe"])
def test_what_is_no_order_is_refused_without_its_content(body: bytes) -> None:
    with pytest.raises(VenueUnavailable, match="answer to an order cannot be read"):
        decode(body, WireOrder, "an order")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "No account", "errors": ["one", "two"]}', "No account; one; two"),
        (b'{"errors": [{"id": "1", "status": 400, "title": "Bad Request", "detail": "Missing header"}]}', "Bad Request: Missing header"),
        (b'{"error": "invalid_client", "error_description": "x"}', "invalid_client; x"),
        (gzip.compress(b'{"message": "Body buffer overflow"}', mtime=0), "Body buffer overflow"),
        (b"<html>", ""),
    ],
)
def test_errors_say_why_in_all_their_shapes(body: bytes, text: str) -> None:
    assert error_text(body) == text


def test_times_of_the_venue() -> None:
    assert parse_time("2025-01-16T16:13:09+0000") == ns("2025-01-16 16:13:09")
    assert parse_time("2025-01-16T16:13:09.250Z") == ns("2025-01-16 16:13:09") + 250_000_000
    assert parse_time("0000-00-00T00:00:00+0000") == 0
    assert format_time(ns("2025-01-16 16:13:09") + 250_999_999) == "2025-01-16T16:13:09.250Z"


@pytest.mark.parametrize(
    ("location", "order_id"),
    [
        ("https://api.schwabapi.com/trader/v1/accounts/HASH/orders/1002568100971", "1002568100971"),
        ("/trader/v1/accounts/HASH/orders/5/?x=1", "5"),
        ("/trader/v1/accounts/HASH", None),
        ("", None),
        (None, None),
    ],
)
def test_the_id_is_at_the_end_of_the_location(location: str | None, order_id: str | None) -> None:
    assert order_id_of(location) == order_id


# --- what is written ---


@samples
def test_a_limit_order_is_written_as_the_documentation_shows_it() -> None:
    ours = order(OrderSide.BUY, 1, symbol="INTC", type=OrderType.LIMIT, limit_price=Decimal("10.00"))
    assert body_of(ticket_of(ours)) == json.loads(sample("sdapi_place_order"))


@pytest.mark.parametrize(
    ("side", "purpose", "instruction"),
    [
        (OrderSide.BUY, Purpose.ENTRY, "BUY"),
        (OrderSide.SELL, Purpose.ENTRY, "SELL_SHORT"),
        (OrderSide.BUY, Purpose.EXIT, "BUY_TO_COVER"),
        (OrderSide.SELL, Purpose.EXIT, "SELL"),
    ],
)
def test_the_instruction_follows_from_side_and_purpose(side: OrderSide, purpose: Purpose, instruction: str) -> None:
    body = body_of(ticket_of(order(side, 5, purpose=purpose, **SPY)))
    assert body["orderLegCollection"][0]["instruction"] == instruction


@samples
def test_what_is_written_is_in_the_published_enumerations() -> None:
    instructions = set(schema("instruction")["enum"])
    assert set(INSTRUCTIONS.values()) <= instructions
    assert set(SIDES) == instructions - {"EXCHANGE"}
    types = set(schema("orderTypeRequest")["enum"])
    for kind in types:
        body = body_of(
            Ticket(symbol="SPY", instruction="BUY", quantity=Decimal(1), order_type=kind, stop_type="LAST", tax_lot_method="FIFO")
        )
        assert set(body) <= set(schema("OrderRequest")["properties"])
        assert body["session"] in schema("session")["enum"]
        assert body["duration"] in schema("duration")["enum"]
    assert {"OCO", "TRIGGER", "SINGLE"} <= set(schema("orderStrategyType")["enum"])


def test_only_limit_orders_work_outside_of_the_regular_session() -> None:
    limit = order(OrderSide.BUY, 1, type=OrderType.LIMIT, limit_price=Decimal(10), **SPY)
    assert body_of(ticket_of(limit, extended=True))["session"] == "SEAMLESS"
    assert body_of(ticket_of(order(OrderSide.BUY, 1, **SPY), extended=True))["session"] == "NORMAL"


def test_a_bracket_is_a_trigger_of_an_oco() -> None:
    entry, target, stop = (body_of(Ticket(symbol="SPY", instruction=word, quantity=Decimal(1))) for word in ("BUY", "SELL", "SELL"))
    body = bracket(entry, target, stop)
    assert (body["orderStrategyType"], entry["orderStrategyType"]) == ("TRIGGER", "SINGLE")
    assert body["childOrderStrategies"] == [one_cancels_other(target, stop)]
    assert "orderLegCollection" not in one_cancels_other(target, stop)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"symbol": "/NQ"}, "no futures"),
        ({"type": OrderType.MARKET_IF_TOUCHED, "stop_price": Decimal(1)}, "MARKET_IF_TOUCHED"),
        ({"quantity": Decimal("1.5")}, "whole number"),
        ({"type": OrderType.LIMIT, "limit_price": Decimal("12.999")}, "2 decimals"),
        ({"type": OrderType.STOP, "stop_price": Decimal("0.12345")}, "4 decimals"),
    ],
)
def test_what_schwab_would_refuse_is_not_written(fields: dict[str, Any], reason: str) -> None:
    quantity = fields.pop("quantity", Decimal(1))
    found = refusal(order(OrderSide.BUY, quantity, **(SPY | fields)))
    assert found is not None
    assert reason in found


@pytest.mark.parametrize("price", ["12.99", "0.1234", "12.990", "1"])
def test_prices_that_schwab_takes(price: str) -> None:
    assert refusal(order(OrderSide.BUY, 1, type=OrderType.LIMIT, limit_price=Decimal(price), **SPY)) is None


def test_prices_are_texts_without_exponents() -> None:
    body = body_of(ticket_of(order(OrderSide.BUY, 1, type=OrderType.LIMIT, limit_price=Decimal("1E+2"), **SPY)))
    assert body["price"] == "100"


# --- likeness ---

OURS: Order = order(OrderSide.BUY, 100, type=OrderType.LIMIT, limit_price=Decimal("500.25"), **SPY)


def test_an_order_is_like_what_was_sent_for_it() -> None:
    assert is_like(wire(), body_of(ticket_of(OURS)))


@pytest.mark.parametrize(
    "fields",
    [
        {"price": 500.26},
        {"quantity": 99.0},
        {"session": "SEAMLESS"},
        {"duration": "GOOD_TILL_CANCEL"},
        {"orderType": "STOP_LIMIT"},
        {"price": None},
    ],
)
def test_an_order_that_differs_in_anything_is_not(fields: dict[str, Any]) -> None:
    assert not is_like(wire(**fields), body_of(ticket_of(OURS)))


# --- listings ---


def test_nested_orders_are_orders_and_an_oco_is_none() -> None:
    leg = [{"legId": 1, "instruction": "SELL", "quantity": 1, "instrument": {"symbol": "SPY", "assetType": "EQUITY"}}]
    oco = {
        "orderStrategyType": "OCO",
        "childOrderStrategies": [{"orderId": 3, "orderLegCollection": leg}, {"orderId": 4, "orderLegCollection": leg}],
    }
    told = wire(2, orderStrategyType="TRIGGER", childOrderStrategies=[oco])
    assert [found.order_id for found in flatten([told])] == [2, 3, 4]


def test_a_successor_is_named_by_what_an_answer_said_or_the_venue_says_or_the_time() -> None:
    old = wire(1, "REPLACED", closeTime="2025-03-04T15:01:00+0000")
    new = wire(2, enteredTime="2025-03-04T15:01:00+0000", price=501.0)
    read, _ = read_orders([old, new], {})
    assert [(order.replaces, order.replaced_by) for order in read] == [(None, "2"), ("1", None)]
    late = wire(2, enteredTime="2025-03-04T15:05:00+0000")
    assert successors([old, late]) == {}
    assert read_orders([old, late], {"1": "2"})[0][0].replaced_by == "2"
    told = wire(1, "REPLACED", replacingOrderCollection=[{"orderId": 9}])
    assert successors([told]) == {"1": "9"}
    assert successors([wire(9, replacingOrderCollection=[{"orderId": 1}])]) == {"1": "9"}


def test_a_successor_that_could_be_either_of_two_is_not_named() -> None:
    old = wire(1, "REPLACED", closeTime="2025-03-04T15:01:00+0000")
    twins = [wire(number, enteredTime="2025-03-04T15:01:00+0000") for number in (2, 3)]
    assert successors([old, *twins]) == {}


def test_a_listing_reaches_back_to_the_oldest_order_that_works_or_ended_since() -> None:
    hour = 3600 * 10**9
    now = ns("2025-03-04 16:00:00")
    window = Window(24 * hour)
    since = now - hour
    assert window.start(since, now) == now - 24 * hour
    old = read(wire(1, enteredTime="2025-03-03T15:00:00+0000"))
    ended = read(wire(2, "CANCELED", enteredTime="2025-03-02T15:00:00+0000", closeTime="2025-03-04T14:00:00+0000"))
    window.saw([old, ended], since)
    assert window.start(since, now) == old.ts_entered
    window.saw([read(wire(1, "FILLED", enteredTime="2025-03-03T15:00:00+0000", closeTime="2025-03-04T15:30:00+0000"))], since)
    assert window.start(since, now) == old.ts_entered
    window.saw([], now)
    assert window.start(now, now) == now


# --- completeness ---

READ_ELSEWHERE = ("sdstream_", "pdf_", "rs_", "schwabpy_chart_equity", "lean_acct_activity", "lean_login_request")
"""Messages of the streamer: test_schwab_stream and test_schwab_seconds."""
NOT_ASKED_FOR = {
    "options": ("rb_chain_", "rb_option_expiration", "sdapi_option_"),
    "quotes outside of the stream": ("rb_quote_", "sdapi_quote", "rb_movers", "sdapi_movers"),
    "instruments and market hours, which our own tables have": (
        *("rb_equity_instrument", "rb_instrument", "sdapi_instrument", "rb_market_hours", "sdapi_market_hour"),
    ),
    "transactions, which orders tell sooner": ("rb_transaction", "sdapi_transactions"),
    "a token that its publisher made up": ("rb_token",),
    "parts of what is read whole": ("sdapi_account_position_entry", "sdapi_linked_accounts"),
}


@samples
def test_every_sample_is_read_or_left_out_for_a_reason() -> None:
    text = Path(__file__).read_text()
    left_out = tuple(prefix for prefixes in NOT_ASKED_FOR.values() for prefix in prefixes)
    for path in (SHARED / "schwab").iterdir():
        assert path.stem.startswith((*READ_ELSEWHERE, *left_out)) or f'"{path.stem}"' in text, f"{path.name} is neither read nor left out"
