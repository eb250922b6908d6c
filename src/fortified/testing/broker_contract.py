"""What every broker has to keep, paper and real: kinds of orders, cancels and refusals.

Owns the tests; a plugin's author subclasses, implements ``stage`` and marks the module for anyio::

    pytestmark = pytest.mark.anyio


    class TestMyBroker(VenueContract):
        @asynccontextmanager
        async def stage(self) -> AsyncIterator[VenueStage]:
            yield MyStage(...)
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

from fortified.domain.order import Order, OrderStatus
from fortified.domain.signal import OrderSide
from fortified.testing.broker_stage import BrokerStage, Follower

S = OrderStatus
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class BrokerContract(ABC):
    """Tests for any ``BaseBroker``."""

    @abstractmethod
    def stage(self) -> AbstractAsyncContextManager[BrokerStage]:
        """A new account, connected, without orders and positions; the market stands at its price."""

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[Follower]:
        async with self.stage() as stage:
            yield Follower(stage)

    async def test_a_market_order_fills_with_the_next_trade(self) -> None:
        async with self.followed() as at:
            order = await at.place(at.new())
            assert order.status in (S.ACCEPTED, S.FILLED), order.text
            assert order.venue_order_id
            await at.trade(1)
            order = await at.until(order, _filled)
            assert order.filled_quantity == order.quantity
            assert order.average_fill_price is not None
            assert abs(order.average_fill_price - at.stage.price - at.stage.tick) <= at.stage.tick

    async def test_a_limit_order_waits_for_its_price_and_gets_no_worse_one(self) -> None:
        async with self.followed() as at:
            limit = at.stage.price - 4 * at.stage.tick
            order = await at.place(at.new(limit=limit))
            await at.trade(0)
            order = await at.until(order, _works)
            assert not order.filled_quantity
            await at.trade(-6)
            order = await at.until(order, _filled)
            assert order.average_fill_price is not None
            assert order.average_fill_price <= limit

    async def test_a_stop_order_waits_until_the_market_is_there(self) -> None:
        async with self.followed() as at:
            stop = at.stage.price + 4 * at.stage.tick
            order = await at.place(at.new(stop=stop))
            await at.trade(3)
            assert not (await at.until(order, _works)).filled_quantity
            await at.trade(5)
            order = await _after_more(at, order, 5)
            assert order.average_fill_price is not None
            assert order.average_fill_price >= stop

    async def test_a_stop_limit_order_keeps_both_prices(self) -> None:
        async with self.followed() as at:
            stop, limit = at.stage.price + 4 * at.stage.tick, at.stage.price + 6 * at.stage.tick
            order = await at.place(at.new(limit=limit, stop=stop))
            await at.trade(9)  # the stop is reached, the limit is passed
            assert not (await at.until(order, _works)).filled_quantity
            await at.trade(4)
            order = await _after_more(at, order, 4)
            assert order.average_fill_price is not None
            assert order.average_fill_price <= limit

    async def test_a_canceled_order_does_not_trade_any_more(self) -> None:
        async with self.followed() as at:
            order = await at.place(at.new(limit=at.stage.price - 4 * at.stage.tick))
            await at.cancel(order)
            order = await at.until(order, _ended)
            assert order.status is S.CANCELED
            await at.trade(-6)
            await at.look(order)
            assert (at.orders[order.order_id].status, at.fills) == (S.CANCELED, {})

    async def test_a_price_between_two_ticks_is_rejected_with_a_reason(self) -> None:
        async with self.followed() as at:
            order = await at.place(at.new(limit=at.stage.price - at.stage.tick / 2))
            order = await at.until(order, _ended)
            assert (order.status, bool(order.text)) == (S.REJECTED, True)

    async def test_a_part_of_a_unit_is_rejected_with_a_reason(self) -> None:
        async with self.followed() as at:
            order = await at.place(at.new(quantity=Decimal("1.5")))
            order = await at.until(order, _ended)
            assert (order.status, bool(order.text)) == (S.REJECTED, True)


async def _after_more(at: Follower, order: Order, ticks: int) -> Order:
    """Filled, if need be by a second trade: the first set a stop off."""
    await at.look(order)
    if not _filled(at.orders[order.order_id]):
        await at.trade(ticks)
    return await at.until(order, _filled)


def _works(order: Order) -> bool:
    return order.status in (S.ACCEPTED, S.PARTIALLY_FILLED)


def _filled(order: Order) -> bool:
    return order.status is S.FILLED


def _ended(order: Order) -> bool:
    return order.is_terminal
