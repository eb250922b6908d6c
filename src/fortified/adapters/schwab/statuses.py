"""What Schwab's words for the state of an order mean to us.

Owns the one table; each published word has its row. A word that is not here is kept raw and has no status: somebody must look.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fortified.domain.order import ZERO, OrderStatus

S = OrderStatus

STATUSES: Final[Mapping[str, OrderStatus | None]] = {
    "NEW": S.ACCEPTED,
    "ACCEPTED": S.ACCEPTED,
    "PENDING_ACKNOWLEDGEMENT": S.ACCEPTED,
    "PENDING_ACTIVATION": S.ACCEPTED,  # entered while the market is closed
    "QUEUED": S.ACCEPTED,
    "WORKING": S.ACCEPTED,
    "AWAITING_PARENT_ORDER": S.ACCEPTED,
    "AWAITING_CONDITION": S.ACCEPTED,
    "AWAITING_STOP_CONDITION": S.ACCEPTED,
    "AWAITING_MANUAL_REVIEW": S.ACCEPTED,
    "AWAITING_RELEASE_TIME": S.ACCEPTED,
    "PENDING_CANCEL": S.PENDING_CANCEL,
    "PENDING_RECALL": S.PENDING_CANCEL,
    "AWAITING_UR_OUT": S.PENDING_CANCEL,  # the exchange has not yet said "you are out"
    "PENDING_REPLACE": S.PENDING_REPLACE,
    "REPLACED": S.PENDING_REPLACE,  # it goes on under another id, so it has not ended
    "REJECTED": S.REJECTED,
    "CANCELED": S.CANCELED,
    "FILLED": S.FILLED,
    "EXPIRED": S.EXPIRED,
    "UNKNOWN": None,  # the venue's own word for not knowing
}

REPLACED: Final = "REPLACED"
_ENDED: Final = frozenset({"REJECTED", "CANCELED", "FILLED", "EXPIRED", REPLACED})


def status_of(raw: str, filled: Decimal) -> OrderStatus | None:
    """Our status for the word ``raw`` of an order of which ``filled`` units traded. There is no word for a partial fill: it works on."""
    status = STATUSES.get(raw)
    return S.PARTIALLY_FILLED if status is S.ACCEPTED and filled > ZERO else status


def has_ended(raw: str) -> bool:
    """Whether nothing more becomes of that id at the venue, but for a fill that was on its way."""
    return raw in _ENDED
