"""The gate: every reason against an order, by its code. A limit never keeps anyone in a position."""

from decimal import Decimal
from typing import Any

import pytest
from tests.builders import LIVE, NQ, OPEN, order

from fortified.domain.order import Order, OrderType, Purpose
from fortified.domain.signal import OrderSide
from fortified.engine.inputs import DenialCode, LegState
from fortified.engine.risk import MINUTE_NS, RiskContext, RiskLimits, TradingState, check

C = DenialCode
GOOD: dict[str, Any] = {
    **{"ts_event": OPEN, "state": TradingState.ACTIVE, "trade_enabled": True, "live_allowed": False, "session_open": True},
    **{"fresh": True, "warm": True, "warm_text": "3 of 9", "leg": LegState(), "recent": ()},
}
EXIT = order(OrderSide.SELL, purpose=Purpose.EXIT)


def code(one: Order, limits: RiskLimits | None = None, **context: Any) -> DenialCode | None:
    denial = check(one, RiskContext(**(GOOD | context)), limits or RiskLimits(), NQ)
    return None if denial is None else denial.code


def leg(**fields: Any) -> LegState:
    return LegState(**({"quantity": Decimal(0)} | fields))


def test_an_ordinary_order_passes() -> None:
    assert code(order()) is None
    assert code(EXIT) is None


@pytest.mark.parametrize(
    ("context", "entry", "leaving"),
    [
        ({"state": TradingState.HALTED}, C.HALTED, C.HALTED),
        ({"state": TradingState.REDUCING}, C.REDUCING, None),
        ({"trade_enabled": False}, C.TRADING_DISABLED, None),
        ({"leg": leg(frozen=True)}, C.LEG_FROZEN, None),
        ({"warm": False}, C.WARMING_UP, None),
        ({"fresh": False}, C.STALE_DATA, C.STALE_DATA),
        ({"session_open": False}, C.SESSION_CLOSED, C.SESSION_CLOSED),
    ],
)
def test_the_moment(context: dict[str, Any], entry: DenialCode, leaving: DenialCode | None) -> None:
    assert (code(order(), **context), code(EXIT, **context)) == (entry, leaving)


def test_live_needs_the_owner_s_permission() -> None:
    live = order(account=LIVE)
    assert code(live) is C.LIVE_NOT_ALLOWED
    assert code(live, live_allowed=True) is None


@pytest.mark.parametrize(
    ("limits", "context", "denied"),
    [
        (RiskLimits(max_order_quantity=Decimal(1)), {}, C.MAX_ORDER_QUANTITY),
        (RiskLimits(max_order_quantity=Decimal(2)), {}, None),
        (RiskLimits(max_position=Decimal(4)), {"leg": leg(quantity=Decimal(3))}, C.MAX_POSITION),
        (RiskLimits(max_position=Decimal(4)), {"leg": leg(quantity=Decimal(2))}, None),
        (RiskLimits(max_open_orders=1), {"leg": leg(working=(order(),))}, C.MAX_OPEN_ORDERS),
        (RiskLimits(max_orders_per_minute=2), {"recent": (OPEN - MINUTE_NS + 1, OPEN)}, C.MAX_ORDERS_PER_MINUTE),
        (RiskLimits(max_orders_per_minute=2), {"recent": (OPEN - MINUTE_NS, OPEN)}, None),
        (RiskLimits(daily_loss=Decimal(100)), {"day_pnl": Decimal(-100)}, C.DAILY_LOSS),
        (RiskLimits(daily_loss=Decimal(100)), {"day_pnl": Decimal(-99)}, None),
    ],
)
def test_the_limits_bind_entries_and_never_exits(limits: RiskLimits, context: dict[str, Any], denied: DenialCode | None) -> None:
    assert code(order(), limits, **context) is denied
    assert code(EXIT, limits, **context) is None


def test_no_limit_binds_when_all_are_off() -> None:
    off = RiskLimits(None, None, None, None, None, None)
    assert code(order(quantity=10**9), off, day_pnl=Decimal(-(10**9))) is None


@pytest.mark.parametrize(
    ("price", "denied"), [("20000.1", C.OFF_TICK), ("22000.25", C.PRICE_COLLAR), ("18000", None), ("17999.75", C.PRICE_COLLAR)]
)
def test_prices_are_on_a_tick_and_near_the_market(price: str, denied: DenialCode | None) -> None:
    assert code(order(type=OrderType.LIMIT, limit_price=Decimal(price))) is denied
    assert code(order(type=OrderType.STOP, stop_price=Decimal(price))) is denied


def test_a_denial_has_its_numbers() -> None:
    denial = check(order(quantity=5), RiskContext(**GOOD), RiskLimits(max_order_quantity=Decimal(3)), NQ)
    assert denial is not None
    assert (denial.text, denial.ts_event, denial.reason) == ("quantity 5 is above the limit of 3", OPEN, "cross_up")
