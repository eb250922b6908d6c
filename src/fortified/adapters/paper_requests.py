"""What the real venues would have been sent, and what they would have refused.

Owns the venues' order payloads as far as paper trading shows them. No secrets, no sending: the account number and the token stand as
placeholders. Sources: the order schemas that TastyTrade and Schwab publish for developers.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.order import Order, OrderType, Purpose
from fortified.domain.signal import OrderSide

TASTYTRADE_URL = "https://api.tastyworks.com/accounts/{account}/orders"
SCHWAB_URL = "https://api.schwabapi.com/trader/v1/accounts/{account}/orders"

_TASTYTRADE_TYPES = {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit", OrderType.STOP: "Stop", OrderType.STOP_LIMIT: "Stop Limit"}
_HELD = OrderType.MARKET_IF_TOUCHED
"""Neither venue has this type: we hold the level, and send a market order once it is touched."""
_TASTYTRADE_ACTIONS = {
    (OrderSide.BUY, Purpose.ENTRY): "Buy to Open",
    (OrderSide.SELL, Purpose.ENTRY): "Sell to Open",
    (OrderSide.BUY, Purpose.EXIT): "Buy to Close",
    (OrderSide.SELL, Purpose.EXIT): "Sell to Close",
}
_SCHWAB_INSTRUCTIONS = {
    (OrderSide.BUY, Purpose.ENTRY): "BUY",
    (OrderSide.SELL, Purpose.ENTRY): "SELL_SHORT",
    (OrderSide.BUY, Purpose.EXIT): "BUY_TO_COVER",
    (OrderSide.SELL, Purpose.EXIT): "SELL",
}


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
    url, body = (SCHWAB_URL, _schwab(order)) if venue == "schwab" else (TASTYTRADE_URL, _tastytrade(order, instrument))
    return WouldSend(venue, order.order_id, "POST", url, headers, body)


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


def _tastytrade(order: Order, instrument: Instrument) -> dict[str, Any]:
    body: dict[str, Any] = {
        "time-in-force": "Day",
        "order-type": _TASTYTRADE_TYPES[OrderType.MARKET if order.type is _HELD else order.type],
        "external-identifier": order.order_id,
        "legs": [
            {
                "instrument-type": "Future" if instrument.asset_class is AssetClass.FUTURE else "Equity",
                "symbol": order.symbol,
                "quantity": str(order.quantity),
                "action": _TASTYTRADE_ACTIONS[order.side, order.purpose],
            }
        ],
    }
    if order.limit_price is not None:
        body["price"] = str(order.limit_price)
        body["price-effect"] = "Debit" if order.side is OrderSide.BUY else "Credit"
    if order.stop_price is not None and order.type is not _HELD:
        body["stop-trigger"] = str(order.stop_price)
    return body


def _schwab(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {
        "orderType": (OrderType.MARKET if order.type is _HELD else order.type).value,
        "session": "NORMAL",
        "duration": "DAY",
        "orderStrategyType": "SINGLE",
        "orderLegCollection": [
            {
                "instruction": _SCHWAB_INSTRUCTIONS[order.side, order.purpose],
                "quantity": str(order.quantity),
                "instrument": {"symbol": order.symbol, "assetType": "EQUITY"},
            }
        ],
    }
    if order.limit_price is not None:
        body["price"] = str(order.limit_price)
    if order.stop_price is not None and order.type is not _HELD:
        body["stopPrice"] = str(order.stop_price)
    return body
