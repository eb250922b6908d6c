"""DXLink: events decoded per second on one core, and the time from a frame to the bar in Redis at 1,000 ticks/s.

Run ``python benchmarks/dxlink.py [seconds]`` from the project's root; it starts its own server, and a simulated DXLink in another process.
A bar's time runs until it was read back from Redis, from the arrival of the frame that filled it and from the print at the venue.
"""

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import orjson
import uvloop

from fortified.adapters.tastytrade.data_feed import DataOptions
from fortified.adapters.tastytrade.data_source import TastyTradeDataSource
from fortified.adapters.tastytrade.dxlink import ChannelPlan, DxLink
from fortified.adapters.tastytrade.dxlink_events import ASKED, Batch, index_of, prints_of
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.tastytrade.tape import Tape, TapePolicy
from fortified.clock import SystemClock
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.market import Bar, SourceEvent, Tick
from fortified.logs import configure_logging
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners
from fortified.ports import ORIGIN, StreamRef
from fortified.simulators.dxlink.server import DxLinkServer
from fortified.simulators.dxlink.venue import DxLinkVenue
from fortified.simulators.faults import Faults
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.store import RedisStore

SYMBOL, TIMEFRAME = "/NQZ26:XCME", "10t"
RATE, EVENTS, PER_FRAME = 1_000, 300_000, 10


def decoding() -> None:
    """COMPACT frames of TimeAndSale to ticks: parsing, fields, eligibility, de-duplication."""
    link = DxLink((ChannelPlan(1, "STREAM", 0.0, ("TimeAndSale",)),), "token", "benchmark", 0.0)
    fields = list(ASKED["TimeAndSale"])
    link.receive(orjson.dumps({"type": "FEED_CONFIG", "channel": 1, "eventFields": {"TimeAndSale": fields}}), 0.0)
    frames = [frame(number, fields) for number in range(EVENTS // PER_FRAME)]
    tape = Tape("/NQ", None, 0, 0, TapePolicy(), apart=False)
    ticks, begin = 0, time.perf_counter()
    for one in frames:
        for signal in link.receive(one, 0.0):
            assert isinstance(signal, Batch)
            ticks += len(tape.on_prints(prints_of(signal), 1))
    seconds = time.perf_counter() - begin
    assert ticks == EVENTS
    print(f"decoded: {EVENTS / seconds:,.0f} events/s to ticks, {PER_FRAME} in a frame, {len(fields)} fields each")


def frame(number: int, fields: list[str]) -> bytes:
    values = list[Any]()
    for place in range(number * PER_FRAME, (number + 1) * PER_FRAME):
        ms = 1_790_000_000_000 + place
        row = {
            **{"eventSymbol": SYMBOL, "eventFlags": 0, "index": index_of(ms, place), "time": ms, "timeNanoPart": 0},
            **{"sequence": place, "price": 20_000.25, "size": 2.0, "bidPrice": 20_000.0, "askPrice": "NaN", "spreadLeg": False},
            **{"extendedTradingHours": False, "validTick": True, "type": "NEW"},
        }
        values += [row[name] for name in fields]
    return orjson.dumps({"type": "FEED_DATA", "channel": 1, "data": ["TimeAndSale", values]})


class Noting(TastyTradeDataSource):
    """Notes when each tick came, and when it was printed."""

    came: dict[int, tuple[int, int]]

    async def events(self) -> Any:
        async for batch in super().events():
            note(self.came, batch)
            yield batch


def note(came: dict[int, tuple[int, int]], batch: Any) -> None:
    event: SourceEvent
    for event in batch:
        if isinstance(event, Tick):
            came[event.seq] = event.ts_recv, event.ts_event


async def serve(pipe: Connection, seconds: int) -> None:
    """The venue: prints at a steady rate, once somebody listens."""
    venue = DxLinkVenue(SystemClock(), lambda _: True)
    async with DxLinkServer(venue, Faults()) as server:
        pipe.send(server.url)
        while not venue.symbols():  # noqa: ASYNC110  # a benchmark may wait
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        begin = time.perf_counter()
        for number in range(seconds * RATE):
            wait = begin + number / RATE - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            venue.print(SYMBOL, 20_000 + number % 7 * 0.25, quote=(20_000.0, 20_000.25))
        await asyncio.sleep(1.0)


def run_venue(pipe: Connection, seconds: int) -> None:
    uvloop.run(serve(pipe, seconds))


async def latency(redis_url: str, venue_url: str, seconds: int) -> None:
    store = await RedisStore.connect(redis_url)
    instrument = msgspec.structs.replace(get_instrument("/NQ"), calendar="24/7")

    async def quote_token() -> QuoteToken:
        return QuoteToken("token", venue_url, "api", 2**62)

    async def streamer_symbol(_: Instrument) -> str:
        return SYMBOL

    source = Noting(quote_token, streamer_symbol, SystemClock(), options=DataOptions(from_session_open=False))
    source.came = {}
    manager = AggregationManager(store.bus, store.lease, Listeners())
    await manager.add(instrument, {TIMEFRAME: "benchmark"}, source)
    reader = await store.bus.reader(StreamRef("/NQ", TIMEFRAME), "benchmark", "benchmark", ORIGIN)
    pump = asyncio.create_task(manager.pump(source))
    from_frame, from_print = list[float](), list[float]()
    deadline = time.monotonic() + seconds + 20
    while len(from_frame) < seconds * RATE // 10 - 5 and time.monotonic() < deadline:
        for entry in await reader.read(100):
            if isinstance(entry.payload, Bar):
                now, (ts_recv, ts_event) = time.time_ns(), source.came.pop(entry.payload.seq)
                from_frame.append((now - ts_recv) / 1e6)
                from_print.append((now - ts_event) / 1e6)
    pump.cancel()
    await asyncio.wait([pump])
    await source.close()
    await reader.close()
    await manager.close()
    await store.close()
    report("frame → bar in Redis", from_frame[20:])
    report("print → bar in Redis", from_print[20:])


def report(name: str, values: list[float]) -> None:
    ranked = sorted(values)
    p99 = ranked[int(len(ranked) * 0.99)]
    print(f"{name:<20} p50 {statistics.median(ranked):.3f} ms   p99 {p99:.3f} ms   max {ranked[-1]:.3f} ms   n {len(ranked)}")


def main(seconds: int) -> None:
    configure_logging("ERROR", "console")
    decoding()
    here, there = multiprocessing.Pipe()
    venue = multiprocessing.get_context("spawn").Process(target=run_venue, args=(there, seconds), daemon=True)
    venue.start()
    try:
        with tempfile.TemporaryDirectory() as home, EmbeddedRedis(Path(home)) as embedded:
            uvloop.run(latency(embedded.url, here.recv(), seconds))
    finally:
        venue.terminate()
        venue.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
