"""OrderSender: what a runner decided, on its way to the brokers.

Owns that several real venues are asked at once, that a slow one holds nobody up, and what becomes of a request that could not be sent.
Books nothing: events come back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.errors import FortifiedError, Refused, VenueError
from fortified.domain.order import Order, OrderEvent, OrderStatus
from fortified.orchestration.runner_log import RunnerLog
from fortified.ports import BaseBroker, RunnerKey, VenueBroker

Events = Sequence[OrderEvent]
Late = Callable[[Order, Events], Awaitable[None]]
ANSWER_S = 0.5
"""How long a runner waits for an answer before it goes on with its other legs and with the market."""
CANCEL_AGAIN_NS = 1_000_000_000
"""A cancel is not asked for again within this time: each tick wants it, and a broker takes so many requests a minute."""


class OrderSender:
    """Sends to the brokers of one runner. ``sent`` is told the account of each request to a real one, ``late`` is given what a broker
    answered when nobody waited for it any more.
    """

    def __init__(
        self, key: RunnerKey, brokers: Iterable[BaseBroker], log: RunnerLog, sent: Callable[[AccountId], None], late: Late
    ) -> None:
        self.brokers = {broker.account: broker for broker in sorted(brokers, key=lambda broker: broker.account)}
        self._key, self._log, self._sent, self._late = key, log, sent, late
        self._asked: dict[str, int] = {}  # when a cancel was, in market time
        self._under_way: set[str] = set()
        self._followed: set[asyncio.Task[None]] = set()
        self.patient = True
        """Whether each answer is waited for: while no market is taken in, nothing is held up by that."""

    def is_live(self, order: Order) -> bool:
        """Whether it goes to a real venue."""
        return isinstance(self.brokers[order.account], VenueBroker)

    def is_under_way(self, order: Order) -> bool:
        """Whether a request for ``order`` is not answered yet, or its answer not booked."""
        return order.order_id in self._under_way

    def note_answer(self, order: Order) -> None:
        """The answer for ``order`` is being booked."""
        self._under_way.discard(order.order_id)

    async def place(self, orders: Sequence[Order]) -> Sequence[Events]:
        """Send, and give the first events of each; to several real venues at once."""
        if not any(self.is_live(order) for order in orders):
            return [await self.brokers[order.account].place_order(order) for order in orders]
        return await asyncio.gather(*(self._ask(order, self._place(order)) for order in orders))

    async def cancel(self, orders: Sequence[Order], ts_event: int) -> Sequence[Events]:
        """Ask for cancels. Where that cannot be sent the order stays as it is, and whoever wants it gone asks again."""
        if not any(self.is_live(order) for order in orders):
            return [await self.brokers[order.account].cancel_order(order, ts_event) for order in orders]
        wanted = [order for order in orders if not self._was_asked(order, ts_event)]
        return await asyncio.gather(*(self._ask(order, self._cancel(order, ts_event)) for order in wanted))

    async def move(self, order: Order, price: Decimal) -> Events:
        """Ask for another price of a stop that rests. Where that fails it stays where it is, and the next bar asks again."""
        broker = self.brokers[order.account]
        if not isinstance(broker, VenueBroker) or self.is_under_way(order):
            return ()
        return await self._ask(order, self._move(broker, order, price))

    async def answered(self) -> bool:
        """Wait until nothing is under way, where each request has a limit of its own; whether there was something."""
        waited = bool(self._followed)
        while self._followed:
            await asyncio.wait(list(self._followed))
        return waited

    def abandon(self) -> None:
        """Follow no answer any more: whoever takes over treats what is under way as of unknown fate."""
        self.patient = True
        for task in self._followed:
            task.cancel()

    # --- one request ---

    async def _ask(self, order: Order, asking: Coroutine[None, None, Events]) -> Events:
        """What the broker answers at once; nothing where it takes longer."""
        task = asyncio.create_task(asking)
        try:
            done, _ = await asyncio.wait([task], timeout=None if self.patient else ANSWER_S)
            if done or self.patient:
                return await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        self._log.warning("a broker is slow to answer", runner=str(self._key), order=order.order_id)
        self._under_way.add(order.order_id)
        following = asyncio.create_task(self._follow(order, task))
        self._followed.add(following)
        following.add_done_callback(self._followed.discard)
        return ()

    async def _follow(self, order: Order, task: "asyncio.Task[Events]") -> None:
        try:
            await self._late(order, await task)
        except FortifiedError as error:  # the order is looked at all the same
            self._log.warning("a late answer could not be booked", runner=str(self._key), order=order.order_id, reason=str(error))
        finally:
            self.note_answer(order)

    async def _place(self, order: Order) -> Events:
        """One that was not sent for certain waits in doubt, as one of unknown fate does: it is looked up before it is sent again."""
        try:
            return await self.brokers[order.account].place_order(order)
        except VenueError as error:
            self._log.warning("an order could not be sent", runner=str(self._key), order=order.order_id, reason=str(error))
            return (OrderEvent(order.order_id, OrderStatus.SUBMIT_UNKNOWN, order.ts_created, str(error)),)
        finally:
            self._tell(order)

    async def _cancel(self, order: Order, ts_event: int) -> Events:
        try:
            return await self.brokers[order.account].cancel_order(order, ts_event)
        except VenueError as error:
            self._log.warning("a cancel could not be sent", runner=str(self._key), order=order.order_id, reason=str(error))
            return ()
        finally:
            self._tell(order)

    async def _move(self, broker: VenueBroker, order: Order, price: Decimal) -> Events:
        try:
            return await broker.replace_order(order, None, price)
        except (VenueError, Refused) as error:
            self._log.warning("a stop could not be moved", runner=str(self._key), order=order.order_id, reason=str(error))
            return ()
        finally:
            self._tell(order)

    def _was_asked(self, order: Order, ts_event: int) -> bool:
        """Whether a cancel is under way, or was asked for a moment ago."""
        if self.is_under_way(order) or abs(ts_event - self._asked.get(order.order_id, 0)) < CANCEL_AGAIN_NS:
            return True
        self._asked = {order.order_id: ts_event} | {known: ts for known, ts in self._asked.items() if ts_event - ts < CANCEL_AGAIN_NS}
        return False

    def _tell(self, order: Order) -> None:
        if self.is_live(order):
            self._sent(order.account)
