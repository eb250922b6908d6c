"""What Schwab refuses at once, and what it takes and rejects behind that.

Owns both lists and the reading of a body as a ticket. Knows no payload of an answer.
"""

from decimal import Decimal, InvalidOperation

import msgspec

from fortified.simulators.account import ZERO
from fortified.simulators.instruments import EQUITY, Listed
from fortified.simulators.matching import Exchange
from fortified.simulators.orders import Life, Order, OrderKind, Ticket
from fortified.simulators.schwab.bodies import Number, OrderBody, bad_request

_KINDS = {"MARKET": OrderKind.MARKET, "LIMIT": OrderKind.LIMIT, "STOP": OrderKind.STOP, "STOP_LIMIT": OrderKind.STOP_LIMIT}
_LIVES = {"DAY": Life.DAY, "FILL_OR_KILL": Life.ALL_AT_ONCE, "IMMEDIATE_OR_CANCEL": Life.AT_ONCE}
_INSTRUCTIONS = ("BUY", "SELL", "SELL_SHORT", "BUY_TO_COVER")
_PRICED = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
_STOPPED = (OrderKind.STOP, OrderKind.STOP_LIMIT)
OVERSOLD = (
    "You may not enter an order that would result in an oversold/overbought position in your account. "
    "Please check your position quantity and open orders."
)


class Rules:
    """The rules of one venue. ``strings_only``: fractions as JSON numbers are refused, more strictly than the venue does."""

    def __init__(self, exchange: Exchange, *, strings_only: bool) -> None:
        self._exchange = exchange
        self._strings_only = strings_only

    def ticket(self, account: str, body: OrderBody) -> Ticket:
        """The order that ``body`` itself is, without its children.

        Raises:
            HttpError: the venue would not take it (400).
        """
        errors: list[str] = []
        if body.session is None or body.duration is None or body.order_type is None:
            raise bad_request(["session, duration and orderType are required."])
        if len(body.order_leg_collection) != 1:
            raise bad_request(["Orders for equities have exactly one leg in orderLegCollection."])
        leg = body.order_leg_collection[0]
        listed = self._exchange.find(leg.instrument.symbol)
        if leg.instrument.asset_type != EQUITY.upper() or listed is None or listed.kind != EQUITY:
            raise bad_request([f"The instrument {leg.instrument.symbol} ({leg.instrument.asset_type}) cannot be traded here."])
        if leg.instruction not in _INSTRUCTIONS:
            errors.append(f"The instruction {leg.instruction} is not one for equities.")
        if body.order_type not in _KINDS:
            errors.append(f"The order type {body.order_type} is not supported for this instrument.")
        ticket = Ticket(
            account=account,
            symbol=listed.symbol,
            buy=leg.instruction.startswith("BUY"),
            quantity=self._number(leg.quantity) or ZERO,
            kind=_KINDS.get(body.order_type, OrderKind.MARKET),
            limit=self._number(body.price),
            stop=self._number(body.stop_price),
            life=_LIVES.get(body.duration, Life.UNTIL_CANCELLED),
            extended=body.session != "NORMAL",
            details={
                "instruction": leg.instruction,
                "orderType": body.order_type,
                "session": body.session,
                "duration": body.duration,
                "orderStrategyType": body.order_strategy_type,
            },
        )
        errors += [*_terms(ticket), *_prices(listed, ticket)]
        if errors:
            raise bad_request(errors)
        return ticket

    def rejection(self, ticket: Ticket, *, replaces: Order | None = None) -> str | None:
        """Why the venue rejects what it took; None when it does not. Children of a trigger are not asked."""
        held = self._exchange.accounts[ticket.account].seen.quantity(ticket.symbol)
        instruction = ticket.details["instruction"]
        free = abs(held) - self._reserved(ticket, replaces)
        if instruction == "SELL" and (held <= 0 or ticket.quantity > free):
            return OVERSOLD
        if instruction == "BUY_TO_COVER" and (held >= 0 or ticket.quantity > free):
            return OVERSOLD
        if instruction == "SELL_SHORT" and held > 0:
            return "You have a long position in this security; a short sale is not possible before it is sold."
        if instruction == "BUY" and held < 0:
            return "You have a short position in this security; use buy to cover."
        return self._too_dear(ticket) if instruction in ("BUY", "SELL_SHORT") else None

    def _reserved(self, ticket: Ticket, replaces: Order | None) -> Decimal:
        """What open orders would already close; of an OCO only one counts."""
        total, groups = ZERO, set[int]()
        for order in self._exchange.orders_of(ticket.account):
            closes = order.ticket.details["instruction"] == ticket.details["instruction"] and order.ticket.symbol == ticket.symbol
            if not closes or order.ended or order is replaces or order.group in groups:
                continue
            total += order.remaining
            groups |= {order.group} if order.group is not None else set()
        return total

    def _too_dear(self, ticket: Ticket) -> str | None:
        ledger, market = self._exchange.accounts[ticket.account].seen, self._exchange.market
        last, listed = market.last(ticket.symbol), self._exchange.find(ticket.symbol)
        price = ticket.limit or (last.price if last else listed.base if listed else ZERO)
        invested = ledger.stock(market, long=True) + ledger.stock(market, long=False)
        if invested + price * ticket.quantity > 2 * ledger.value(market):
            return "This order exceeds the buying power of your account."
        return None

    def _number(self, value: Number | None) -> Decimal | None:
        if value is None:
            return None
        if self._strings_only and isinstance(value, float) and not value.is_integer():
            raise bad_request([f"{value!r} is a JSON number with a fraction; send a decimal string."])
        try:
            return Decimal(str(value))
        except InvalidOperation:
            raise bad_request([f"{value!r} is not a number."]) from None

    def tree(self, account: str, body: OrderBody) -> "Tree":
        """``body`` with its children as tickets.

        Raises:
            HttpError: any of them is refused (400).
        """
        children = [self.tree(account, child) for child in body.child_order_strategies]
        match body.order_strategy_type:
            case "SINGLE" if not children:
                return Tree("SINGLE", self.ticket(account, body), [])
            case "OCO" if len(children) > 1 and not body.order_leg_collection and all(child.ticket for child in children):
                return Tree("OCO", None, children)
            case "TRIGGER" if children:
                return Tree("TRIGGER", self.ticket(account, body), children)
        raise bad_request([f"The strategy {body.order_strategy_type} does not fit its legs and children."])


