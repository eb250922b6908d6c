"""Listings of orders: what replaced what, and from when on to ask.

Owns the two things that Schwab does not tell. A replaced order and its successor do not name each other, and a listing goes by the time an
order was entered, not by when it ended.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from fortified.adapters.schwab.orders import Unread, legs_of, read_order
from fortified.adapters.schwab.statuses import REPLACED, has_ended
from fortified.adapters.schwab.wire import WireOrder, parse_time
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.domain.venue import VenueOrder

_REPLACING: Final = frozenset({REPLACED, "PENDING_REPLACE"})
_LONGEST_NS: Final = 364 * 86_400 * NS_PER_SECOND
"""The venue lists a year at most."""
_SLACK_NS: Final = 2 * NS_PER_SECOND
"""Times have a precision of a second; a successor is entered when its predecessor closes."""


def read_orders(orders: Sequence[WireOrder], known: Mapping[str, str]) -> tuple[list[VenueOrder], list[Unread]]:
    """``orders``, which have legs, in our words, with their links; ``known`` are links (old id to new) that answers to us named."""
    links = successors(orders) | dict(known)
    origins = {new: old for old, new in links.items()}
    read: list[VenueOrder] = []
    unread: list[Unread] = []
    for order in map(read_order, orders):
        if isinstance(order, Unread):
            unread.append(order)
            continue
        new, old = links.get(order.venue_order_id), origins.get(order.venue_order_id)
        read.append(msgspec.structs.replace(order, replaced_by=new, replaces=old) if new or old else order)
    return read, unread


def successors(orders: Sequence[WireOrder]) -> dict[str, str]:
    """Replaced ids with the ids that took their place, as far as they are told or there is one that fits."""
    links: dict[str, str] = {}
    for order in orders:
        nested = sorted(order.replacing_order_collection, key=lambda other: parse_time(other.entered_time))
        if nested and order.status in _REPLACING:
            links[str(order.order_id)] = str(nested[-1].order_id)
        else:
            links |= {str(other.order_id): str(order.order_id) for other in nested}
    for order in orders:
        if order.status == REPLACED and str(order.order_id) not in links:
            fitting = [other for other in orders if _follows(other, order) and str(other.order_id) not in links.values()]
            if len(fitting) == 1:
                links[str(order.order_id)] = str(fitting[0].order_id)
    return links


def _follows(new: WireOrder, old: WireOrder) -> bool:
    closed, entered = parse_time(old.close_time), parse_time(new.entered_time)
    return new.order_id != old.order_id and legs_of(new) == legs_of(old) and closed > 0 and abs(entered - closed) <= _SLACK_NS


class Window:
    """From when on a listing has to begin to hold all that works, and all that ended since a time.

    The first one reaches back as far as orders may work; later ones go back to the oldest of those that are known to matter still.
    """

    def __init__(self, reach_ns: int) -> None:
        self._reach_ns = reach_ns
        self._begun = False
        self._known: dict[str, tuple[int, int | None]] = {}
        """When entered, and when ended."""

    def start(self, since_ns: int, now_ns: int) -> int:
        """The entered time to ask from, for all that works at ``now_ns`` or ended since ``since_ns``."""
        if not self._begun:
            start = min(since_ns, now_ns - self._reach_ns)
        else:
            start = min([since_ns, *(entered for entered, ended in self._known.values() if ended is None or ended >= since_ns)])
        return max(start, now_ns - _LONGEST_NS)

    def saw(self, orders: Collection[VenueOrder], since_ns: int) -> None:
        """A listing that began at ``start`` was read whole."""
        self._begun = True
        self._known |= {order.venue_order_id: (order.ts_entered, _ended(order)) for order in orders}
        self._known = {order_id: times for order_id, times in self._known.items() if times[1] is None or times[1] >= since_ns}

    @staticmethod
    def matters(order: VenueOrder, since_ns: int) -> bool:
        """Whether ``order`` works, or ended since."""
        ended = _ended(order)
        return ended is None or ended >= since_ns


def _ended(order: VenueOrder) -> int | None:
    return order.ts_updated if has_ended(order.raw_status) else None
