"""What the real venues would have been sent, and what they would have refused.

Owns where a request would have gone. Its body is made by the very codecs of the real adapters, so that paper shows what live sends. No
secrets, no sending: the account number and the token stand as placeholders.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from fortified.adapters.schwab.orders import body_of, ticket_of
from fortified.adapters.tastytrade.orders import EQUITY, FUTURE, Leg, order_body
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.order import Order, OrderType

TASTYTRADE_URL = "https://api.tastyworks.com/accounts/{account}/orders"
SCHWAB_URL = "https://api.schwabapi.com/trader/v1/accounts/{account}/orders"


class WouldSend(msgspec.Struct, frozen=True):
    """A request that was not sent."""

    venue: str
    order_id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


def would_send(venue: str, order: Order, instrument: Instrument) -> WouldSend:
    """The request that ``venue`` would have been sent for ``order``."""
    headers = {"Authorization": "Bearer <token>", "Content-Type": "application/json", "Accept": "application/json"}
    sent = _sent(order)
    if venue == "schwab":
        return WouldSend(venue, order.order_id, "POST", SCHWAB_URL, headers, body_of(ticket_of(sent)))
    kind = FUTURE if instrument.asset_class is AssetClass.FUTURE else EQUITY
    return WouldSend(venue, order.order_id, "POST", TASTYTRADE_URL, headers, order_body(sent, Leg(order.symbol, kind)))


def refusal(venue: str, order: Order, instrument: Instrument) -> str | None:
    """Why ``venue`` would refuse ``order``; None when it would not."""
    if venue == "schwab" and instrument.asset_class is AssetClass.FUTURE:
        return f"Schwab's trading interface takes no futures orders ({order.symbol})"
    if order.quantity != order.quantity.to_integral_value():
        return f"quantity {order.quantity} is not a whole number"
    for price in (order.limit_price, order.stop_price):
        if price is not None and not instrument.on_tick(price):
            return f"price {price} is not a multiple of the tick {instrument.tick_size}"
    return None


def _sent(order: Order) -> Order:
    """``order`` as a venue would get it: a level that we hold is a market order once it was touched."""
    if order.type is not OrderType.MARKET_IF_TOUCHED and not (order.triggered and order.type is OrderType.STOP):
        return order
    return msgspec.structs.replace(order, type=OrderType.MARKET, stop_price=None)
