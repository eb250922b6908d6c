"""Orders in Schwab's words.

Owns keys and statuses of answers, with the phantom executions of cancelled orders that real answers have. Knows no HTTP.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

from fortified.simulators.instruments import Listed
from fortified.simulators.orders import Order, State

_NS: Final = 1_000_000_000
STATUSES: Mapping[State, str] = {
    State.WAITING: "AWAITING_PARENT_ORDER",
    State.QUEUED: "PENDING_ACTIVATION",
    State.WORKING: "WORKING",
    State.CANCELLING: "PENDING_CANCEL",
    State.FILLED: "FILLED",
    State.CANCELLED: "CANCELED",
    State.REPLACED: "REPLACED",
    State.EXPIRED: "EXPIRED",
    State.REJECTED: "REJECTED",
}


def stamp(ts_ns: int) -> str:
    """UTC to the second, the offset without a colon."""
    return datetime.fromtimestamp(ts_ns // _NS, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def status_of(order: Order) -> str:
    """The word for the state of ``order``."""
    if order.state is State.WORKING and order.ticket.stop is not None and not order.triggered:
        return "AWAITING_STOP_CONDITION"
    if order.state is State.WORKING and order.prints_seen == 0:
        return "QUEUED"
    return STATUSES[order.state]


def instrument_id(symbol: str) -> int:
    """A number that is the same in every run."""
    return crc32(symbol.encode()) % 10_000_000


def cusip(symbol: str) -> str:
    """Nine signs that stand for one."""
    return f"{crc32(symbol.encode()):09d}"[:9]


def order_shape(order: Order, status: str | None = None) -> dict[str, Any]:
    """One order without its children."""
    ticket, details = order.ticket, order.ticket.details
    word = status or status_of(order)
    shape: dict[str, Any] = {
        "session": details["session"],
        "duration": details["duration"],
        "orderType": details["orderType"],
        "complexOrderStrategyType": "NONE",
        "quantity": float(ticket.quantity),
        "filledQuantity": float(order.filled),
        "remainingQuantity": 0.0 if order.ended else float(order.remaining),
        "requestedDestination": "AUTO",
        "destinationLinkName": "AutoRoute",
        "price": None if ticket.limit is None else float(ticket.limit),
        "stopPrice": None if ticket.stop is None else float(ticket.stop),
        "stopType": None if ticket.stop is None else "STANDARD",
        "orderLegCollection": [_leg(order)],
        "orderStrategyType": details["orderStrategyType"],
        "orderId": order.id,
        "cancelable": word in ("WORKING", "QUEUED", "PENDING_ACTIVATION", "AWAITING_STOP_CONDITION", "AWAITING_PARENT_ORDER"),
        "editable": word in ("WORKING", "QUEUED", "PENDING_ACTIVATION"),
        "status": word,
        "enteredTime": stamp(order.ts_received),
        "closeTime": None if order.ts_ended is None else stamp(order.ts_ended),
        "tag": "API_TOS:TRADE_ALL",
        "accountNumber": int(ticket.account),
        "statusDescription": order.reason or None,
        "orderActivityCollection": _activities(order) or None,
    }
    return {key: value for key, value in shape.items() if value is not None}


def _leg(order: Order) -> dict[str, Any]:
    ticket = order.ticket
    instruction = ticket.details["instruction"]
    return {
        "orderLegType": "EQUITY",
        "legId": 1,
        "instrument": {
            "assetType": "EQUITY",
            "cusip": cusip(ticket.symbol),
            "symbol": ticket.symbol,
            "instrumentId": instrument_id(ticket.symbol),
        },
        "instruction": instruction,
        "positionEffect": "OPENING" if instruction in ("BUY", "SELL_SHORT") else "CLOSING",
        "quantity": float(ticket.quantity),
    }


def _activities(order: Order) -> list[dict[str, Any]]:
    """Executions. An order that was cancelled or replaced has one that never traded: price 0, the quantity that was left."""
    found, left = [], order.ticket.quantity
    for fill in order.fills:
        left -= fill.quantity
        found.append(_activity(order, fill.number, "FILL", fill.quantity, left, fill.price, fill.ts_ns))
    if order.state in (State.CANCELLED, State.REPLACED) and order.ts_ended is not None:
        found.append(_activity(order, order.id % 1_000_000, "CANCELED", left, Decimal(0), Decimal(0), order.ts_ended))
    return found


def _activity(order: Order, number: int, kind: str, quantity: Decimal, left: Decimal, price: Decimal, ts_ns: int) -> dict[str, Any]:
    leg = {
        "legId": 1,
        "quantity": float(quantity),
        "mismarkedQuantity": 0.0,
        "price": float(price),
        "time": stamp(ts_ns),
        "instrumentId": instrument_id(order.ticket.symbol),
    }
    return {
        "activityType": "EXECUTION",
        "activityId": 91_000_000_000 + number,
        "executionType": kind,
        "quantity": float(quantity),
        "orderRemainingQuantity": float(left),
        "executionLegs": [leg],
    }


def group_shape(order_id: int, orders: Sequence[Order], children: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An OCO: it has no legs of its own."""
    open_ = any(not order.ended for order in orders)
    filled = any(order.state is State.FILLED for order in orders)
    return {
        "orderStrategyType": "OCO",
        "orderId": order_id,
        "cancelable": open_,
        "editable": False,
        "status": "WORKING" if open_ else "FILLED" if filled else "CANCELED",
        "enteredTime": stamp(orders[0].ts_received),
        "tag": "API_TOS:TRADE_ALL",
        "accountNumber": int(orders[0].ticket.account),
        "childOrderStrategies": list(children),
    }


