"""A manager with real adapters for both brokers, whose servers are the simulated ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tests.adapters.schwab_desk import MONDAY, connection
from tests.orchestration.house import House, Market

from fortified.adapters.pacing import GLOBAL, Rate
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.domain.account import Mode
from fortified.engine.fees import FeeModel
from fortified.orchestration.account_keeper import Pace
from fortified.orchestration.events import RunnerStatus
from fortified.ports import VenueBroker
from fortified.simulators.feed import ManualClock
from fortified.simulators.server import Options, Simulation
from fortified.simulators.tastytrade.venue import ACCOUNT
from fortified.storage.memory import MemoryStore

BOTH = {"tastytrade": Decimal(1), "schwab": Decimal(10)}
FEES = {"tastytrade": FeeModel.parse("2.00/contract"), "schwab": FeeModel.parse("0")}


class LiveHouse(House):
    """One life of a process that trades live at both simulated brokers."""

    live_allowed = True
    pace = Pace(orders_s=0.05, positions_s=0.2, confirm_s=0.02, absent_s=0.02, absent_reads=2, late_fills_s=60)

    def __init__(self, simulation: Simulation, clock: ManualClock, store: MemoryStore, market: Market) -> None:
        self.simulation, self.clock = simulation, clock
        super().__init__(store, market=market)
        secrets = simulation.options.credentials
        self.connection = connection(simulation, clock)
        tasty = tastytrade_broker(
            ACCOUNT,
            client_secret=secrets.client_secret,
            refresh_token=secrets.refresh_token,
            clock=clock,
            product_version="1.0",
            api_url=simulation.tastytrade_url,
            stream_url=simulation.tastytrade_streamer_url,
            rates={GLOBAL: Rate(1000, burst=1000)},
            timeout_s=2.0,
        )
        self._live: dict[str, VenueBroker] = {"schwab": self.connection.broker(claimed=frozenset), "tastytrade": tasty}

    def now_ns(self) -> int:
        return self.clock.now_ns() if hasattr(self, "clock") else MONDAY

    def live_venues(self) -> Sequence[str]:
        return sorted(self._live)

    def live_broker(self, venue: str) -> VenueBroker | None:
        return self._live.get(venue)

    def fees(self, venue: str) -> FeeModel:
        return FEES[venue]

    @asynccontextmanager
    async def live(self) -> AsyncIterator["LiveHouse"]:
        """Open, with every account compared."""
        async with self.open():
            for keeper in self.manager.keepers():
                await asyncio.wait_for(keeper.settled(), 10)
            yield self

    async def go_live(self, **fields: Any) -> list[RunnerStatus]:
        """/NQ at TastyTrade, mirrored as QQQ at Schwab."""
        values: dict[str, Any] = {"quantities": BOTH, "symbols": {"schwab": "QQQ"}} | fields
        await self.configure(**values)
        return await self.manager.start("scripted", Mode.LIVE, actor="test")

    def push(self, nq: str = "20000.00", qqq: str = "500.00") -> None:
        """One print of each at the brokers."""
        self.clock.advance(0.01)
        self.simulation.push("/NQ", nq, 5, str(Decimal(nq) - Decimal("0.25")), str(Decimal(nq) + Decimal("0.25")))
        self.simulation.push("QQQ", qqq, 100, str(Decimal(qqq) - Decimal("0.01")), str(Decimal(qqq) + Decimal("0.01")))

    async def held(self) -> dict[str, Decimal]:
        """Net position by venue in the ledger, flat ones left out."""
        positions = await self.store.ledger.positions(strategy="scripted")
        return {one.account.partition(":")[2]: one.quantity for one in positions if one.quantity}

    async def wait(self, holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
        """Until the house has come there, while the market goes on."""
        try:
            async with asyncio.timeout(seconds):
                while not await holds():
                    self.push()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {seconds:g} s; accounts: {self.manager.accounts()}") from None


@asynccontextmanager
async def simulated() -> AsyncIterator[tuple[Simulation, ManualClock]]:
    """Both brokers, on a clock that stands still."""
    clock = ManualClock(MONDAY)
    async with Simulation(clock, Options()) as simulation:
        yield simulation, clock
