"""Schwab's books: accounts, tokens, order strategies as trees, and the way of an order to the matching engine.

Owns which order is whose child and what replaces what. Knows no HTTP and no socket.
"""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

import msgspec

from fortified.ports import Clock
from fortified.simulators.faults import Faults
from fortified.simulators.hours import Hours
from fortified.simulators.instruments import Listed
from fortified.simulators.market import Market
from fortified.simulators.matching import Exchange
from fortified.simulators.messages import HttpError
from fortified.simulators.orders import Order, State
from fortified.simulators.schwab.bodies import OrderBody, bad_request, service_error
from fortified.simulators.schwab.rules import Rules, Tree
from fortified.simulators.schwab.shapes import group_shape, order_shape
from fortified.simulators.synthetic import Synthetic
from fortified.simulators.tokens import Credentials, TokenBook

ACCOUNT: Final = "10000001"
_ACCESS_S: Final = 1_800
_REFRESH_S: Final = 7 * 86_400
_CODE_S: Final = 30
_FIRST_ID: Final = 1_002_651_112_000
_KEPT: Final = 5_000


def free_of_charge(listed: Listed, quantity: Decimal) -> Decimal:
    """Equities cost nothing."""
    return Decimal(0) * quantity * listed.multiplier


class Strategy(msgspec.Struct):
    """An order or an OCO, with its children."""

    id: int
    type: str
    children: list["Strategy"]


