"""The shapes of answers, made from domain objects.

Owns what clients see of runners, orders, fills, positions, trades and bars. Conversions of single values are in ``wire``.
"""

from decimal import Decimal
from typing import Any, Literal, Self

import msgspec
from pydantic import BaseModel, Field

from fortified.api.wire import Answer, Number, OptionalTime, Time
from fortified.domain.account import AccountId, Mode, mode_of, venue_of
from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.orchestration.events import ManualOutcome

TradeType = Literal["paper", "real"]


def trade_type(account: AccountId) -> TradeType:
    """The mission's word for the mode of ``account``."""
    return "real" if mode_of(account) is Mode.LIVE else "paper"


def _with_venue(struct: Order | Fill | Position | Trade) -> dict[str, Any]:
    return msgspec.structs.asdict(struct) | {
        "broker": venue_of(struct.account),
        "trade_type": trade_type(struct.account),
    }


class BarOut(Answer):
    """A closed bar; ``time`` is when it opened."""

    time: Time = Field(validation_alias="ts_open")
    close_time: Time = Field(validation_alias="ts_close")
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    vwap: float
    complete: bool
    flags: int


class RunnerOut(Answer):
    """A runner. ``state`` is warming, running, halted or stopped."""

    strategy: str
    symbol: str
    timeframe: str
    mode: str
    state: str
    reason: str
    warmup_needed: int
    warmup_got: int
    bars_seen: int
    accounts: list[str]
    last_bar_time: OptionalTime = Field(validation_alias="ts_last_bar")
    last_update_time: OptionalTime = Field(validation_alias="ts_last_update")
    lag_ms: float | None
    last_price: float | None
    last_signal: str | None
    last_signal_time: OptionalTime = Field(validation_alias="ts_last_signal")
    working_orders: int
    source: str
    demo: bool
    trade_enabled: bool


class OrderOut(Answer):
    """An order with all it went through so far."""

    order_id: str
    broker: str
    trade_type: TradeType
    account: str
    strategy: str
    symbol: str
    timeframe: str
    side: str
    quantity: Number
    purpose: str
    reason: str
    type: str
    limit_price: Number | None
    stop_price: Number | None
    status: str
    filled_quantity: Number
    average_fill_price: Number | None
    reference_price: Number
    fees: Number
    venue_order_id: str | None
    created_at: Time = Field(validation_alias="ts_created")
    submitted_at: OptionalTime = Field(validation_alias="ts_submitted")
    updated_at: OptionalTime = Field(validation_alias="ts_updated")
    text: str

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls.model_validate(_with_venue(order))


class FillOut(Answer):
    """A piece of an order that traded."""

    fill_id: str
    order_id: str
    broker: str
    trade_type: TradeType
    account: str
    strategy: str
    symbol: str
    side: str
    quantity: Number
    price: Number
    fee: Number
    time: Time = Field(validation_alias="ts_event")
    reason: str
    purpose: str

    @classmethod
    def of(cls, fill: Fill) -> Self:
        return cls.model_validate(_with_venue(fill))


class PositionOut(Answer):
    """A position of one account. ``quantity`` is signed; broker-side numbers are null where no broker holds it."""

    account: str
    broker: str
    trade_type: TradeType
    strategy: str
    symbol: str
    side: str
    quantity: Number
    average_price: Number | None
    mark: Number | None
    unrealized_pnl: Number | None
    realized_pnl: Number
    fees: Number
    multiplier: Number
    opened_at: OptionalTime
    updated_at: OptionalTime = Field(validation_alias="ts_updated")
    broker_quantity: Number | None = None
    broker_average_price: Number | None = None

    @classmethod
    def of(cls, position: Position, mark: Decimal | None) -> Self:
        flat = not position.quantity
        unrealized = Decimal(0) if flat else None if mark is None else position.unrealized_pnl(mark)
        return cls.model_validate(
            _with_venue(position)
            | {
                "side": position.side,
                "average_price": position.average_price,
                "mark": mark,
                "unrealized_pnl": unrealized,
                "opened_at": position.trip.ts_entry if position.trip else None,
            }
        )


class TradeOut(Answer):
    """A round trip from flat to flat; ``bar`` is the bar behind its entry."""

    trade_id: str
    trade_type: TradeType
    broker: str
    account: str
    strategy: str
    symbol: str
    timeframe: str
    side: str
    quantity: Number
    entry_time: Time = Field(validation_alias="ts_entry")
    entry_price: Number
    entry_reason: str
    exit_time: Time = Field(validation_alias="ts_exit")
    exit_price: Number
    exit_reason: str
    multiplier: Number
    gross_pnl: Number
    fees: Number
    net_pnl: Number
    mae: Number
    mfe: Number
    bars_held: int
    bar: BarOut | None

    @classmethod
    def of(cls, trade: Trade) -> Self:
        return cls.model_validate(_with_venue(trade))


class DenialOut(Answer):
    """An order that was not made, and why."""

    code: str
    text: str
    account: str
    time: Time = Field(validation_alias="ts_event")
    reason: str


class ManualOut(BaseModel):
    """What a manual trigger led to. ``duplicate``: this command was carried out before; nothing was done again."""

    command_id: str
    duplicate: bool
    runners: list[str]
    orders: list[OrderOut]
    denials: list[DenialOut]

    @classmethod
    def of(cls, outcome: ManualOutcome) -> Self:
        return cls(
            command_id=outcome.command_id,
            duplicate=outcome.duplicate,
            runners=list(outcome.runners),
            orders=[OrderOut.of(order) for order in outcome.orders],
            denials=[denial_out(denial) for denial in outcome.denials],
        )


def denial_out(denial: Denial) -> DenialOut:
    """``denial`` as clients see it."""
    return DenialOut.model_validate(denial)
