"""The broker against the simulated Schwab: what becomes of orders, also when answers are lost, late or wrong."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.adapters.schwab_desk import FAST, Desk, connection, desk, follow, order

from fortified.adapters.pacing import Rate
from fortified.adapters.schwab.client import ORDER
from fortified.domain.errors import AmbiguousOrder, ConfigError, RateLimited, VenueUnavailable
from fortified.domain.order import OrderStatus, Purpose
from fortified.domain.signal import OrderSide
from fortified.simulators.faults import Fault, Kind
from fortified.simulators.server import Options

pytestmark = pytest.mark.anyio
S = OrderStatus
BUY, SELL = OrderSide.BUY, OrderSide.SELL
PLACE, READ = "POST /trader/v1/accounts/*/orders", "GET /trader/v1/accounts/*/orders*"


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


def statuses(events: Any) -> list[OrderStatus]:
    return [event.status for event in events]


# --- placing ---


async def test_a_market_order_is_accepted_with_its_id_and_read_as_filled(at: Desk) -> None:
    events = await at.broker.place_order(order())
    assert statuses(events) == [S.SUBMITTED, S.ACCEPTED]
    ours = follow(order(), events)
    at.push(500.5)
    told = await at.found(ours)
    assert (told.status, told.filled_quantity, told.side, told.symbol) == (S.FILLED, Decimal(100), BUY, "SPY")
    assert sum(fill.quantity for fill in told.fills) == 100
    assert told == await at.found(ours)


async def test_a_limit_order_works_until_it_is_reached(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    told = await at.found(ours)
    assert (told.status, told.limit_price, told.filled_quantity) == (S.ACCEPTED, Decimal("499.50"), Decimal(0))
    at.push(499.4)
    assert (await at.found(ours)).status is S.FILLED


async def test_short_and_cover_are_written_as_such(at: Desk) -> None:
    await at.place(order(SELL, 10))
    at.push(500)
    assert [(held.symbol, held.quantity) for held in await at.broker.positions()] == [("SPY", Decimal(-10))]
    cover = await at.place(order(BUY, 10, order_id="o2", purpose=Purpose.EXIT))
    at.push(500)
    assert (await at.found(cover)).status is S.FILLED
    assert all(held.quantity == 0 for held in await at.broker.positions())


async def test_what_schwab_would_never_take_is_rejected_before_it_is_sent(at: Desk) -> None:
    (event,) = await at.broker.place_order(order(limit="12.999"))
    assert event.status is S.REJECTED
    assert not at.simulation.schwab.shapes("10000001")


async def test_a_rejection_at_once_has_its_reason(at: Desk) -> None:
    at.faults.next(PLACE, Fault(Kind.STATUS, status=400))
    events = await at.broker.place_order(order())
    assert statuses(events) == [S.SUBMITTED, S.REJECTED]
    assert "400" in events[1].text


async def test_a_rejection_behind_the_acceptance_is_read(at: Desk) -> None:
    ours = await at.place(order(SELL, 100, purpose=Purpose.EXIT))
    told = await at.found(ours)
    assert (told.status, told.filled_quantity) == (S.REJECTED, Decimal(0))
    assert "oversold" in told.text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.DROP_BEFORE),
        Fault(Kind.STATUS, status=500),
        Fault(Kind.STATUS, status=503, gzip=True),
        Fault(Kind.STATUS, status=429),
        Fault(Kind.STATUS, status=401),
    ],
)
async def test_an_order_that_may_not_have_arrived_is_unknown_and_a_clean_read_lacks_it(at: Desk, fault: Fault) -> None:
    at.faults.next(PLACE, fault)
    events = await at.broker.place_order(order())
    assert statuses(events) == [S.SUBMITTED, S.SUBMIT_UNKNOWN]
    assert await at.broker.find(follow(order(), events)) is None
    assert len([point for point, _ in at.faults.happened]) == 1


@pytest.mark.parametrize("fault", [Fault(Kind.DROP_AFTER), Fault(Kind.STATUS_AFTER, status=500), Fault(Kind.SLOW_AFTER, seconds=0.6)])
async def test_an_order_whose_answer_was_lost_is_found_by_its_likeness(fault: Fault) -> None:
    async with desk(timeout_s=0.3) as at:
        at.faults.next(PLACE, fault)
        events = await at.broker.place_order(order(limit="499.50"))
        assert statuses(events) == [S.SUBMITTED, S.SUBMIT_UNKNOWN]
        told = await at.found(follow(order(limit="499.50"), events))
        assert (told.status, told.limit_price) == (S.ACCEPTED, Decimal("499.50"))
        assert len(at.simulation.schwab.shapes("10000001")) == 1


async def test_a_connection_that_cannot_be_made_leaves_the_order_unsent(at: Desk) -> None:
    await at.simulation.close()
    with pytest.raises(VenueUnavailable, match="not reached"):
        await at.broker.place_order(order())


async def test_a_pace_that_is_exceeded_leaves_the_order_unsent() -> None:
    async with desk(rates=FAST | {ORDER: Rate(0.001, 1)}) as at:
        await at.place(order(limit="499.50"))
        with pytest.raises(RateLimited):
            await at.broker.place_order(order(limit="499.50", order_id="o2"))
        assert len(at.simulation.schwab.shapes("10000001")) == 1


async def test_an_order_that_was_taken_without_naming_its_id_is_looked_up(at: Desk) -> None:
    at.faults.next(PLACE, Kind.NO_LOCATION)
    ours = await at.place(order())
    assert ours.status is S.ACCEPTED
    assert ours.venue_order_id is not None
    assert (await at.found(ours)).venue_order_id == ours.venue_order_id


async def test_an_id_that_belongs_to_another_order_is_not_believed(at: Desk) -> None:
    other = await at.place(order(SELL, 7, limit="600"))
    mine = await at.place(order(limit="499.50", order_id="o2"))
    told = await at.found(msgspec.structs.replace(mine, venue_order_id=other.venue_order_id))
    assert told.venue_order_id == mine.venue_order_id


# --- looking up ---


async def test_two_orders_that_look_alike_are_for_a_person(at: Desk) -> None:
    at.faults.next(PLACE, Kind.TWICE)
    ours = msgspec.structs.replace(await at.place(order(limit="499.50")), venue_order_id=None)
    with pytest.raises(AmbiguousOrder, match="could all be our order o1"):
        await at.broker.find(ours)


async def test_orders_that_are_taken_by_others_of_ours_are_no_candidates(at: Desk) -> None:
    first = await at.place(order(limit="499.50"))
    at.faults.next(PLACE, Kind.DROP_AFTER)
    second = await at.place(order(limit="499.50", order_id="o2"))
    assert (await at.found(second)).venue_order_id != first.venue_order_id
    restarted = at.connection.broker(claimed=lambda: {first.venue_order_id or ""})
    await restarted.connect()
    told = await restarted.find(second)
    assert told is not None
    assert told.venue_order_id != first.venue_order_id


async def test_an_order_of_another_time_is_not_ours(at: Desk) -> None:
    await at.place(order(limit="499.50"))
    at.later(600)
    at.faults.next(PLACE, Kind.DROP_BEFORE)
    ours = await at.place(order(limit="499.50", order_id="o2"))
    assert await at.broker.find(ours) is None


async def test_an_order_that_a_wrong_clock_would_explain_is_for_a_person(at: Desk) -> None:
    at.faults.next(PLACE, Kind.DROP_AFTER)
    ours = await at.place(order(limit="499.50"))
    restarted = at.connection.broker()
    await restarted.connect()
    earlier = at.clock.now_ns() - 120 * 10**9
    wrong = msgspec.structs.replace(ours, ts_submitted=earlier, ts_updated=earlier)
    with pytest.raises(AmbiguousOrder, match="Check the clock"):
        await restarted.find(wrong)


async def test_a_read_that_fails_is_not_absence(at: Desk) -> None:
    at.faults.next(PLACE, Kind.DROP_BEFORE)
    ours = await at.place(order())
    at.faults.always(READ, Fault(Kind.STATUS, status=400))
    with pytest.raises(VenueUnavailable, match="refuses the list of orders"):
        await at.broker.find(ours)
    at.faults.clear()
    at.faults.next(READ, Kind.GARBLED)
    with pytest.raises(VenueUnavailable, match="cannot be read"):
        await at.broker.find(ours)


async def test_a_token_that_ended_early_is_renewed_for_reads(at: Desk) -> None:
    at.faults.next("GET *", Kind.EXPIRE_TOKEN)
    assert (await at.broker.balances()).cash == 250_000


# --- cancel and replace ---


async def test_a_cancel_is_asked_for_and_its_end_is_read_without_a_phantom_fill(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    events = await at.broker.cancel_order(ours, at.clock.now_ns())
    assert statuses(events) == [S.PENDING_CANCEL]
    told = await at.found(follow(ours, events))
    assert (told.status, told.filled_quantity, told.fills) == (S.CANCELED, Decimal(0), ())


async def test_a_cancel_that_comes_too_late_puts_the_order_back(at: Desk) -> None:
    ours = await at.place(order())
    at.push(500)
    (event,) = await at.broker.cancel_order(ours, at.clock.now_ns())
    assert event.status is S.ACCEPTED
    assert "refuses the cancel" in event.text
    assert (await at.found(ours)).status is S.FILLED


async def test_a_cancel_without_an_answer_stays_pending(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    at.faults.next("DELETE *", Kind.DROP_BEFORE)
    (event,) = await at.broker.cancel_order(ours, at.clock.now_ns())
    assert event.status is S.PENDING_CANCEL
    assert "not known" in event.text
    assert (await at.found(ours)).status is S.ACCEPTED


async def test_a_cancel_of_an_order_that_never_arrived_does_nothing(at: Desk) -> None:
    at.faults.next(PLACE, Kind.DROP_BEFORE)
    ours = await at.place(order())
    assert await at.broker.cancel_order(ours, at.clock.now_ns()) == ()


async def test_a_replacement_has_a_new_id_and_the_old_one_is_no_cancel(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    events = await at.broker.replace_order(ours, Decimal("499.80"), None)
    assert statuses(events) == [S.PENDING_REPLACE]
    moved = follow(ours, events)
    assert moved.venue_order_id != ours.venue_order_id
    told = await at.found(moved)
    assert (told.status, told.limit_price, told.replaces) == (S.ACCEPTED, Decimal("499.80"), ours.venue_order_id)
    old = await at.found(ours)
    assert (old.status, old.raw_status, old.replaced_by) == (S.PENDING_REPLACE, "REPLACED", moved.venue_order_id)
    by_id = {found.venue_order_id: found for found in await at.broker.orders(at.clock.now_ns())}
    assert by_id[ours.venue_order_id or ""].replaced_by == moved.venue_order_id


async def test_the_successor_of_a_replacement_whose_answer_was_lost_is_found(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    at.faults.next("PUT *", Kind.DROP_AFTER)
    (event,) = await at.broker.replace_order(ours, Decimal("499.80"), None)
    assert event.status is S.PENDING_REPLACE
    old = await at.found(ours)
    assert old.replaced_by is not None
    assert (await at.found(msgspec.structs.replace(ours, venue_order_id=old.replaced_by))).limit_price == Decimal("499.80")


async def test_a_replacement_is_for_what_remains_and_the_order_stays_whole() -> None:
    async with desk(Options(by_size=True)) as at:
        ours = await at.place(order(limit="499.50"))
        at.push(499.4, size=30)
        (event,) = await at.broker.replace_order(ours, Decimal("499.60"), None)
        whole = await at.found(follow(ours, [event]))
        assert (whole.quantity, whole.filled_quantity) == (Decimal(100), Decimal(30))
        working = next(one for one in await at.broker.orders(0) if one.venue_order_id == whole.venue_order_id)
        assert working.quantity == 70


async def test_a_replacement_that_is_refused_leaves_the_order_working(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    at.faults.next("PUT *", Fault(Kind.STATUS, status=400))
    (event,) = await at.broker.replace_order(ours, Decimal("499.80"), None)
    assert event.status is S.ACCEPTED
    assert "refuses the replacement" in event.text
    (event,) = await at.broker.replace_order(ours, Decimal("499.801"), None)
    assert "2 decimals" in event.text
    assert (await at.found(ours)).limit_price == Decimal("499.50")


async def test_an_order_that_has_ended_is_not_replaced(at: Desk) -> None:
    ours = await at.place(order())
    at.push(500)
    assert await at.broker.replace_order(ours, Decimal("499.80"), None) == ()


# --- orders sent as one ---


async def test_a_bracket_sets_target_and_stop_when_its_entry_fills(at: Desk) -> None:
    entry = order(limit="499.50")
    target = order(SELL, limit="510.00", order_id="o2", purpose=Purpose.EXIT)
    stop = order(SELL, stop="490.00", order_id="o3", purpose=Purpose.EXIT)
    events = await at.broker.place_bracket(entry, target, stop)
    assert statuses(events) == [S.SUBMITTED, S.ACCEPTED] * 3
    entry, target, stop = (follow(one, [event for event in events if event.order_id == one.order_id]) for one in (entry, target, stop))
    assert len({one.venue_order_id for one in (entry, target, stop)}) == 3
    assert (await at.found(stop)).stop_price == Decimal("490.00")
    at.push(499.4)
    at.push(510.5)
    assert [(await at.found(one)).status for one in (entry, target, stop)] == [S.FILLED, S.FILLED, S.CANCELED]


async def test_an_oco_leaves_one(at: Desk) -> None:
    await at.place(order())
    at.push(500)
    target = order(SELL, limit="510.00", order_id="o2", purpose=Purpose.EXIT)
    stop = order(SELL, stop="490.00", order_id="o3", purpose=Purpose.EXIT)
    events = await at.broker.place_oco(target, stop)
    assert statuses(events) == [S.SUBMITTED, S.ACCEPTED] * 2
    target, stop = (follow(one, [event for event in events if event.order_id == one.order_id]) for one in (target, stop))
    at.push(489)
    assert [(await at.found(one)).status for one in (target, stop)] == [S.CANCELED, S.FILLED]


async def test_a_bracket_whose_answer_was_lost_is_found_in_all_its_parts(at: Desk) -> None:
    entry = order(limit="499.50")
    target = order(SELL, limit="510.00", order_id="o2", purpose=Purpose.EXIT)
    stop = order(SELL, stop="490.00", order_id="o3", purpose=Purpose.EXIT)
    at.faults.next(PLACE, Kind.DROP_AFTER)
    events = await at.broker.place_bracket(entry, target, stop)
    assert statuses(events) == [S.SUBMITTED, S.SUBMIT_UNKNOWN] * 3
    assert len({(await at.found(one)).venue_order_id for one in (entry, target, stop)}) == 3


async def test_a_preview_places_nothing(at: Desk) -> None:
    told = await at.broker.preview(order(SELL, purpose=Purpose.EXIT))
    assert told.rejects
    assert not (await at.broker.preview(order())).rejects
    assert not at.simulation.schwab.shapes("10000001")


# --- the account ---


async def test_balances_and_standing(at: Desk) -> None:
    balances = await at.broker.balances()
    assert (balances.net_liquidation, balances.currency) == (Decimal(250_000), "USD")
    standing = await at.broker.standing()
    assert (standing.account_number, standing.obstacles, standing.warnings) == ("…0001", (), ())
    at.simulation.schwab.flags["isClosingOnlyRestricted"] = True
    restricted = await at.broker.standing()
    assert restricted.closing_only
    assert "closing orders" in restricted.warnings[0]


async def test_a_log_in_that_will_end_soon_is_a_warning(at: Desk) -> None:
    at.clock.advance(6 * 86_400)
    assert any("expires in" in warning for warning in (await at.broker.standing()).warnings)


async def test_the_account_that_is_meant_must_be_clear(at: Desk) -> None:
    broker = at.connection.broker(account_number="1000-0001")
    await broker.connect()
    with pytest.raises(ConfigError, match="…0001") as caught:
        await at.connection.broker(account_number="99999999").connect()
    assert "10000001" not in str(caught.value)


async def test_a_broker_that_is_not_connected_says_so(at: Desk) -> None:
    with pytest.raises(VenueUnavailable, match="not connected"):
        await at.connection.broker().orders(0)


async def test_the_orders_of_an_account_are_those_that_work_or_ended_since(at: Desk) -> None:
    ended = await at.place(order(limit="499.50"))
    await at.broker.cancel_order(ended, at.clock.now_ns())
    works = await at.place(order(limit="499.40", order_id="o2"))
    at.later(3600)
    assert {found.venue_order_id for found in await at.broker.orders(0)} == {ended.venue_order_id, works.venue_order_id}
    for _ in range(2):
        assert [found.venue_order_id for found in await at.broker.orders(at.clock.now_ns())] == [works.venue_order_id]


# --- hints ---


async def test_the_stream_hints_at_each_change_of_an_order(at: Desk) -> None:
    ours = await at.place(order(limit="499.50"))
    hint = await at.hint("order")
    assert ours.venue_order_id is not None
    assert ours.venue_order_id in hint.text
    at.push(499.4)
    while "OrderFillCompleted" not in hint.text:
        hint = await at.hint("order")


async def test_the_nightly_message_without_a_type_disturbs_nothing(at: Desk) -> None:
    at.faults.next("activity", Kind.EMPTY)
    await at.place(order(limit="499.50"))
    assert "OrderCreated" in (await at.hint("order")).text


async def test_a_lost_stream_is_told_and_comes_back(at: Desk) -> None:
    at.simulation.schwab_streamer.stop()
    assert "stopped" in (await at.hint("lost")).text
    await at.hint("reconnected")
    await at.place(order(limit="499.50"))
    assert "OrderCreated" in (await at.hint("order")).text


async def test_who_takes_the_connection_away_is_named(at: Desk) -> None:
    at.simulation.schwab_streamer.kick()
    assert "Another program uses the one streamer connection" in (await at.hint("lost")).text
    await at.hint("reconnected")


async def test_hints_end_with_the_broker(at: Desk) -> None:
    await at.broker.close()
    assert [hint async for hint in at.hints] == []


async def test_a_stream_whose_log_in_is_denied_gets_another_token(at: Desk) -> None:
    before = await at.connection.keeper.token()
    at.faults.next("command LOGIN*", Kind.DENY)
    at.simulation.schwab_streamer.stop()
    await at.hint("lost")
    assert "Denied" in (await at.hint("lost")).text
    await at.hint("reconnected")
    assert await at.connection.keeper.token() != before


async def test_a_stream_that_tells_nothing_of_the_account_is_a_warning(at: Desk) -> None:
    at.faults.always("command SUBS*", Kind.DENY)
    at.simulation.schwab_streamer.stop()
    assert "read by the clock" in (await at.hint("warning")).text


async def test_connections_are_shared_and_end_once(at: Desk) -> None:
    other = connection(at.simulation, at.clock)
    await other.close()
    await other.close()
    assert await other.expiry() is not None
