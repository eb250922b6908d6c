"""From what a venue says of an order to the events that bring our order there.

Owns that translation: fills by the venue's ids, each once; ends only when every fill that the venue counts is known; words that are not
known to us are told, never guessed. Pure, and idempotent: the same word twice gives no event.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec

from fortified.domain.errors import InvariantError
from fortified.domain.order import TERMINAL, TRANSITIONS, Fill, Order, OrderEvent, OrderStatus, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueFill, VenueOrder
from fortified.engine.inputs import Leg, LegState

S = OrderStatus
FeeOf = Callable[[VenueFill], Decimal]

_NEWS = {
    S.SUBMITTED: frozenset({S.SUBMIT_UNKNOWN}),
    S.ACCEPTED: frozenset({S.SUBMITTED, S.SUBMIT_UNKNOWN, S.PENDING_REPLACE, S.ACCEPTED}),
    S.PARTIALLY_FILLED: frozenset({S.SUBMITTED, S.SUBMIT_UNKNOWN, S.PENDING_REPLACE, S.PARTIALLY_FILLED}),
    S.PENDING_CANCEL: frozenset({S.SUBMITTED, S.SUBMIT_UNKNOWN, S.ACCEPTED, S.PARTIALLY_FILLED}),
    S.PENDING_REPLACE: frozenset({S.SUBMITTED, S.SUBMIT_UNKNOWN, S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_REPLACE}),
}
"""From which of our states a state of the venue that is no end is news: an old answer must not undo a cancel that is on its way. The same
state is news where the venue gave the order another id."""


class Reading(msgspec.Struct, frozen=True):
    """The events of a report. ``incomplete``: the venue counts fills that it does not show yet; ``alarm``: what a person must know."""

    events: Sequence[OrderEvent] = ()
    incomplete: bool = False
    alarm: str = ""


def read(order: Order, seen: VenueOrder, *, seq: int, fee_of: FeeOf) -> Reading:
    """What ``seen`` says that ``order`` does not know. ``seq`` is the last market event: fills are booked behind it.

    Raises:
        InvariantError: it fills more than was ordered, or another side.
    """
    if seen.side is not order.side:
        raise InvariantError(f"order {order.order_id} is to {order.side}, and the venue's {seen.venue_order_id} is to {seen.side}")
    events: list[OrderEvent] = []

    def add(event: OrderEvent) -> None:
        nonlocal order
        order = apply_event(order, event)
        events.append(event)

    if order.status is S.INITIALIZED:  # the process ended while it was being sent
        add(OrderEvent(order.order_id, S.SUBMITTED, seen.ts_entered, venue_order_id=seen.venue_order_id))
    for fill in sorted(seen.fills, key=lambda one: (one.ts_event, one.fill_id)):
        if fill.fill_id not in order.fill_ids:
            add(_filled(order, seen, fill, seq, fee_of(fill)))
    incomplete = seen.filled_quantity > order.filled_quantity
    if seen.status is None:
        words = f"the venue calls order {seen.venue_order_id} {seen.raw_status!r}, which is not known here; look at it there"
        return Reading(events, incomplete, words)
    if seen.status is S.FILLED and not incomplete and order.filled_quantity < order.quantity:
        told = f"{order.filled_quantity} of {order.quantity}"
        words = f"the venue calls order {seen.venue_order_id} filled, and tells of {told}; look at it there"
        return Reading(events, incomplete, words)
    if not incomplete and _is_news(order, seen):
        moved = None if order.stop_price is None or seen.stop_price == order.stop_price else seen.stop_price
        told = seen.replaced_by or seen.venue_order_id
        add(OrderEvent(order.order_id, seen.status, seen.ts_updated, seen.text, told, stop_price=moved))
    return Reading(events, incomplete)


def adoption(strategy: str, leg: Leg, held: LegState, units: Decimal, price: Decimal, now_ns: int, seq: int) -> Iterator[Fill]:
    """The marked fills, at no fee, that change the ledger's position of ``leg`` by ``units`` (signed): through zero in two."""
    closing = min(abs(units), abs(held.quantity)) if units * held.quantity < 0 else Decimal(0)
    for number, (quantity, purpose) in enumerate(((closing, Purpose.EXIT), (abs(units) - closing, Purpose.ENTRY)), 1):
        if quantity:
            name = f"adopted-{leg.account}-{leg.symbol}-{now_ns}"
            yield Fill(
                fill_id=f"{name}.{number}",
                order_id=name,
                account=leg.account,
                strategy=strategy,
                symbol=leg.symbol,
                side=OrderSide.BUY if units > 0 else OrderSide.SELL,
                quantity=quantity,
                price=price,
                fee=Decimal(0),
                ts_event=now_ns,
                seq=seq,
                reason="adopted",
                purpose=purpose,
            )


def _is_news(order: Order, seen: VenueOrder) -> bool:
    status = seen.status
    if status is None or status not in TRANSITIONS[order.status]:
        return False
    if status in TERMINAL:
        return status is not S.FILLED
    told = seen.replaced_by or seen.venue_order_id
    return order.status in _NEWS.get(status, ()) and (status is not order.status or told != order.venue_order_id)


def _filled(order: Order, seen: VenueOrder, fill: VenueFill, seq: int, fee: Decimal) -> OrderEvent:
    whole = order.filled_quantity + fill.quantity == order.quantity
    booked = Fill(
        fill_id=fill.fill_id,
        order_id=order.order_id,
        account=order.account,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fee,
        ts_event=fill.ts_event,
        seq=seq,
        reason=order.reason,
        purpose=order.purpose,
    )
    status = S.FILLED if whole else S.PARTIALLY_FILLED
    return OrderEvent(order.order_id, status, fill.ts_event, venue_order_id=seen.venue_order_id, fill=booked)
