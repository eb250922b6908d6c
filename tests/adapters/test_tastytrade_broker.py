"""The TastyTrade broker against a venue on real sockets: sent once, never guessed, found again."""

from decimal import Decimal
from typing import Any

import pytest
from tests.adapters.tasty_fake import ACCOUNT, NOW, REFRESH, SECRET, broker_at, fake_venue, fill, future, order, raw_order
from tests.adapters.venue_server import Answer, ManualClock, Received

from fortified.adapters.tastytrade.answers import DryRun
from fortified.domain.errors import AmbiguousOrder, AuthExpired, ConfigError, Refused, VenueUnavailable
from fortified.domain.instrument import get_instrument
from fortified.domain.order import Order, OrderEvent, OrderStatus, OrderType, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import WakeUp

pytestmark = pytest.mark.anyio
S = OrderStatus
ORDERS = f"/accounts/{ACCOUNT}/orders"
POST = f"POST {ORDERS}"
ID = order().order_id


def taken(**fields: Any) -> Answer:
    return Answer(201, {"data": {"order": raw_order(status="Routed", **fields), "warnings": []}})


def statuses(events: Any) -> list[OrderStatus]:
    return [event.status for event in events]


def after(events: Any, placed: Order | None = None) -> Order:
    """The order after ``events``: each must be a legal transition."""
    result = placed or order()
    for event in events:
        result = apply_event(result, event)
    return result


# --- placing ---


async def test_an_order_is_accepted_under_the_venues_id() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[POST] = taken()
        placed = after(await broker.place_order(order()))
        assert (placed.status, placed.venue_order_id, placed.ts_submitted) == (S.ACCEPTED, "7", NOW)
        (sent,) = venue.sent("POST /accounts")
    assert (sent.json["external-identifier"], sent.json["legs"][0]["symbol"]) == (ID, "/NQZ6")
    assert sent.headers["authorization"] == "Bearer access-s3cr3t-1"
    assert (sent.headers["user-agent"], sent.headers["accept-version"]) == ("fortified/1.0", "20261012")


async def test_the_grant_asks_with_what_the_venue_wants_and_nothing_else() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        await broker.positions()
        (asked,) = venue.sent("POST /oauth/token")
    assert asked.json == {"grant_type": "refresh_token", "refresh_token": REFRESH, "client_secret": SECRET}
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(422, {"error": {"code": "margin_check_failed", "message": "Too little."}}), S.REJECTED),
        (Answer(403, {"error": {"code": "not_permitted"}}), S.REJECTED),
        (Answer(201, {"data": {"order": raw_order(status="Rejected", **{"reject-reason": "Margin"})}}), S.REJECTED),
        (Answer(201, {"data": {"order": raw_order(status="Teleported")}}), S.ACCEPTED),
        (Answer(200, {"data": {"order": raw_order(status="Filled")}}), S.ACCEPTED),
        (Answer(401), S.SUBMIT_UNKNOWN),
        (Answer(429), S.SUBMIT_UNKNOWN),
        (Answer(500), S.SUBMIT_UNKNOWN),
        (Answer(503), S.SUBMIT_UNKNOWN),
        (Answer(cut="before"), S.SUBMIT_UNKNOWN),
        (Answer(201, {"data": {}}, cut="middle"), S.SUBMIT_UNKNOWN),
        (Answer(hang=True), S.SUBMIT_UNKNOWN),
        (Answer(201, b"<html>"), S.SUBMIT_UNKNOWN),
        (Answer(201, {"data": {}}), S.SUBMIT_UNKNOWN),
        (Answer(201, {"data": {"order": {"status": "Routed"}}}), S.SUBMIT_UNKNOWN),
    ],
)
async def test_an_order_is_sent_once_whatever_becomes_of_it(answer: Answer, status: OrderStatus) -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[POST] = answer
        events = await broker.place_order(order())
        assert len(venue.sent("POST /accounts")) == 1
    assert statuses(events) == [S.SUBMITTED, status]
    assert after(events).text or status is S.ACCEPTED
    assert ACCOUNT not in events[-1].text


