"""Replays: every row once and in order, resumed where asked, at the pace asked, ended when told."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from fortified.adapters.replay import ReplayDataSource
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Bar, EndOfData, SourceEvent, Tick
from fortified.domain.timeframe import Timeframe
from fortified.ports import StreamRef

pytestmark = pytest.mark.anyio

NQ = get_instrument("/NQ")
SECOND = 1_000_000_000
END = [EndOfData("/NQ")]


def ticks(count: int, step_ns: int = SECOND) -> TickTable:
    row = np.arange(count, dtype=np.int64)
    price = row.astype(np.float64) + 0.5
    quote = np.where(row % 2 == 0, np.nan, 9.0)
    return TickTable(row * step_ns, price, np.ones(count), quote, None, FileReport(count))


def bars() -> BarTable:
    stamps, prices = np.array([0, 60 * SECOND]), np.array([1.0, 2.0])
    return BarTable(
        timeframe=Timeframe.parse("1m"),
        ts_open=stamps,
        ts_close=stamps + 60 * SECOND,
        open=prices,
        high=prices + 3,
        low=prices - 1,
        close=prices + 1,
        volume=prices * 10,
        vwap=prices + 0.5,
        ticks=np.array([4, 5]),
        complete=np.array([True, False]),
        report=FileReport(2),
    )


class History:
    """Bars in memory."""

    def __init__(self, *stored: Bar) -> None:
        self._stored = stored

    async def bars(
        self, ref: StreamRef, *, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
    ) -> Sequence[Bar]:
        low, high = start_ns if start_ns is not None else 0, end_ns if end_ns is not None else math.inf
        found = [bar for bar in self._stored if (bar.symbol, bar.timeframe) == (ref.symbol, ref.timeframe) and low <= bar.ts_open < high]
        return found[-limit:] if limit is not None else found

    async def add(self, ref: StreamRef, bars: Sequence[Bar]) -> None:
        raise AssertionError("a replay stores nothing")


def stored(minute: int) -> Bar:
    start = minute * 60 * SECOND
    return Bar("/NQ", "1", start, start + 60 * SECOND, 1.0, 2.0, 0.5, 1.5, 10.0, 3, 1.2, 900 + minute)


async def played(source: ReplayDataSource, after: int | None = None) -> list[SourceEvent]:
    await source.subscribe(NQ, after)
    return [event async for batch in source.events() for event in batch]


async def test_every_row_once_then_the_end() -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(5))
    assert source.bar_timeframe("/NQ") is None
    expected = [Tick("/NQ", row, row * SECOND, row * SECOND, row + 0.5, 1.0, None if row % 2 == 0 else 9.0) for row in range(5)]
    assert await played(source) == [*expected, *END]
    assert (source.position, source.total) == (5, 5)
    assert await source.history(NQ, Timeframe.parse("1m"), 10) == ()


@pytest.mark.parametrize(("batch", "sizes"), [(4, [4, 4, 2, 1]), (10, [10, 1]), (256, [10, 1])])
async def test_batches_are_full_and_the_end_is_alone(batch: int, sizes: list[int]) -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(10), batch=batch)
    await source.subscribe(NQ, None)
    assert [len(events) async for events in source.events()] == sizes


@pytest.mark.parametrize("after", [0, 3, 8, 9, 99])
async def test_resuming_goes_on_behind_the_row(after: int) -> None:
    whole = await played(ReplayDataSource.from_ticks("/NQ", ticks(10)))
    assert await played(ReplayDataSource.from_ticks("/NQ", ticks(10), batch=3), after) == whole[min(after + 1, 10) :]


async def test_bars_of_a_file() -> None:
    source = ReplayDataSource.from_bars("/NQ", bars())
    assert source.bar_timeframe("/NQ") == Timeframe.parse("1m")
    first = Bar("/NQ", "1", 0, 60 * SECOND, 1.0, 4.0, 0.0, 2.0, 10.0, 4, 1.5, 0, complete=True)
    second = Bar("/NQ", "1", 60 * SECOND, 120 * SECOND, 2.0, 5.0, 1.0, 3.0, 20.0, 5, 2.5, 1, complete=False)
    assert await played(source) == [first, second, *END]


async def test_bars_of_the_history_between_two_times() -> None:
    history = History(*(stored(minute) for minute in range(10)))
    source = ReplayDataSource("/nq", "1m", "1970-01-01T00:03:00", "1970-01-01T01:06:00+01:00", history=history)
    events = await played(source)
    assert [(bar.ts_open // (60 * SECOND), bar.seq) for bar in events[:-1] if isinstance(bar, Bar)] == [(3, 0), (4, 1), (5, 2)]
    assert events[-1:] == END
    assert await source.history(NQ, Timeframe.parse("1m"), 2) == [stored(1), stored(2)]


async def test_a_history_without_the_bars_says_so() -> None:
    source = ReplayDataSource(
        symbol="/NQ", timeframe="144t", start_time="2025-01-01T09:30:00", end_time="2025-01-01T16:00:00", history=History()
    )
    with pytest.raises(DataError, match="No 144t bars of /NQ are stored from 2025-01-01T09:30:00 to 2025-01-01T16:00:00 UTC"):
        await source.subscribe(NQ, None)


def test_options_that_cannot_be_are_refused() -> None:
    history = History()
    with pytest.raises(ConfigError, match="'soon' is not a time"):
        ReplayDataSource("/NQ", "1m", "soon", "2025-01-01", history=history)
    with pytest.raises(ConfigError, match="give an end after the start"):
        ReplayDataSource("/NQ", "1m", "2025-01-01", "2025-01-01", history=history)
    for speed in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="times real time"):
            ReplayDataSource.from_ticks("/NQ", ticks(1), speed=speed)
    with pytest.raises(ConfigError, match="batch of 0"):
        ReplayDataSource.from_ticks("/NQ", ticks(1), batch=0)


async def test_another_symbol_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds /NQ, not SPY"):
        await ReplayDataSource.from_ticks("/NQ", ticks(1)).subscribe(get_instrument("SPY"), None)


async def test_paced_rows_come_when_due_and_not_before() -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(6, step_ns=2 * SECOND), speed=100)
    await source.subscribe(NQ, None)
    clock = asyncio.get_running_loop().time
    begin, arrivals = clock(), []
    async for batch in source.events():
        arrivals += [(event.seq, clock() - begin) for event in batch if isinstance(event, Tick)]
    assert [seq for seq, _ in arrivals] == list(range(6))
    assert all(elapsed >= seq * 0.02 - 0.002 for seq, elapsed in arrivals)


async def test_paced_rows_of_one_instant_come_together() -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(1_000, step_ns=0), speed=1)
    await source.subscribe(NQ, None)
    assert [len(batch) async for batch in source.events()] == [256, 256, 256, 232, 1]


async def next_batch(events: AsyncIterator[Sequence[SourceEvent]]) -> list[SourceEvent]:
    return list(await anext(events))


@pytest.mark.parametrize("ended_by", ["unsubscribe", "close"])
async def test_waiting_for_a_distant_row_ends_at_once(ended_by: str) -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(2, step_ns=3_600 * SECOND), speed=1)
    await source.subscribe(NQ, None)
    events = source.events()
    assert len(await next_batch(events)) == 1
    waiting = asyncio.create_task(next_batch(events))
    await asyncio.sleep(0)
    await (source.close() if ended_by == "close" else source.unsubscribe("/NQ"))
    if ended_by == "unsubscribe":
        await source.subscribe(NQ, None)
        assert [event.seq for event in await waiting if isinstance(event, Tick)] == [0]
        await source.close()
        waiting = asyncio.create_task(next_batch(events))
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    source = ReplayDataSource.from_ticks("/NQ", ticks(2, step_ns=3_600 * SECOND), speed=1)
    await source.subscribe(NQ, None)
    events = source.events()
    await anext(events)
    waiting = asyncio.create_task(next_batch(events))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert source.position == 1
