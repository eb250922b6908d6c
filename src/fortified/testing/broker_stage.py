"""What a contract test moves: a broker, and the venue behind it.

Owns what an author has to provide, and how a test follows an order from place to place. Knows no venue.
"""

import asyncio
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from fortified.domain.order import ZERO, Order, OrderEvent, OrderType, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder, WakeUp
from fortified.orchestration.venue_reports import read
from fortified.ports import BaseBroker, VenueBroker

LIMIT_S = 10.0
_LOOK_S = 0.01


class Mishap(enum.StrEnum):
    """What goes wrong next, once."""

    LOST_BEFORE = "the request that places an order never arrives"
    REFUSED_FOR_NOW = "it is answered by a server error, and was not carried out"
    LOST_AFTER = "it is carried out, and the connection is cut before the answer"
    FAILED_AFTER = "it is carried out, and answered by a server error"
    GARBLED_AFTER = "it is carried out, and the answer is no answer"
    SLOW_AFTER = "it is carried out, and the answer comes too late"
    REJECTED_LATER = "it is accepted, and the exchange rejects the order behind that"
    FILLED_FIRST = "the order is filled before the cancel that is asked for"
    UNREADABLE = "reads of orders are answered by server errors, until mended"
    FRAME_MISSING = "the frames of the stream that tell of the next fill are not sent"
    FRAME_TWICE = "each frame of the stream is sent twice"
    STREAM_CUT = "the stream is cut by the next frame"


ARRIVED = (Mishap.LOST_AFTER, Mishap.FAILED_AFTER, Mishap.GARBLED_AFTER, Mishap.SLOW_AFTER)
NOT_ARRIVED = (Mishap.LOST_BEFORE, Mishap.REFUSED_FOR_NOW)


class BrokerStage(ABC):
    """A broker that trades ``symbol``, whose market stands at ``price``. A trade of ``quantity`` units fills every order of a test."""

    symbol: str
    price: Decimal
    tick: Decimal
    quantity: Decimal = Decimal(3)
    broker: BaseBroker

    @abstractmethod
    def now_ns(self) -> int:
        """The venue's time."""

    @abstractmethod
    async def trade(self, price: Decimal, size: Decimal) -> Sequence[OrderEvent]:
        """One trade of the market; what a simulated broker says of it, nothing from a real one."""


class VenueStage(BrokerStage):
    """A real venue, or a simulator of it."""

    broker: VenueBroker

    @abstractmethod
    async def reopen(self) -> None:
        """Replace ``broker`` by a new one for the same account, as a restart does; the old one is closed."""

    @abstractmethod
    def strike(self, mishap: Mishap) -> None:
        """Let ``mishap`` happen next."""

    @abstractmethod
    def mend(self) -> None:
        """No more mishaps."""

    @abstractmethod
    def taken(self) -> int:
        """How many orders the venue has in its books."""


class Follower:
    """Places orders and brings them to what the broker says, as the ledger does."""

    def __init__(self, stage: BrokerStage) -> None:
        self.stage = stage
        self.orders: dict[str, Order] = {}
        self.fills: dict[str, list[Decimal]] = {}
        self._numbers = count(1)

    # --- orders ---

    def new(self, side: OrderSide = OrderSide.BUY, limit: Decimal | None = None, stop: Decimal | None = None, **fields: Any) -> Order:
        """An order of the type that its prices say, not placed yet."""
        kinds = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.STOP}
        number, now = next(self._numbers), self.stage.now_ns()
        values: dict[str, Any] = {
            "order_id": f"{number:032x}",
            "account": self.stage.broker.account,
            "strategy": "contract",
            "symbol": self.stage.symbol,
            "timeframe": "1",
            "side": side,
            "quantity": self.stage.quantity,
            "purpose": Purpose.ENTRY,
            "reason": "contract",
            "ts_created": now,
            "seq": number,
            "reference_price": self.stage.price,
            "type": kinds.get((limit is not None, stop is not None), OrderType.STOP_LIMIT),
            "limit_price": limit,
            "stop_price": stop,
        }
        return Order(**(values | fields))

    async def place(self, order: Order) -> Order:
        """``order`` after the events of its placing."""
        self.orders[order.order_id] = order
        return self.take(await self.stage.broker.place_order(order))[order.order_id]

    async def cancel(self, order: Order) -> Order:
        """``order`` after the events of a cancel."""
        return self.take(await self.stage.broker.cancel_order(order, self.stage.now_ns()))[order.order_id]

    def take(self, events: Sequence[OrderEvent]) -> dict[str, Order]:
        """Apply ``events``, each of which an order's life must allow."""
        for event in events:
            self.orders[event.order_id] = apply_event(self.orders[event.order_id], event)
            if event.fill is not None:
                self.fills.setdefault(event.order_id, []).append(event.fill.price)
        return self.orders

    async def trade(self, ticks: int = 0, size: Decimal | None = None) -> None:
        """One trade, ``ticks`` away from the price of the stage."""
        price = self.stage.price + ticks * self.stage.tick
        self.take(await self.stage.trade(price, self.stage.quantity if size is None else size))

    # --- what the broker says ---

    @property
    def venue(self) -> VenueBroker:
        broker = self.stage.broker
        assert isinstance(broker, VenueBroker)
        return broker

    async def look(self, order: Order) -> VenueOrder | None:
        """Bring ``order`` to what a real venue says of it; a simulated one has said all."""
        if not isinstance(self.stage.broker, VenueBroker):
            return None
        seen = await self.stage.broker.find(self.orders[order.order_id])
        if seen is not None:
            ours = self.orders[order.order_id]
            self.take(read(ours, seen, seq=ours.seq + 1, fee_of=lambda fill: fill.fee or ZERO).events)
        return seen

    async def until(self, order: Order, holds: Callable[[Order], bool]) -> Order:
        """``order`` once ``holds`` is true of it; fails with what it is when that takes too long."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    await self.look(order)
                    if holds(self.orders[order.order_id]):
                        return self.orders[order.order_id]
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise AssertionError(f"the order does not come there within {LIMIT_S:g} s: {self.orders[order.order_id]}") from None

    async def wake_up(self, *kinds: str) -> WakeUp:
        """The next hint of the stream that is one of ``kinds``."""
        try:
            async with asyncio.timeout(LIMIT_S):
                async for hint in self.venue.wake_ups():
                    if hint.kind in kinds:
                        return hint
        except TimeoutError:
            raise AssertionError(f"the stream gives none of {kinds} within {LIMIT_S:g} s") from None
        raise AssertionError("the stream's hints ended")