async def test_an_order_that_was_provably_not_sent_raises_and_stays_as_it_was() -> None:
    async with fake_venue() as venue:
        async with broker_at(venue) as broker:
            await broker.contracts("/NQ")
            venue.answers["POST /oauth/token"] = Answer(400, {"error": "invalid_grant"})
            broker._tokens.reject("access-s3cr3t-1")
            with pytest.raises(AuthExpired, match="invalid_grant"):
                await broker.place_order(order())
        assert venue.sent("POST /accounts") == []


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (order(type=OrderType.MARKET_IF_TOUCHED, stop_price=Decimal(19000)), "has no MARKET_IF_TOUCHED orders"),
        (order(quantity=Decimal("0.5")), "not a whole number"),
        (order(limit_price=Decimal("20000.10")), "not a multiple of the tick 0.25 of /NQZ6"),
        (order(symbol="/NQM31"), "lists no contract /NQM31"),
        (order(symbol="/NQH26"), "lists no contract /NQH26"),
    ],
)
async def test_what_the_venue_would_refuse_for_sure_is_not_sent(refused: Order, reason: str) -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        (event,) = await broker.place_order(refused)
        assert venue.sent("POST /accounts") == []
    assert event.status is S.REJECTED
    assert reason in event.text
    assert after([event], refused).status is S.REJECTED


async def test_a_share_needs_no_contract() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[POST] = taken()
        await broker.place_order(order(symbol="BRK/B", type=OrderType.MARKET, limit_price=None))
        assert venue.sent("GET /instruments") == []
        assert venue.sent("POST /accounts")[0].json["legs"][0] | {} == {
            "instrument-type": "Equity",
            "symbol": "BRK/B",
            "action": "Buy to Open",
            "quantity": 2,
        }


# --- contracts ---


async def test_a_root_is_entered_in_the_active_month_and_left_in_the_contract_that_is_held() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[POST] = taken()
        await broker.place_order(order(symbol="/NQ"))
        venue.positions = [{"symbol": "/NQH7", "quantity": 2, "quantity-direction": "Long", "updated-at": "2026-11-23T00:00:01.000Z"}]
        leaving = order(symbol="/NQ", side=OrderSide.SELL, purpose=Purpose.EXIT)
        await broker.place_order(leaving)
        assert [sent.json["legs"][0]["symbol"] for sent in venue.sent("POST /accounts")] == ["/NQZ6", "/NQH7"]
        venue.positions.append({"symbol": "/NQZ6", "quantity": 1, "quantity-direction": "Long"})
        (event,) = await broker.place_order(leaving)
        assert (event.status, "/NQH27, /NQZ26" in event.text) == (S.REJECTED, True)


async def test_an_exit_before_the_position_shows_goes_where_the_entry_went() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[POST] = taken()
        await broker.place_order(order(symbol="/NQH27"))
        await broker.place_order(order(symbol="/NQ", side=OrderSide.SELL, purpose=Purpose.EXIT))
        assert [sent.json["legs"][0]["symbol"] for sent in venue.sent("POST /accounts")] == ["/NQH7", "/NQH7"]


async def test_no_entry_into_what_only_closes_but_the_exit_is_let_out() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.futures = [future(**{"is-closing-only": True})]
        venue.answers[POST] = taken()
        (event,) = await broker.place_order(order())
        assert "takes no new positions in /NQZ6" in event.text
        assert statuses(await broker.place_order(order(side=OrderSide.SELL, purpose=Purpose.EXIT))) == [S.SUBMITTED, S.ACCEPTED]


async def test_records_are_asked_for_once_an_hour_and_survive_an_outage_of_a_day() -> None:
    clock = ManualClock(NOW)
    async with fake_venue() as venue, broker_at(venue, clock=clock) as broker:
        for _ in range(3):
            assert [record.symbol for record in await broker.contracts("/NQ")] == ["/NQZ6", "/NQH7"]
        assert len(venue.sent("GET /instruments")) == 1
        venue.answers["GET /instruments/futures"] = Answer(404)
        clock.pass_s(3601)
        assert len(await broker.contracts("/NQ")) == 2
        clock.pass_s(86_400)
        with pytest.raises(VenueUnavailable, match="futures"):
            await broker.contracts("/NQ")


async def test_an_exit_does_not_wait_for_fresh_records() -> None:
    clock = ManualClock(NOW)
    async with fake_venue() as venue, broker_at(venue, clock=clock) as broker:
        await broker.contracts("/NQ")
        venue.answers[POST] = taken()
        clock.pass_s(7200)
        await broker.place_order(order(side=OrderSide.SELL, purpose=Purpose.EXIT))
        assert len(venue.sent("GET /instruments")) == 1
        await broker.place_order(order(symbol="/NQ"))
        assert len(venue.sent("GET /instruments")) == 2


