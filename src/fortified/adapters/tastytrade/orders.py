"""Orders in TastyTrade's words: ours into a request, theirs into a ``VenueOrder``.

Owns the shape of both. Knows no endpoint, and of instruments only what a leg says: a name, a kind. Prices go out as text, unsigned, with
the side of the money beside them.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from fortified.adapters.tastytrade.statuses import STATUSES, status_of
from fortified.adapters.tastytrade.wire import Raw, children, decimal, stamp, text
from fortified.domain.errors import RemoteProtocolError
from fortified.domain.order import ZERO, Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueFill, VenueOrder

FUTURE, EQUITY = "Future", "Equity"

ORDER_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop Limit",
}
"""The types that the venue has; ``MARKET_IF_TOUCHED`` is none of them."""
_TYPES_READ: Final = {word: kind for kind, word in ORDER_TYPES.items()} | {
    "Marketable Limit": OrderType.LIMIT,
    "Notional Market": OrderType.MARKET,
}
_OPEN_OR_CLOSE: Final = {Purpose.ENTRY: "to Open", Purpose.EXIT: "to Close"}
_VERB: Final = {OrderSide.BUY: "Buy", OrderSide.SELL: "Sell"}


class Leg(msgspec.Struct, frozen=True):
    """What an order is in: the venue's own symbol, and ``FUTURE`` or ``EQUITY``."""

    symbol: str
    kind: str


def order_body(order: Order, leg: Leg) -> dict[str, Any]:
    """The request for ``order``. Its type must be one of ``ORDER_TYPES``.

    An exit is validated strictly: without that, the venue would turn a close without a position into an opening order.
    """
    body: dict[str, Any] = {
        "time-in-force": time_in_force(order),
        "order-type": ORDER_TYPES[order.type],
        "external-identifier": order.order_id,
        "legs": [{"instrument-type": leg.kind, "symbol": leg.symbol, "action": _action(order, leg), "quantity": _quantity(order)}],
        **_prices(order.type, order.side, order.limit_price, order.stop_price),
    }
    if order.purpose is Purpose.EXIT:
        body["advanced-instructions"] = {"strict-position-effect-validation": True}
    return body


def replace_body(order: Order, limit_price: Decimal | None, stop_price: Decimal | None) -> dict[str, Any]:
    """The request that gives a working order other prices; it has no legs."""
    return {
        "time-in-force": time_in_force(order),
        "order-type": ORDER_TYPES[order.type],
        "external-identifier": order.order_id,
        **_prices(order.type, order.side, limit_price, stop_price),
    }


def oco_body(target: dict[str, Any], stop: dict[str, Any]) -> dict[str, Any]:
    """Two orders of which one cancels the other."""
    return {"type": "OCO", "orders": [target, stop]}


def bracket_body(entry: dict[str, Any], target: dict[str, Any], stop: dict[str, Any]) -> dict[str, Any]:
    """An order whose fill sets off two others, of which one cancels the other."""
    return {"type": "OTOCO", "trigger-order": entry, "orders": [target, stop]}


def time_in_force(order: Order) -> str:
    """An exit that rests outlives the day, as its position does; all else ends with it."""
    return "GTC" if order.purpose is Purpose.EXIT and order.type is not OrderType.MARKET else "Day"


def price_text(price: Decimal) -> str:
    """Plain digits, no exponent, no zeros behind."""
    return f"{price.normalize():f}"


def _prices(kind: OrderType, side: OrderSide, limit_price: Decimal | None, stop_price: Decimal | None) -> dict[str, str]:
    prices: dict[str, str] = {}
    if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} and limit_price is not None:
        prices["price"] = price_text(abs(limit_price))
        if limit_price:  # who sells below zero pays
            prices["price-effect"] = "Debit" if (side is OrderSide.BUY) == (limit_price > 0) else "Credit"
    if kind in {OrderType.STOP, OrderType.STOP_LIMIT} and stop_price is not None:
        prices["stop-trigger"] = price_text(stop_price)
    return prices


def _quantity(order: Order) -> int | str:
    """A whole number as one, as the venue shows it; a fraction, which it takes of no future and of few shares, as text."""
    whole = order.quantity == order.quantity.to_integral_value()
    return int(order.quantity) if whole else price_text(order.quantity)


def _action(order: Order, leg: Leg) -> str:
    verb = _VERB[order.side]
    return verb if leg.kind == FUTURE else f"{verb} {_OPEN_OR_CLOSE[order.purpose]}"


