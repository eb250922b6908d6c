"""History, configuration, users and leases, whichever store."""

from decimal import Decimal

import pytest
from tests.contract.builders import MS, REF, START_MS, bar
from tests.contract.conftest import OpenStore

from fortified.domain.ticker import TickerConfig
from fortified.ports import ORIGIN, DesiredRun, EntryId, Store, StreamRef, User
from fortified.storage.keys import Limits

pytestmark = pytest.mark.anyio

MINUTE = StreamRef("/NQ", "1")


async def test_history_is_oldest_first_and_cut_by_time_and_count(store: Store) -> None:
    bars = [bar(number, vwap=number / 7) for number in range(12)]
    await store.history.add(REF, bars[6:])
    await store.history.add(REF, bars[:8])
    assert await store.history.bars(REF) == bars
    assert await store.history.bars(REF, limit=3) == bars[9:]
    assert await store.history.bars(REF, start_ns=bars[2].ts_open, end_ns=bars[5].ts_open) == bars[2:5]
    assert await store.history.bars(REF, end_ns=bars[5].ts_open + 1, limit=2) == bars[4:6]
    assert await store.history.bars(REF, start_ns=bars[2].ts_open + 1, limit=100) == bars[3:]
    assert list(await store.history.bars(REF, limit=0)) == []
    assert list(await store.history.bars(StreamRef("/ES", "4t"))) == []


async def test_history_within_one_millisecond_goes_by_nanoseconds(store: Store) -> None:
    start = START_MS * MS
    bars = [bar(seq=seq, ts_open=start + offset) for seq, offset in enumerate((10, 10, 200, 3_000, 999_999))]
    await store.history.add(REF, bars)
    assert await store.history.bars(REF) == bars
    assert await store.history.bars(REF, start_ns=start + 11, end_ns=start + 3_000) == bars[2:3]
    assert await store.history.bars(REF, end_ns=start + 999_999, limit=2) == bars[2:4]


async def test_a_known_bar_is_kept_as_it_is_and_a_published_one_wins(store: Store) -> None:
    published, backfilled = bar(1, timeframe="1", seq=77), bar(1, timeframe="1", seq=0, close=1.0)
    store.bus.publish_bar(MINUTE, EntryId(START_MS, 3), ORIGIN, published)
    await store.bus.flush()
    await store.history.add(MINUTE, [backfilled, bar(2, timeframe="1")])
    assert await store.history.bars(MINUTE) == [published, bar(2, timeframe="1")]
    late = bar(2, timeframe="1", seq=99)
    store.bus.publish_bar(MINUTE, EntryId(START_MS, 7), EntryId(START_MS, 3), late)
    await store.bus.flush()
    assert await store.history.bars(MINUTE, limit=1) == [late]


async def test_history_is_bounded(open_store: OpenStore) -> None:
    store = await open_store(limits=Limits(history=20, every=5))
    previous = ORIGIN
    for number in range(60):
        entry = EntryId(START_MS, 4 * number + 3)
        store.bus.publish_bar(REF, entry, previous, bar(number))
        previous = entry
    await store.bus.flush()
    kept = await store.history.bars(REF)
    assert 20 <= len(kept) <= 25
    assert kept[-1] == bar(59)
    await store.history.add(REF, [bar(number) for number in range(100, 150)])
    assert [found.seq for found in await store.history.bars(REF)] == [4 * number + 3 for number in range(130, 150)]


async def test_tickers(store: Store) -> None:
    first = TickerConfig(
        *("ema", "/NQ", "144t"),
        quantities={"tastytrade": Decimal("1"), "schwab": Decimal("2.50")},
        symbols={"schwab": "QQQ"},
        parameters={"period": 9, "exits": {"tp": 1.5}},
        stop_loss="1.5atr",
        trailing="20ticks",
        sizing="25%",
        cash=Decimal("2500.5"),
    )
    second = TickerConfig("zigzag", "AAPL", "5", trade_enabled=False)
    await store.config.put_ticker(second)
    await store.config.put_ticker(first)
    assert await store.config.tickers() == [first, second]
    assert await store.config.tickers("zigzag") == [second]
    await store.config.put_ticker(TickerConfig("ema", "/NQ", "1"))
    assert [config.timeframe for config in await store.config.tickers("ema")] == ["1"]
    assert await store.config.delete_ticker("ema", "/NQ")
    assert not await store.config.delete_ticker("ema", "/NQ")
    assert await store.config.tickers() == [second]


async def test_desired_runs(store: Store) -> None:
    await store.config.put_desired(DesiredRun("zigzag", "paper"))
    await store.config.put_desired(DesiredRun("ema", "paper", "a@b.c", 5))
    await store.config.put_desired(DesiredRun("zigzag", "live"))
    assert await store.config.desired() == [DesiredRun("ema", "paper", "a@b.c", 5), DesiredRun("zigzag", "live")]
    assert await store.config.delete_desired("ema")
    assert not await store.config.delete_desired("ema")


async def test_users(store: Store) -> None:
    user = User("b@example.org", "hash", "viewer", 3, 9)
    await store.users.put_user(user)
    await store.users.put_user(User("a@example.org", "hash"))
    assert await store.users.user("b@example.org") == user
    assert await store.users.user("c@example.org") is None
    assert [found.email for found in await store.users.users()] == ["a@example.org", "b@example.org"]
    assert await store.users.delete_user("a@example.org")
    assert not await store.users.delete_user("a@example.org")


async def test_a_refresh_token_is_good_once_and_for_a_time(store: Store) -> None:
    await store.users.put_refresh("token", "a@example.org", 60)
    assert await store.users.take_refresh("token") == "a@example.org"
    assert await store.users.take_refresh("token") is None
    assert await store.users.take_refresh("unknown") is None


async def test_a_lease_is_ours_as_often_as_we_ask(store: Store) -> None:
    await store.lease.acquire("symbol:/NQ")
    await store.lease.acquire("symbol:/NQ")
    await store.lease.release("symbol:/NQ")
    await store.lease.acquire("symbol:/NQ")
    assert (await store.ping())["latency_ms"] >= 0


async def test_erased_is_empty(store: Store) -> None:
    await store.users.put_user(User("a@example.org", "hash"))
    await store.history.add(REF, [bar()])
    await store.erase()
    assert list(await store.users.users()) == []
    assert list(await store.history.bars(REF)) == []
