"""Protective stops that rest at the broker of a live account: a stop that lives only in our process dies with it.

Owns when such a stop is placed, moved, and trusted. It is in step with the local level (``engine.tick_level``): while one rests, the local
level leaves a touch to it for a moment, and then takes over. Knows no broker; its orders go the way of all orders.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.engine.inputs import LegState
from fortified.engine.tick_level import Armed, stop_of, trailing_level

PROTECTIVE_STOP = "protective_stop"
PATIENCE_NS = 5_000_000_000
"""How long a resting stop may take to fill once its level was touched, before the position is closed from here."""
_AT_WORK = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


class ResidentStops:
    """Decides on the resting stops of one engine."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._tick = float(instrument.tick_size)
        self.touched: dict[AccountId, int] = {}
        """When (ns) the level of a resting stop was touched first."""

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

    def moved(self, armed: Mapping[AccountId, Armed], book: Mapping[AccountId, LegState]) -> Iterator[tuple[str, Decimal]]:
        """Resting stops whose level has moved in favour of the position, with their new price."""
        for account, levels in armed.items():
            order, level = resting(book[account]), self.level(levels)
            if order is None or level is None or order.stop_price is None or order.status not in _AT_WORK:
                continue
            if (level - order.stop_price) * levels.sign >= self._instrument.tick_size:
                yield order.order_id, level

    def is_left_to(self, account: AccountId, leg: LegState, ts_event: int) -> bool:
        """Whether a touch of a stop level at ``ts_event`` is still for the broker to act on."""
        if resting(leg) is None:
            self.touched.pop(account, None)
            return False
        return ts_event - self.touched.setdefault(account, ts_event) < PATIENCE_NS

    def forget(self, account: AccountId) -> None:
        """The position is closed."""
        self.touched.pop(account, None)


def resting(leg: LegState) -> Order | None:
    """The stop that rests at the broker for all of the position."""
    for order in leg.working:
        whole = order.remaining == abs(leg.quantity)
        if order.type is OrderType.STOP and order.purpose is Purpose.EXIT and order.reason == PROTECTIVE_STOP and whole:
            return order
    return None
