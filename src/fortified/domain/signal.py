"""What a strategy says: where to be, not what to send."""

import enum

import msgspec


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

    ``reason`` becomes the reason of the orders (``entry_long``, ``cross_down`` …).
    """

    target: Target
    reason: str = ""
