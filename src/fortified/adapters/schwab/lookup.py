"""Which of the venue's orders is ours.

Owns the look-up. Schwab keeps no id of ours, so an order whose id we do not have is known by what it looks like and when it was entered,
and two that look alike are a question for a person.
"""

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from fortified.adapters.schwab.client import SchwabClient
from fortified.adapters.schwab.listing import read_orders
from fortified.adapters.schwab.orders import Body, Unread, body_of, is_like, legs_of, read_order, ticket_of
from fortified.adapters.schwab.statuses import REPLACED
from fortified.adapters.schwab.wire import WireOrder, parse_time
from fortified.domain.errors import AmbiguousOrder
from fortified.domain.order import ZERO, Order, OrderStatus
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.domain.venue import VenueOrder

Claimed = Callable[[], Collection[str]]
BEFORE_NS: Final = 5 * NS_PER_SECOND
AFTER_NS: Final = 60 * NS_PER_SECOND
SKEW_NS: Final = 300 * NS_PER_SECOND
"""How wrong our clock may be without an order being sent twice."""
LONGEST_NS: Final = 60 * 86_400 * NS_PER_SECOND
"""How long an order may have been in doubt and still be looked for; the venue lists a year at most."""
_REMEMBERED: Final = 10_000


class Lookup:
    """Finds orders of ``account``. ``claimed`` are the venue's ids that orders of ours have already; they are no candidates."""

    def __init__(self, client: SchwabClient, account: str, claimed: Claimed, *, extended: bool) -> None:
        self._client = client
        self._account = account
        self._claimed = claimed
        self._extended = extended
        self._sent: dict[str, tuple[int, int]] = {}
        self._named: dict[str, str] = {}
        self.links: dict[str, str] = {}
        """Replaced ids and the ids that answers to us gave in their place."""

    def body(self, order: Order) -> Body:
        """What is sent for ``order``."""
        return body_of(ticket_of(order, extended=self._extended))

    def sent(self, order: Order, start_ns: int, end_ns: int) -> None:
        """``order`` was sent in that span."""
        self._sent[order.order_id] = start_ns, end_ns
        if len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def named(self, order: Order, venue_order_id: str) -> None:
        """An answer gave ``order`` its id: no other order of ours has it."""
        self._named[order.order_id] = venue_order_id
        if len(self._named) > _REMEMBERED:
            del self._named[next(iter(self._named))]

    def replaced(self, old: str, new: str) -> None:
        """An answer gave ``old`` a new id."""
        self.links[old] = new
        if len(self.links) > _REMEMBERED:
            del self.links[next(iter(self.links))]

    async def find(self, order: Order) -> VenueOrder | None:
        """The venue's word on ``order``; None after a clean read that lacks it. Raises AmbiguousOrder, and what reads raise."""
        body = self.body(order)
        if order.venue_order_id is not None:
            told = await self._client.order(self._account, order.venue_order_id)
            nested = [] if told is None else _with_id(told, order.venue_order_id)
            # The id in an answer has been seen to be that of a stranger.
            if nested and legs_of(nested[0]) == _legs(body):
                found = await self._linked(nested[0])
                return None if found is None else await self._whole(order, found)
        candidates = await self.candidates(order, body)
        if len(candidates) > 1:
            ids = ", ".join(str(candidate.order_id) for candidate in candidates)
            raise AmbiguousOrder(
                f"Orders {ids} at Schwab could all be our order {order.order_id} ({order.side} {order.quantity} {order.symbol}). "
                "Look at them, cancel what is too much, and say which one it is."
            )
        return await self._linked(candidates[0]) if candidates else None

    async def candidates(self, order: Order, body: Body) -> list[WireOrder]:
        """Orders that look like ``body``, were entered when ``order`` was sent, and are no other order's.

        Raises AmbiguousOrder when there is none, but one from a time that a wrong clock would explain.
        """
        first = order.ts_submitted or order.ts_created
        start, end = self._sent.get(order.order_id, (first, max(first, order.ts_updated)))
        start = max(start, end - LONGEST_NS)
        others = (named for ours, named in self._named.items() if ours != order.order_id)
        taken = {*self._claimed(), *others, *self.links.values()} - {order.venue_order_id}
        listed = await self._client.orders(self._account, start - SKEW_NS, end + SKEW_NS)
        alike = [told for told in listed if is_like(told, body) and str(told.order_id) not in taken]
        near = [told for told in alike if start - BEFORE_NS <= parse_time(told.entered_time) <= end + AFTER_NS]
        if alike and not near:
            raise AmbiguousOrder(
                f"Order {alike[0].order_id} at Schwab looks like our order {order.order_id}, but was entered at {alike[0].entered_time}. "
                "Check the clock of this machine, and say whether it is ours."
            )
        return near

    async def _linked(self, told: WireOrder) -> VenueOrder | None:
        """``told`` in our words, with the order that took its place."""
        read = read_order(told)
        if isinstance(read, Unread):
            return None
        around = [told]
        if told.status == REPLACED and read.venue_order_id not in self.links:
            closed = read.ts_updated
            around = await self._client.orders(self._account, min(read.ts_entered, closed) - BEFORE_NS, closed + AFTER_NS)
        linked, _ = read_orders([other for other in around if other.order_id != told.order_id] + [told], self.links)
        return next((found for found in linked if found.venue_order_id == read.venue_order_id), read)

    async def _whole(self, order: Order, found: VenueOrder) -> VenueOrder:
        """``found`` with what filled under the ids it replaced, where it is for less than we know to be left."""
        if found.quantity + order.filled_quantity >= order.quantity:
            return found
        began = min(order.ts_submitted or order.ts_created, order.ts_created)
        listed = await self._client.orders(self._account, began - SKEW_NS, found.ts_updated + SKEW_NS)
        read, _ = read_orders(listed, self.links)
        replaced = {old.replaced_by: old for old in read if old.replaced_by is not None}
        chain = [found]
        while (older := replaced.pop(chain[-1].venue_order_id, None)) is not None:
            chain.append(older)
        before = sum((old.filled_quantity for old in chain[1:]), ZERO)
        status = OrderStatus.PARTIALLY_FILLED if before and found.status is OrderStatus.ACCEPTED else found.status
        return msgspec.structs.replace(
            found,
            quantity=found.quantity + before,
            filled_quantity=found.filled_quantity + before,
            fills=tuple(fill for member in reversed(chain) for fill in member.fills),
            status=status,
        )


def children_of(parent: WireOrder, body: Body) -> list[WireOrder]:
    """The orders that ``parent`` triggers and that look like ``body``."""
    found: list[WireOrder] = []
    for child in parent.child_order_strategies:
        found += ([child] if child.order_leg_collection and is_like(child, body) else []) + children_of(child, body)
    return found


def _with_id(told: WireOrder, order_id: str) -> list[WireOrder]:
    """The order of that id: ``told`` itself, or one inside of it."""
    if str(told.order_id) == order_id and told.order_leg_collection:
        return [msgspec.structs.replace(told, child_order_strategies=())]
    return [found for child in told.child_order_strategies for found in _with_id(child, order_id)]


def _legs(body: Body) -> tuple[tuple[str, str], ...]:
    leg = body["orderLegCollection"][0]
    return ((leg["instrument"]["symbol"], leg["instruction"]),)
