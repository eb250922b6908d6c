"""What an account holds: net positions at average prices, cash, and the fees it paid.

Owns the bookkeeping of fills, once as it is and once as the venue already shows it. Knows no order book.
"""

from collections import deque
from decimal import Decimal

import msgspec

from fortified.simulators.instruments import FUTURE, Listed
from fortified.simulators.market import Market

ZERO = Decimal(0)


class Position(msgspec.Struct):
    """A net position: signed ``quantity``, ``average`` price, ``realized`` money since the start. Times are UTC ns."""

    listed: Listed
    quantity: Decimal
    average: Decimal
    ts_created: int
    ts_updated: int
    realized: Decimal = ZERO


class Booking(msgspec.Struct, frozen=True):
    """A fill as the ledger takes it: signed ``quantity``; ``ts_due`` is when the venue shows it."""

    listed: Listed
    quantity: Decimal
    price: Decimal
    fee: Decimal
    ts_ns: int
    ts_due: int


class Ledger:
    """Positions and cash. Futures move cash by what was realized, equities by their whole price."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.fees = ZERO
        self.positions: dict[str, Position] = {}

    def quantity(self, symbol: str) -> Decimal:
        """Signed units; 0 without a position."""
        position = self.positions.get(symbol)
        return position.quantity if position else ZERO

    def book(self, booking: Booking) -> None:
        """Take in a fill; a position of 0 stays, as venues show it until the day ends."""
        listed = booking.listed
        held = self.positions.setdefault(listed.symbol, Position(listed, ZERO, booking.price, booking.ts_ns, booking.ts_ns))
        closing = min(abs(booking.quantity), abs(held.quantity)) if held.quantity * booking.quantity < 0 else ZERO
        direction = 1 if held.quantity > 0 else -1
        realized = (booking.price - held.average) * closing * direction * listed.multiplier
        after = held.quantity + booking.quantity
        if held.quantity * booking.quantity >= 0:
            held.average = (held.average * abs(held.quantity) + booking.price * abs(booking.quantity)) / abs(after)
        elif held.quantity * after < 0:
            held.average = booking.price
        held.quantity, held.ts_updated = after, booking.ts_ns
        held.realized += realized
        self.fees += booking.fee
        self.cash += (realized if listed.kind == FUTURE else -booking.price * booking.quantity) - booking.fee

    def value(self, market: Market) -> Decimal:
        """Cash and positions at the last prices."""
        return self.cash + sum((self._worth(position, market) for position in self.positions.values()), ZERO)

    def margin(self) -> Decimal:
        """Money that open futures bind."""
        return sum((abs(held.quantity) * held.listed.margin for held in self.positions.values() if held.listed.kind == FUTURE), ZERO)

    def stock(self, market: Market, *, long: bool) -> Decimal:
        """What long or short equities are worth, unsigned."""
        held = (position for position in self.positions.values() if position.listed.kind != FUTURE)
        return sum((abs(self._worth(position, market)) for position in held if (position.quantity > 0) is long), ZERO)

    @staticmethod
    def _worth(position: Position, market: Market) -> Decimal:
        last = market.last(position.listed.symbol)
        price = last.price if last else position.average
        if position.listed.kind == FUTURE:
            return (price - position.average) * position.quantity * position.listed.multiplier
        return price * position.quantity


class Account:
    """``truth`` is what is; ``seen`` is what the venue tells, which may lag behind."""

    def __init__(self, number: str, cash: Decimal) -> None:
        self.number = number
        self.truth = Ledger(cash)
        self.seen = Ledger(cash)
        self._due: deque[Booking] = deque()

    def book(self, booking: Booking) -> None:
        """Take in a fill, which ``show`` shows when it is due."""
        self.truth.book(booking)
        self._due.append(booking)

    def show(self, now_ns: int) -> list[Listed]:
        """Let ``seen`` catch up; answers what changed."""
        changed = []
        while self._due and self._due[0].ts_due <= now_ns:
            booking = self._due.popleft()
            self.seen.book(booking)
            changed.append(booking.listed)
        return changed
