"""A log-in, an account, and the life of one order that is meant never to fill."""

import asyncio
import time
import uuid
from decimal import Decimal

import pytest
from tests.live.conftest import Connected

from fortified.bootstrap_venues import Venues
from fortified.domain.instrument import get_instrument
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder
from fortified.ports import VenueBroker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
each_venue = pytest.mark.parametrize("venue", ["tastytrade", "schwab"])
S = OrderStatus
WAIT_S = 30.0


def smallest(broker: VenueBroker, symbol: str, limit: Decimal) -> Order:
    """One share, far below its price."""
    now = time.time_ns()
    return Order(
        order_id=uuid.uuid4().hex,
        account=broker.account,
        strategy="live_test",
        symbol=symbol,
        timeframe="1",
        side=OrderSide.BUY,
        quantity=Decimal(1),
        purpose=Purpose.ENTRY,
        reason="live_test",
        ts_created=now,
        seq=0,
        reference_price=limit,
        type=OrderType.LIMIT,
        limit_price=limit,
        ts_submitted=now,
    )


async def told(broker: VenueBroker, order: Order, *wanted: OrderStatus) -> VenueOrder:
    """The broker's word on ``order`` once it is one of ``wanted``."""
    async with asyncio.timeout(WAIT_S):
        while (found := await broker.find(order)) is None or found.status not in wanted:  # noqa: ASYNC110 - a broker sets no event
            await asyncio.sleep(1.0)
    return found


@each_venue
async def test_the_account_answers(venue: str, configured: Connected) -> None:
    broker = configured(venue)
    await broker.connect()
    standing = await broker.standing()
    assert standing.obstacles == ()
    assert sum(letter.isdigit() for letter in standing.account_number) <= 4
    assert (await broker.balances()).net_liquidation is not None
    await broker.positions()
    await broker.orders(time.time_ns() - 3_600 * 10**9)


@each_venue
async def test_the_smallest_order_is_placed_found_and_canceled(venue: str, configured: Connected, share: tuple[str, Decimal]) -> None:
    broker = configured(venue)
    await broker.connect()
    order = smallest(broker, *share)
    for event in await broker.place_order(order):
        order = apply_event(order, event)
    assert order.status in (S.ACCEPTED, S.SUBMIT_UNKNOWN), order.text
    try:
        found = await told(broker, order, S.ACCEPTED)
        assert (found.side, found.quantity, found.filled_quantity, found.limit_price) == (
            OrderSide.BUY,
            Decimal(1),
            Decimal(0),
            order.limit_price,
        )
    finally:
        for event in await broker.cancel_order(order, time.time_ns()):
            order = apply_event(order, event)
    ended = await told(broker, order, S.CANCELED, S.REJECTED, S.EXPIRED)
    assert (ended.status, ended.filled_quantity) == (S.CANCELED, Decimal(0))


async def test_market_data_is_live(configured: Connected, venues: Venues) -> None:
    configured("tastytrade")
    assert await venues.refusals() == []
    source = venues.source_of(get_instrument("/ES"))
    assert source is not None
    try:
        await source.subscribe(get_instrument("/ES"), None)
    finally:
        await source.close()