async def test_a_root_without_contracts_is_named() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.futures = [{"symbol": "a spread"}]
        with pytest.raises(ConfigError, match="no contracts of /NQ"):
            await broker.contracts("/NQ")


async def test_streamer_symbols_are_those_of_the_records() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers["GET /instruments/equities/BRK%2FB"] = Answer(200, {"data": {"streamer-symbol": "BRK/B"}})
        assert await broker.streamer_symbol(get_instrument("/NQ")) == "/NQZ26:XCME"
        assert await broker.streamer_symbol(get_instrument("/NQH27")) == "/NQH27:XCME"
        assert [await broker.streamer_symbol(get_instrument("BRK/B")) for _ in range(2)] == ["BRK/B", "BRK/B"]
        assert len(venue.sent("GET /instruments/equities")) == 1
        with pytest.raises(ConfigError, match="does not know GONE"):
            await broker.streamer_symbol(get_instrument("GONE"))


async def test_the_token_of_market_data_says_whether_it_is_live() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers["GET /api-quote-tokens"] = Answer(200, {"data": {"token": "q", "dxlink-url": "wss://x/realtime", "level": "api"}})
        token = await broker.quote_token()
        assert (token.token, token.url, token.is_delayed) == ("q", "wss://x/realtime", False)
        venue.answers["GET /api-quote-tokens"] = Answer(200, {"data": {"level": "api"}})
        with pytest.raises(VenueUnavailable, match="no token"):
            await broker.quote_token()


# --- finding ---


async def test_an_order_of_unknown_fate_is_found_by_our_id_on_any_page() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.per_page = 2
        venue.orders = [raw_order(100 + place, **{"external-identifier": f"other-{place}"}) for place in range(4)] + [raw_order(7)]
        found = await broker.find(order())
        assert found is not None
        assert (found.venue_order_id, found.symbol, found.client_order_id) == ("7", "/NQZ26", ID)
        asked = venue.sent(f"GET {ORDERS}")
    assert [one.query["page-offset"] for one in asked] == ["0", "1", "2"]
    assert asked[0].query["start-at"] == "2026-11-22T23:45:00.000Z"


async def test_only_a_clean_read_says_that_there_is_none() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        assert await broker.find(order()) is None
        for broken in (
            Answer(200, {"data": {}}),
            Answer(200, b"half"),
            Answer(400, {"error": {"code": "start_at_missing"}}),
            Answer(200, {"data": {"items": [{"status": "Live"}]}}),
        ):
            venue.answers[f"GET {ORDERS}"] = broken
            with pytest.raises(VenueUnavailable):
                await broker.find(order())


async def test_a_page_that_fails_spoils_the_whole_read() -> None:
    def second_fails(received: Received) -> Answer:
        page = received.query["page-offset"]
        return Answer(404) if page == "1" else Answer(200, {"data": {"items": []}, "pagination": {"total-pages": 2}})

    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[f"GET {ORDERS}"] = second_fails
        with pytest.raises(VenueUnavailable):
            await broker.find(order())


async def test_two_orders_with_our_id_are_for_a_person() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.orders = [raw_order(8), raw_order(7)]
        with pytest.raises(AmbiguousOrder, match="7, 8"):
            await broker.find(order())
        venue.orders = [raw_order(8), raw_order(7, status="Rejected")]
        found = await broker.find(order())
        assert found is not None
        assert found.venue_order_id == "8"


@pytest.mark.parametrize("asked_by", ["7", "8", "9", None])
async def test_a_chain_of_replacements_is_one_order_with_the_fills_of_all(asked_by: str | None) -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        part = {"quantity": 2, "remaining-quantity": 1, "fills": [fill("a")]}
        rest = {"quantity": 1, "remaining-quantity": 1}
        venue.orders = [
            raw_order(9, leg=rest, **{"replaces-order-id": 8}),
            raw_order(8, status="Cancelled", leg=rest, **{"replaces-order-id": 7, "replacing-order-id": 9}),
            raw_order(7, status="Cancelled", leg=part, **{"replacing-order-id": 8}),
        ]
        found = await broker.find(order(venue_order_id=asked_by))
        assert found is not None
    assert (found.venue_order_id, found.status, found.quantity, found.filled_quantity) == (
        "9",
        S.PARTIALLY_FILLED,
        Decimal(2),
        Decimal(1),
    )
    assert [one.fill_id for one in found.fills] == ["a"]


