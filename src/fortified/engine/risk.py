"""The one choke point: every order passes here, and each no has a code, a text and its numbers.

Owns the limits and what breaks them. It changes nothing; it is told all it needs to know.
"""

import enum
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from fortified.domain.account import Mode, mode_of
from fortified.domain.instrument import Instrument
from fortified.domain.order import ZERO, Order, Purpose
from fortified.engine.inputs import Denial, DenialCode, LegState

MINUTE_NS = 60_000_000_000


class TradingState(enum.StrEnum):
    """ACTIVE: all orders. REDUCING: exits only. HALTED: none."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class RiskLimits(msgspec.Struct, frozen=True):
    """Limits per account and strategy. None switches a limit off. ``collar_percent`` bounds a limit or stop price around the market."""

    max_order_quantity: Decimal | None = Decimal(10_000)
    max_position: Decimal | None = Decimal(10_000)
    max_open_orders: int | None = 20
    max_orders_per_minute: int | None = 600
    collar_percent: Decimal | None = Decimal(10)
    daily_loss: Decimal | None = None


class RiskContext(msgspec.Struct, frozen=True):
    """What the gate is told about the moment of an order."""

    ts_event: int
    state: TradingState
    trade_enabled: bool
    live_allowed: bool
    session_open: bool
    fresh: bool
    warm: bool
    warm_text: str
    leg: LegState
    recent: Sequence[int]
    """Stamps (ns) of this account's latest orders, oldest first."""
    day_pnl: Decimal = ZERO
    """Net P&L realized on the trading day of the event."""


Check = Callable[[Order, RiskContext, RiskLimits, Instrument], tuple[DenialCode, str] | None]


def check(order: Order, context: RiskContext, limits: RiskLimits, instrument: Instrument) -> Denial | None:
    """The first reason against ``order``; None when there is none."""
    for rule in _RULES:
        found = rule(order, context, limits, instrument)
        if found is not None:
            return Denial(found[0], found[1], order.account, context.ts_event, order.reason)
    return None


def _allowed(order: Order, context: RiskContext, limits: RiskLimits, instrument: Instrument) -> tuple[DenialCode, str] | None:
    entry = order.purpose is Purpose.ENTRY
    if context.state is TradingState.HALTED:
        return DenialCode.HALTED, "trading is halted; a person has to re-arm it"
    if entry and context.state is TradingState.REDUCING:
        return DenialCode.REDUCING, "trading is reducing: only exits are sent"
    if mode_of(order.account) is Mode.LIVE and not context.live_allowed:
        return DenialCode.LIVE_NOT_ALLOWED, "live orders are off on this server; its owner sets ALLOW_LIVE=true"
    if entry and not context.trade_enabled:
        return DenialCode.TRADING_DISABLED, f"trade_enabled is false for {order.symbol}"
    if entry and context.leg.frozen:
        return DenialCode.LEG_FROZEN, f"{order.account} is frozen until its state is known"
    return None


def _timely(order: Order, context: RiskContext, limits: RiskLimits, instrument: Instrument) -> tuple[DenialCode, str] | None:
    if order.purpose is Purpose.ENTRY and not context.warm:
        return DenialCode.WARMING_UP, context.warm_text
    if not context.fresh:
        return DenialCode.STALE_DATA, "the price is older than the limit for orders"
    if not context.session_open:
        return DenialCode.SESSION_CLOSED, f"{instrument.symbol} does not trade now by calendar {instrument.calendar}"
    return None


def _sized(order: Order, context: RiskContext, limits: RiskLimits, instrument: Instrument) -> tuple[DenialCode, str] | None:
    if order.purpose is Purpose.EXIT:  # a limit must never keep anyone in a position
        return None
    if limits.max_order_quantity is not None and order.quantity > limits.max_order_quantity:
        return DenialCode.MAX_ORDER_QUANTITY, f"quantity {order.quantity} is above the limit of {limits.max_order_quantity}"
    after = abs(context.leg.quantity + order.quantity * order.side.sign)
    if limits.max_position is not None and after > limits.max_position:
        return DenialCode.MAX_POSITION, f"a position of {after} would be above the limit of {limits.max_position}"
    if limits.max_open_orders is not None and len(context.leg.working) >= limits.max_open_orders:
        return DenialCode.MAX_OPEN_ORDERS, f"{len(context.leg.working)} orders work already, the limit is {limits.max_open_orders}"
    since = context.ts_event - MINUTE_NS
    sent = sum(1 for stamp in context.recent if stamp > since)
    if limits.max_orders_per_minute is not None and sent >= limits.max_orders_per_minute:
        return DenialCode.MAX_ORDERS_PER_MINUTE, f"{sent} orders in the last minute, the limit is {limits.max_orders_per_minute}"
    if limits.daily_loss is not None and context.day_pnl <= -limits.daily_loss:
        return DenialCode.DAILY_LOSS, f"the day's result of {context.day_pnl} has reached the limit of -{limits.daily_loss}"
    return None


def _priced(order: Order, context: RiskContext, limits: RiskLimits, instrument: Instrument) -> tuple[DenialCode, str] | None:
    for price in (order.limit_price, order.stop_price):
        if price is None:
            continue
        if not instrument.on_tick(price):
            return DenialCode.OFF_TICK, f"price {price} is not on the tick of {instrument.tick_size}"
        if limits.collar_percent is not None and order.reference_price and order.purpose is Purpose.ENTRY:  # exits are never held up
            distance = abs(price / order.reference_price - 1) * 100
            if distance > limits.collar_percent:
                return (
                    DenialCode.PRICE_COLLAR,
                    f"price {price} is {distance:.1f} % from {order.reference_price}, the limit is {limits.collar_percent} %",
                )
    return None


_RULES: tuple[Check, ...] = (_allowed, _timely, _sized, _priced)
