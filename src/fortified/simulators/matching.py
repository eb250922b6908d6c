"""The matching engine: orders of all accounts of one venue against the prints of the market.

Owns the life of an order and what it does to its account. Pure and synchronous: the same prints and calls give the same fills. Knows no
payload: venues translate, and listen to its events.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Final

from fortified.ports import Clock
from fortified.simulators.account import Account, Booking
from fortified.simulators.faults import Faults, Kind
from fortified.simulators.hours import NS, Hours
from fortified.simulators.instruments import Listed, find
from fortified.simulators.market import Market, Print
from fortified.simulators.orders import CAN_TRADE, ENDED, Event, Fill, Life, Order, State, Ticket, What
from fortified.simulators.prices import fill_price, triggers

type Fee = Callable[[Listed, Decimal], Decimal]
"""Money for a quantity of something."""
type Listener = Callable[[Event], None]

_KEPT_ORDERS: Final = 5_000


class Exchange:
    """All accounts and orders of one venue.

    ``by_size``: an order gets no more of a print than its size. ``at_once``: what can trade at the last quote does so when it comes;
    else it waits for the next print.
    """

    def __init__(
        self,
        clock: Clock,
        market: Market,
        hours: Hours,
        faults: Faults,
        fee: Fee,
        *,
        first_id: int = 1,
        by_size: bool = False,
        at_once: bool = False,
    ) -> None:
        self.clock = clock
        self.market = market
        self.hours = hours
        self.faults = faults
        self.by_size = by_size
        self.at_once = at_once
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self._live: dict[int, Order] = {}
        self.listeners: list[Listener] = []
        self.shown: list[Callable[[Account, Listed], None]] = []
        """Told of each position that the venue's books show anew."""
        self._fee = fee
        self._ids = count(first_id)
        self._fill_numbers = count(1)
        market.listeners.append(self._on_print)

    def today(self) -> date:
        """The day in UTC."""
        return datetime.fromtimestamp(self.clock.now_ns() // NS, UTC).date()

    def find(self, symbol: str) -> Listed | None:
        """What is listed under ``symbol``."""
        return find(symbol, self.today())

    def is_open(self, listed: Listed, *, extended: bool = False) -> bool:
        """Whether ``listed`` trades now."""
        return self.hours.is_open(listed.calendar, self.clock.now_ns(), extended=extended)

    def open_account(self, number: str, cash: Decimal) -> Account:
        """A new account, or an account as new: its orders are forgotten."""
        self.accounts[number] = Account(number, cash)
        for held in (self.orders, self._live):
            for order in [order for order in held.values() if order.ticket.account == number]:
                del held[order.id]
        return self.accounts[number]

    def orders_of(self, account: str) -> list[Order]:
        """In the order they came."""
        return [order for order in self.orders.values() if order.ticket.account == account]

    def live_orders(self) -> list[Order]:
        """All that have not ended."""
        return list(self._live.values())

    def new_id(self) -> int:
        """A number for an order, or for a group of orders."""
        return next(self._ids)

    # --- what clients ask for

    def submit(
        self,
        ticket: Ticket,
        *,
        group: int | None = None,
        parent: int | None = None,
        replaces: int | None = None,
        order_id: int | None = None,
    ) -> Order:
        """Take in ``ticket``, which its venue has checked. A child comes behind its ``parent``, and waits until that is filled."""
        now = self.clock.now_ns()
        order = Order(order_id or self.new_id(), ticket, State.WORKING, now, now, group=group, parent=parent, replaces=replaces)
        self.orders[order.id] = self._live[order.id] = order
        self._forget_old()
        fault = self.faults.take("order")
        order.silent = fault is not None and fault.kind is Kind.SILENT
        above = self.orders.get(parent) if parent is not None else None
        waits = above is not None and above.state is not State.FILLED
        order.state = State.WAITING if waits else self.state_of(ticket)
        self._tell(What.ACCEPTED, order)
        if above is not None and waits and above.ended:
            self.end(order, State.CANCELLED)
        elif fault is not None and fault.kind is Kind.REJECT:
            self.reject(order, fault.text or "The order was rejected by the exchange.")
        elif order.state is State.WORKING:
            self._work(order)
        return order

    def cancel(self, order: Order) -> None:
        """Ask for a cancel of ``order``, which has not ended."""
        fault = self.faults.take("cancel")
        if fault is not None and fault.kind is Kind.FILL_FIRST:
            self.fill_now(order)
            return
        self._tell(What.CANCEL_REQUESTED, order)
        if fault is not None and fault.kind is Kind.STUCK:
            order.state = State.CANCELLING
            return
        self.end(order, State.CANCELLED)

    def replace(self, order: Order, ticket: Ticket) -> Order | None:
        """Put ``ticket`` in the place of ``order``; None when it was filled before or the request is stuck."""
        fault = self.faults.take("replace")
        if fault is not None and fault.kind is Kind.FILL_FIRST:
            self.fill_now(order)
            return None
        if fault is not None and fault.kind is Kind.STUCK:
            return None
        order.replaced_by = self.new_id()
        for child in self.children(order):
            child.parent = order.replaced_by
        self.end(order, State.REPLACED)
        return self.submit(ticket, group=order.group, replaces=order.id, order_id=order.replaced_by)

    def reject(self, order: Order, reason: str) -> None:
        """The exchange's no, behind the acceptance."""
        order.reason = reason
        self.end(order, State.REJECTED)

    def expire(self, order: Order) -> None:
        """The end of its time."""
        self.end(order, State.EXPIRED)

    def fill_now(self, order: Order, price: Decimal | None = None, quantity: Decimal | None = None) -> None:
        """Fill ``order`` by decree, at its limit or the last price unless one is given."""
        last = self.market.last(order.ticket.symbol)
        listed = self.find(order.ticket.symbol)
        at = price or order.ticket.limit or order.ticket.stop or (last.price if last else listed.base if listed else Decimal(1))
        self._fill(order, at, min(quantity or order.remaining, order.remaining))

    # --- what the market and the clock do

    def _on_print(self, event: Print) -> None:
        self.on_time()
        for order in [order for order in self._live.values() if order.ticket.symbol == event.symbol]:
            if order.state in CAN_TRADE and not order.silent:
                self._match(order, event)

    def on_time(self) -> None:
        """What the clock alone changes: late bookings, openings, the end of a day's orders."""
        now = self.clock.now_ns()
        for account in self.accounts.values():
            self._show(account)
        for order in [order for order in self._live.values() if order.state in (State.QUEUED, State.WORKING)]:
            listed = self.find(order.ticket.symbol)
            if listed is None:
                continue
            if order.state is State.QUEUED and self.state_of(order.ticket) is State.WORKING:
                order.state = State.WORKING
                self._work(order)
            elif order.ticket.life is Life.DAY and now >= self._day_ends(order, listed):
                self.end(order, State.EXPIRED)

    def _match(self, order: Order, event: Print) -> None:
        listed = self.find(order.ticket.symbol)
        if listed is None or not self.is_open(listed, extended=order.ticket.extended):
            return
        order.prints_seen += 1
        if triggers(order, event):
            order.triggered, order.prints_seen = True, 1
        price = fill_price(order, event)
        quantity = min(order.remaining, Decimal(event.size)) if self.by_size else order.remaining
        if price is not None and (order.ticket.life is not Life.ALL_AT_ONCE or quantity == order.remaining):
            self._fill(order, price, quantity)
        if order.state in CAN_TRADE and order.ticket.life in (Life.AT_ONCE, Life.ALL_AT_ONCE):
            self.end(order, State.CANCELLED)

    def _fill(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        ticket, now, listed = order.ticket, self.clock.now_ns(), self.find(order.ticket.symbol)
        if listed is None or order.ended:
            return
        fill = Fill(next(self._fill_numbers), order.id, now, price, quantity, self._fee(listed, quantity))
        order.fills.append(fill)
        order.ts_updated = now
        fault = self.faults.take("fill")
        due = now + round(fault.seconds * NS) if fault is not None and fault.kind is Kind.LAG else now
        signed = quantity if ticket.buy else -quantity
        self.accounts[ticket.account].book(Booking(listed, signed, price, fill.fee, now, due))
        if order.remaining == 0:
            order.state, order.ts_ended = State.FILLED, now
            del self._live[order.id]
        self._tell(What.FILLED, order, fill, early=fault is not None and fault.kind is Kind.FILLED_EARLY)
        self._show(self.accounts[ticket.account])
        self._after_fill(order)

    def _show(self, account: Account) -> None:
        for listed in account.show(self.clock.now_ns()):
            for shown in self.shown:
                shown(account, listed)

    def _after_fill(self, order: Order) -> None:
        for sibling in self._siblings(order):
            self.end(sibling, State.CANCELLED)
        if order.state is State.FILLED:
            for child in self.children(order):
                child.state = self.state_of(child.ticket)
                if child.state is State.WORKING:
                    self._work(child)

    def _work(self, order: Order) -> None:
        self._tell(What.WORKING, order)
        last = self.market.last(order.ticket.symbol)
        if self.at_once and last is not None and not order.silent and order.state is State.WORKING:
            self._match(order, last)

    def end(self, order: Order, state: State) -> None:
        """Take ``order`` out of the market, if it still is in it."""
        if order.ended:
            return
        order.state, order.ts_ended = state, self.clock.now_ns()
        del self._live[order.id]
        self._tell(What(state.value), order)
        for child in self.children(order):
            self.end(child, State.CANCELLED)

    # --- relations

    def _siblings(self, order: Order) -> Sequence[Order]:
        if order.group is None:
            return ()
        return [other for other in self._live.values() if other.group == order.group and other.id != order.id]

    def children(self, order: Order) -> Sequence[Order]:
        """Orders that wait for ``order`` to be filled."""
        return [child for child in self._live.values() if child.parent == order.id and child.state is State.WAITING]

    def state_of(self, ticket: Ticket) -> State:
        """Whether an order of ``ticket`` would work now, or wait for the market to open."""
        listed = self.find(ticket.symbol)
        return State.WORKING if listed is None or self.is_open(listed, extended=ticket.extended) else State.QUEUED

    def _day_ends(self, order: Order, listed: Listed) -> int:
        session = self.hours.session(listed.calendar, order.ts_received)
        if not order.ticket.extended and order.ts_received >= session.close_ns:  # it came behind the close: for the next day
            session = self.hours.after(listed.calendar, session)
        return session.end_ns if order.ticket.extended else session.close_ns

    def _tell(self, what: What, order: Order, fill: Fill | None = None, *, early: bool = False) -> None:
        order.ts_updated = self.clock.now_ns()
        event = Event(what, order, order.ts_updated, fill, early)
        for listener in self.listeners:
            listener(event)

    def _forget_old(self) -> None:
        if len(self.orders) > _KEPT_ORDERS:
            oldest = next((order_id for order_id, order in self.orders.items() if order.state in ENDED), None)
            if oldest is not None:
                del self.orders[oldest]
