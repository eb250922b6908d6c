"""TastyTrade's words for the state of an order, each with its row.

Owns what a word means to us. A word that is not here means nothing: the order keeps it as it is, and its leg is frozen by whoever reads it.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from fortified.domain.order import OrderStatus

STATUSES: Final[Mapping[str, OrderStatus]] = MappingProxyType(
    {
        # On its way. The venue has it and has given it an id, so it is accepted whether or not an exchange has it.
        "Received": OrderStatus.ACCEPTED,
        "Routed": OrderStatus.ACCEPTED,
        "In Flight": OrderStatus.ACCEPTED,
        "Contingent": OrderStatus.ACCEPTED,  # waits for another: its trigger, or the order it replaces
        # At work.
        "Live": OrderStatus.ACCEPTED,  # also partially filled: see status_of
        "Cancel Requested": OrderStatus.PENDING_CANCEL,
        "Replace Requested": OrderStatus.PENDING_REPLACE,
        # Over.
        "Filled": OrderStatus.FILLED,
        "Cancelled": OrderStatus.CANCELED,  # also replaced: see status_of
        "Expired": OrderStatus.EXPIRED,
        "Rejected": OrderStatus.REJECTED,
        "Removed": OrderStatus.CANCELED,  # taken out by the venue's staff
        "Partially Removed": OrderStatus.CANCELED,
    }
)
WORKING: Final = frozenset(word for word, status in STATUSES.items() if status.name in {"ACCEPTED", "PENDING_CANCEL", "PENDING_REPLACE"})


def status_of(word: str, filled: Decimal, quantity: Decimal, replaced_by: str | None) -> OrderStatus | None:
    """What ``word`` means for an order of which ``filled`` of ``quantity`` is done.

    None: the word is not known. The venue has no word for a partial fill: it is a working order of which less remains. An order that
    another has replaced says ``Cancelled``; to us it is the replacement that is under way, never a cancel.
    """
    status = STATUSES.get(word)
    if status is OrderStatus.CANCELED and replaced_by is not None:
        return OrderStatus.PENDING_REPLACE
    if status is OrderStatus.ACCEPTED and 0 < filled < quantity:
        return OrderStatus.PARTIALLY_FILLED
    return status
