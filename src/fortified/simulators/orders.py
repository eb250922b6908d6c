"""Orders as the matching engine holds them, in words of its own.

Owns the shapes of tickets, orders, fills and events. Knows no venue: what a venue wants to remember of a ticket is in ``details``.
"""

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec


class OrderKind(enum.StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class Life(enum.StrEnum):
    """How long an order lives."""

    DAY = "day"
    UNTIL_CANCELLED = "gtc"
    AT_ONCE = "ioc"
    ALL_AT_ONCE = "fok"


class State(enum.StrEnum):
    WAITING = "waiting"  # for its parent to be filled
    QUEUED = "queued"  # for the market to open
    WORKING = "working"
    CANCELLING = "cancelling"  # asked for, and stuck
    FILLED = "filled"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"


ENDED: Final = {State.FILLED, State.CANCELLED, State.REPLACED, State.EXPIRED, State.REJECTED}
CAN_TRADE: Final = {State.WORKING, State.CANCELLING}


class Ticket(msgspec.Struct, frozen=True):
    """What a client asks for. ``extended``: trades outside of regular hours too."""

    account: str
    symbol: str
    buy: bool
    quantity: Decimal
    kind: OrderKind
    limit: Decimal | None = None
    stop: Decimal | None = None
    life: Life = Life.DAY
    extended: bool = False
    details: Mapping[str, Any] = {}


class Fill(msgspec.Struct, frozen=True):
    number: int
    order_id: int
    ts_ns: int
    price: Decimal
    quantity: Decimal
    fee: Decimal


class Order(msgspec.Struct):
    """An order and all that became of it. ``group``: orders of which one cancels the others. Times are UTC ns."""

    id: int
    ticket: Ticket
    state: State
    ts_received: int
    ts_updated: int
    ts_ended: int | None = None
    fills: list[Fill] = []
    triggered: bool = False
    silent: bool = False
    prints_seen: int = 0
    reason: str = ""
    group: int | None = None
    parent: int | None = None
    replaces: int | None = None
    replaced_by: int | None = None

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def remaining(self) -> Decimal:
        return self.ticket.quantity - self.filled

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class What(enum.StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"
    WORKING = "working"
    FILLED = "filled"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Event(msgspec.Struct, frozen=True):
    """Something happened to ``order``. ``fill`` in FILLED only, for parts too; ``early``: it may be told before it is shown."""

    what: What
    order: Order
    ts_ns: int
    fill: Fill | None = None
    early: bool = False
