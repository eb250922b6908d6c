"""Speed of the market bus: synthetic ticks → aggregators → partial updates → Redis, and back to a consumer; the latency of a commit.

Run ``python benchmarks/bus.py [ticks]`` from the project's root; it starts its own server.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import uvloop

from fortified.aggregation.base import BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.domain.account import AccountId
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Tick
from fortified.domain.order import Fill, Order, OrderStatus, Purpose
from fortified.domain.position import Position
from fortified.domain.signal import OrderSide
from fortified.domain.timeframe import Timeframe
from fortified.ports import ORIGIN, EntryId, LedgerUnit, MarketBus, RunnerKey, StreamRef
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.store import RedisStore

SYMBOL = "/NQ"
BATCH = 64
MS = 1_000_000
ONE, ALL = ["144t"], ["144t", "512t", "1", "5"]


def synthetic_ticks(count: int) -> list[Tick]:
    """A random walk on quarter points, three ticks in a millisecond."""
    dice = random.Random(7)
    price, ts = 20_000.0, 1_760_000_000_000 * MS
    ticks: list[Tick] = []
    for seq in range(count):
        price += 0.25 * dice.randint(-2, 2)
        ts += dice.randint(0, 600_000)
        ticks.append(Tick(SYMBOL, seq, ts, ts + 150_000, price, float(dice.randint(1, 9)), price - 0.25, price + 0.25))
    return ticks


class Publication:
    """A publisher of one symbol, reduced to what costs time."""

    def __init__(self, bus: MarketBus, timeframes: list[str]) -> None:
        self.bus = bus
        calendar = get_calendar("24/7")
        names = [Timeframe.parse(name) for name in timeframes]
        self.lanes: list[tuple[StreamRef, BaseAggregator]] = [
            (StreamRef(SYMBOL, name.name), create_aggregator(SYMBOL, name, calendar)) for name in names
        ]
        self.previous = [ORIGIN] * len(self.lanes)

    def on_tick(self, tick: Tick) -> None:
        bus, ms, number = self.bus, tick.ts_event // MS, 4 * tick.seq
        entry = EntryId(ms, number + 1)
        for place, (ref, aggregator) in enumerate(self.lanes):
            closed = aggregator.before(tick)
            if closed is not None:
                before = EntryId(ms, number)
                bus.publish_bar(ref, before, self.previous[place], closed)
                self.previous[place] = before
            aggregator.add(tick)
            bar = aggregator.open_bar
            if bar is not None:
                bus.publish_update(ref, entry, self.previous[place], tick, bar, aggregator.fill())
                self.previous[place] = entry
            closed = aggregator.after()
            if closed is not None:
                after = EntryId(ms, number + 3)
                bus.publish_bar(ref, after, entry, closed)
                self.previous[place] = after


async def publish(store: RedisStore, ticks: list[Tick], timeframes: list[str]) -> float:
    """Ticks per second, until all is confirmed."""
    publication = Publication(store.bus, timeframes)
    begun = time.perf_counter()
    for first in range(0, len(ticks), BATCH):
        for tick in ticks[first : first + BATCH]:
            publication.on_tick(tick)
        await store.bus.drain()
        await asyncio.sleep(0)  # the turn of the loop in which the next batch would come
    await store.bus.flush()
    return len(ticks) / (time.perf_counter() - begun)


async def consume(store: RedisStore, ref: StreamRef) -> float:
    """Updates per second out of a full stream."""
    reader = await store.bus.reader(ref, "bench:paper", "bench", ORIGIN)
    count = 0
    begun = time.perf_counter()
    while batch := await reader.read(0):
        count += len(batch)
    elapsed = time.perf_counter() - begun
    await reader.close()
    return count / elapsed


async def wake(store: RedisStore, ticks: list[Tick]) -> list[float]:
    """Milliseconds from the publication of an update to its delivery to a blocked reader of the same process."""
    publication = Publication(store.bus, ["5"])
    ref = publication.lanes[0][0]
    reader = await store.bus.reader(ref, "wake:paper", "wake", None)
    taken: list[float] = []
    for tick in ticks:
        waiting = asyncio.ensure_future(reader.read(5_000))
        await asyncio.sleep(0.001)
        begun = time.perf_counter()
        publication.on_tick(tick)
        await waiting
        taken.append((time.perf_counter() - begun) * 1_000)
    await reader.close()
    return taken


def fill_unit(number: int) -> LedgerUnit:
    """What the fill of a market order makes durable."""
    account, ts = AccountId("paper:schwab"), 1_760_000_000_000 * MS + number
    runner = RunnerKey("ema", SYMBOL, "144t", "paper")
    quantity, price = Decimal(1), Decimal("20000.25")
    order = Order(
        *(f"order-{number}", account, "ema", SYMBOL, "144t", OrderSide.BUY, quantity, Purpose.ENTRY, "entry_long"),
        *(ts, number, price),
        status=OrderStatus.FILLED,
        filled_quantity=quantity,
        average_fill_price=price,
    )
    fill = Fill(
        *(f"fill-{number}", order.order_id, account, "ema", SYMBOL, OrderSide.BUY, quantity, price, Decimal("2.25")),
        *(ts, number, "entry_long", Purpose.ENTRY),
    )
    position = Position(account, "ema", SYMBOL, Decimal(20), quantity, price, ts_updated=ts)
    acked = [EntryId(1_760_000_000_000, 4 * number + 1)]
    return LedgerUnit(runner, [order], [fill], [position], state=b"s" * 500, updates_acked=acked)


async def commit(store: RedisStore, count: int) -> list[float]:
    """Milliseconds of a commit."""
    taken: list[float] = []
    for number in range(count):
        begun = time.perf_counter()
        await store.ledger.commit(fill_unit(number))
        taken.append((time.perf_counter() - begun) * 1_000)
    return taken


def quantiles(taken: list[float]) -> str:
    cuts = statistics.quantiles(taken, n=100)
    return f"p50 {cuts[49]:.3f} ms, p99 {cuts[98]:.3f} ms"


async def main(url: str, count: int) -> None:
    quoted = synthetic_ticks(count)
    bare = [msgspec.structs.replace(tick, bid=None, ask=None) for tick in quoted]
    for timeframes, ticks, kind in ((ONE, bare, "trades"), (ALL, bare, "trades"), (ALL, quoted, "trades with quotes")):
        store = await RedisStore.connect(url, prefix=f"bench:{len(timeframes)}:{len(kind)}:")
        await publish(store, ticks[:2_000], timeframes)
        await store.erase()
        speed = await publish(store, ticks, timeframes)
        print(f"publish {kind}, {len(timeframes)} timeframe(s): {speed:,.0f} ticks/s, {speed * len(timeframes):,.0f} updates/s")
        if timeframes is ONE:
            print(f"consume: {await consume(store, StreamRef(SYMBOL, '144t')):,.0f} entries/s")
        await store.erase()
        await store.close()
    ticks = quoted
    store = await RedisStore.connect(url, prefix="bench:")
    print(f"wake: {quantiles(await wake(store, ticks[:2_000]))}")
    print(f"commit: {quantiles(await commit(store, 3_000))}")
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, EmbeddedRedis(Path(directory)) as server:
        uvloop.run(main(server.url, int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
