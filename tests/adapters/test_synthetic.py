"""The demo market: the same ticks however they are cut, on time, resumed without a seam, and lively enough to trade."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fortified.adapters.synthetic import MAX_BATCH, SyntheticDataSource
from fortified.adapters.synthetic_market import SyntheticMarket
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Gap, SourceEvent, Tick, Watermark
from fortified.domain.timeframe import Timeframe
from fortified.indicators.ema import EMA

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
SYMBOLS = ("/NQ", "SPY", "/ZN", "/NQZ26", "BRK/B")
NQ, SPY = get_instrument("/NQ"), get_instrument("SPY")


def market(symbol: str = "/NQ", seed: int = 1) -> SyntheticMarket:
    return SyntheticMarket(seed, get_instrument(symbol))


# --- the market -----------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(symbol=st.sampled_from(SYMBOLS), start=st.integers(0, 2**38), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_any_cut_gives_the_same_ticks(symbol: str, start: int, cuts: list[int]) -> None:
    edges = list(itertools.accumulate(cuts, initial=start))
    pieces = [tick for left, right in itertools.pairwise(edges) for tick in market(symbol).ticks(left, right)]
    assert pieces == market(symbol).ticks(start, edges[-1])
    assert pieces == [tick for number in range(start, edges[-1]) for tick in market(symbol).ticks(number, number + 1)]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_ticks_are_well_formed(symbol: str) -> None:
    demo = market(symbol)
    start = demo.end(NOW)
    ticks = demo.ticks(start, start + 20_000)
    step = get_instrument(symbol).tick_size
    assert [tick.seq for tick in ticks] == list(range(start, start + 20_000))
    assert all(left.ts_event < right.ts_event for left, right in itertools.pairwise(ticks))
    for tick in ticks[::50]:
        assert tick.bid is not None
        assert tick.ask is not None
        price, bid, ask = (Decimal(repr(value)) for value in (tick.price, tick.bid, tick.ask))
        assert price % step == 0
        assert price in (bid, ask)
        assert ask - bid == step
        assert bid > 0
    sizes = sorted(tick.size for tick in ticks)
    assert sizes[0] == 1
    assert sizes[-1] > 20
    assert sizes[len(sizes) * 9 // 10] <= 20
    assert all(size == int(size) for size in sizes)


@settings(deadline=None)
@given(offset=st.integers(0, 10**12))
def test_the_end_counts_the_ticks_up_to_now(offset: int) -> None:
    demo = market()
    end = demo.end(NOW + offset)
    assert demo.time(end - 1) <= NOW + offset < demo.time(end)
    assert demo.end(demo.time(end)) == end + 1


def test_seed_and_symbol_make_markets_of_their_own() -> None:
    prices = [[tick.price for tick in demo.ticks(0, 500)] for demo in (market(), market(seed=2), market("/NQZ26"), market())]
    assert prices[0] == prices[3]
    assert prices[0] != prices[1]
    assert prices[0] != prices[2]


def test_the_market_is_pinned() -> None:
    """A change here breaks the resumption of every demo that runs."""
    first, second = market().ticks(214_800_000_000, 214_800_000_002)
    assert (first.ts_event, first.price, first.size) == (1_789_999_928_406_757_823, 24_995.75, 19)
    assert (second.ts_event, second.price, second.size) == (1_789_999_928_416_220_974, 24_995.75, 17)


def crossings(symbol: str, timeframe: str, seconds: int) -> list[float]:
    """When the averages of 9 and 21 bars cross, in seconds from the start."""
    demo, fast, slow = market(symbol), EMA(9), EMA(21)
    aggregator = create_aggregator(symbol, Timeframe.parse(timeframe), get_calendar("24/7"))
    found: list[float] = []
    above: bool | None = None
    for tick in demo.ticks(demo.end(NOW), demo.end(NOW + seconds * SECOND)):
        for bar in aggregator.on_tick(tick):
            was, above = above, fast.update(bar.close) > slow.update(bar.close)
            if slow.ready and was is not None and was != above:
                found.append((tick.ts_event - NOW) / SECOND)
    return found


@pytest.mark.parametrize(("symbol", "timeframe", "hours", "window_s"), [("/NQ", "144t", 0.5, 15), ("SPY", "1", 12, 2_400)])
def test_a_round_trip_fits_into_every_window(symbol: str, timeframe: str, hours: float, window_s: int) -> None:
    found = crossings(symbol, timeframe, int(hours * 3_600))
    assert max(third - first for first, third in zip(found, found[2:], strict=False)) <= window_s
    assert len(found) > hours * 3_600 / window_s


# --- the source -----------------------------------------------------------------------------------------------------------------------


class LoopClock:
    """Real time, counted from ``NOW``."""

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._begin = self._time()

    def now_ns(self) -> int:
        return NOW + int((self._time() - self._begin) * SECOND)


class StoppedClock:
    def __init__(self, now_ns: int = NOW) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns


async def collect(source: SyntheticDataSource, enough: Callable[[Sequence[SourceEvent]], bool]) -> list[SourceEvent]:
    """Events until ``enough`` of a batch; then the source is closed."""
    events: list[SourceEvent] = []
    async for batch in source.events():
        assert 0 < len(batch) <= MAX_BATCH
        events += batch
        if enough(batch):
            await source.close()
    return events


def is_current(batch: Sequence[SourceEvent]) -> bool:
    return isinstance(batch[-1], Watermark)


@pytest.mark.anyio
async def test_a_first_start_looks_back_up_to_now() -> None:
    source = SyntheticDataSource(StoppedClock())
    await source.subscribe(NQ, None)
    events = await collect(source, is_current)
    demo = market()
    assert events == [*demo.ticks(demo.end(NOW - 180 * SECOND), demo.end(NOW)), Watermark("/NQ", NOW)]
    assert await source.history(NQ, Timeframe.parse("144t"), 10) == ()
    assert source.bar_timeframe("/NQ") is None


@pytest.mark.anyio
async def test_a_restart_goes_on_without_a_seam() -> None:
    demo = market()
    after = demo.end(NOW - 7 * SECOND)
    source = SyntheticDataSource(StoppedClock())
    await source.subscribe(NQ, after)
    assert await collect(source, is_current) == [*demo.ticks(after + 1, demo.end(NOW)), Watermark("/NQ", NOW)]


@pytest.mark.anyio
async def test_too_much_to_catch_up_is_a_gap() -> None:
    demo = market()
    end = demo.end(NOW)
    for missing, gaps in ((1_000, 0), (1_001, 1)):
        source = SyntheticDataSource(StoppedClock(), max_catch_up=1_000)
        await source.subscribe(NQ, end - missing - 1)
        events = await collect(source, is_current)
        assert [type(event) for event in events].count(Gap) == gaps
        first = next(event for event in events if isinstance(event, Tick))
        assert first.seq == (demo.end(NOW - 180 * SECOND) if gaps else end - missing)
        if gaps:
            assert events[0] == Gap("/NQ", first.ts_event, "1001 ticks since the last run are more than 1000")


@pytest.mark.anyio
async def test_live_ticks_come_in_time_and_never_early() -> None:
    clock = LoopClock()
    source = SyntheticDataSource(clock)
    await source.subscribe(NQ, market().end(NOW) - 1)
    seen: list[Tick] = []
    async for batch in source.events():
        now_ns = clock.now_ns()
        *ticks, mark = batch
        seen += (tick for tick in ticks if isinstance(tick, Tick))
        assert isinstance(mark, Watermark)
        assert seen[-1].ts_event <= mark.ts_event <= now_ns
        if len(seen) >= 20:
            await source.close()
    assert seen == market().ticks(seen[0].seq, seen[-1].seq + 1)
    assert seen[0].seq == market().end(NOW)


@pytest.mark.anyio
async def test_symbols_come_and_go_while_it_runs() -> None:
    source = SyntheticDataSource(StoppedClock())
    await source.subscribe(NQ, market().end(NOW) - 2)
    events = source.events()
    assert [event.symbol for event in await anext(events)] == ["/NQ", "/NQ"]
    waiting = asyncio.create_task(collect(source, is_current))
    await asyncio.sleep(0)
    await source.subscribe(SPY, market("SPY").end(NOW) - 3)
    await source.unsubscribe("/NQ")
    later = await waiting
    assert {event.symbol for event in later} == {"SPY"}
    assert len(later) == 3


@pytest.mark.anyio
async def test_several_symbols_are_served_in_turn() -> None:
    source = SyntheticDataSource(StoppedClock())
    await source.subscribe(NQ, None)
    await source.subscribe(SPY, None)
    current: set[str] = set()

    def all_current(batch: Sequence[SourceEvent]) -> bool:
        current.update(event.symbol for event in batch if isinstance(event, Watermark))
        return current == {"/NQ", "SPY"}

    events = await collect(source, all_current)
    for symbol in ("/NQ", "SPY"):
        numbers = [event.seq for event in events if isinstance(event, Tick) and event.symbol == symbol]
        assert numbers == list(range(numbers[0], market(symbol).end(NOW)))
    switches = sum(left.symbol != right.symbol for left, right in itertools.pairwise(events))
    assert switches > 20


@pytest.mark.anyio
async def test_a_clock_that_is_set_back_delivers_nothing_twice() -> None:
    clock = StoppedClock()
    source = SyntheticDataSource(clock)
    await source.subscribe(NQ, market().end(NOW) - 2)
    events = source.events()
    first = await anext(events)
    clock.time_ns = NOW - 60 * SECOND
    waiting = asyncio.create_task(collect_one(events))
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.time_ns = NOW + SECOND
    await source.subscribe(NQ, market().end(NOW) - 1)
    again = await waiting
    assert isinstance(first[0], Tick)
    assert isinstance(again[0], Tick)
    assert again[0].seq == first[0].seq + 1
    await source.close()


async def collect_one(events: AsyncIterator[Sequence[SourceEvent]]) -> Sequence[SourceEvent]:
    return await anext(events)


def test_a_catch_up_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="catch-up of 0 ticks"):
        SyntheticDataSource(StoppedClock(), max_catch_up=0)
