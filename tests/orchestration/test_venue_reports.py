"""Words of venues, in any order and as often as they like: fills are booked once, ends are never invented."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import OPEN, SECOND, order

from fortified.adapters.schwab import statuses as schwab
from fortified.adapters.tastytrade import statuses as tastytrade
from fortified.domain.errors import InvariantError
from fortified.domain.order import TERMINAL, TRANSITIONS, Order, OrderEvent, OrderStatus, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueFill, VenueOrder
from fortified.orchestration.venue_reports import Reading, read

S = OrderStatus
ZERO = Decimal(0)
QUANTITY = 3


def ours(status: OrderStatus = S.ACCEPTED, **fields: Any) -> Order:
    return order(quantity=QUANTITY, status=status, **fields)


def word(status: OrderStatus | None, *fills: int, **fields: Any) -> VenueOrder:
    """The venue's word: ``fills`` are quantities, in the order they traded."""
    told = tuple(VenueFill(f"f{place}", Decimal(quantity), Decimal(100 + place), OPEN + place) for place, quantity in enumerate(fills))
    values: dict[str, Any] = {"filled_quantity": sum((fill.quantity for fill in told), ZERO), "fills": told}
    raw = "odd" if status is None else status.value
    return VenueOrder("v1", "/NQ", OrderSide.BUY, Decimal(QUANTITY), status, raw, OPEN, OPEN + SECOND, **(values | fields))


def seen_by(own: Order, seen: VenueOrder) -> tuple[Order, Reading]:
    found = read(own, seen, seq=7, fee_of=lambda fill: fill.quantity)
    for event in found.events:
        own = apply_event(own, event)
    return own, found


# --- one word


def test_a_fill_is_booked_with_its_fee_behind_the_last_market_event() -> None:
    own, found = seen_by(ours(), word(S.PARTIALLY_FILLED, 2))
    [event] = found.events
    assert event.fill is not None
    assert (own.status, own.filled_quantity, own.fees, event.fill.seq) == (S.PARTIALLY_FILLED, Decimal(2), Decimal(2), 7)


def test_the_last_fill_ends_the_order_whatever_the_word_is() -> None:
    assert seen_by(ours(), word(S.ACCEPTED, 1, 2))[0].status is S.FILLED


def test_an_end_waits_for_the_fills_that_the_venue_counts() -> None:
    own, found = seen_by(ours(), word(S.CANCELED, 1, filled_quantity=Decimal(2)))
    assert (own.status, found.incomplete) == (S.PARTIALLY_FILLED, True)
    own, found = seen_by(own, word(S.CANCELED, 1, 1))
    assert (own.status, own.filled_quantity, found.incomplete) == (S.CANCELED, Decimal(2), False)


def test_filled_without_its_fills_is_no_end_yet() -> None:
    own, found = seen_by(ours(), word(S.FILLED, filled_quantity=Decimal(QUANTITY)))
    assert (own.status, found.incomplete, found.alarm) == (S.ACCEPTED, True, "")


def test_filled_with_less_than_was_ordered_calls_a_person() -> None:
    own, found = seen_by(ours(), word(S.FILLED, 1))
    assert own.status is S.PARTIALLY_FILLED
    assert "1 of 3" in found.alarm


def test_a_fill_that_crossed_the_cancel_is_booked_and_the_order_stays_ended() -> None:
    own, _ = seen_by(ours(S.CANCELED), word(S.CANCELED, 1))
    assert (own.status, own.filled_quantity) == (S.CANCELED, Decimal(1))
    assert seen_by(own, word(S.CANCELED, 1))[1].events == []


def test_a_word_that_is_not_known_is_told_and_changes_nothing_but_fills() -> None:
    own, found = seen_by(ours(), word(None, 1))
    assert (own.status, own.filled_quantity) == (S.PARTIALLY_FILLED, Decimal(1))
    assert "'odd'" in found.alarm


def test_an_order_that_the_dead_process_had_sent_is_taken_up() -> None:
    own, found = seen_by(ours(S.INITIALIZED), word(S.PARTIALLY_FILLED, 1))
    assert [event.status for event in found.events] == [S.SUBMITTED, S.PARTIALLY_FILLED]
    assert own.venue_order_id == "v1"


def test_an_old_answer_does_not_undo_a_cancel_that_is_on_its_way() -> None:
    assert seen_by(ours(S.PENDING_CANCEL), word(S.ACCEPTED))[1].events == []


