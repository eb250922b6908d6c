"""Our side of Schwab against the simulated one, for tests: connected, at ten o'clock in New York, on a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from fortified.adapters.pacing import Backoff, Rate
from fortified.adapters.schwab.auth import REFRESH_LIFE_NS, App
from fortified.adapters.schwab.broker import SchwabBroker
from fortified.adapters.schwab.client import OAUTH, ORDER, READ
from fortified.adapters.schwab.connection import SchwabConnection
from fortified.domain.account import AccountId
from fortified.domain.order import Order, OrderEvent, OrderType, Purpose, apply_event
from fortified.domain.signal import OrderSide
from fortified.domain.venue import VenueOrder, WakeUp
from fortified.ports import TokenStore, VenueTokens
from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Options, Simulation

MONDAY = int(datetime(2026, 11, 16, 15, 0, tzinfo=UTC).timestamp()) * 10**9
LIMIT_S = 5
FAST = {ORDER: Rate(1000, 1000), READ: Rate(1000, 1000), OAUTH: Rate(1000, 1000)}


class Desk:
    """The simulation, and what is connected to it."""

    def __init__(self, simulation: Simulation, clock: ManualClock, connection: SchwabConnection, claimed: set[str]) -> None:
        self.simulation, self.clock, self.connection, self.claimed = simulation, clock, connection, claimed
        self.faults = simulation.schwab_faults
        self.broker: SchwabBroker = connection.broker(claimed=lambda: claimed)
        self.hints = self.broker.wake_ups()

    def push(self, price: str | float, size: int = 100, symbol: str = "SPY", **quote: str) -> None:
        self.simulation.push(symbol, Decimal(str(price)), size, **quote)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.simulation.on_time()

    async def place(self, ours: Order) -> Order:
        return follow(ours, await self.broker.place_order(ours))

    async def found(self, ours: Order) -> VenueOrder:
        found = await self.broker.find(ours)
        assert found is not None
        return found

    async def hint(self, kind: str) -> WakeUp:
        """The next hint of that kind."""
        async with asyncio.timeout(LIMIT_S):
            while (hint := await anext(self.hints)).kind != kind:
                pass
        return hint


def follow(ours: Order, events: Collection[OrderEvent]) -> Order:
    """``ours`` after ``events``, each of which its life allows."""
    for event in events:
        ours = apply_event(ours, event)
    return ours


def order(side: OrderSide = OrderSide.BUY, quantity: int = 100, limit: str | None = None, stop: str | None = None, **fields: Any) -> Order:
    """An order for SPY of the type that its prices say."""
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    values: dict[str, Any] = {
        **{"order_id": "o1", "account": AccountId("live:schwab"), "strategy": "ema", "symbol": "SPY", "timeframe": "1"},
        **{"purpose": Purpose.ENTRY, "reason": "up", "ts_created": MONDAY, "seq": 1, "reference_price": Decimal(500)},
        **{"type": kinds[limit is not None, stop is not None]},
    }
    prices = {"limit_price": None if limit is None else Decimal(limit), "stop_price": None if stop is None else Decimal(stop)}
    return Order(side=side, quantity=Decimal(quantity), **(values | prices | fields))


class Tokens:
    """A store of tokens in memory."""

    def __init__(self, tokens: VenueTokens | None = None) -> None:
        self.held = tokens

    async def tokens(self, venue: str) -> VenueTokens | None:
        return self.held

    async def put_tokens(self, venue: str, tokens: VenueTokens) -> None:
        self.held = tokens

    async def delete_tokens(self, venue: str) -> bool:
        held, self.held = self.held, None
        return held is not None


def logged_in(simulation: Simulation) -> VenueTokens:
    """Tokens of somebody who has just logged in, and whose access has to be renewed."""
    return VenueTokens("stale", 0, simulation.schwab.credentials.refresh_token, MONDAY + REFRESH_LIFE_NS)


def connection(simulation: Simulation, clock: ManualClock, store: TokenStore | None = None, **options: Any) -> SchwabConnection:
    known = simulation.schwab.credentials
    values: dict[str, Any] = {"rates": FAST, "timeout_s": 2.0, "reconnect": Backoff(0.01, 0.02), "kicked": Backoff(0.01, 0.02)}
    return SchwabConnection(
        App(known.client_id, known.client_secret, known.redirect_uri),
        clock=clock,
        product_version="test",
        store=Tokens(logged_in(simulation)) if store is None else store,
        api_url=simulation.schwab_url,
        **(values | options),
    )


@asynccontextmanager
async def desk(options: Options | None = None, **given: Any) -> AsyncIterator[Desk]:
    """A broker that is connected and whose stream is on, with SPY at 500."""
    clock = ManualClock(MONDAY)
    async with Simulation(clock, msgspec.structs.replace(options or Options(), always_open=False), venues=("schwab",)) as simulation:
        made = Desk(simulation, clock, connection(simulation, clock, **given), set())
        made.push(500, bid="499.99", ask="500.01")
        try:
            await made.broker.connect()
            await made.hint("reconnected")
            yield made
        finally:
            await made.broker.close()
