"""Orders, positions and balances in TastyTrade's words.

Owns the keys and the statuses of answers, with the drift of types that real answers have. Knows no HTTP.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fortified.simulators.account import Account, Position
from fortified.simulators.market import Market
from fortified.simulators.orders import Fill, Order, State, What

STATUSES: Mapping[State, str] = {
    State.WAITING: "Contingent",
    State.QUEUED: "Received",
    State.WORKING: "Live",
    State.CANCELLING: "Cancel Requested",
    State.FILLED: "Filled",
    State.CANCELLED: "Cancelled",
    State.REPLACED: "Cancelled",
    State.EXPIRED: "Expired",
    State.REJECTED: "Rejected",
}
TOLD: Mapping[What, str] = {What.ACCEPTED: "Routed", What.CANCEL_REQUESTED: "Cancel Requested"}
"""Statuses of a moment, which the streamer tells and a later read does not."""


def iso(ts_ns: int) -> str:
    """UTC with milliseconds and an offset."""
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).isoformat(timespec="milliseconds")


def money(amount: Decimal) -> str:
    """A decimal string that always has a fraction: ``1.0``."""
    text = f"{amount:f}"
    text = text.rstrip("0") if "." in text else text
    return f"{text}0" if text.endswith(".") else text if "." in text else f"{text}.0"


def order_shape(order: Order, status: str | None = None, *, without: Fill | None = None) -> dict[str, Any]:
    """The whole order, as every answer and every frame carries it. ``without``: a fill that is not told yet."""
    ticket, details, state = order.ticket, order.ticket.details, order.state
    open_ = state in (State.WORKING, State.QUEUED, State.WAITING) and status != "Cancel Requested"
    shape: dict[str, Any] = {
        "id": order.id,
        "account-number": ticket.account,
        "cancellable": open_ and status != "Routed",
        "editable": open_ and status != "Routed",
        "edited": state is State.REPLACED,
        "ext-client-order-id": f"JSIM{order.id:014d}",
        "ext-exchange-order-number": str(900_000_000_000 + order.id),
        "ext-global-order-number": order.id % 1_000,
        "global-request-id": f"{order.id:032x}",
        "order-type": details["order-type"],
        "received-at": iso(order.ts_received),
        "size": int(ticket.quantity),
        "status": status or STATUSES[state],
        "time-in-force": details["time-in-force"],
        "underlying-instrument-type": details["instrument-type"],
        "underlying-symbol": ticket.symbol,
        "updated-at": order.ts_updated // 1_000_000,
        "price": None if ticket.limit is None else money(ticket.limit),
        "price-effect": details["price-effect"],
        "stop-trigger": None if ticket.stop is None else money(ticket.stop),
        "external-identifier": details["external-identifier"],
        "source": details["source"],
        "replaces-order-id": order.replaces,
        "replacing-order-id": order.replaced_by,
        "complex-order-id": details.get("complex-order-id"),
        "complex-order-tag": details.get("complex-order-tag"),
        "contingent-status": "Pending Order" if (status or STATUSES[state]) == "Contingent" else None,
        "reject-reason": order.reason or None,
        "terminal-at": None if order.ts_ended is None else iso(order.ts_ended),
        "cancelled-at": iso(order.ts_ended) if order.ts_ended and state in (State.CANCELLED, State.REPLACED) else None,
    }
    return {**{key: value for key, value in shape.items() if value is not None}, "legs": [_leg(order, without)]}


def _leg(order: Order, without: Fill | None) -> dict[str, Any]:
    ticket = order.ticket
    return {
        "action": ticket.details["action"],
        "instrument-type": ticket.details["instrument-type"],
        "quantity": int(ticket.quantity),
        "remaining-quantity": int(order.remaining),
        "symbol": ticket.symbol,
        "fills": [_fill(fill) for fill in order.fills if fill is not without],
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "destination-venue": "MARKET_SIMULATOR_A",
        "ext-exec-id": str(fill.number),
        "ext-group-fill-id": "0",
        "fill-id": f"{fill.order_id}_TW::MARKET_SIMULATOR_A{fill.number}",
        "fill-price": money(fill.price),
        "filled-at": iso(fill.ts_ns),
        "quantity": int(fill.quantity),
    }


def position_shape(account: str, position: Position, market: Market, drift: int) -> dict[str, Any]:
    """A position. ``drift`` picks one of the types in which numbers arrive: 1, "1", "1.0"."""
    quantity, listed = abs(position.quantity), position.listed
    last = market.last(listed.symbol)
    shape = {
        "account-number": account,
        "average-open-price": money(position.average),
        "close-price": money(last.price if last else position.average),
        "cost-effect": "Debit" if position.quantity < 0 else "Credit",
        "created-at": iso(position.ts_created),
        "instrument-type": listed.kind,
        "is-frozen": False,
        "is-suppressed": False,
        "multiplier": drifting(listed.multiplier, drift),
        "quantity": drifting(quantity, drift),
        "quantity-direction": "Zero" if quantity == 0 else "Long" if position.quantity > 0 else "Short",
        "realized-day-gain": money(abs(position.realized)),
        "realized-day-gain-effect": _effect(position.realized),
        "realized-today": money(abs(position.realized)),
        "realized-today-effect": _effect(position.realized),
        "restricted-quantity": drifting(Decimal(0), drift),
        "symbol": listed.symbol,
        "underlying-symbol": f"/{listed.product.root}" if listed.product else listed.symbol,
        "updated-at": iso(position.ts_updated),
    }
    if listed.expires is not None:
        shape["expires-at"] = f"{listed.expires.isoformat()}T14:30:00.000+00:00"
    return shape


def drifting(value: Decimal, drift: int) -> int | str:
    """A number in one of the three types in which it arrives."""
    return (int(value) if value == value.to_integral_value() else money(value), f"{value.normalize():f}", money(value))[drift % 3]


def _effect(amount: Decimal) -> str:
    return "None" if amount == 0 else "Credit" if amount > 0 else "Debit"


_ZEROS = (
    *("bond-margin-requirement", "closed-loop-available-balance", "cryptocurrency-margin-requirement", "day-equity-call-value"),
    *("day-trading-call-value", "equity-offering-margin-requirement", "fixed-income-security-margin-requirement", "long-bond-value"),
    *("long-cryptocurrency-value", "long-derivative-value", "long-fixed-income-security-value", "long-futures-derivative-value"),
    *("long-futures-value", "maintenance-call-value", "pending-cash", "reg-t-call-value", "short-cryptocurrency-value"),
    *("short-derivative-value", "short-futures-derivative-value", "short-futures-value", "sma-equity-option-buying-power"),
    *("special-memorandum-account-apex-adjustment", "special-memorandum-account-value", "unsettled-cryptocurrency-fiat-amount"),
    *("used-derivative-buying-power", "pending-margin-interest", "buying-power-adjustment", "effective-cryptocurrency-buying-power"),
    "total-pending-liquidity-pool-rebate",
)
_NO_EFFECT = ("pending-cash-effect", "unsettled-cryptocurrency-fiat-effect", "buying-power-adjustment-effect")


def balance_shape(account: Account, market: Market, now_ns: int) -> dict[str, Any]:
    """The money of an account as its books show it."""
    ledger = account.seen
    value, margin = ledger.value(market), ledger.margin()
    free = money(value - margin)
    amounts = {
        **dict.fromkeys(("available-trading-funds", "cash-available-to-withdraw", "day-trade-excess", "derivative-buying-power"), free),
        **dict.fromkeys(("maintenance-excess",), free),
        **dict.fromkeys(("cash-balance", "cash-settle-balance", "margin-settle-balance", "total-settle-balance"), money(ledger.cash)),
        **dict.fromkeys(("margin-equity", "net-liquidating-value"), money(value)),
        **dict.fromkeys(("equity-buying-power",), money(2 * (value - margin))),
        **dict.fromkeys(("day-trading-buying-power",), money(4 * (value - margin))),
        **dict.fromkeys(("futures-margin-requirement", "futures-overnight-margin-requirement", "maintenance-requirement"), money(margin)),
        **dict.fromkeys(("futures-intraday-margin-requirement", "reg-t-margin-requirement"), money(margin)),
        **dict.fromkeys(("long-equity-value", "long-margineable-value"), money(ledger.stock(market, long=True))),
        **dict.fromkeys(("short-equity-value", "short-margineable-value"), money(ledger.stock(market, long=False))),
        **dict.fromkeys(_ZEROS, "0.0"),
        **dict.fromkeys(_NO_EFFECT, "None"),
    }
    stamps = {"currency": "USD", "snapshot-date": iso(now_ns)[:10], "updated-at": iso(now_ns)}
    return {"account-number": account.number, **amounts, **stamps}


def fees_shape(fee: Decimal) -> dict[str, Any]:
    """The fees of an order that has not traded."""
    nothing = {"regulatory-fees": "0.0", "regulatory-fees-effect": "None", "commission": "0.0", "commission-effect": "None"}
    return {
        **nothing,
        "clearing-fees": money(fee),
        "clearing-fees-effect": _effect(-fee),
        "proprietary-index-option-fees": "0.0",
        "proprietary-index-option-fees-effect": "None",
        "total-fees": money(fee),
        "total-fees-effect": _effect(-fee),
        "per-quantity": False,
    }


def buying_power_shape(before: Decimal, change: Decimal) -> dict[str, Any]:
    """What an order does to the buying power."""
    return {
        "change-in-margin-requirement": money(change),
        "change-in-margin-requirement-effect": _effect(-change),
        "change-in-buying-power": money(change),
        "change-in-buying-power-effect": _effect(-change),
        "current-buying-power": money(before),
        "current-buying-power-effect": _effect(before),
        "new-buying-power": money(abs(before - change)),
        "new-buying-power-effect": _effect(before - change),
        "isolated-order-margin-requirement": money(change),
        "isolated-order-margin-requirement-effect": _effect(-change),
        "is-spread": False,
        "impact": money(change),
        "effect": _effect(-change),
    }