def preview_shape(
    account: str, body: Mapping[str, Any], listed: Listed, last: Decimal, rejection: str | None, now_ns: int
) -> dict[str, Any]:
    """What an order would do. ``body``: instruction, kind, session, duration, price, quantity."""
    price, quantity = float(body["price"] or last), float(body["quantity"])
    strategy: dict[str, Any] = {
        "accountNumber": account,
        "advancedOrderType": "NONE",
        "enteredTime": stamp(now_ns),
        "orderBalance": {
            "orderValue": price * quantity,
            "projectedAvailableFund": 0.0,
            "projectedBuyingPower": 0.0,
            "projectedCommission": 0.0,
        },
        "orderStrategyType": "SINGLE",
        "orderVersion": 1,
        "session": body["session"],
        "status": "REJECTED" if rejection else "ACCEPTED",
        "discretionary": False,
        "duration": body["duration"],
        "filledQuantity": 0.0,
        "orderType": body["orderType"],
        "orderValue": price * quantity,
        "price": price,
        "quantity": quantity,
        "remainingQuantity": 0.0 if rejection else quantity,
        "sellNonMarginableFirst": False,
        "strategy": "NONE",
        "amountIndicator": "SHARES",
        "orderLegs": [
            {
                "askPrice": float(last),
                "bidPrice": float(last),
                "lastPrice": float(last),
                "markPrice": float(last),
                "projectedCommission": 0.0,
                "legId": 1,
                "assetType": "EQUITY",
                "instruction": body["instruction"],
                "positionEffect": "OPENING" if body["instruction"] in ("BUY", "SELL_SHORT") else "CLOSING",
                "instrument": {"assetType": "EQUITY", "symbol": listed.symbol, "description": listed.description},
            }
        ],
    }
    values = {"commissionLegs": [{"commissionValues": [{"value": 0.0, "type": "COMMISSION"}]}]}
    rejects = [{"activityMessage": rejection, "originalSeverity": "REJECT"}] if rejection else []
    return {
        "orderId": 0,
        "orderStrategy": strategy,
        "orderValidationResult": {"rejects": rejects} if rejects else {},
        "commissionAndFee": {"commission": values, "fee": {"feeLegs": [{"feeValues": []}]}, "trueCommission": values},
    }
