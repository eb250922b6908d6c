"""A live house whose strategy speaks at prices near the market's, and a watch over what works at the brokers at once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tests.engine.desk import FLAT, LONG, SHORT
from tests.orchestration.house import Market
from tests.orchestration.live_house import LiveHouse, simulated

from fortified.domain.account import AccountId, Mode
from fortified.domain.order import Order, OrderStatus
from fortified.engine.resident import PROTECTIVE_STOP
from fortified.orchestration.strategy_runner import StrategyRunner
from fortified.simulators.feed import ManualClock
from fortified.simulators.matching import Exchange
from fortified.simulators.orders import Event, OrderKind, State
from fortified.simulators.orders import Order as VenueOrder
from fortified.simulators.server import Simulation
from fortified.storage.memory import MemoryStore

TASTY, SCHWAB = AccountId("live:tastytrade"), AccountId("live:schwab")
ONE, TEN = {"tastytrade": Decimal(1)}, {"schwab": Decimal(10)}
UP, DOWN, OUT, IDLE = 20000.5, 20000.75, 20001.0, 20000.0
"""Prices at which the strategy wishes for long, short, flat and nothing; for SPY a fortieth of them."""
SCRIPT = {UP: LONG, DOWN: SHORT, OUT: FLAT, 500.1: LONG, 500.2: SHORT, 500.3: FLAT}


class Watch:
    """The most orders that ever worked at once on one symbol of a broker, and the most it was ever short or long beyond ``limit``."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.most = exchange, 0
        self.positions: set[Decimal] = set()
        exchange.listeners.append(self._on_event)

    def _on_event(self, event: Event) -> None:
        symbol = event.order.ticket.symbol
        self.most = max(self.most, sum(1 for order in self.exchange.live_orders() if order.ticket.symbol == symbol))
        [account] = self.exchange.accounts.values()
        self.positions.add(account.truth.quantity(symbol))


class StopHouse(LiveHouse):
    """``nq``, ``qqq`` and ``spy`` are what the brokers' market is at."""

    nq, qqq, spy = "20000.00", "500.00", "500.00"

    def push(self, nq: str | None = None, qqq: str | None = None) -> None:
        super().push(nq or self.nq, qqq or self.qqq)
        self.simulation.push("SPY", self.spy, 100, str(Decimal(self.spy) - Decimal("0.01")), str(Decimal(self.spy) + Decimal("0.01")))

    async def go(self, **fields: Any) -> None:
        """/NQ at TastyTrade alone, with a stop 4 points away."""
        await self.configure(**{"quantities": ONE, "stop_loss": "4pts"} | fields)
        await self.again()

    async def again(self) -> None:
        await self.manager.start("scripted", Mode.LIVE, actor="test")

    async def agree_to_start(self) -> None:
        """Start by hand, when both sides have been compared well."""
        for keeper in self.manager.keepers():
            await keeper.compare()
            await keeper.compare()
        await self.again()

    def runner(self, account: AccountId = TASTY, symbol: str = "/NQ") -> StrategyRunner:
        found = self.manager._preparation.desk.runner(account, "scripted", symbol)
        assert found is not None
        return found

    def ours(self, account: AccountId = TASTY, symbol: str = "/NQ") -> list[Order]:
        """Ours that are not over."""
        return list(self.runner(account, symbol)._book.working(account))

    def exchange(self, account: AccountId = TASTY) -> Exchange:
        return self.simulation.tastytrade.exchange if account == TASTY else self.simulation.schwab.exchange

    def resting(self, account: AccountId = TASTY) -> list[VenueOrder]:
        """Stops that work at the broker."""
        return [order for order in self.exchange(account).live_orders() if order.ticket.kind is OrderKind.STOP]

    def at_venue(self, account: AccountId = TASTY) -> Decimal:
        """What the broker really holds, of all symbols."""
        [held] = self.exchange(account).accounts.values()
        return sum((position.quantity for position in held.truth.positions.values()), Decimal(0))

    async def until(self, look: Callable[[], object], what: str) -> None:
        async def found() -> bool:
            return bool(look())

        await self.wait(found, what)

    async def rests(self, account: AccountId = TASTY, symbol: str = "/NQ", *, at: str | None = None, of: int = 1) -> Order:
        """Wait until a stop rests, on both sides the same; returns ours."""

        def look() -> bool:
            ours, theirs = self.ours(account, symbol), self.resting(account)
            return (
                [order.status for order in ours] == [OrderStatus.ACCEPTED]
                and len(theirs) == 1
                and ours[0].venue_order_id == str(theirs[0].id)
                and ours[0].stop_price == theirs[0].ticket.stop
                and theirs[0].remaining == of == ours[0].remaining
                and (at is None or theirs[0].ticket.stop == Decimal(at))
            )

        await self.until(look, f"a stop rests at {at}: {self.ours(account, symbol)} {self.resting(account)}")
        [order] = self.ours(account, symbol)
        assert order.reason == PROTECTIVE_STOP
        return order

    async def flat(self) -> None:
        """Wait until neither the ledger nor a broker holds anything, and nothing works."""

        async def look() -> bool:
            gone = not (self.at_venue(TASTY) or self.at_venue(SCHWAB) or await self.held() or await self.working_at_all())
            return gone and not self.exchange(TASTY).live_orders() and not self.exchange(SCHWAB).live_orders()

        await self.wait(look, "flat, and nothing works")

    async def working_at_all(self) -> list[str]:
        return [order.reason for order in await self.store.ledger.orders() if not order.is_terminal]

    async def agree(self) -> None:
        """Both sides are read anew, and nothing differs."""
        for keeper in self.manager.keepers():
            await keeper.look_at_orders()
            await keeper.compare()
            await keeper.compare()
            assert keeper.report().differences == ()

    async def made(self) -> list[Order]:
        """All orders in the ledger, oldest first."""
        return list(reversed(await self.store.ledger.orders()))


def late_fill(exchange: Exchange, order: VenueOrder, quantity: Decimal) -> None:
    """A fill of ``order``, which was cancelled, that crossed the cancel on the wire."""
    order.state = State.WORKING
    exchange._live[order.id] = order
    exchange.fill_now(order, Decimal("20000.25"), quantity)
    exchange.end(order, State.CANCELLED)


@asynccontextmanager
async def stop_house(simulation: Simulation, clock: ManualClock, store: MemoryStore, market: Market) -> AsyncIterator[StopHouse]:
    """One life of a process."""
    house = StopHouse(simulation, clock, store, market)
    house.push()
    async with house.live():
        yield house


@asynccontextmanager
async def one_house() -> AsyncIterator[StopHouse]:
    """A process with brokers of its own."""
    async with simulated() as (simulation, clock), stop_house(simulation, clock, MemoryStore(), Market()) as house:
        yield house
