"""From a tick to an order on the wire: the whole live path on a real Valkey, against the simulated TastyTrade on loopback.

    python -m benchmarks.live_order [--orders 300]

A tick goes to its streams, through the consumer group to the runner, the engine decides, intent and state become durable, and the request
goes out. The clock stops when the simulator has the request. Source, runner and simulator share one process and one event loop, so the
figures hold the simulator's share too.
"""

import argparse
import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import numpy as np
from tests.orchestration.house import Market
from tests.orchestration.live_house import LiveHouse, simulated

from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.memory import MemoryStore
from fortified.storage.store import RedisStore

WARM_UP = 20


async def measure(orders: int) -> list[float]:
    """Milliseconds from tick to request, one per order."""
    with tempfile.TemporaryDirectory() as directory:
        redis = EmbeddedRedis(Path(directory))
        redis.start()
        store = None
        try:
            store = await RedisStore.connect(redis.url)
            async with simulated() as (simulation, clock):
                house = LiveHouse(simulation, clock, cast("MemoryStore", store), Market())
                arrived: asyncio.Queue[float] = asyncio.Queue()
                submit = simulation.tastytrade.submit

                def stamped(*args: Any, **values: Any) -> Any:
                    arrived.put_nowait(time.perf_counter())
                    return submit(*args, **values)

                simulation.tastytrade.submit = stamped  # type: ignore[method-assign]  # the stamp of the request's arrival
                house.push()
                async with house.live():
                    await house.go_live(quantities={"tastytrade": Decimal(1)}, symbols={})
                    return await _orders(house, arrived, orders + WARM_UP)
        finally:
            if store is not None:
                await store.close()
            redis.stop()


async def _orders(house: LiveHouse, arrived: "asyncio.Queue[float]", orders: int) -> list[float]:
    """Long and flat in turn; each waits for the fill of the one before."""
    market, taken = house.market, list[float]()
    assert market is not None
    for number in range(orders):
        wanted = {} if number % 2 else {"tastytrade": Decimal(1)}
        begun = time.perf_counter()
        market.add("/NQ", 0.0 if number % 2 else 1.0)
        taken.append((await asyncio.wait_for(arrived.get(), 10) - begun) * 1_000)
        while await house.held() != wanted:
            house.push()
            await asyncio.sleep(0.005)
    return taken[WARM_UP:]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=300)
    taken = np.array(asyncio.run(measure(parser.parse_args().orders)))
    p50, p90, p99 = np.percentile(taken, (50, 90, 99))
    print(f"{len(taken)} orders, tick to request at the broker: p50 {p50:.2f} ms, p90 {p90:.2f}, p99 {p99:.2f}, most {taken.max():.2f}")


if __name__ == "__main__":
    main()
