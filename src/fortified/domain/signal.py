"""What a strategy says: where to be, not what to send."""

import enum

import msgspec

from fortified.domain.exits import ExitRules


class OrderSide(enum.StrEnum):
    """Side of an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is OrderSide.BUY else -1


class Target(enum.IntEnum):
    """Where a strategy wants to be. The number is the sign of the position."""

    SHORT = -1
    FLAT = 0
    LONG = 1


class Signal(msgspec.Struct, frozen=True):
    """A wish of a strategy. Repeating it changes nothing; an exit when flat does nothing.

    ``reason`` becomes the reason of the orders (``entry_long``, ``cross_down`` …). An entry may wait for a price: ``limit`` for a better
    one, ``stop`` for one that is worse, both for a stop-limit; what it would turn around is closed at once. ``exits`` take the place of the
    configured stop loss, take profit and trailing stop for this position.
    """

    target: Target
    reason: str = ""
    limit: float | None = None
    stop: float | None = None
    exits: ExitRules | None = None
