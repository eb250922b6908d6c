"""At which price an order trades when the market prints.

Owns the rules of market, limit and stop orders. Pure functions: they change nothing.
"""

from decimal import Decimal

from fortified.simulators.market import Print
from fortified.simulators.orders import Order, OrderKind


def triggers(order: Order, event: Print) -> bool:
    """Whether ``event`` sets off a stop that has not been set off yet."""
    stop = order.ticket.stop
    if order.triggered or stop is None:
        return False
    return event.price >= stop if order.ticket.buy else event.price <= stop


def fill_price(order: Order, event: Print) -> Decimal | None:
    """The price at which ``order`` trades against ``event``; None when it does not.

    A market order takes the quote. A limit order that could trade when it came takes the quote too; one that rested gets its limit.
    """
    ticket = order.ticket
    if ticket.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) and not order.triggered:
        return None
    quote = event.ask if ticket.buy else event.bid
    if ticket.limit is None:
        return quote
    better, reached = (min, min(quote, event.price) <= ticket.limit) if ticket.buy else (max, max(quote, event.price) >= ticket.limit)
    if not reached:
        return None
    return better(quote, ticket.limit) if order.prints_seen == 1 else ticket.limit
