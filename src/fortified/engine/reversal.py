"""From a target to the next order of a leg: close, wait for the confirmed fill, open.

Owns how a wish of a strategy is pursued on one account. One code path for all brokers: a reversal is two orders, the second only after the
fill of the first is confirmed. Both belong to one decision and carry its stamp, so with no latency both may fill on the same market event.
"""

from decimal import Decimal

import msgspec

from fortified.domain.exits import ExitRules
from fortified.domain.order import OrderType, Purpose
from fortified.domain.signal import OrderSide, Target
from fortified.engine.inputs import Leg, LegState
from fortified.engine.tick_level import Touch


class Goal(msgspec.Struct, frozen=True):
    """Where a leg is to be, and the decision that said so.

    ``order_id`` is the order that pursues it now; ``deferred`` an exit that has to wait for a session or for fresh data.
    """

    decision_id: str
    target: Target
    reason: str
    ts_event: int
    seq: int
    reference_price: Decimal
    bar_index: int
    attempts: int = 0
    order_id: str = ""
    deferred: bool = False
    commanded: bool = False
    """By a person: neither warm-up nor the age of the last price is in the way."""
    limit: Decimal | None = None
    stop: Decimal | None = None
    exits: ExitRules | None = None
    touch: Touch | None = None
    """The level that was touched, until the exit that it asks for was sent."""
    closing: bool = False
    """``order_id`` is an exit."""
    protective: bool = False
    """The exit that waits is one a level asked for: no wish of the strategy calls it off."""
    step: int = 0
    """As in the moment of the decision."""


class NextOrder(msgspec.Struct, frozen=True):
    """Side, units and purpose of the order that brings a leg nearer to its goal."""

    side: OrderSide
    quantity: Decimal
    purpose: Purpose
    type: OrderType = OrderType.MARKET
    limit: Decimal | None = None
    stop: Decimal | None = None


def next_order(goal: Goal, leg: Leg, state: LegState) -> NextOrder | None:
    """The next order towards ``goal``; None when the leg is there. An exit has the size of the confirmed position."""
    quantity = state.quantity
    direction = (quantity > 0) - (quantity < 0)
    side, touch = OrderSide.SELL if direction > 0 else OrderSide.BUY, goal.touch
    if direction == goal.target and (touch is None or not direction):
        return None
    if direction:
        if touch is None:
            return NextOrder(side, abs(quantity), Purpose.EXIT)
        return NextOrder(side, abs(quantity), Purpose.EXIT, touch.type, None, touch.level)
    side = OrderSide.BUY if goal.target is Target.LONG else OrderSide.SELL
    return NextOrder(side, leg.quantity, Purpose.ENTRY, _TYPES[goal.limit is not None, goal.stop is not None], goal.limit, goal.stop)


_TYPES = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}
