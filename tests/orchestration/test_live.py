"""Live trading through the real adapters against the simulated brokers: one signal, both of them, and the ledger in step."""

from decimal import Decimal

import pytest
from tests.orchestration.house import Market
from tests.orchestration.live_house import LiveHouse, simulated

from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio


async def test_one_signal_trades_at_both_brokers_and_the_ledger_follows() -> None:
    async with simulated() as (simulation, clock):
        house = LiveHouse(simulation, clock, MemoryStore(), Market())
        house.push()
        async with house.live():
            await house.go_live()
            await house.ticks(1.0)

            async def long() -> bool:
                return await house.held() == {"tastytrade": Decimal(1), "schwab": Decimal(10)}

            await house.wait(long, "long at both")
            await house.ticks(0.0)

            async def flat() -> bool:
                return not await house.held()

            await house.wait(flat, "flat at both")
            for keeper in house.manager.keepers():
                await keeper.compare()
                assert keeper.report().differences == ()
