"""The bodies that TastyTrade takes, and how a wrong one is refused.

Owns the schema of orders: names, enumerations, and which of them may be left out. Unknown names are refused.
"""

from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

from fortified.simulators.messages import HttpError, Reply, json_reply

type Number = str | int | float

TimeInForce = Literal["Day", "GTC", "GTD", "Ext", "GTC Ext", "Ext Overnight", "GTC Ext Overnight", "IOC"]
OrderType = Literal["Limit", "Market", "Marketable Limit", "Stop", "Stop Limit", "Notional Market"]
Action = Literal["Buy to Open", "Sell to Open", "Buy to Close", "Sell to Close", "Buy", "Sell"]
Effect = Literal["Debit", "Credit", "None"]


class _Body(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    pass


class Leg(_Body, frozen=True):
    instrument_type: Literal["Equity", "Equity Option", "Future", "Future Option", "Cryptocurrency"]
    symbol: str
    action: Action
    quantity: Number | None = None


class AdvancedInstructions(_Body, frozen=True):
    strict_position_effect_validation: bool = False


class OrderTerms(_Body, frozen=True):
    """What a replacement may say."""

    time_in_force: TimeInForce
    order_type: OrderType
    price: Number | None = None
    price_effect: Effect | None = None
    stop_trigger: Number | None = None
    gtc_date: str | None = None
    value: Number | None = None
    value_effect: Effect | None = None
    source: str | None = None
    partition_key: str | None = None
    preflight_id: str | int | None = None
    automated_source: bool | None = None
    underlying_symbol: str | None = None
    external_identifier: str | None = None
    advanced_instructions: AdvancedInstructions | None = None


class OrderBody(OrderTerms, frozen=True, kw_only=True):
    """What a new order says."""

    legs: list[Leg]


class ComplexBody(_Body, frozen=True):
    type: Literal["OCO", "OTO", "OTOCO"]
    orders: list[OrderBody]
    trigger_order: OrderBody | None = None
    source: str | None = None
    ratio_price_threshold: Number | None = None


def decoded[T](body: bytes, model: type[T]) -> T:
    """``body`` as ``model``.

    Raises:
        HttpError: it is not (400).
    """
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.MsgspecError as error:
        raise HttpError(refusal(400, "validation_error", "Request validation failed", [("invalid_body", str(error))])) from None


def number(value: Number | None, *, strings_only: bool) -> Decimal | None:
    """``value`` as a decimal.

    Raises:
        HttpError: it is none, or a JSON number with a fraction where a decimal string is demanded (400).
    """
    if value is None:
        return None
    if strings_only and isinstance(value, float):
        raise HttpError(refusal(400, "validation_error", "Request validation failed", [("not_a_decimal_string", f"{value!r}")]))
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise HttpError(refusal(400, "validation_error", "Request validation failed", [("not_a_number", f"{value!r}")])) from None


def refusal(status: int, code: str, message: str, errors: list[tuple[str, str]] | None = None) -> Reply:
    """An error in TastyTrade's envelope."""
    error: dict[str, object] = {"code": code, "message": message}
    if errors:
        error["errors"] = [{"code": inner, "message": text} for inner, text in errors]
    return json_reply({"error": error}, status)