class Tree(msgspec.Struct, frozen=True):
    """An order strategy that was read; an OCO has no ticket of its own."""

    type: str
    ticket: Ticket | None
    children: list["Tree"]


def _terms(ticket: Ticket) -> list[str]:
    found = []
    if (ticket.limit is None) is (ticket.kind in _PRICED):
        found.append("A price goes with LIMIT and STOP_LIMIT orders, and with no others.")
    if (ticket.stop is None) is (ticket.kind in _STOPPED):
        found.append("A stopPrice goes with STOP and STOP_LIMIT orders, and with no others.")
    if ticket.extended and ticket.kind is not OrderKind.LIMIT:
        found.append("Only LIMIT orders may be entered for extended hours.")
    if ticket.kind is OrderKind.MARKET and ticket.life is Life.UNTIL_CANCELLED:
        found.append("A MARKET order is valid for the DAY only.")
    if ticket.quantity <= 0 or ticket.quantity != ticket.quantity.to_integral_value():
        found.append(f"The quantity {ticket.quantity} is not a whole number above 0.")
    return found


def _prices(listed: Listed, ticket: Ticket) -> list[str]:
    return [
        f"The price {price} has too many decimals: two from $1.00 on, four below."
        for price in (ticket.limit, ticket.stop)
        if price is not None and (price <= 0 or not listed.on_tick(price))
    ]
