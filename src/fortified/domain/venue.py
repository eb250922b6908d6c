"""What a real venue says of an account: its orders, positions and money, in our words.

Owns the shapes that adapters translate payloads into and that reconciliation compares with the ledger. Knows no venue.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from fortified.domain.order import OrderStatus, OrderType
from fortified.domain.signal import OrderSide


class VenueFill(msgspec.Struct, frozen=True):
    """A piece of an order that traded at a venue. ``fill_id`` is the venue's; ``fee`` None: not told yet."""

    fill_id: str
    quantity: Decimal
    price: Decimal
    ts_event: int
    fee: Decimal | None = None


class VenueOrder(msgspec.Struct, frozen=True):
    """All that a venue says of one order. The same word twice changes nothing.

    ``client_order_id`` is ours, where the venue keeps one. ``status`` None: the venue's word (``raw_status``) is not known to us.
    ``filled_quantity`` is cumulative and may be ahead of ``fills``. A replaced order names its successor in ``replaced_by``.
    """

    venue_order_id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    status: OrderStatus | None
    raw_status: str
    ts_entered: int
    ts_updated: int
    client_order_id: str | None = None
    filled_quantity: Decimal = Decimal(0)
    fills: tuple[VenueFill, ...] = ()
    type: OrderType | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    text: str = ""
    replaces: str | None = None
    replaced_by: str | None = None


class VenuePosition(msgspec.Struct, frozen=True):
    """A net position as the venue holds it, in signed units, by our canonical symbol."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None
    ts_updated: int = 0


class Balances(msgspec.Struct, frozen=True):
    """The money of an account; None where the venue does not say."""

    net_liquidation: Decimal | None = None
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    currency: str = "USD"


class AccountStanding(msgspec.Struct, frozen=True):
    """What the venue allows. ``obstacles`` are reasons, in words, why no order may be sent; ``warnings`` a person should know."""

    account_number: str
    """Masked but for its last four."""
    obstacles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    closing_only: bool = False


class WakeUp(msgspec.Struct, frozen=True):
    """Something happened at the venue: a hint to look, never the proof.

    ``order`` is the whole order where the venue's stream carries it; ``reconnected``: whatever was said meanwhile was missed.
    """

    kind: Literal["order", "position", "balance", "reconnected", "lost", "warning"]
    order: VenueOrder | None = None
    text: str = ""
