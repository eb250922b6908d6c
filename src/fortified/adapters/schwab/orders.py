"""Orders as Schwab takes them and as it tells them.

Owns the body of an order, of a bracket and of an OCO, and what makes Schwab's word a ``VenueOrder``. What was filled is the sum of the
executions of type FILL, never ordered minus remaining: a cancelled order has nothing remaining and an execution of its whole quantity.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from fortified.adapters.schwab.statuses import status_of
from fortified.adapters.schwab.wire import Activity, WireLeg, WireOrder, parse_time
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import normalise_symbol
from fortified.domain.order import ZERO, Order, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueFill, VenueOrder

Session = Literal["NORMAL", "AM", "PM", "SEAMLESS"]
Body = dict[str, Any]

INSTRUCTIONS: Final = {
    (OrderSide.BUY, Purpose.ENTRY): "BUY",
    (OrderSide.SELL, Purpose.ENTRY): "SELL_SHORT",
    (OrderSide.BUY, Purpose.EXIT): "BUY_TO_COVER",
    (OrderSide.SELL, Purpose.EXIT): "SELL",
}
SIDES: Final = {
    **dict.fromkeys(("BUY", "BUY_TO_COVER", "BUY_TO_OPEN", "BUY_TO_CLOSE"), OrderSide.BUY),
    **dict.fromkeys(("SELL", "SELL_SHORT", "SELL_SHORT_EXEMPT", "SELL_TO_OPEN", "SELL_TO_CLOSE"), OrderSide.SELL),
}
"""EXCHANGE, a swap of funds, has no side."""
NATIVE: Final = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT})
_DOLLAR: Final = Decimal(1)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One single order with all that the interface offers; unset fields are not sent. Prices are sent as texts."""

    symbol: str
    instruction: str
    quantity: Decimal
    order_type: str = "MARKET"
    session: Session = "NORMAL"
    duration: str = "DAY"
    price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_type: str | None = None
    stop_price_link_basis: str | None = None
    stop_price_link_type: str | None = None
    stop_price_offset: Decimal | None = None
    """How far a trailing stop keeps behind its basis, in points, or in percent if the link type says so."""
    activation_price: Decimal | None = None
    special_instruction: str | None = None
    tax_lot_method: str | None = None
    asset_type: str = "EQUITY"


class Unread(msgspec.Struct, frozen=True):
    """An order that is none of ours and cannot be told in our words."""

    venue_order_id: str
    reason: str


def ticket_of(order: Order, *, extended: bool = False) -> Ticket:
    """The ticket of ``order``. ``extended``: a limit order also works before and after the regular session."""
    seamless = extended and order.type is OrderType.LIMIT
    return Ticket(
        symbol=order.symbol,
        instruction=INSTRUCTIONS[order.side, order.purpose],
        quantity=order.quantity,
        order_type=order.type.value,
        session="SEAMLESS" if seamless else "NORMAL",
        # An exit that rests outlives the day, as its position does.
        duration="GOOD_TILL_CANCEL" if order.purpose is Purpose.EXIT and order.type is not OrderType.MARKET else "DAY",
        price=order.limit_price,
        stop_price=order.stop_price,
    )


def body_of(ticket: Ticket) -> Body:
    """The body of a single order."""
    body: Body = {
        "orderType": ticket.order_type,
        "session": ticket.session,
        "duration": ticket.duration,
        "orderStrategyType": "SINGLE",
        "orderLegCollection": [
            {
                "instruction": ticket.instruction,
                "quantity": int(ticket.quantity),
                "instrument": {"symbol": ticket.symbol, "assetType": ticket.asset_type},
            }
        ],
    }
    prices = {"price": ticket.price, "stopPrice": ticket.stop_price, "activationPrice": ticket.activation_price}
    body |= {key: f"{price:f}" for key, price in prices.items() if price is not None}
    if ticket.stop_price_offset is not None:
        body["stopPriceOffset"] = f"{ticket.stop_price_offset:f}"
    words = {
        "stopType": ticket.stop_type,
        "stopPriceLinkBasis": ticket.stop_price_link_basis,
        "stopPriceLinkType": ticket.stop_price_link_type,
        "specialInstruction": ticket.special_instruction,
        "taxLotMethod": ticket.tax_lot_method,
    }
    return body | {key: word for key, word in words.items() if word is not None}


def one_cancels_other(*bodies: Body) -> Body:
    """Orders of which the first that fills cancels the others."""
    return {"orderStrategyType": "OCO", "childOrderStrategies": list(bodies)}


def first_triggers(parent: Body, *children: Body) -> Body:
    """``children`` that begin to work when ``parent`` has filled."""
    return parent | {"orderStrategyType": "TRIGGER", "childOrderStrategies": list(children)}


def bracket(entry: Body, target: Body, stop: Body) -> Body:
    """An entry whose fill sets a target and a stop, one of which cancels the other."""
    return first_triggers(entry, one_cancels_other(target, stop))