async def test_an_id_that_the_venue_has_lost_is_looked_for_by_ours() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.orders = [raw_order(8)]
        found = await broker.find(order(venue_order_id="7"))
        assert found is not None
        assert found.venue_order_id == "8"


# --- changing ---


async def test_a_cancel_is_asked_for_and_its_end_is_read_later() -> None:
    working = order(venue_order_id="7", status=S.ACCEPTED)
    async with fake_venue() as venue, broker_at(venue) as broker:
        for answer in (Answer(200, {"data": raw_order(status="Cancel Requested")}), Answer(500), Answer(cut="before"), Answer(401)):
            venue.answers[f"DELETE {ORDERS}/7"] = answer
            events = await broker.cancel_order(working, NOW)
            assert statuses(events) == [S.PENDING_CANCEL]
        assert len(venue.sent("DELETE")) == 4
        venue.answers[f"DELETE {ORDERS}/7"] = Answer(422, {"error": {"code": "cannot_update_order", "message": "too late"}})
        (event,) = await broker.cancel_order(working, NOW)
        assert (event.status, "too late" in event.text) == (S.ACCEPTED, True)


async def test_a_cancel_of_an_order_without_an_id_finds_it_first() -> None:
    unknown = order(status=S.SUBMIT_UNKNOWN)
    async with fake_venue() as venue, broker_at(venue) as broker:
        assert await broker.cancel_order(unknown, NOW) == ()
        venue.orders = [raw_order(7)]
        venue.answers[f"DELETE {ORDERS}/7"] = Answer(200)
        assert after(await broker.cancel_order(unknown, NOW), unknown).status is S.PENDING_CANCEL


async def test_a_replacement_gives_the_order_a_new_id() -> None:
    working = order(venue_order_id="7", status=S.ACCEPTED)
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[f"PUT {ORDERS}/7"] = Answer(200, {"data": raw_order(8, status="Contingent", **{"replaces-order-id": 7})})
        moved = after(await broker.replace_order(working, Decimal("20001.25"), None), working)
        assert (moved.status, moved.venue_order_id) == (S.PENDING_REPLACE, "8")
        assert "legs" not in venue.sent("PUT")[0].json
        for answer, status in ((Answer(503), S.PENDING_REPLACE), (Answer(422, {"error": {"code": "no"}}), S.ACCEPTED)):
            venue.answers[f"PUT {ORDERS}/7"] = answer
            (event,) = await broker.replace_order(working, Decimal("20001.25"), None)
            assert (event.status, event.venue_order_id) == (status, "7")
            assert event.text
        with pytest.raises(Refused, match="reconcile it"):
            await broker.replace_order(order(), None, None)


# --- brackets and dry runs ---

TARGET = order(order_id="target", side=OrderSide.SELL, purpose=Purpose.EXIT, limit_price=Decimal(20100))
STOP = order(order_id="stop", side=OrderSide.SELL, purpose=Purpose.EXIT, type=OrderType.STOP, limit_price=None, stop_price=Decimal(19900))


async def test_a_bracket_is_placed_and_cancelled_as_one() -> None:
    parts = [raw_order(place, status="Contingent", **{"external-identifier": name}) for place, name in ((2, "stop"), (1, "target"))]
    entry = raw_order(3, status="Routed", **{"external-identifier": None})
    async with fake_venue() as venue, broker_at(venue) as broker:
        path = f"/accounts/{ACCOUNT}/complex-orders"
        venue.answers[f"POST {path}"] = Answer(201, {"data": {"complex-order": {"id": 99, "trigger-order": entry, "orders": parts}}})
        placed = await broker.place_bracket(order(), TARGET, STOP)
        (sent,) = venue.sent(f"POST {path}")
        venue.answers[f"DELETE {path}/99"] = Answer(200)
        gone = await broker.cancel_complex("99", (order(), TARGET, STOP), NOW)
    assert placed.complex_id == "99"
    assert {event.order_id: event.venue_order_id for event in placed.events if event.venue_order_id} == {
        ID: "3",
        "target": "1",
        "stop": "2",
    }
    assert statuses(placed.events) == [S.SUBMITTED] * 3 + [S.ACCEPTED] * 3
    assert [one["advanced-instructions"] for one in sent.json["orders"]] == [{"strict-position-effect-validation": True}] * 2
    assert statuses(gone) == [S.PENDING_CANCEL] * 3


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer(422), S.REJECTED), (Answer(500), S.SUBMIT_UNKNOWN), (Answer(201), S.SUBMIT_UNKNOWN)]
)
async def test_an_oco_without_a_clear_answer_leaves_all_its_orders_unclear(answer: Answer, status: OrderStatus) -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[f"POST /accounts/{ACCOUNT}/complex-orders"] = answer
        placed = await broker.place_oco(TARGET, STOP)
    assert placed.complex_id is None
    assert {event.order_id: event.status for event in placed.events} == {"target": status, "stop": status}


