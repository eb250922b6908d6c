"""What happens to the Redis store when connections, servers and other holders fail."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.contract.builders import REF, RUNNER, Feed, fill, filled, order, position

from fortified.domain.errors import ConfigError, InvariantError, StoreUnavailable
from fortified.ports import ORIGIN, BusEvent, LedgerUnit
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.endpoint import Endpoint
from fortified.storage.lease import this_process
from fortified.storage.store import RedisStore
from fortified.storage.wire import Channel

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of production; the contract tests run on the standard one."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of this test alone, which may be killed."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def store(server: EmbeddedRedis) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(server.url)
    yield store
    await store.close()


@pytest.fixture
async def admin(server: EmbeddedRedis) -> AsyncIterator[Channel]:
    channel = Channel(Endpoint.parse(server.url))
    yield channel
    channel.close()


async def kill_others(admin: Channel) -> None:
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def kill(server: EmbeddedRedis) -> None:
    process = server._server
    assert process is not None
    process._process.kill()
    process._process.wait()


async def stream_ids(admin: Channel, key: str) -> list[str]:
    return [row[0].decode() for row in await admin.call("XRANGE", key, "-", "+")]


async def test_killed_connections_lose_and_double_no_publication(store: RedisStore, admin: Channel) -> None:
    feed = Feed(store.bus)
    for _ in range(20):
        feed.ticks(50)
        await asyncio.sleep(0)
        await kill_others(admin)
    await store.bus.flush()
    ids = await stream_ids(admin, f"ticks_stream:{REF.symbol}:{REF.timeframe}")
    ids += await stream_ids(admin, f"bars_stream:{REF.symbol}:{REF.timeframe}")
    assert sorted(ids) == sorted(map(str, feed.sent))
    assert len(await store.history.bars(REF)) == 250


async def test_a_killed_reader_goes_on_where_it_stopped(store: RedisStore, admin: Channel) -> None:
    feed = Feed(store.bus)
    reader = await store.bus.reader(REF, RUNNER.group, RUNNER.consumer, ORIGIN)
    events: list[BusEvent] = []
    for _ in range(10):
        feed.ticks(30)
        waiting = asyncio.ensure_future(reader.read(5_000))
        await asyncio.sleep(0)
        await kill_others(admin)
        try:
            events += await waiting
        except StoreUnavailable:
            events += await reader.read(5_000)
    await store.bus.flush()
    while len(events) < len(feed.sent):
        events += await reader.read(5_000)
    assert [event.entry for event in events] == feed.sent
    assert not any(event.gap for event in events)
    await reader.close()


async def test_entries_whose_reply_never_arrived_are_read_again(store: RedisStore, admin: Channel) -> None:
    feed = Feed(store.bus)
    reader = await store.bus.reader(REF, RUNNER.group, RUNNER.consumer, ORIGIN)
    feed.ticks(3)
    await store.bus.flush()
    assert len(await reader.read(1_000)) == 3
    feed.ticks(2)
    await store.bus.flush()
    # The same consumer takes them on a connection whose reply is thrown away, as when the network is cut.
    keys = (f"bars_stream:{REF.symbol}:{REF.timeframe}", f"ticks_stream:{REF.symbol}:{REF.timeframe}")
    await admin.call("XREADGROUP", "GROUP", RUNNER.group, RUNNER.consumer, "STREAMS", *keys, ">", ">")
    reader._connection.close()  # type: ignore[attr-defined]  # the fault is injected below the port
    events = await reader.read(1_000)
    assert [event.entry for event in events] == feed.sent[3:]
    assert not any(event.gap for event in events)
    await reader.close()


async def test_a_commit_whose_outcome_is_unknown_is_committed_again(store: RedisStore, admin: Channel) -> None:
    for number in range(30):
        unit = LedgerUnit(RUNNER, orders=[filled(number)], fills=[fill(number)], positions=[position()], state=b"%d" % number)
        commit = asyncio.ensure_future(store.ledger.commit(unit))
        await asyncio.sleep(0)
        await kill_others(admin)
        try:
            await commit
        except StoreUnavailable:
            await store.ledger.commit(unit)
    assert len(await store.ledger.orders()) == len(await store.ledger.fills()) == 30
    assert (await store.ledger.load(RUNNER)).state == b"29"


async def test_a_killed_server_comes_back_with_everything(store: RedisStore, server: EmbeddedRedis) -> None:
    feed = Feed(store.bus)
    reader = await store.bus.reader(REF, RUNNER.group, RUNNER.consumer, ORIGIN)
    feed.ticks(10)
    await store.bus.flush()
    await store.ledger.commit(LedgerUnit(RUNNER, orders=[order()], state=b"s"))
    events = list(await reader.read(1_000))

    kill(server)
    feed.ticks(10)
    with pytest.raises(StoreUnavailable, match="REDIS_URL"):
        await store.ledger.commit(LedgerUnit(RUNNER))
    with pytest.raises(StoreUnavailable):
        await reader.read(100)
    with pytest.raises(StoreUnavailable):
        await store.ping()

    assert await asyncio.to_thread(server.ensure_running)
    await store.bus.flush()
    assert (await store.ledger.load(RUNNER)).orders == [order()]
    while len(events) < len(feed.sent):
        events += await reader.read(5_000)
    assert [event.entry for event in events] == feed.sent
    assert not any(event.gap for event in events)
    await reader.close()


async def test_back_pressure_while_the_server_is_away(store: RedisStore, server: EmbeddedRedis) -> None:
    kill(server)
    feed = Feed(store.bus)
    feed.ticks(6_000)
    await store.bus.drain()
    feed.ticks(6_000)
    blocked = asyncio.ensure_future(store.bus.drain())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not blocked.done()
    assert await asyncio.to_thread(server.ensure_running)
    await blocked
    await store.bus.flush()
    found = await store.bus.checkpoint(REF)
    assert found is not None
    assert max(found.last_bar, found.last_update) == feed.sent[-1]


async def test_a_server_that_lost_its_data_stops_the_consumer(store: RedisStore, admin: Channel) -> None:
    reader = await store.bus.reader(REF, RUNNER.group, RUNNER.consumer, ORIGIN)
    assert await reader.read(0) == []
    await admin.call("FLUSHALL")
    with pytest.raises(InvariantError, match="vanished"):
        await reader.read(100)
    await reader.close()


async def test_a_refused_publication_is_loud(store: RedisStore, admin: Channel) -> None:
    await admin.call("SET", f"ticks_stream:{REF.symbol}:{REF.timeframe}", "not a stream")
    Feed(store.bus).tick()
    with pytest.raises(InvariantError, match="WRONGTYPE"):
        await store.bus.flush()
    await store.bus.flush()


async def test_wrong_addresses_and_passwords_are_named_without_the_password(server: EmbeddedRedis, admin: Channel) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere\.invalid"):
        await RedisStore.connect("redis://user:s3cret@nowhere.invalid:6379/0")
    with pytest.raises(StoreUnavailable, match="unset REDIS_URL") as unreachable:
        await RedisStore.connect("redis://:s3cret@127.0.0.1:1/0")
    await admin.call("CONFIG", "SET", "requirepass", "right")
    with pytest.raises(ConfigError, match="user or password") as refused:
        await RedisStore.connect(server.url.replace("unix://", "unix://:s3cret@"))
    with pytest.raises(ConfigError, match="NOAUTH"):
        await RedisStore.connect(server.url)
    assert "s3cret" not in f"{unreachable.value} {refused.value}"
    store = await RedisStore.connect(server.url.replace("unix://", "unix://:right@"))
    assert (await store.ping())["aof_enabled"]
    await store.close()


@pytest.mark.parametrize("url", ["", "localhost", "http://h/0", "redis://h:port/0", "redis://h/x", "unix://"])
def test_a_url_that_is_none_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(ConfigError, match="redis://"):
        Endpoint.parse(url)


def test_a_url_is_shown_without_its_password() -> None:
    endpoint = Endpoint.parse("rediss://bob:p%40ss@example.org:7000/3")
    assert (endpoint.password, endpoint.tls) == ("p@ss", True)
    assert str(endpoint) == "rediss://bob@example.org:7000/3"


async def test_a_lease_has_one_living_holder(store: RedisStore, server: EmbeddedRedis) -> None:
    other = await RedisStore.connect(server.url)
    await store.lease.acquire("symbol:/NQ")
    with pytest.raises(ConfigError, match=r"held by process \d+ on "):
        await other.lease.acquire("symbol:/NQ")
    await store.lease.release("symbol:/NQ")
    await other.lease.acquire("symbol:/NQ")
    await other.close()
    await store.lease.acquire("symbol:/NQ")


async def test_a_lease_of_a_dead_process_is_taken_over_and_of_another_host_not(store: RedisStore, admin: Channel) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    dead = msgspec.structs.replace(this_process(), pid=ended.pid)
    reborn = msgspec.structs.replace(this_process(), started=1)
    elsewhere = msgspec.structs.replace(this_process(), host="elsewhere", pid=1)
    for name, holder in (("a", dead), ("b", reborn)):
        await admin.call("SET", f"lease:{name}", msgspec.json.encode(holder), "PX", 60_000)
        await store.lease.acquire(name)
    await admin.call("SET", "lease:c", msgspec.json.encode(elsewhere), "PX", 60_000)
    with pytest.raises(ConfigError, match="process 1 on elsewhere"):
        await store.lease.acquire("c")


async def test_a_lease_is_renewed(server: EmbeddedRedis, admin: Channel) -> None:
    store = await RedisStore.connect(server.url, lease_ttl_s=0.3)
    await store.lease.acquire("x")
    async with asyncio.timeout(5):
        await admin.call("PEXPIRE", "lease:x", 100)
        while await admin.call("PTTL", "lease:x") <= 100:  # noqa: ASYNC110 - the server changes it, not this loop
            await asyncio.sleep(0.01)
    await store.close()
    assert await admin.call("EXISTS", "lease:x") == 0


async def test_erase_deletes_its_prefix_alone_and_never_everything(server: EmbeddedRedis, store: RedisStore) -> None:
    replay = await RedisStore.connect(server.url, prefix="replay:[a]:")
    for kept in (store, replay):
        await kept.ledger.commit(LedgerUnit(RUNNER, state=b"s"))
    await replay.erase()
    assert (await replay.ledger.load(RUNNER)).state is None
    assert (await store.ledger.load(RUNNER)).state == b"s"
    with pytest.raises(ConfigError, match="prefix"):
        await store.erase()
    await replay.close()


async def test_a_person_can_read_the_streams(store: RedisStore, admin: Channel) -> None:
    feed = Feed(store.bus, length=2)
    feed.ticks(2)
    await store.bus.flush()
    (_, fields), *_ = await admin.call("XRANGE", "bars_stream:/NQ:4t", "-", "+")
    shown = dict(zip(fields[::2], fields[1::2], strict=True))
    assert (shown[b"symbol"], shown[b"open"], shown[b"volume"], shown[b"complete"]) == (b"/NQ", b"20000.25", b"2", b"1")
    (_, fields), *_ = await admin.call("XRANGE", "ticks_stream:/NQ:4t", "-", "+")
    shown = dict(zip(fields[::2], fields[1::2], strict=True))
    assert shown[b"fill"] == b"0.5"
    assert (shown[b"close"], shown[b"volume"], shown[b"ticks"]) == (b"20000.25", b"1.0", b"1")
