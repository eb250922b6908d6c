"""OrderSender: what a runner decided, on its way to the brokers.

Owns that several real venues are asked at once, and what becomes of a request that could not be sent. Books nothing: events come back.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.errors import Refused, VenueError
from fortified.domain.order import Order, OrderEvent, OrderStatus
from fortified.orchestration.runner_log import RunnerLog
from fortified.ports import BaseBroker, RunnerKey, VenueBroker

Events = Sequence[OrderEvent]
CANCEL_AGAIN_NS = 1_000_000_000
"""A cancel is not asked for again within this time: each tick wants it, and a broker takes so many requests a minute."""


class OrderSender:
    """Sends to the brokers of one runner. ``sent`` is told the account of each request to a real one."""

    def __init__(self, key: RunnerKey, brokers: Iterable[BaseBroker], log: RunnerLog, sent: Callable[[AccountId], None]) -> None:
        self.brokers = {broker.account: broker for broker in sorted(brokers, key=lambda broker: broker.account)}
        self._key, self._log, self._sent = key, log, sent
        self._asked: dict[str, int] = {}  # when a cancel was, in market time

    def is_live(self, order: Order) -> bool:
        """Whether it goes to a real venue."""
        return isinstance(self.brokers[order.account], VenueBroker)

    async def place(self, orders: Sequence[Order]) -> Sequence[Events]:
        """Send, and give the first events of each; to several real venues at once."""
        if not any(self.is_live(order) for order in orders):
            return [await self.brokers[order.account].place_order(order) for order in orders]
        return await asyncio.gather(*(self._place(order) for order in orders))

    async def cancel(self, order: Order, ts_event: int) -> Events:
        """Ask for a cancel. Where that cannot be sent the order stays as it is, and whoever wants it gone asks again."""
        if self.is_live(order):
            if abs(ts_event - self._asked.get(order.order_id, 0)) < CANCEL_AGAIN_NS:
                return ()
            self._asked = {order.order_id: ts_event} | {known: ts for known, ts in self._asked.items() if ts_event - ts < CANCEL_AGAIN_NS}
        try:
            return await self.brokers[order.account].cancel_order(order, ts_event)
        except VenueError as error:
            self._log.warning("a cancel could not be sent", runner=str(self._key), order=order.order_id, reason=str(error))
            return ()
        finally:
            self._tell(order)

    async def move(self, order: Order, price: Decimal) -> Events:
        """Ask for another price of a stop that rests. Where that fails it stays where it is, and the next bar asks again."""
        broker = self.brokers[order.account]
        if not isinstance(broker, VenueBroker):
            return ()
        try:
            return await broker.replace_order(order, None, price)
        except (VenueError, Refused) as error:
            self._log.warning("a stop could not be moved", runner=str(self._key), order=order.order_id, reason=str(error))
            return ()
        finally:
            self._tell(order)

    async def _place(self, order: Order) -> Events:
        """One that was not sent for certain waits in doubt, as one of unknown fate does: it is looked up before it is sent again."""
        try:
            return await self.brokers[order.account].place_order(order)
        except VenueError as error:
            self._log.warning("an order could not be sent", runner=str(self._key), order=order.order_id, reason=str(error))
            return (OrderEvent(order.order_id, OrderStatus.SUBMIT_UNKNOWN, order.ts_created, str(error)),)
        finally:
            self._tell(order)

    def _tell(self, order: Order) -> None:
        if self.is_live(order):
            self._sent(order.account)
