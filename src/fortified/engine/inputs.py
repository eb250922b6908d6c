"""The one door into the engine: every input is one of these, every output is a ``Decision``.

Owns the vocabulary between the engine and the shell around it.
"""

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import ZERO, Fill, Order
from fortified.domain.signal import Signal, Target


class BarClosed(msgspec.Struct, frozen=True):
    """A bar is final. ``fresh`` is false when it is too old to act on: it warms up, nothing more."""

    bar: Bar
    fresh: bool = True


class BarUpdated(msgspec.Struct, frozen=True):
    """A tick moved the open bar."""

    update: BarUpdate
    fresh: bool = True


class OrderChanged(msgspec.Struct, frozen=True):
    """An order of this engine moved to a new status; ``fill`` is what traded with it."""

    order: Order
    fill: Fill | None = None


class Command(msgspec.Struct, frozen=True):
    """An operator's wish. ``command_id`` makes it idempotent: the same id again does nothing."""

    command_id: str
    target: Target
    reason: str
    ts_event: int
    final: bool = False
    """The data has ended: whatever the hour, the last price counts."""


class GapSeen(msgspec.Struct, frozen=True):
    """Market data is missing: indicators must warm up again before an entry."""

    ts_event: int
    reason: str


EngineInput = BarClosed | BarUpdated | OrderChanged | Command | GapSeen


class Leg(msgspec.Struct, frozen=True):
    """What one account trades of a signal: its symbol there and its configured quantity (units > 0).

    ``instrument`` is that of ``symbol`` where it is another than the signal's; prices of the signal mean nothing there.
    """

    account: AccountId
    symbol: str
    quantity: Decimal
    instrument: Instrument | None = None
    resident: bool = False
    """Whether a protective stop is to rest at its broker."""


class LegState(msgspec.Struct, frozen=True):
    """One account's confirmed position (signed units) and its working orders."""

    quantity: Decimal = ZERO
    average_price: Decimal | None = None
    working: tuple[Order, ...] = ()
    day_pnl: Decimal = ZERO
    """Net P&L realized on ``trading_day``."""
    trading_day: str = ""
    frozen: bool = False
    """An order's outcome is unknown or broker and ledger differ: no new entry here."""
    net_pnl: Decimal = ZERO
    """Net P&L realized so far."""


Book = Mapping[AccountId, LegState]


class DenialCode(enum.StrEnum):
    """Why an order was not made. Stable: clients and tests rely on the words."""

    TRADING_DISABLED = "TRADING_DISABLED"
    LIVE_NOT_ALLOWED = "LIVE_NOT_ALLOWED"
    HALTED = "HALTED"
    REDUCING = "REDUCING"
    SESSION_CLOSED = "SESSION_CLOSED"
    SESSION_ENDING = "SESSION_ENDING"
    STALE_DATA = "STALE_DATA"
    WARMING_UP = "WARMING_UP"
    OFF_TICK = "OFF_TICK"
    MAX_ORDER_QUANTITY = "MAX_ORDER_QUANTITY"
    MAX_POSITION = "MAX_POSITION"
    MAX_OPEN_ORDERS = "MAX_OPEN_ORDERS"
    MAX_ORDERS_PER_MINUTE = "MAX_ORDERS_PER_MINUTE"
    PRICE_COLLAR = "PRICE_COLLAR"
    DAILY_LOSS = "DAILY_LOSS"
    DUPLICATE_INTENT = "DUPLICATE_INTENT"
    ONE_TRADE_PER_BAR = "ONE_TRADE_PER_BAR"
    LEG_FROZEN = "LEG_FROZEN"
    CLOSE_FAILED = "CLOSE_FAILED"
    NO_CASH = "NO_CASH"
    NO_EXIT_LEVEL = "NO_EXIT_LEVEL"
    NO_LEG_PRICE = "NO_LEG_PRICE"
    LEG_FAILED = "LEG_FAILED"


class Denial(msgspec.Struct, frozen=True):
    """An order that was not made, with its reason, in words and numbers."""

    code: DenialCode
    text: str
    account: AccountId
    ts_event: int
    reason: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What the engine wants done: orders to make durable and send, orders to cancel, and why others were refused."""

    orders: tuple[Order, ...] = ()
    cancels: tuple[str, ...] = ()
    denials: tuple[Denial, ...] = ()
    signal: Signal | None = None
    moves: tuple[tuple[str, Decimal], ...] = ()
    """Resting stops, by order id, with their new prices."""


NOTHING = Decision()
