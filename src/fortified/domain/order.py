"""Orders: their shape, their life and the one table of its transitions.

Owns which status may follow which. Knows nothing of brokers' words; adapters translate those into ``OrderStatus``.
"""

import enum
from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.errors import InvariantError
from fortified.domain.signal import OrderSide

ZERO = Decimal(0)


class OrderType(enum.StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"
    """The other side of a stop: a market order once the price is at ``stop_price`` or better."""


class OrderStatus(enum.StrEnum):
    INITIALIZED = "INITIALIZED"
    """The intent is durable; nothing was sent."""
    DENIED = "DENIED"
    """Our own risk gate said no."""
    SUBMITTED = "SUBMITTED"
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    """Sent, and no answer says whether it arrived. Blocks new entries on its leg."""
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


S = OrderStatus
TERMINAL = frozenset({S.DENIED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.INITIALIZED: frozenset({S.DENIED, S.SUBMITTED, S.SUBMIT_UNKNOWN, S.REJECTED}),
    S.DENIED: frozenset(),
    # A fast venue reports the fill before its acceptance.
    S.SUBMITTED: frozenset(
        {
            *(S.SUBMIT_UNKNOWN, S.ACCEPTED, S.REJECTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED),
            *(S.PENDING_CANCEL, S.PENDING_REPLACE),
        }
    ),
    # The look-up found it (any later state), or found it absent often enough to send it again.
    S.SUBMIT_UNKNOWN: frozenset(
        {
            *(S.SUBMITTED, S.ACCEPTED, S.REJECTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED),
            *(S.PENDING_CANCEL, S.PENDING_REPLACE),
        }
    ),
    # A venue may reject after routing what it had accepted.
    # ACCEPTED twice: a stop-limit was triggered and works as a limit from now on.
    S.ACCEPTED: frozenset(
        {S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.PENDING_CANCEL, S.PENDING_REPLACE}
    ),
    S.PARTIALLY_FILLED: frozenset({S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.PENDING_CANCEL, S.PENDING_REPLACE}),
    # A refused cancel or replace puts the order back to work.
    S.PENDING_CANCEL: frozenset({S.CANCELED, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.EXPIRED, S.REJECTED}),
    # PENDING_REPLACE twice: the venue gave the next link of the chain an id of its own.
    S.PENDING_REPLACE: frozenset(
        {S.PENDING_REPLACE, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.PENDING_CANCEL}
    ),
    S.FILLED: frozenset(),
    # A fill does come after a cancel: it crossed the cancel on the wire.
    S.CANCELED: frozenset({S.PARTIALLY_FILLED, S.FILLED}),
    S.EXPIRED: frozenset({S.PARTIALLY_FILLED, S.FILLED}),
    S.REJECTED: frozenset(),
}


class Purpose(enum.StrEnum):
    """Why an order exists. Entries can be forbidden where exits must not be."""

    ENTRY = "entry"
    EXIT = "exit"


class Order(msgspec.Struct, frozen=True):
    """One logical order, through all its states.

    ``order_id`` is ours and a pure function of the inputs that caused the order. ``ts_created`` (ns) and ``seq`` stamp the market event at
    which the decision fell: an order never fills on that event or an earlier one, unless the fill model is ``last``, which takes
    ``reference_price``, the price of that very event.
    """

    order_id: str
    account: AccountId
    strategy: str
    symbol: str
    timeframe: str
    side: OrderSide
    quantity: Decimal
    purpose: Purpose
    reason: str
    ts_created: int
    seq: int
    reference_price: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    status: OrderStatus = OrderStatus.INITIALIZED
    filled_quantity: Decimal = ZERO
    average_fill_price: Decimal | None = None
    fees: Decimal = ZERO
    venue_order_id: str | None = None
    ts_submitted: int | None = None
    ts_updated: int = 0
    triggered: bool = False
    fill_ids: tuple[str, ...] = ()
    text: str = ""
    budget: Decimal | None = None
    """Money to spend: a simulated venue takes as many whole units as it buys at the price of the fill, and ``quantity`` is an estimate."""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_quantity

    @property
    def signed_remaining(self) -> Decimal:
        return self.remaining * self.side.sign


class Fill(msgspec.Struct, frozen=True):
    """A piece of an order that traded. ``fill_id`` is the broker's; the same id twice is the same fill."""

    fill_id: str
    order_id: str
    account: AccountId
    strategy: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    ts_event: int
    seq: int
    reason: str
    purpose: Purpose


class OrderEvent(msgspec.Struct, frozen=True):
    """What a broker (or our gate) says about an order: its new status, and the fill when there is one."""

    order_id: str
    status: OrderStatus
    ts_event: int
    text: str = ""
    venue_order_id: str | None = None
    fill: Fill | None = None
    triggered: bool = False
    quantity: Decimal | None = None
    """What the order is for from now on, when that was only known at its fill."""
    stop_price: Decimal | None = None
    """Its stop from now on, where that was replaced."""


def apply_event(order: Order, event: OrderEvent) -> Order:
    """The order after ``event``.

    Raises:
        InvariantError: the event is for another order, is no legal transition, or fills more than was ordered.
    """
    if event.order_id != order.order_id:
        raise InvariantError(f"event of order {event.order_id} was given to order {order.order_id}")
    if event.status not in TRANSITIONS[order.status]:
        raise InvariantError(f"order {order.order_id}: {event.status} cannot follow {order.status}")
    quantity = order.quantity if event.quantity is None else event.quantity
    filled, average, fees, fill_ids = order.filled_quantity, order.average_fill_price, order.fees, order.fill_ids
    if event.fill is not None:
        total = filled + event.fill.quantity
        if event.fill.quantity <= ZERO or total > quantity:
            raise InvariantError(f"order {order.order_id}: a fill of {event.fill.quantity} on {filled} does not fit {quantity}")
        average = ((average or ZERO) * filled + event.fill.price * event.fill.quantity) / total
        filled, fees, fill_ids = total, fees + event.fill.fee, (*fill_ids, event.fill.fill_id)
    if (event.status is S.FILLED) != (filled == quantity) and event.status in (S.FILLED, S.PARTIALLY_FILLED):
        raise InvariantError(f"order {order.order_id}: {event.status} does not fit {filled} of {quantity} filled")
    return msgspec.structs.replace(
        order,
        status=event.status,
        quantity=quantity,
        filled_quantity=filled,
        average_fill_price=average,
        fees=fees,
        venue_order_id=event.venue_order_id or order.venue_order_id,
        ts_submitted=event.ts_event if event.status is OrderStatus.SUBMITTED else order.ts_submitted,
        ts_updated=event.ts_event,
        triggered=order.triggered or event.triggered,
        stop_price=order.stop_price if event.stop_price is None else event.stop_price,
        fill_ids=fill_ids,
        text=event.text or order.text,
    )