@pytest.mark.parametrize("filled", [0, 1])
def test_a_replacement_that_is_done_puts_the_order_back_to_work_under_its_new_id(filled: int) -> None:
    own, _ = seen_by(ours(S.PENDING_REPLACE, venue_order_id="v0"), word(S.PENDING_REPLACE, *[1] * filled, replaced_by="v1"))
    own, _ = seen_by(own, word(S.PARTIALLY_FILLED if filled else S.ACCEPTED, *[1] * filled))
    assert (own.status, own.venue_order_id) == (S.PARTIALLY_FILLED if filled else S.ACCEPTED, "v1")


def test_too_much_and_the_other_side_are_contradictions() -> None:
    with pytest.raises(InvariantError, match="does not fit"):
        read(ours(), word(S.FILLED, 2, 2), seq=1, fee_of=lambda _: ZERO)
    with pytest.raises(InvariantError, match="SELL"):
        read(ours(), msgspec.structs.replace(word(S.FILLED, 3), side=OrderSide.SELL), seq=1, fee_of=lambda _: ZERO)


# --- every word of both venues


@pytest.mark.parametrize("own", [status for status in S if status is not S.DENIED])
@pytest.mark.parametrize("filled", [0, 1])
def test_every_word_of_both_venues_reaches_a_decision(own: OrderStatus, filled: int) -> None:
    told = {tastytrade.status_of(raw, Decimal(filled), Decimal(QUANTITY), None) for raw in (*tastytrade.STATUSES, "Odd")}
    told |= {schwab.status_of(raw, Decimal(filled)) for raw in (*schwab.STATUSES, "ODD")}
    told.discard(S.FILLED)
    for status in told:
        if own in (S.REJECTED, S.FILLED) and filled:
            continue
        before = ours(own) if own is not S.FILLED else ours(own, filled_quantity=Decimal(QUANTITY))
        after, found = seen_by(before, word(status, *[1] * filled))
        assert status is not None or found.alarm
        if status in TERMINAL and before.status not in TERMINAL:
            assert after.status is status
        if status is not None and after.status not in TERMINAL:
            assert after.status is not S.INITIALIZED
        assert seen_by(after, word(status, *[1] * filled))[1].events == []


# --- any sequence

MIDDLE = st.sampled_from([S.SUBMITTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, None])
ENDS = st.sampled_from([S.CANCELED, S.EXPIRED, S.REJECTED])
OWN_WISHES = st.sampled_from([None, None, S.PENDING_CANCEL, S.PENDING_REPLACE])


@st.composite
def lives(draw: st.DrawFn) -> list[VenueOrder]:
    """The words of one order at its venue, in time; the venue may count fills before it shows them."""
    fills: list[int] = []
    words: list[VenueOrder] = []
    for status in draw(st.lists(MIDDLE, max_size=6)):
        if sum(fills) < QUANTITY and draw(st.booleans()):
            fills.append(1)
        ahead = Decimal(draw(st.integers(0, QUANTITY - sum(fills))))
        words.append(word(status, *fills, filled_quantity=Decimal(sum(fills)) + ahead))
    if sum(fills) < QUANTITY and draw(st.booleans()):
        end = draw(ENDS) if not fills else draw(st.sampled_from([S.CANCELED, S.EXPIRED]))
        return [*words, word(end, *fills)]
    return [*words, word(S.FILLED, *fills, *[1] * (QUANTITY - sum(fills)))]


@given(lives(), st.data())
def test_in_any_sequence_fills_are_booked_once_and_no_end_is_invented(life: Sequence[VenueOrder], data: st.DataObject) -> None:
    own = ours(data.draw(st.sampled_from([S.INITIALIZED, S.SUBMITTED, S.SUBMIT_UNKNOWN, S.ACCEPTED])))
    told: list[VenueOrder] = []
    for newest in life:
        told.append(newest)
        own = _wished(own, data.draw(OWN_WISHES))
        for seen in (newest, *data.draw(st.lists(st.sampled_from(told), max_size=3)), newest):
            before = own
            own, _ = seen_by(own, seen)
            assert before.filled_quantity <= own.filled_quantity <= QUANTITY
            assert len(set(own.fill_ids)) == len(own.fill_ids) == own.filled_quantity
            if own.status in TERMINAL:
                assert own.status in {one.status for one in told} or own.filled_quantity == QUANTITY
            assert before.status not in (S.FILLED, S.REJECTED) or own == before
    own, found = seen_by(own, life[-1])
    assert (own.status, own.filled_quantity) == (life[-1].status, life[-1].filled_quantity)
    assert found.events == []


def _wished(own: Order, wish: OrderStatus | None) -> Order:
    """What we ask for on the way, where the order's life allows it."""
    if wish is None or wish not in TRANSITIONS[own.status]:
        return own
    return apply_event(own, OrderEvent(own.order_id, wish, OPEN))
