"""What a consumer and a restarted publisher may rely on, whichever store."""

import asyncio
import itertools
import math

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.builders import REF, RUNNER, START_MS, Feed, bar
from tests.contract.conftest import OpenStore

from fortified.aggregation.base import OpenBar
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.ports import ORIGIN, BusEvent, BusReader, EntryId, LedgerUnit, RunnerKey, Store, StreamRef

pytestmark = pytest.mark.anyio
_numbers = itertools.count()


async def read_all(reader: BusReader) -> list[BusEvent]:
    events: list[BusEvent] = []
    while batch := await reader.read(0):
        events += batch
    return events


async def acknowledge(store: Store, events: list[BusEvent], runner: RunnerKey = RUNNER) -> None:
    unit = LedgerUnit(runner)
    for event in events:
        (unit.bars_acked if isinstance(event.payload, Bar) else unit.updates_acked).append(event.entry)
    await store.ledger.commit(unit)


async def join(store: Store, start: EntryId | None = ORIGIN) -> BusReader:
    return await store.bus.reader(REF, RUNNER.group, RUNNER.consumer, start)


def ids(events: list[BusEvent]) -> list[EntryId]:
    return [event.entry for event in events]


async def test_both_streams_come_as_one_sequence_of_ids_without_a_gap(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(10)
    await store.bus.flush()
    reader = await join(store)
    events = await read_all(reader)
    assert ids(events) == feed.sent
    assert [isinstance(event.payload, Bar) for event in events].count(True) == 2
    assert not any(event.gap for event in events)
    await acknowledge(store, events)
    await reader.close()


async def test_values_arrive_as_they_were_published(store: Store) -> None:
    tick = Tick(REF.symbol, 3, START_MS * 10**6 + 123, START_MS * 10**6 + 456, 20_000.0, 0.1, -0.0, 1e-300)
    open_bar = OpenBar(1, 2, 0.1, 0.3, -0.2, 1 / 3, 12.0, 1e22, 5, 3, 4, 3, 8)
    store.bus.publish_update(REF, EntryId(START_MS, 13), ORIGIN, tick, open_bar, 5 / 7)
    closed = bar(seq=3, complete=False, flags=9, vwap=1 / 3)
    store.bus.publish_bar(REF, EntryId(START_MS, 15), EntryId(START_MS, 13), closed)
    await store.bus.flush()
    reader = await join(store)
    update, closing = await read_all(reader)
    assert update.payload == BarUpdate(
        *(REF.symbol, REF.timeframe, 3, tick.ts_event, tick.ts_recv, 20_000.0, 0.1, -0.0, 1e-300),
        *(1, 0.1, 0.3, -0.2, 1 / 3, 12.0, 5, 5 / 7),
    )
    assert isinstance(update.payload, BarUpdate)
    assert update.payload.bid is not None
    assert math.copysign(1, update.payload.bid) == -1
    assert closing.payload == closed
    await reader.close()


async def test_publishing_an_entry_again_changes_nothing(store: Store) -> None:
    for _ in range(3):
        Feed(store.bus).ticks(9)
    await store.bus.flush()
    reader = await join(store)
    assert len(await read_all(reader)) == 11
    assert len(await store.history.bars(REF)) == 2
    await reader.close()


@pytest.mark.parametrize("read_count", [1, 2, 3, 5])
async def test_a_small_reply_never_breaks_the_order(open_store: OpenStore, read_count: int) -> None:
    store = await open_store(read_count=read_count)
    feed = Feed(store.bus, length=2)
    feed.ticks(30)
    await store.bus.flush()
    reader = await join(store)
    events = await read_all(reader)
    feed.ticks(7)
    await store.bus.flush()
    events += await read_all(reader)
    assert ids(events) == feed.sent
    assert not any(event.gap for event in events)
    await reader.close()


@pytest.mark.parametrize("read_count", [2, 512])
async def test_what_was_not_acknowledged_comes_again_after_a_crash(open_store: OpenStore, read_count: int) -> None:
    store = await open_store(read_count=read_count)
    feed = Feed(store.bus)
    feed.ticks(20)
    await store.bus.flush()
    reader = await join(store)
    events: list[BusEvent] = []
    while len(events) < 12:
        events += await reader.read(0)
    await acknowledge(store, events[:7])
    await reader.close()

    restarted = await open_store(read_count=read_count)
    reader = await join(restarted)
    again = await read_all(reader)
    assert ids(again) == feed.sent[7:]
    assert not any(event.gap for event in again)
    await acknowledge(restarted, again)
    await reader.close()

    reader = await join(await open_store(read_count=read_count))
    assert await read_all(reader) == []
    await reader.close()


async def test_entries_trimmed_unread_are_a_gap(open_store: OpenStore) -> None:
    store = await open_store(bars_maxlen=10, ticks_maxlen=20)
    feed = Feed(store.bus)
    reader = await join(store)
    feed.ticks(2)
    await store.bus.flush()
    events = await read_all(reader)
    feed.ticks(3_000)
    await store.bus.flush()
    late = await read_all(reader)
    assert not any(event.gap for event in events)
    assert late[0].gap
    assert not late[-1].gap
    assert len(late) < 600
    assert late[-1].entry == feed.sent[-1]
    await reader.close()


async def test_pending_entries_that_were_trimmed_are_a_gap_once(open_store: OpenStore) -> None:
    options = {"bars_maxlen": 10, "ticks_maxlen": 20}
    store = await open_store(**options)
    feed = Feed(store.bus, length=10**6)
    feed.ticks(10)
    await store.bus.flush()
    reader = await join(store)
    assert len(await read_all(reader)) == 10
    await reader.close()
    feed.ticks(3_000)
    await store.bus.flush()

    restarted = await open_store(**options)
    reader = await join(restarted)
    events = await read_all(reader)
    assert [event.gap for event in events] == [True] + [False] * (len(events) - 1)
    await acknowledge(restarted, events)
    await reader.close()
    reader = await join(await open_store(**options))
    feed.ticks(1)
    await store.bus.flush()
    assert [event.gap for event in await read_all(reader)] == [False]
    await reader.close()


async def test_a_new_group_begins_behind_its_start(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(6)
    await store.bus.flush()
    reader = await join(store, start=feed.sent[2])
    events = await read_all(reader)
    assert ids(events) == feed.sent[3:]
    assert not events[0].gap
    await reader.close()


async def test_a_start_whose_successor_is_gone_is_a_gap(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(6)
    await store.bus.flush()
    reader = await join(store, start=EntryId(START_MS, 2))
    assert (await read_all(reader))[0].gap
    await reader.close()


async def test_without_a_start_only_what_comes_from_now_on_is_read(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(6)
    await store.bus.flush()
    reader = await join(store, start=None)
    feed.ticks(1)
    await store.bus.flush()
    events = await read_all(reader)
    assert ids(events) == feed.sent[-1:]
    assert not events[0].gap
    await reader.close()


async def test_an_old_group_ignores_the_start_and_sees_no_gap(open_store: OpenStore) -> None:
    store = await open_store()
    feed = Feed(store.bus)
    feed.ticks(6)
    await store.bus.flush()
    reader = await join(store)
    await acknowledge(store, await read_all(reader))
    await reader.close()
    feed.ticks(3)
    await store.bus.flush()
    reader = await join(await open_store(), start=ORIGIN)
    events = await read_all(reader)
    assert ids(events) == feed.sent[7:]
    assert not any(event.gap for event in events)
    await reader.close()


async def test_groups_do_not_disturb_each_other(store: Store) -> None:
    feed = Feed(store.bus)
    feed.ticks(5)
    await store.bus.flush()
    readers = [await store.bus.reader(REF, group, "c", ORIGIN) for group in ("a:paper", "b:paper")]
    for reader in readers:
        assert ids(await read_all(reader)) == feed.sent
        await reader.close()


async def test_a_waiting_reader_wakes_and_a_quiet_one_returns_empty(store: Store) -> None:
    feed = Feed(store.bus)
    reader = await join(store)
    assert await reader.read(20) == []
    waiting = asyncio.ensure_future(reader.read(20_000))
    for _ in range(5):
        await asyncio.sleep(0)
    feed.tick()
    assert ids(list(await waiting)) == feed.sent
    await reader.close()


async def test_a_reader_that_gave_up_waiting_loses_nothing(store: Store) -> None:
    feed = Feed(store.bus)
    reader = await join(store)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(20_000), 0.02)
    feed.ticks(3)
    await store.bus.flush()
    events: list[BusEvent] = []
    while len(events) < 3:
        events += await reader.read(1_000)
    assert ids(events) == feed.sent
    await reader.close()


async def test_no_checkpoint_before_the_first_publication(store: Store) -> None:
    reader = await join(store)
    assert await store.bus.checkpoint(REF) is None
    await reader.close()


async def test_checkpoint_of_an_open_and_of_a_closed_bar(open_store: OpenStore) -> None:
    store = await open_store()
    feed = Feed(store.bus)
    feed.ticks(6)
    await store.bus.flush()
    found = await (await open_store()).bus.checkpoint(REF)
    assert found is not None
    assert found.open_bar == feed.open_bar
    assert (found.last_update, found.last_bar) == (feed.sent[-1], feed.sent[4])
    assert found.last_closed is not None
    assert found.last_closed.seq == 3

    feed.ticks(2)
    await store.bus.flush()
    found = await store.bus.checkpoint(REF)
    assert found is not None
    assert found.open_bar is None
    assert (found.last_update, found.last_bar) == (feed.sent[-2], feed.sent[-1])


async def test_checkpoint_after_a_crash_between_the_last_tick_of_a_bar_and_the_bar(store: Store) -> None:
    ts = START_MS * 10**6
    full = OpenBar(ts, ts + 10, 1.0, 2.0, 0.5, 1.5, 4.0, 5.0, 4, ts, ts + 3, 3)
    tick = Tick(REF.symbol, 3, ts + 3, ts + 3, 1.5, 1.0)
    store.bus.publish_update(REF, EntryId(START_MS, 13), ORIGIN, tick, full, 1.0)
    await store.bus.flush()
    found = await store.bus.checkpoint(REF)
    assert found is not None
    assert found.open_bar == full
    assert found.last_closed is None


_floats = st.floats(allow_nan=False, allow_infinity=False)
_stamps = st.integers(0, 2**62)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    values=st.tuples(*[_floats] * 6),
    stamps=st.tuples(*[_stamps] * 4),
    ticks=st.integers(1, 2**40),
    flags=st.integers(0, 63),
    seq=st.integers(0, 2**50),
)
async def test_a_checkpoint_restores_the_open_bar_bit_for_bit(
    store: Store, values: tuple[float, ...], stamps: tuple[int, ...], ticks: int, flags: int, seq: int
) -> None:
    ref = StreamRef(f"/NQ{next(_numbers)}", "512t")
    opening, high, low, close, volume, notional = values
    ts_open, ts_end, ts_first, ts_last = stamps
    open_bar = OpenBar(ts_open, ts_end, opening, high, low, close, volume, notional, ticks, ts_first, ts_last, seq, flags)
    tick = Tick(ref.symbol, seq, ts_last, ts_last, close, abs(volume))
    store.bus.publish_update(ref, EntryId(START_MS, 4 * seq + 1), ORIGIN, tick, open_bar, 0.5)
    await store.bus.flush()
    found = await store.bus.checkpoint(ref)
    assert found is not None
    assert found.open_bar is not None
    # repr tells 0.0 from -0.0
    assert repr(msgspec.structs.astuple(found.open_bar)) == repr(msgspec.structs.astuple(open_bar))