# --- theirs into ours ---

Canonical = Callable[[str, int | None], str]
"""Our spelling of a symbol of the venue, given a time (ns) at which the contract was traded."""


def venue_order(raw: Raw, canonical: Canonical) -> VenueOrder:
    """What the venue says of one order. ``RemoteProtocolError`` when it has no id or no leg: then nothing can be said of it.

    Of an order with several legs, which is none of ours, the first is shown.
    """
    order_id, legs = text(raw, "id"), children(raw, "legs")
    symbol = text(legs[0], "symbol") if legs else text(raw, "underlying-symbol")
    if order_id is None or symbol is None:
        raise RemoteProtocolError(f"TastyTrade shows an order without id or symbol (id {order_id}, symbol {symbol}). It is left out.")
    leg = legs[0] if legs else {}
    word, action = text(raw, "status") or "", text(leg, "action") or ""
    quantity = _first(decimal(leg, "quantity"), decimal(raw, "size"), ZERO)
    fills = _fills(order_id, leg)
    filled = _filled(word, quantity, decimal(leg, "remaining-quantity"), sum((fill.quantity for fill in fills), ZERO))
    entered = _first(stamp(raw, "received-at"), stamp(raw, "updated-at"), 0)
    side = _side(action, text(raw, "price-effect"))
    replaced_by = text(raw, "replacing-order-id")
    return VenueOrder(
        venue_order_id=order_id,
        symbol=canonical(symbol, entered or None),
        side=side or OrderSide.BUY,
        quantity=quantity,
        status=None if side is None else status_of(word, filled, quantity, replaced_by),
        raw_status=word,
        ts_entered=entered,
        ts_updated=_first(stamp(raw, "updated-at"), stamp(raw, "terminal-at"), entered),
        client_order_id=text(raw, "external-identifier"),
        filled_quantity=filled,
        fills=fills,
        type=_TYPES_READ.get(text(raw, "order-type") or ""),
        limit_price=_limit(raw, side),
        stop_price=decimal(raw, "stop-trigger"),
        text=_words(raw, legs, word, action, side),
        replaces=text(raw, "replaces-order-id"),
        replaced_by=replaced_by,
    )


def _fills(order_id: str, leg: Raw) -> tuple[VenueFill, ...]:
    """The fills of a leg, each once: the venue repeats all of them in every message. One without a price cannot be booked yet."""
    found: dict[str, VenueFill] = {}
    for place, fill in enumerate(children(leg, "fills"), start=1):
        quantity, price = decimal(fill, "quantity"), decimal(fill, "fill-price")
        if quantity is None or price is None or quantity <= 0:
            continue
        fill_id = text(fill, "fill-id") or text(fill, "ext-exec-id") or str(place)
        found.setdefault(fill_id, VenueFill(fill_id, quantity, price, stamp(fill, "filled-at") or 0))
    return tuple(found.values())


def _filled(word: str, quantity: Decimal, remaining: Decimal | None, of_fills: Decimal) -> Decimal:
    """How much is done. What remains tells it only while the order works: of one that is over, it may be 0 without a fill."""
    status = STATUSES.get(word)
    if status is OrderStatus.FILLED:
        return max(quantity, of_fills)
    if remaining is None or status not in {OrderStatus.ACCEPTED, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE}:
        return of_fills
    return max(of_fills, quantity - remaining)


def _side(action: str, effect: str | None) -> OrderSide | None:
    for side, verb in _VERB.items():
        if action.startswith(verb):
            return side
    return {"Debit": OrderSide.BUY, "Credit": OrderSide.SELL}.get(effect or "") if not action else None


def _limit(raw: Raw, side: OrderSide | None) -> Decimal | None:
    price, effect = decimal(raw, "price"), text(raw, "price-effect")
    if price is None or not price or side is None or effect not in {"Debit", "Credit"}:
        return price
    return abs(price) if (side is OrderSide.BUY) == (effect == "Debit") else -abs(price)


def _words(raw: Raw, legs: list[Raw], word: str, action: str, side: OrderSide | None) -> str:
    parts = [text(raw, "reject-reason") or text(raw, "contingent-status") or ""]
    if len(legs) > 1:
        parts.append(f"{len(legs)} legs, the first is shown")
    if word not in STATUSES:
        parts.append(f"status {word!r} is not known")
    if side is None:
        parts.append(f"action {action!r} is not known")
    return "; ".join(filter(None, parts))


def _first[T](*values: T | None) -> T:
    return next(value for value in values if value is not None)
