"""OrderTrackingService: the only owner of orders and their life.

Holds every order that is not terminal, applies what brokers say by the one table of transitions, and drops what was said before. What
changes is written into the caller's unit of work. Knows no broker and no store.
"""

from collections.abc import Collection, Iterable

from fortified.domain.account import AccountId
from fortified.domain.order import TRANSITIONS, Order, OrderEvent, apply_event
from fortified.ports import LedgerUnit

ENDED_KEPT = 1000
CLAIMS_KEPT = 20_000


class OrderTrackingService:
    """Orders that work, by id."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._ended: dict[str, Order] = {}  # canceled or expired, and a fill may still be on its way
        self._claimed: dict[AccountId, dict[str, None]] = {}

    def open(self, order: Order, unit: LedgerUnit) -> bool:
        """Take a new intent in. False when it is known already: a crash came between, and it must not be sent twice."""
        if order.order_id in self._orders:
            return False
        self._orders[order.order_id] = order
        unit.orders.append(order)
        return True

    def apply(self, event: OrderEvent, unit: LedgerUnit) -> Order | None:
        """The order after ``event``; None when the event says nothing new.

        Raises:
            InvariantError: the event contradicts the order's life.
        """
        order = self._orders.get(event.order_id) or self._ended.get(event.order_id)
        if order is None or _is_repeated(order, event):
            return None
        order = apply_event(order, event)
        unit.orders.append(order)
        if event.fill is not None:
            unit.fills.append(event.fill)
        self._keep(order)
        return order

    def claim(self, orders: Iterable[Order]) -> None:
        """Note which orders of the venues are ours, the ended ones too: no other of our orders can be them."""
        for order in orders:
            if order.venue_order_id is not None:
                known = self._claimed.setdefault(order.account, {})
                known[order.venue_order_id] = None
                if len(known) > CLAIMS_KEPT:
                    del known[next(iter(known))]

    def claimed(self, account: AccountId) -> frozenset[str]:
        """The venue's ids of all orders of ours on ``account``, as far back as they are kept."""
        return frozenset(self._claimed.get(account, ()))

    def _keep(self, order: Order) -> None:
        self.claim((order,))
        self._orders.pop(order.order_id, None)
        self._ended.pop(order.order_id, None)
        if not order.is_terminal:
            self._orders[order.order_id] = order
        elif TRANSITIONS[order.status]:
            self._ended[order.order_id] = order
            if len(self._ended) > ENDED_KEPT:
                del self._ended[next(iter(self._ended))]

    def restore(self, strategy: str, symbols: Collection[str], orders: Iterable[Order]) -> None:
        """Take over the working orders of the ledger; what was held of that strategy and those symbols is forgotten."""
        stale = [order.order_id for order in self._orders.values() if order.strategy == strategy and order.symbol in symbols]
        for order_id in stale:
            del self._orders[order_id]
        for order in orders:
            self._orders[order.order_id] = order
            self.claim((order,))

    def get(self, order_id: str) -> Order | None:
        """The working order of that id."""
        return self._orders.get(order_id)

    def known(self, order_id: str) -> Order | None:
        """The order of that id, while it works or a fill may still come."""
        return self._orders.get(order_id) or self._ended.get(order_id)

    def watched(self, account: AccountId, ended_after: int) -> list[Order]:
        """Orders of an account that work, and those that were called off after ``ended_after`` (ns): a fill may still come."""
        ended = [order for order in self._ended.values() if order.ts_updated > ended_after]
        return [order for order in (*self._orders.values(), *ended) if order.account == account]

    def working(self, account: AccountId, strategy: str, symbol: str) -> tuple[Order, ...]:
        """Orders of a leg that are not terminal, oldest first."""
        return tuple(
            order for order in self._orders.values() if order.account == account and order.strategy == strategy and order.symbol == symbol
        )


def _is_repeated(order: Order, event: OrderEvent) -> bool:
    if event.fill is not None:
        return event.fill.fill_id in order.fill_ids
    same_id = event.venue_order_id is None or event.venue_order_id == order.venue_order_id
    return event.status is order.status and event.triggered == order.triggered and same_id
