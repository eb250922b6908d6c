"""The life of an order: one table, and what an event may do."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import OPEN, fill, order

from fortified.domain.errors import InvariantError
from fortified.domain.order import TERMINAL, TRANSITIONS, OrderEvent, OrderStatus, apply_event
from fortified.domain.signal import OrderSide

S = OrderStatus
ALL = list(OrderStatus)
WORKING = [status for status in ALL if status not in TERMINAL]


def test_the_table_knows_every_status() -> None:
    assert set(TRANSITIONS) == set(ALL)
    assert set().union(*TRANSITIONS.values()) <= set(ALL)


def test_nothing_follows_an_end_but_a_fill_that_crossed_a_cancel_on_the_wire() -> None:
    assert {S.DENIED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED} == TERMINAL
    late = {S.PARTIALLY_FILLED, S.FILLED}
    assert {status: set(TRANSITIONS[status]) for status in TERMINAL} == {
        **{S.DENIED: set(), S.FILLED: set(), S.REJECTED: set()},
        **{S.CANCELED: late, S.EXPIRED: late},
    }


def test_an_end_can_be_reached_from_everywhere_and_the_beginning_from_nowhere() -> None:
    assert all(TRANSITIONS[status] & TERMINAL for status in WORKING)
    assert all(S.INITIALIZED not in after for after in TRANSITIONS.values())


@pytest.mark.parametrize("before", ALL)
@pytest.mark.parametrize("after", ALL)
def test_an_event_is_applied_if_and_only_if_the_table_has_it(before: OrderStatus, after: OrderStatus) -> None:
    traded = {S.FILLED: fill(), S.PARTIALLY_FILLED: fill(quantity=1)}.get(after)
    old, event = order(status=before), OrderEvent("o1", after, OPEN + 1, "why", fill=traded)
    if after in TRANSITIONS[before]:
        new = apply_event(old, event)
        assert (new.status, new.ts_updated, new.text, new.is_terminal) == (after, OPEN + 1, "why", after in TERMINAL)
    else:
        with pytest.raises(InvariantError, match=f"o1: {after} cannot follow {before}"):
            apply_event(old, event)


def test_fills_add_up_with_their_average_and_fees() -> None:
    old = order(quantity=3, status=S.ACCEPTED)
    half = apply_event(old, OrderEvent("o1", S.PARTIALLY_FILLED, OPEN, fill=fill(quantity=1, price=100, fee=Decimal(2))))
    done = apply_event(half, OrderEvent("o1", S.FILLED, OPEN, fill=fill(quantity=2, price=103, fee=Decimal(4), fill_id="f2")))
    assert (half.filled_quantity, half.remaining, half.average_fill_price) == (1, 2, 100)
    assert (done.filled_quantity, done.remaining, done.average_fill_price, done.fees) == (3, 0, 102, 6)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 20))
def test_more_than_was_ordered_is_never_filled(pieces: list[int], quantity: int) -> None:
    held = order(quantity=quantity, status=S.ACCEPTED)
    for number, piece in enumerate(pieces):
        status = S.FILLED if held.remaining == piece else S.PARTIALLY_FILLED
        event = OrderEvent("o1", status, OPEN, fill=fill(quantity=piece, fill_id=f"f{number}"))
        if held.is_terminal:
            return
        if held.filled_quantity + piece > quantity:
            with pytest.raises(InvariantError, match="does not fit"):
                apply_event(held, event)
        else:
            held = apply_event(held, event)
    assert held.filled_quantity <= quantity


@pytest.mark.parametrize(
    ("status", "quantity"), [(S.FILLED, 1), (S.PARTIALLY_FILLED, 0), (S.PARTIALLY_FILLED, -1), (S.PARTIALLY_FILLED, 2), (S.FILLED, None)]
)
def test_a_status_that_contradicts_the_quantities_is_refused(status: OrderStatus, quantity: int | None) -> None:
    filled = None if quantity is None else fill(quantity=quantity)
    with pytest.raises(InvariantError):
        apply_event(order(quantity=2, status=S.ACCEPTED), OrderEvent("o1", status, OPEN, fill=filled))


def test_a_filled_order_that_was_cancelled_before_the_fill_arrived() -> None:
    gone = apply_event(order(status=S.PENDING_CANCEL), OrderEvent("o1", S.CANCELED, OPEN))
    assert apply_event(gone, OrderEvent("o1", S.FILLED, OPEN, fill=fill())).status is S.FILLED


def test_an_event_of_another_order_is_refused() -> None:
    with pytest.raises(InvariantError, match="event of order o2 was given to order o1"):
        apply_event(order(), OrderEvent("o2", S.SUBMITTED, OPEN))


def test_what_the_venue_told_once_is_kept() -> None:
    sent = apply_event(order(), OrderEvent("o1", S.SUBMITTED, OPEN + 5))
    known = apply_event(sent, OrderEvent("o1", S.ACCEPTED, OPEN + 9, venue_order_id="v7", triggered=True))
    last = apply_event(known, OrderEvent("o1", S.CANCELED, OPEN + 11))
    assert (last.ts_submitted, last.venue_order_id, last.triggered, last.ts_updated) == (OPEN + 5, "v7", True, OPEN + 11)


def test_what_remains_has_the_sign_of_the_side() -> None:
    sold = msgspec.structs.replace(order(OrderSide.SELL, 5), filled_quantity=Decimal(2))
    assert (sold.remaining, sold.signed_remaining) == (3, -3)
