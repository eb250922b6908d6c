"""Net positions by average cost, and the round trips that closing them makes.

Owns the arithmetic of the ledger. Cost is kept as a sum and released in proportion, so that Σ P&L of trades + open P&L is the change of
equity exactly, whatever the average price rounds to.
"""

from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.errors import InvariantError
from fortified.domain.market import Bar
from fortified.domain.order import ZERO, Fill
from fortified.domain.trade import Trade

RELEASED = Decimal("1e-12")
"""Released cost is cut here, so that what stays and what goes add up exactly within the precision of Decimal."""


class OpenTrip(msgspec.Struct, frozen=True):
    """The round trip a position is in: what it took to open, what closing gave so far. Notionals are Σ price × quantity."""

    trade_id: str
    ts_entry: int
    entry_reason: str
    bar_index: int
    bar: Bar | None
    entry_quantity: Decimal
    entry_notional: Decimal
    exit_quantity: Decimal
    exit_notional: Decimal
    gross_pnl: Decimal
    fees: Decimal
    high: Decimal
    low: Decimal


class Position(msgspec.Struct, frozen=True):
    """Net position of a strategy in a symbol on an account. ``quantity`` is signed; ``cost`` = Σ signed quantity × price of what is open.

    ``realized_pnl`` is gross; ``fees`` are those of all fills so far; ``day_pnl`` is the net result realized on ``trading_day``.
    """

    account: AccountId
    strategy: str
    symbol: str
    multiplier: Decimal
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    ts_updated: int = 0
    trip: OpenTrip | None = None
    trading_day: str = ""
    day_pnl: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        return self.cost / self.quantity if self.quantity else None

    @property
    def side(self) -> str:
        return "LONG" if self.quantity > 0 else "SHORT" if self.quantity < 0 else "FLAT"

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Gross P&L of what is open at the price ``mark``."""
        return (mark * self.quantity - self.cost) * self.multiplier


class FillContext(msgspec.Struct, frozen=True):
    """What the runner knows at the time of a fill: how many bars it has seen, the bar behind the order, the extremes since the entry."""

    timeframe: str
    bar_index: int
    bar: Bar | None
    high: Decimal | None
    low: Decimal | None
    trading_day: str


def apply_fill(position: Position, fill: Fill, context: FillContext) -> tuple[Position, Trade | None]:
    """The position after ``fill`` and the round trip it closes, if it does.

    Raises:
        InvariantError: the fill would carry the position through zero; a reversal is two orders.
    """
    signed = fill.quantity * fill.side.sign
    after = position.quantity + signed
    if position.quantity and after and (position.quantity > 0) != (after > 0):
        raise InvariantError(f"fill {fill.fill_id} carries {fill.symbol} on {fill.account} through zero, {position.quantity} to {after}")
    opening = not position.quantity or (position.quantity > 0) == (signed > 0)
    return _increase(position, fill, signed, context) if opening else _reduce(position, fill, signed, context)


def _increase(position: Position, fill: Fill, signed: Decimal, context: FillContext) -> tuple[Position, None]:
    trip = position.trip
    if trip is None:
        trip = OpenTrip(
            trade_id=fill.fill_id,
            ts_entry=fill.ts_event,
            entry_reason=fill.reason,
            bar_index=context.bar_index,
            bar=context.bar,
            entry_quantity=ZERO,
            entry_notional=ZERO,
            exit_quantity=ZERO,
            exit_notional=ZERO,
            gross_pnl=ZERO,
            fees=ZERO,
            high=fill.price,
            low=fill.price,
        )
    trip = msgspec.structs.replace(
        _stretched(trip, fill.price, context),
        entry_quantity=trip.entry_quantity + fill.quantity,
        entry_notional=trip.entry_notional + fill.quantity * fill.price,
        fees=trip.fees + fill.fee,
    )
    return msgspec.structs.replace(
        position,
        quantity=position.quantity + signed,
        cost=position.cost + signed * fill.price,
        fees=position.fees + fill.fee,
        ts_updated=fill.ts_event,
        trip=trip,
        trading_day=context.trading_day,
        day_pnl=_day_pnl(position, context) - fill.fee,
    ), None


def _reduce(position: Position, fill: Fill, signed: Decimal, context: FillContext) -> tuple[Position, Trade | None]:
    if position.trip is None:
        raise InvariantError(f"position of {fill.symbol} on {fill.account} is open without a round trip")
    after = position.quantity + signed
    released = position.cost if not after else (position.cost * -signed / position.quantity).quantize(RELEASED)
    gross = (-signed * fill.price - released) * position.multiplier
    trip = msgspec.structs.replace(
        _stretched(position.trip, fill.price, context),
        exit_quantity=position.trip.exit_quantity + fill.quantity,
        exit_notional=position.trip.exit_notional + fill.quantity * fill.price,
        gross_pnl=position.trip.gross_pnl + gross,
        fees=position.trip.fees + fill.fee,
    )
    reduced = msgspec.structs.replace(
        position,
        quantity=after,
        cost=position.cost - released,
        realized_pnl=position.realized_pnl + gross,
        fees=position.fees + fill.fee,
        ts_updated=fill.ts_event,
        trip=trip if after else None,
        trading_day=context.trading_day,
        day_pnl=_day_pnl(position, context) + gross - fill.fee,
    )
    return reduced, None if after else _close(position, trip, fill, context)


def _day_pnl(position: Position, context: FillContext) -> Decimal:
    return position.day_pnl if position.trading_day == context.trading_day else ZERO


def _stretched(trip: OpenTrip, price: Decimal, context: FillContext) -> OpenTrip:
    highs = [trip.high, price] + ([context.high] if context.high is not None else [])
    lows = [trip.low, price] + ([context.low] if context.low is not None else [])
    return msgspec.structs.replace(trip, high=max(highs), low=min(lows))


def _close(position: Position, trip: OpenTrip, fill: Fill, context: FillContext) -> Trade:
    long = position.quantity > 0
    entry = trip.entry_notional / trip.entry_quantity
    return Trade(
        trade_id=trip.trade_id,
        account=position.account,
        strategy=position.strategy,
        symbol=position.symbol,
        timeframe=context.timeframe,
        side="LONG" if long else "SHORT",
        quantity=trip.entry_quantity,
        ts_entry=trip.ts_entry,
        entry_price=entry,
        entry_reason=trip.entry_reason,
        ts_exit=fill.ts_event,
        exit_price=trip.exit_notional / trip.exit_quantity,
        exit_reason=fill.reason,
        multiplier=position.multiplier,
        gross_pnl=trip.gross_pnl,
        fees=trip.fees,
        net_pnl=trip.gross_pnl - trip.fees,
        mae=max(ZERO, entry - trip.low if long else trip.high - entry),
        mfe=max(ZERO, trip.high - entry if long else entry - trip.low),
        bars_held=context.bar_index - trip.bar_index,
        bar=trip.bar,
    )