def refusal(order: Order) -> str | None:
    """Why ``order`` cannot be written down for Schwab; None when it can."""
    if order.symbol.startswith("/"):
        return f"Schwab's trading interface takes no futures orders ({order.symbol}); trade futures at TastyTrade"
    if order.type not in NATIVE:
        return f"Schwab has no order of type {order.type.value}; use MARKET, LIMIT, STOP or STOP_LIMIT"
    if order.quantity <= ZERO or order.quantity != order.quantity.to_integral_value():
        return f"quantity {order.quantity} is not a whole number of shares, and Schwab's trading interface takes no fractions"
    return next(
        (_price_refusal(price) for price in (order.limit_price, order.stop_price) if price is not None and _price_refusal(price)), None
    )


def _price_refusal(price: Decimal) -> str | None:
    places = 2 if abs(price) >= _DOLLAR else 4
    if price == round(price, places):
        return None
    return f"price {price} has more than {places} decimals, which Schwab refuses at this price"


def side_of(order: WireOrder) -> OrderSide | None:
    """The side of a single-legged order."""
    return SIDES.get(order.order_leg_collection[0].instruction)


def symbol_of(text: str) -> str:
    """Our spelling of a share; what is no share (an option) keeps the venue's."""
    try:
        return normalise_symbol(text)
    except ConfigError:
        return text.strip()


def read_order(order: WireOrder) -> VenueOrder | Unread:
    """What ``order``, which has legs, is in our words. Links to what it replaces are not known here."""
    order_id = "" if order.order_id is None else str(order.order_id)
    legs, side = order.order_leg_collection, side_of(order)
    if not order_id.isdigit():
        return Unread(order_id, "it has no id")
    if len(legs) > 1:
        return Unread(order_id, f"it has {len(legs)} legs ({', '.join(leg.instrument.symbol for leg in legs)}), and ours have one")
    if side is None:
        return Unread(order_id, f"its instruction {legs[0].instruction} is neither to buy nor to sell")
    fills = read_fills(order_id, order.order_activity_collection)
    filled = max(order.filled_quantity or ZERO, sum((fill.quantity for fill in fills), ZERO))
    entered = parse_time(order.entered_time)
    return VenueOrder(
        venue_order_id=order_id,
        symbol=symbol_of(legs[0].instrument.symbol),
        side=side,
        quantity=quantity_of(order),
        status=status_of(order.status, filled),
        raw_status=order.status,
        ts_entered=entered,
        ts_updated=max(entered, parse_time(order.close_time), *(fill.ts_event for fill in fills)),
        filled_quantity=filled,
        fills=fills,
        type=OrderType(order.order_type) if order.order_type in OrderType else None,
        limit_price=order.price,
        stop_price=order.stop_price,
        text=order.status_description,
    )


def quantity_of(order: WireOrder) -> Decimal:
    """Units ordered."""
    leg = order.order_leg_collection[0].quantity
    return order.quantity if order.quantity is not None else leg if leg is not None else ZERO


def read_fills(order_id: str, activities: Iterable[Activity]) -> tuple[VenueFill, ...]:
    """What traded, in the order of time. Ids come from the venue's; where it gives the same twice, a number tells them apart."""
    fills: list[VenueFill] = []
    for activity in activities:
        if activity.activity_type != "EXECUTION" or activity.execution_type != "FILL":
            continue
        base = order_id if activity.activity_id is None else str(activity.activity_id)
        for leg in activity.execution_legs:
            if leg.quantity > ZERO:
                fills.append(VenueFill(f"{base}.{leg.leg_id or 1}", leg.quantity, leg.price, parse_time(leg.time)))
    fills.sort(key=lambda fill: (fill.ts_event, fill.fill_id, fill.price, fill.quantity))
    seen: dict[str, int] = {}
    for index, fill in enumerate(fills):
        seen[fill.fill_id] = times = seen.get(fill.fill_id, 0) + 1
        if times > 1:
            fills[index] = msgspec.structs.replace(fill, fill_id=f"{fill.fill_id}.{times}")
    return tuple(fills)


def legs_of(order: WireOrder) -> tuple[tuple[str, str], ...]:
    """Symbols and instructions of the legs, in a fixed order."""
    return tuple(sorted(map(_leg, order.order_leg_collection)))


def _leg(leg: WireLeg) -> tuple[str, str]:
    return symbol_of(leg.instrument.symbol), leg.instruction


def is_like(order: WireOrder, body: Mapping[str, Any]) -> bool:
    """Whether ``order`` could have come from ``body``, a single order: there is no id of ours to tell by."""
    legs: Sequence[Mapping[str, Any]] = body["orderLegCollection"]
    wanted = legs[0]["instrument"]["symbol"], legs[0]["instruction"]
    return (
        len(order.order_leg_collection) == 1
        and _leg(order.order_leg_collection[0]) == wanted
        and quantity_of(order) == legs[0]["quantity"]
        and order.order_type == body["orderType"]
        and order.session == body["session"]
        and order.duration == body["duration"]
        and all(_same(price, body.get(key)) for key, price in (("price", order.price), ("stopPrice", order.stop_price)))
    )


def _same(told: Decimal | None, sent: str | None) -> bool:
    """A price that was not sent proves nothing: the venue may add one of its own."""
    return sent is None or told == Decimal(sent)
