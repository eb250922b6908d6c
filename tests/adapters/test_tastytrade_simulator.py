"""The TastyTrade broker against the product's simulator, which shares no code with it: orders to their end, unclear ones found."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from tests.adapters.tasty_fake import order

from fortified.adapters.pacing import GLOBAL, Rate
from fortified.adapters.tastytrade.broker import TastyTradeBroker
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.clock import SystemClock
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder
from fortified.simulators.faults import Fault, Kind
from fortified.simulators.server import TASTYTRADE, Simulation
from fortified.simulators.tastytrade.venue import ACCOUNT

pytestmark = pytest.mark.anyio
S = OrderStatus
SUBMIT = f"POST /accounts/{ACCOUNT}/orders"
ids = count(1)


@asynccontextmanager
async def market() -> AsyncIterator[tuple[Simulation, TastyTradeBroker]]:
    async with Simulation(SystemClock(), venues=(TASTYTRADE,)) as venue:
        secrets = venue.options.credentials
        broker = tastytrade_broker(
            ACCOUNT,
            client_secret=secrets.client_secret,
            refresh_token=secrets.refresh_token,
            clock=venue.clock,
            product_version="1.0",
            api_url=venue.tastytrade_url,
            stream_url=venue.tastytrade_streamer_url,
            rates={GLOBAL: Rate(50, burst=10)},
            timeout_s=2.0,
        )
        await broker.connect()
        venue.push("/NQ", "20000.00", 5, "19999.75", "20000.25")
        try:
            yield venue, broker
        finally:
            await broker.close()


def new(venue: Simulation, **fields: Any) -> Order:
    return order(order_id=f"{next(ids):032x}", symbol="/NQ", ts_created=venue.clock.now_ns(), **fields)


async def until(read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(10):
        while not holds(found := await read()):  # noqa: ASYNC110 - a venue is asked, it sets no event
            await asyncio.sleep(0.02)
    return found


async def placed(broker: TastyTradeBroker, wanted: Order) -> Order:
    for event in await broker.place_order(wanted):
        wanted = apply_event(wanted, event)
    return wanted


async def found(broker: TastyTradeBroker, wanted: Order, status: OrderStatus) -> VenueOrder:
    result = await until(lambda: broker.find(wanted), lambda one: one is not None and one.status is status)
    assert isinstance(result, VenueOrder)
    return result


async def test_a_position_is_opened_seen_and_closed() -> None:
    async with market() as (venue, broker):
        entry = await placed(broker, new(venue, type=OrderType.MARKET, limit_price=None))
        assert entry.status is S.ACCEPTED, entry.text
        venue.push("/NQ", "20000.50", 5)
        filled = await found(broker, entry, S.FILLED)
        assert filled.filled_quantity == sum(one.quantity for one in filled.fills) == 2
        (held,) = await until(broker.positions, bool)
        assert (held.quantity, held.symbol) == (2, filled.symbol)
        leaving = await placed(broker, new(venue, type=OrderType.MARKET, limit_price=None, side=OrderSide.SELL, purpose=Purpose.EXIT))
        venue.push("/NQ", "20001.00", 5)
        await found(broker, leaving, S.FILLED)
        assert await until(broker.positions, lambda positions: not positions) == ()


async def test_the_stream_wakes_with_the_whole_order() -> None:
    async with market() as (venue, broker):
        entry = await placed(broker, new(venue, type=OrderType.MARKET, limit_price=None))
        venue.push("/NQ", "20000.50", 5)
        async with asyncio.timeout(10):
            async for wake_up in broker.wake_ups():
                if wake_up.order is not None and wake_up.order.status is S.FILLED and wake_up.order.fills:
                    break
        assert wake_up.order is not None
        assert wake_up.order.client_order_id == entry.order_id


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [
        (Kind.DROP_BEFORE, False),
        (Kind.STATUS, False),
        (Kind.DROP_AFTER, True),
        (Kind.CUT_ANSWER, True),
        (Kind.STATUS_AFTER, True),
        (Kind.GARBLED, True),
    ],
)
async def test_an_order_of_unknown_fate_is_found_exactly_if_it_arrived(kind: Kind, arrived: bool) -> None:
    async with market() as (venue, broker):
        venue.tastytrade_faults.next(SUBMIT, kind)
        unknown = await placed(broker, new(venue, limit_price=Decimal(19000)))
        assert unknown.status is S.SUBMIT_UNKNOWN
        seen = await broker.find(unknown)
        assert (seen is not None) is arrived
        mine = [one for one in await broker.orders(unknown.ts_created) if one.client_order_id == unknown.order_id]
        assert len(mine) == arrived


async def test_a_token_that_ends_early_is_renewed_for_reads_and_leaves_an_order_to_be_found() -> None:
    async with market() as (venue, broker):
        await broker.contracts("/NQ")
        venue.tastytrade_faults.next("*", Fault(Kind.EXPIRE_TOKEN))
        assert await broker.positions() == ()
        venue.tastytrade_faults.next(SUBMIT, Fault(Kind.EXPIRE_TOKEN))
        unknown = await placed(broker, new(venue, limit_price=Decimal(19000)))
        assert unknown.status is S.SUBMIT_UNKNOWN
        assert await broker.find(unknown) is None
        assert (await placed(broker, unknown)).status is S.ACCEPTED


async def test_a_replaced_order_is_one_order_and_then_cancelled() -> None:
    async with market() as (venue, broker):
        resting = await placed(broker, new(venue, limit_price=Decimal(19000)))
        for event in await broker.replace_order(resting, Decimal("19000.25"), None):
            resting = apply_event(resting, event)
        assert resting.status is S.PENDING_REPLACE
        moved = await found(broker, resting, S.ACCEPTED)
        assert (moved.limit_price, moved.quantity) == (Decimal("19000.25"), Decimal(2))
        assert [one.status for one in await broker.orders(resting.ts_created) if one.replaced_by] == [S.PENDING_REPLACE]
        for event in await broker.cancel_order(resting, venue.clock.now_ns()):
            resting = apply_event(resting, event)
        assert resting.status is S.PENDING_CANCEL
        assert (await found(broker, resting, S.CANCELED)).filled_quantity == 0


async def test_a_bracket_protects_its_entry_and_one_exit_ends_the_other() -> None:
    async with market() as (venue, broker):
        entry = new(venue, type=OrderType.MARKET, limit_price=None)
        target = new(venue, side=OrderSide.SELL, purpose=Purpose.EXIT, limit_price=Decimal(20100))
        stop = new(venue, side=OrderSide.SELL, purpose=Purpose.EXIT, type=OrderType.STOP, limit_price=None, stop_price=Decimal(19900))
        answer = await broker.place_bracket(entry, target, stop)
        assert {event.status for event in answer.events} == {S.SUBMITTED, S.ACCEPTED}, answer.events
        venue.push("/NQ", "20000.50", 5)
        await found(broker, entry, S.FILLED)
        venue.push("/NQ", "19899.00", 5)
        assert (await found(broker, stop, S.FILLED)).client_order_id == stop.order_id
        await found(broker, target, S.CANCELED)


async def test_a_dry_run_places_nothing_and_a_refusal_is_told() -> None:
    async with market() as (venue, broker):
        assert (await broker.check(new(venue, limit_price=Decimal(19000)))).refusals == ()
        refused = (await broker.check(new(venue, quantity=Decimal(5000), limit_price=Decimal(19000)))).refusals
        assert "margin_check_failed" in refused[0]
        assert await broker.orders(venue.clock.now_ns()) == ()
        assert (await broker.standing()).obstacles == ()
        assert (await broker.balances()).net_liquidation == 250_000


async def test_a_close_without_a_position_is_refused_and_opens_nothing() -> None:
    async with market() as (venue, broker):
        venue.push("SPY", "600.00")
        wanted = order(order_id=f"{next(ids):032x}", symbol="SPY", ts_created=venue.clock.now_ns(), type=OrderType.MARKET, limit_price=None)
        refused = await placed(broker, msgspec.structs.replace(wanted, side=OrderSide.SELL, purpose=Purpose.EXIT))
        assert (refused.status, "closing_with_no_position" in refused.text) == (S.REJECTED, True)
        assert (await placed(broker, wanted)).status is S.ACCEPTED