class SchwabVenue:
    """All that the interfaces and the streamer speak of."""

    def __init__(
        self,
        clock: Clock,
        market: Market,
        hours: Hours,
        faults: Faults,
        *,
        credentials: Credentials | None = None,
        cash: Decimal = Decimal(250_000),
        by_size: bool = False,
        at_once: bool = False,
        strings_only: bool = True,
        history: Synthetic | None = None,
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.credentials = credentials or Credentials()
        self.exchange = Exchange(clock, market, hours, faults, free_of_charge, first_id=_FIRST_ID, by_size=by_size, at_once=at_once)
        self.exchange.open_account(ACCOUNT, cash)
        self.rules = Rules(self.exchange, strings_only=strings_only)
        self.codes = TokenBook(clock, "C0.simulated-", _CODE_S, "@")
        self.access = TokenBook(clock, "sw-access-", _ACCESS_S)
        self.refresh = TokenBook(clock, "sw-refresh-", _REFRESH_S)
        self.refresh.add(self.credentials.refresh_token)
        self.history = history or Synthetic()
        self.hashes = {sha256(number.encode()).hexdigest().upper(): number for number in self.exchange.accounts}
        self.flags: dict[str, Any] = {}
        """Keys of the account that are not as usual, such as isClosingOnlyRestricted."""
        self.api_url = ""
        self.streamer_url = ""
        self.customer_id = sha256(b"customer").hexdigest()
        self.correl_id = "00000000-0000-4000-8000-000000000001"
        self._cash = cash
        self._roots: dict[int, Strategy] = {}
        self._replacing: set[int] = set()

    def wipe(self) -> None:
        """Orders and positions are gone."""
        self._roots.clear()
        self.exchange.open_account(ACCOUNT, self._cash)

    def submit(self, account: str, body: OrderBody) -> int:
        """Take a strategy in; the number of its root."""
        root = self._submit(self.rules.tree(account, body), None, None)
        self._remember(root)
        return root.id

    def replace(self, order: Order, body: OrderBody) -> int:
        """Put ``body`` in the place of ``order``; the new number.

        Raises:
            HttpError: it cannot be replaced any more (400).
        """
        tree = self.rules.tree(order.ticket.account, body)
        if order.ended or order.state is State.CANCELLING or tree.ticket is None:
            raise bad_request([f"Order {order.id} cannot be replaced in its status."])
        reason = self.rules.rejection(tree.ticket, replaces=order) if order.parent is None else None
        new = self.exchange.replace(order, tree.ticket)
        if new is None and order.ended:
            raise bad_request([f"Order {order.id} cannot be replaced in its status."])
        if new is None:
            self._replacing.add(order.id)
            raise HttpError(service_error(503, "The service is temporarily unavailable."))
        if reason is not None:
            self.exchange.reject(new, reason)
        found = Strategy(new.id, tree.type, [])
        if tree.children:
            for child in self.exchange.children(new):
                self.exchange.end(child, State.CANCELLED)
            found.children = [self._submit(child, new.id, None) for child in tree.children]
        self._remember(found)
        return new.id

    def order(self, account: str, order_id: str) -> Order | Strategy:
        """An order, or an OCO.

        Raises:
            HttpError: there is none (404).
        """
        number = int(order_id) if order_id.isdecimal() else 0
        order = self.exchange.orders.get(number)
        if order is not None and order.ticket.account == account:
            return order
        found = next((strategy for root in self._roots.values() for strategy in _walk(root) if strategy.id == number), None)
        if found is None:
            raise HttpError(service_error(404, "Order not found", [f"No order {order_id} in this account."]))
        return found

    def cancel(self, found: Order | Strategy) -> None:
        """Ask for a cancel, of all that is below too.

        Raises:
            HttpError: it has ended (400).
        """
        orders = [found] if isinstance(found, Order) else self._orders(found)
        working = [order for order in orders if not order.ended and order.state is not State.CANCELLING]
        if not working:
            raise bad_request(["The order cannot be canceled in its status."])
        for order in working:
            if not order.ended:
                self.exchange.cancel(order)

    def shapes(self, account: str) -> list[dict[str, Any]]:
        """All orders, the newest first, children within their parents."""
        known = [root for root in self._roots.values() if any(order.ticket.account == account for order in self._orders(root))]
        return [self._shape(root) for root in reversed(known)]

    def shape(self, found: Order | Strategy) -> dict[str, Any]:
        """One order with its children."""
        if isinstance(found, Strategy):
            return self._shape(found)
        strategy = next((node for root in self._roots.values() for node in _walk(root) if node.id == found.id), None)
        return self._shape(strategy) if strategy is not None else order_shape(found)

    def _submit(self, tree: Tree, parent: int | None, group: int | None) -> Strategy:
        if tree.ticket is None:
            number = self.exchange.new_id()
            return Strategy(number, tree.type, [self._submit(child, parent, number) for child in tree.children])
        number = self.exchange.new_id()
        reason = self.rules.rejection(tree.ticket) if parent is None and not self._grouped(group) else None
        order = self.exchange.submit(tree.ticket, group=group, parent=parent, order_id=number)
        if reason is not None:
            self.exchange.reject(order, reason)
        return Strategy(number, tree.type, [self._submit(child, number, None) for child in tree.children])

    def _grouped(self, group: int | None) -> bool:
        """Whether an order of ``group`` is there already, which reserves the position for the others."""
        return group is not None and any(order.group == group and not order.ended for order in self.exchange.orders.values())

    def _shape(self, strategy: Strategy) -> dict[str, Any]:
        children = [self._shape(child) for child in strategy.children]
        order = self.exchange.orders.get(strategy.id)
        if order is None:
            return group_shape(strategy.id, self._orders(strategy), children)
        replacing = not order.ended and order.id in self._replacing
        shape = order_shape(order, "PENDING_REPLACE" if replacing else None)
        return {**shape, "childOrderStrategies": children} if children else shape

    def _orders(self, strategy: Strategy) -> list[Order]:
        return [self.exchange.orders[node.id] for node in _walk(strategy) if node.id in self.exchange.orders]

    def _remember(self, root: Strategy) -> None:
        self._roots[root.id] = root
        while len(self._roots) > _KEPT:
            del self._roots[next(iter(self._roots))]


def _walk(strategy: Strategy) -> Iterator[Strategy]:
    yield strategy
    for child in strategy.children:
        yield from _walk(child)
