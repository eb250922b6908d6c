"""TastyTrade's books: accounts, tokens, and the way of an order through preflight to the matching engine.

Owns complex orders and what the venue remembers of them. Knows no HTTP and no socket.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from fortified.ports import Clock
from fortified.simulators.faults import Faults
from fortified.simulators.hours import Hours
from fortified.simulators.instruments import FUTURE, Listed
from fortified.simulators.market import Market
from fortified.simulators.matching import Exchange
from fortified.simulators.messages import HttpError
from fortified.simulators.orders import Order, State, Ticket
from fortified.simulators.tastytrade.bodies import ComplexBody, Leg, OrderBody, OrderTerms, refusal
from fortified.simulators.tastytrade.preflight import Checked, Preflight
from fortified.simulators.tastytrade.shapes import order_shape
from fortified.simulators.tokens import Credentials, TokenBook

ACCOUNT: Final = "5WX00001"
_ACCESS_S: Final = 900
_QUOTE_S: Final = 86_400
_FIRST_ID: Final = 1_075_000
_FUTURE_FEE: Final = Decimal("2.32")
_SHARE_FEE: Final = Decimal("0.0008")
_KEPT: Final = 1_000


def fee(listed: Listed, quantity: Decimal) -> Decimal:
    """Commission and exchange fees of a future per contract, clearing of an equity per share."""
    return quantity * (_FUTURE_FEE if listed.kind == FUTURE else _SHARE_FEE)


class Complex(msgspec.Struct):
    """Orders that go together; ``trigger`` is the one that comes first."""

    id: int
    account: str
    type: str
    orders: list[int]
    trigger: int | None = None


class TastyTradeVenue:
    """All that the REST interface and the streamer speak of. ``level``: "api" for real-time quotes, else "demo"."""

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
        level: str = "api",
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.credentials = credentials or Credentials()
        self.exchange = Exchange(clock, market, hours, faults, fee, first_id=_FIRST_ID, by_size=by_size, at_once=at_once)
        self.exchange.open_account(ACCOUNT, cash)
        self.preflight = Preflight(self.exchange, strings_only=strings_only)
        self.access = TokenBook(clock, "tt-access-", _ACCESS_S)
        self.quote_tokens = TokenBook(clock, "tt-quote-", _QUOTE_S)
        self.level = level
        self.dxlink_url = ""
        self.restrictions: dict[str, Any] = {}
        """Keys of the trading status that are not as usual."""
        self.complexes: dict[int, Complex] = {}
        self._cash = cash
        self._drift = 0

    def drift(self) -> int:
        """Counts up: the types of numbers in answers change with it."""
        self._drift += 1
        return self._drift

    def wipe(self) -> None:
        """What the sandbox does every day: orders and positions are gone. Tokens stay."""
        self.complexes.clear()
        self.exchange.open_account(ACCOUNT, self._cash)

    def order(self, account: str, order_id: str) -> Order:
        """An order of ``account``.

        Raises:
            HttpError: there is none (404).
        """
        order = self.exchange.orders.get(int(order_id)) if order_id.isdecimal() else None
        if order is None or order.ticket.account != account:
            raise HttpError(refusal(404, "record_not_found", "Couldn't find record"))
        return order

    def submit(self, account: str, body: OrderBody) -> tuple[Order, Checked]:
        """Take one order in."""
        checked = self.preflight.check(account, body)
        return self.exchange.submit(checked.ticket), checked

    def replace(self, order: Order, terms: OrderTerms) -> Order:
        """The order that takes the place of ``order``.

        Raises:
            HttpError: ``order`` is not working, or the new terms are refused (422).
        """
        self._must_be_open(order, "the order could not be replaced")
        old = order.ticket
        body = OrderBody(
            **{name: getattr(terms, name) for name in terms.__struct_fields__},
            legs=[Leg(old.details["instrument-type"], old.symbol, old.details["action"], str(order.remaining))],
        )
        checked = self.preflight.check(old.account, body, child=True)
        kept = {key: old.details.get(key) for key in ("external-identifier", "complex-order-id", "complex-order-tag", "action")}
        ticket = msgspec.structs.replace(checked.ticket, details={**checked.ticket.details, **kept})
        new = self.exchange.replace(order, ticket)
        if new is None:
            raise HttpError(refusal(422, "cannot_update_order", "the order could not be replaced"))
        return new

    def cancel(self, order: Order) -> dict[str, Any]:
        """Ask for a cancel; the answer is the order as it was when asked."""
        self._must_be_open(order, "the order could not be cancelled")
        before = order_shape(order, "Cancel Requested")
        self.exchange.cancel(order)
        return before

    def submit_complex(self, account: str, body: ComplexBody) -> tuple[Complex, list[Checked]]:
        """Take an OCO, OTO or OTOCO in: all its orders, or none."""
        checks = self.check_complex(account, body)
        complex_id = self.exchange.new_id() + 1_000_000
        found = Complex(complex_id, account, body.type, [])
        tickets = [
            self._tagged(checked.ticket, found, trigger=body.trigger_order is not None and not place)
            for place, checked in enumerate(checks)
        ]
        if body.trigger_order is not None:
            found.trigger = self.exchange.new_id()
        group = None if body.type == "OTO" else complex_id
        children = tickets[1:] if body.trigger_order is not None else tickets
        found.orders = [self.exchange.new_id() for _ in children]
        self.complexes[complex_id] = found
        while len(self.complexes) > _KEPT:
            del self.complexes[next(iter(self.complexes))]
        if found.trigger is not None:
            self.exchange.submit(tickets[0], order_id=found.trigger)
        for ticket, order_id in zip(children, found.orders, strict=True):
            self.exchange.submit(ticket, group=group, parent=found.trigger, order_id=order_id)
        return found, checks

    def cancel_complex(self, found: Complex) -> None:
        """Cancel whatever of it is open."""
        for order_id in (found.trigger, *found.orders):
            order = self.exchange.orders.get(order_id) if order_id is not None else None
            if order is not None and not order.ended:
                self.exchange.cancel(order)

    def complex_orders(self, found: Complex) -> Iterable[Order]:
        """Its orders that are still known, the trigger first."""
        ids = (*((found.trigger,) if found.trigger is not None else ()), *found.orders)
        return [self.exchange.orders[order_id] for order_id in ids if order_id in self.exchange.orders]

    def check_complex(self, account: str, body: ComplexBody) -> list[Checked]:
        """Its orders as they would be taken, the trigger first."""
        self.preflight.check_complex(body)
        trigger = [] if body.trigger_order is None else [self.preflight.check(account, body.trigger_order)]
        return trigger + [self.preflight.check(account, order, child=body.trigger_order is not None) for order in body.orders]

    def _tagged(self, ticket: Ticket, found: Complex, *, trigger: bool) -> Ticket:
        role = "trigger-order" if trigger else "order" if found.type == "OCO" else f"{found.type.removeprefix('OT').lower()}-1-order"
        tags = {"complex-order-id": found.id, "complex-order-tag": f"{found.type}::{role}"}
        return msgspec.structs.replace(ticket, details={**ticket.details, **tags})

    @staticmethod
    def _must_be_open(order: Order, text: str) -> None:
        if order.ended or order.state is State.CANCELLING:
            raise HttpError(refusal(422, "cannot_update_order", text))
