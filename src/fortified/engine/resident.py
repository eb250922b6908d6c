"""Protective stops that rest at the broker of a live account: a stop that lives only in our process dies with it.

Owns when such a stop is placed, moved, and trusted. It is in step with the local level (``engine.tick_level``): while one rests, the local
level leaves a touch to it for a moment, and then takes over. Knows no broker; its orders go the way of all orders.
"""

from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.engine.inputs import LegState
from fortified.engine.tick_level import Armed, stop_of, trailing_level

PROTECTIVE_STOP = "protective_stop"
PATIENCE_NS = 5_000_000_000
"""How long a resting stop may take to fill once its level was touched, before the position is closed from here."""
AT_WORK = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})
"""States in which a stop may be moved: not while it is being cancelled."""


class ResidentStops:
    """Decides on the resting stops of one engine."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._tick = float(instrument.tick_size)
        self.touched: dict[AccountId, int] = {}
        """When (ns) the level of a resting stop was touched first."""
        self.placed = 0
        self._recalled: set[str] = set()  # those that we cancel
        self._told: dict[AccountId, str] = {}

    def level(self, armed: Armed) -> Decimal | None:
        """The price at which the position is to be left, on a tick; the better one where a stop trails besides another."""
        stop, _ = stop_of(armed)
        trail = trailing_level(armed, self._tick)
        known = [level for level in (stop, trail) if level is not None]
        if not known:
            return None
        best = max(known) if armed.sign > 0 else min(known)
        return self._instrument.round_price(self._instrument.price(best))

    def missing(self, armed: Armed, leg: LegState) -> Decimal | None:
        """Where a stop has to be placed; None where one rests, or another order is on its way."""
        return self.level(armed) if leg.quantity and not leg.working else None

    def moved(self, armed: Armed, leg: LegState) -> tuple[str, Decimal] | None:
        """The resting stop with its new price, where the level has moved in favour of the position."""
        order, level = resting(leg), self.level(armed)
        if order is None or level is None or order.stop_price is None or order.status not in AT_WORK:
            return None
        if (level - order.stop_price) * armed.sign < self._instrument.tick_size:
            return None
        self.touched.pop(order.account, None)  # of the level that was
        return order.order_id, level

    def on_ended(self, order: Order) -> str | None:
        """A stop ended. None: it filled, or we had called it off. Else why no other is placed before the next closed bar; empty when that
        was told of this position already.
        """
        recalled = order.order_id in self._recalled
        self._recalled.discard(order.order_id)
        if recalled or order.status is OrderStatus.FILLED:
            return None
        why = f"{order.status}: {order.text or 'no reason given'}"
        known, self._told[order.account] = self._told.get(order.account), why
        return "" if known == why else why

    def on_recalled(self, order: Order) -> None:
        """A cancel of a stop is on its way."""
        self._recalled.add(order.order_id)

    def is_left_to(self, account: AccountId, leg: LegState, ts_event: int) -> bool:
        """Whether a touch of a stop level at ``ts_event`` is still for the broker to act on."""
        if resting(leg) is None:
            self.touched.pop(account, None)
            return False
        return ts_event - self.touched.setdefault(account, ts_event) < PATIENCE_NS

    def forget(self, account: AccountId) -> None:
        """The position is closed."""
        self.touched.pop(account, None)
        self._told.pop(account, None)


def resting(leg: LegState) -> Order | None:
    """The stop that rests at the broker for all of the position."""
    return next((order for order in leg.working if is_protective(order) and fits(order, leg)), None)


def unfit(leg: LegState) -> Order | None:
    """A stop that works for another position than there is: a fill came late, or a person adopted what the broker holds."""
    return next((order for order in leg.working if is_protective(order) and order.status in AT_WORK and not fits(order, leg)), None)


def fits(order: Order, leg: LegState) -> bool:
    """Whether ``order`` closes the position, all of it and no more."""
    return order.signed_remaining == -leg.quantity


def is_protective(order: Order) -> bool:
    """Whether ``order`` is a stop that rests for a position."""
    return order.type is OrderType.STOP and order.purpose is Purpose.EXIT and order.reason == PROTECTIVE_STOP
