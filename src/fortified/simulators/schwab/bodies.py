"""The order that Schwab takes, as its published schema has it, and how a wrong one is refused.

Owns names and enumerations. Unknown names are refused.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from fortified.simulators.messages import HttpError, Reply, json_reply

type Number = str | int | float

Session = Literal["NORMAL", "AM", "PM", "SEAMLESS"]
Duration = Literal[
    "DAY", "GOOD_TILL_CANCEL", "FILL_OR_KILL", "IMMEDIATE_OR_CANCEL", "END_OF_WEEK", "END_OF_MONTH", "NEXT_END_OF_MONTH", "UNKNOWN"
]
OrderType = Literal[
    "MARKET",
    "LIMIT",
    "STOP",
    "STOP_LIMIT",
    "TRAILING_STOP",
    "CABINET",
    "NON_MARKETABLE",
    "MARKET_ON_CLOSE",
    "EXERCISE",
    "TRAILING_STOP_LIMIT",
    "NET_DEBIT",
    "NET_CREDIT",
    "NET_ZERO",
    "LIMIT_ON_CLOSE",
]
Instruction = Literal[
    "BUY",
    "SELL",
    "BUY_TO_COVER",
    "SELL_SHORT",
    "BUY_TO_OPEN",
    "BUY_TO_CLOSE",
    "SELL_TO_OPEN",
    "SELL_TO_CLOSE",
    "EXCHANGE",
    "SELL_SHORT_EXEMPT",
]
StrategyType = Literal["SINGLE", "CANCEL", "RECALL", "PAIR", "FLATTEN", "TWO_DAY_SWAP", "BLAST_ALL", "OCO", "TRIGGER"]
AssetType = Literal[
    "EQUITY",
    "MUTUAL_FUND",
    "OPTION",
    "FUTURE",
    "FOREX",
    "INDEX",
    "CASH_EQUIVALENT",
    "FIXED_INCOME",
    "PRODUCT",
    "CURRENCY",
    "COLLECTIVE_INVESTMENT",
]
LegType = Literal["EQUITY", "OPTION", "INDEX", "MUTUAL_FUND", "CASH_EQUIVALENT", "FIXED_INCOME", "CURRENCY", "COLLECTIVE_INVESTMENT"]
PositionEffect = Literal["OPENING", "CLOSING", "AUTOMATIC"]
QuantityType = Literal["ALL_SHARES", "DOLLARS", "SHARES"]
SpecialInstruction = Literal["ALL_OR_NONE", "DO_NOT_REDUCE", "ALL_OR_NONE_DO_NOT_REDUCE"]
StopType = Literal["STANDARD", "BID", "ASK", "LAST", "MARK"]
LinkBasis = Literal["MANUAL", "BASE", "TRIGGER", "LAST", "BID", "ASK", "ASK_BID", "MARK", "AVERAGE"]
LinkType = Literal["VALUE", "PERCENT", "TICK"]
TaxLotMethod = Literal["FIFO", "LIFO", "HIGH_COST", "LOW_COST", "AVERAGE_COST", "SPECIFIC_LOT", "LOSS_HARVESTER"]
Status = Literal[
    "AWAITING_PARENT_ORDER",
    "AWAITING_CONDITION",
    "AWAITING_STOP_CONDITION",
    "AWAITING_MANUAL_REVIEW",
    "ACCEPTED",
    "AWAITING_UR_OUT",
    "PENDING_ACTIVATION",
    "QUEUED",
    "WORKING",
    "REJECTED",
    "PENDING_CANCEL",
    "CANCELED",
    "PENDING_REPLACE",
    "REPLACED",
    "FILLED",
    "EXPIRED",
    "NEW",
    "AWAITING_RELEASE_TIME",
    "PENDING_ACKNOWLEDGEMENT",
    "PENDING_RECALL",
    "UNKNOWN",
]
Complex = Literal[
    "NONE",
    "COVERED",
    "VERTICAL",
    "BACK_RATIO",
    "CALENDAR",
    "DIAGONAL",
    "STRADDLE",
    "STRANGLE",
    "COLLAR_SYNTHETIC",
    "BUTTERFLY",
    "CONDOR",
    "IRON_CONDOR",
    "VERTICAL_ROLL",
    "COLLAR_WITH_STOCK",
    "DOUBLE_DIAGONAL",
    "UNBALANCED_BUTTERFLY",
    "UNBALANCED_CONDOR",
    "UNBALANCED_IRON_CONDOR",
    "UNBALANCED_VERTICAL_ROLL",
    "MUTUAL_FUND_SWAP",
    "CUSTOM",
]


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class InstrumentBody(_Body, frozen=True):
    symbol: str
    asset_type: AssetType
    cusip: str | None = None
    description: str | None = None
    instrument_id: int | None = None
    net_change: Number | None = None
    type: str | None = None


class LegBody(_Body, frozen=True):
    instruction: Instruction
    quantity: Number
    instrument: InstrumentBody
    leg_id: int | None = None
    order_leg_type: LegType | None = None
    position_effect: PositionEffect | None = None
    quantity_type: QuantityType | None = None
    div_cap_gains: Literal["REINVEST", "PAYOUT"] | None = None
    to_symbol: str | None = None


class OrderBody(_Body, frozen=True):
    """An order, or a strategy of orders."""

    order_strategy_type: StrategyType = "SINGLE"
    session: Session | None = None
    duration: Duration | None = None
    order_type: OrderType | None = None
    price: Number | None = None
    stop_price: Number | None = None
    quantity: Number | None = None
    order_leg_collection: list[LegBody] = []
    child_order_strategies: list["OrderBody"] = []
    complex_order_strategy_type: Complex | None = None
    special_instruction: SpecialInstruction | None = None
    stop_type: StopType | None = None
    price_link_basis: LinkBasis | None = None
    price_link_type: LinkType | None = None
    stop_price_link_basis: LinkBasis | None = None
    stop_price_link_type: LinkType | None = None
    stop_price_offset: Number | None = None
    activation_price: Number | None = None
    tax_lot_method: TaxLotMethod | None = None
    cancel_time: str | None = None
    release_time: str | None = None
    destination_link_name: str | None = None
    account_number: int | None = None
    order_id: int | None = None
    cancelable: bool | None = None
    editable: bool | None = None
    entered_time: str | None = None
    close_time: str | None = None
    filled_quantity: Number | None = None
    remaining_quantity: Number | None = None
    status: Status | None = None
    status_description: str | None = None
    order_activity_collection: list[Any] | None = None
    replacing_order_collection: list[Any] | None = None


def decoded(body: bytes) -> OrderBody:
    """``body`` as an order.

    Raises:
        HttpError: it is not (400).
    """
    try:
        return msgspec.json.decode(body, type=OrderBody)
    except msgspec.MsgspecError as error:
        raise bad_request([str(error)]) from None


def service_error(status: int, message: str, errors: Sequence[str] = ()) -> Reply:
    """An error of the trader interface."""
    return json_reply(
        {"message": message, "errors": list(errors)}, status, {"schwab-client-correlid": "00000000-0000-4000-8000-000000000000"}
    )


def bad_request(errors: Sequence[str]) -> HttpError:
    """A request that is refused at once."""
    return HttpError(service_error(400, "A validation error occurred while processing the request.", errors))
