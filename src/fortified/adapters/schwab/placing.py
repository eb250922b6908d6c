"""Placing orders at Schwab, alone or as one: each request is sent once.

Owns what the answer to it means. A refusal is an event, an unclear end is SUBMIT_UNKNOWN; nothing here sends anything again.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from fortified.adapters.schwab.client import SchwabClient
from fortified.adapters.schwab.lookup import Lookup, children_of
from fortified.adapters.schwab.orders import Body, bracket, one_cancels_other, refusal
from fortified.adapters.schwab.wire import error_text, order_id_of
from fortified.adapters.transport import Accepted, NotSent, Refused, Unknown
from fortified.domain.errors import FortifiedError
from fortified.domain.order import Order, OrderEvent, OrderStatus
from fortified.ports import Clock

NOT_TAKEN: Final = frozenset({401, 429})
"""Refusals of the asking, not of the order: it is looked up, found absent and sent again."""

_log = structlog.get_logger(__name__)
S = OrderStatus


class Placing:
    """Places orders of ``account``, and tells ``lookup`` what was sent and named."""

    def __init__(self, client: SchwabClient, account: str, lookup: Lookup, clock: Clock) -> None:
        self._client, self._account, self._lookup, self._clock = client, account, lookup, clock

    async def place(self, order: Order) -> Sequence[OrderEvent]:
        """One order. Raises why nothing was sent, if nothing was."""
        reason = refusal(order)
        if reason is not None:
            return (OrderEvent(order.order_id, S.REJECTED, self._clock.now_ns(), reason),)
        began, ended, outcome = await self._send((order,), self._lookup.body(order))
        order_id = None
        if isinstance(outcome, Accepted):
            order_id = order_id_of(outcome.headers.get("location")) or await self.id_of(order)
        return OrderEvent(order.order_id, S.SUBMITTED, began), self._told(order, outcome, order_id, ended)

    async def bracket(self, entry: Order, target: Order, stop: Order) -> Sequence[OrderEvent]:
        """An entry, and a target and a stop that its fill sets to work."""
        return await self._together((entry, target, stop), bracket(*map(self._lookup.body, (entry, target, stop))), first_is_outer=True)

    async def one_cancels_other(self, target: Order, stop: Order) -> Sequence[OrderEvent]:
        """Two orders of which the first that fills cancels the other."""
        return await self._together((target, stop), one_cancels_other(*map(self._lookup.body, (target, stop))), first_is_outer=False)

    async def id_of(self, order: Order) -> str | None:
        """The venue's id of an order that was taken without one, which happens when it fills at once; None when it is not found now."""
        try:
            found = await self._lookup.find(order)
        except FortifiedError as error:
            _log.warning("an order without an id was not found yet", order_id=order.order_id, error=str(error))
            return None
        return None if found is None else found.venue_order_id

    async def _send(self, orders: Sequence[Order], body: Body) -> tuple[int, int, Accepted | Refused | Unknown]:
        began = self._clock.now_ns()
        outcome = await self._client.place(self._account, body)
        if isinstance(outcome, NotSent):
            raise outcome.error
        ended = self._clock.now_ns()
        for order in orders:
            self._lookup.sent(order, began, ended)
        return began, ended, outcome

    async def _together(self, orders: Sequence[Order], body: Body, *, first_is_outer: bool) -> Sequence[OrderEvent]:
        refused = next((reason for reason in map(refusal, orders) if reason is not None), None)
        if refused is not None:
            return [OrderEvent(order.order_id, S.REJECTED, self._clock.now_ns(), refused) for order in orders]
        began, ended, outcome = await self._send(orders, body)
        outer = order_id_of(outcome.headers.get("location")) if isinstance(outcome, Accepted) else None
        ids: dict[str, str] = {}
        if outer is not None:
            ids = await self._inner_ids(orders[1:] if first_is_outer else orders, outer)
            if first_is_outer:
                ids[orders[0].order_id] = outer
        events: list[OrderEvent] = []
        for order in orders:
            events.append(OrderEvent(order.order_id, S.SUBMITTED, began))
            events.append(self._told(order, outcome, ids.get(order.order_id), ended))
        return events

    async def _inner_ids(self, orders: Sequence[Order], outer: str) -> dict[str, str]:
        """Ids of the orders inside of another, which only reading it tells; without those that are not clear."""
        try:
            parent = await self._client.order(self._account, outer)
        except FortifiedError as error:
            _log.warning("the orders inside of one were not read yet", venue_order_id=outer, error=str(error))
            return {}
        inside = {order.order_id: children_of(parent, self._lookup.body(order)) for order in orders} if parent is not None else {}
        return {order_id: str(found[0].order_id) for order_id, found in inside.items() if len(found) == 1}

    def _told(self, order: Order, outcome: Accepted | Refused | Unknown, order_id: str | None, now: int) -> OrderEvent:
        """What ``outcome`` says of ``order``, for which it named ``order_id``."""
        match outcome:
            case Accepted() if order_id is not None:
                self._lookup.named(order, order_id)
                return OrderEvent(order.order_id, S.ACCEPTED, now, venue_order_id=order_id)
            case Accepted():
                text = "Schwab took the order without naming its id; it is looked up"
            case Refused(status=status, body=body) if status not in NOT_TAKEN:
                reason = error_text(body) or "without a reason"
                return OrderEvent(order.order_id, S.REJECTED, now, f"Schwab refuses the order ({status}: {reason})")
            case unclear:
                text = f"whether Schwab took the order is not known ({reason_of(unclear)}); it is looked up"
        return OrderEvent(order.order_id, S.SUBMIT_UNKNOWN, now, text)


def reason_of(outcome: Refused | Unknown) -> str:
    """Why it is not clear what became of a request."""
    if isinstance(outcome, Unknown):
        return outcome.reason
    return "the access token was refused" if outcome.status == 401 else f"the answer was {outcome.status}"