async def test_a_dry_run_tells_refusals_and_warnings() -> None:
    path = f"POST {ORDERS}/dry-run"
    warned = {
        "order": {"status": "Received"},
        "warnings": [{"code": "tif.next_valid_session", "message": "Later."}],
        "buying-power-effect": {"change-in-buying-power": "1.5", "change-in-buying-power-effect": "Debit"},
        "fee-calculation": {"total-fees": "2.32", "total-fees-effect": "Debit"},
    }
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers[path] = Answer(201, {"data": warned})
        assert await broker.check(order()) == DryRun((), ("tif.next_valid_session: Later.",), "-1.5", "-2.32")
        venue.answers[path] = Answer(422, {"error": {"code": "margin_check_failed", "message": "Too little."}})
        assert (await broker.check(order())).refusals == ("margin_check_failed: Too little.",)
        assert (await broker.check(order(quantity=Decimal("0.5")))).refusals
        venue.answers[path] = Answer(500)
        with pytest.raises(VenueUnavailable):
            await broker.check(order())


# --- the account ---


async def test_working_orders_from_before_are_read_whole_once_and_then_by_their_id() -> None:
    clock = ManualClock(NOW)
    async with fake_venue() as venue, broker_at(venue, clock=clock) as broker:
        old = raw_order(1, **{"external-identifier": None})
        venue.orders = [old]
        venue.answers[f"GET {ORDERS}"] = Answer(200, {"data": {"items": []}})
        for _ in range(3):
            assert [one.venue_order_id for one in await broker.orders(NOW)] == ["1"]
            clock.pass_s(5)
        assert len(venue.sent(f"GET {ORDERS}/live")) == 1
        old["status"] = "Filled"
        assert [one.status for one in await broker.orders(clock.now)] == [S.FILLED]
        assert await broker.orders(clock.now) == ()
        starts = [one.query["start-at"] for one in venue.sent(f"GET {ORDERS}") if one.path == ORDERS]
    assert starts[-1] == "2026-11-22T23:59:15.000Z"  # a minute before the read before


async def test_the_whole_list_is_read_again_after_a_reconnect() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        await broker.orders(NOW)
        await broker.connect()
        assert await anext(aiter(broker.wake_ups())) == WakeUp("reconnected")
        await broker.orders(NOW)
        assert len(venue.sent(f"GET {ORDERS}/live")) == 2


async def test_standing_positions_and_balances_are_read() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.positions = [{"symbol": "/NQZ6", "quantity": "2.0", "quantity-direction": "Short", "expires-at": "2026-12-18T14:30:00Z"}]
        (held,) = await broker.positions()
        assert (held.symbol, held.quantity) == ("/NQZ26", Decimal(-2))
        venue.positions[0]["quantity-direction"] = "?"
        with pytest.raises(VenueUnavailable, match="cannot be read"):
            await broker.positions()
        assert (await broker.standing()).obstacles == ()
        venue.answers[f"GET /accounts/{ACCOUNT}/trading-status"] = Answer(403, {"error": {"code": "not_permitted", "message": "No"}})
        assert "not_permitted" in (await broker.standing()).obstacles[0]
        venue.answers[f"GET /accounts/{ACCOUNT}/balances"] = Answer(200, {"data": {"cash-balance": "7.10"}})
        assert (await broker.balances()).cash == Decimal("7.10")


async def test_a_wrong_grant_is_told_at_the_connect() -> None:
    async with fake_venue() as venue, broker_at(venue) as broker:
        venue.answers["POST /oauth/token"] = Answer(400, {"error": "invalid_grant"})
        with pytest.raises(AuthExpired, match="log in again"):
            await broker.connect()


def test_an_event_that_repeats_the_state_is_a_legal_one() -> None:
    """A refused cancel is told as the state the order is in."""
    for status in (S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE):
        filled = Decimal(1) if status is S.PARTIALLY_FILLED else Decimal(0)
        back = S.PARTIALLY_FILLED if filled else S.ACCEPTED
        assert apply_event(order(status=status, filled_quantity=filled), OrderEvent(ID, back, NOW)).status is back
