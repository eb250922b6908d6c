"""A demo session against accidents: no bar missing or doubled, a ledger that adds up."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.faults.oracle import wrong_ledger, wrong_market
from tests.integration.server import Server, runners, until

from fortified.storage.embedded import EmbeddedRedis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


def inspect[T](server: Server, look: Callable[["redis.Redis"], T]) -> T:
    """Look into the data that an ended server left."""
    with EmbeddedRedis(server.data_dir) as embedded, closing(redis.Redis.from_url(embedded.url)) as client:
        return look(client)


def wrong(client: "redis.Redis") -> list[str]:
    return [*wrong_market(client), *wrong_ledger(client)]


def newest(server: Server) -> bytes:
    """The id of the last update; nothing while Redis is away."""
    with suppress(redis.RedisError, OSError), server.redis() as client:
        entries: Any = client.xrevrange("ticks_stream:/NQ:144t", count=1)
        return entries[0][0] if entries else b""
    return b""


def goes_on(server: Server, before: bytes) -> None:
    until(lambda: newest(server) > before, "the stream goes on", 20)


def test_kill_of_the_server(server: Server, chance: random.Random, rounds: int) -> None:
    for number in range(rounds):
        server.launch()
        time.sleep(chance.uniform(0.3, 4.0))
        server.kill()
        if number % 10 == 9:
            assert inspect(server, wrong) == [], f"after round {number}"
    server.start()
    until(lambda: newest(server), "the stream begins")
    server.kill()
    assert inspect(server, wrong) == []


def test_kill_as_soon_as_the_demo_is_put_in(server: Server) -> None:
    server.launch()

    def begun() -> bool:
        with suppress(redis.RedisError, OSError), server.redis() as client:
            return bool(client.exists("tickers", "desired"))
        return False

    until(begun, "the demo's first key")
    server.kill()
    with server.start().client() as client:
        assert {runner["symbol"] for runner in runners(client)} == {"/NQ", "SPY"}


def test_kill_of_redis(server: Server, chance: random.Random, rounds: int) -> None:
    server.start()
    goes_on(server, b"")
    for _ in range(-(-rounds // 2)):
        time.sleep(chance.uniform(0.0, 1.5))
        before, pid = newest(server), server.redis_pid()
        os.kill(pid, signal.SIGKILL)
        goes_on(server, before)
    assert server.process.poll() is None
    server.kill()
    assert inspect(server, wrong) == []


def test_frozen_redis(server: Server, chance: random.Random, rounds: int) -> None:
    server.start()
    goes_on(server, b"")
    for _ in range(-(-rounds // 4)):
        time.sleep(chance.uniform(0.5, 1.5))
        before, pid = newest(server), server.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(pid, signal.SIGCONT)
        goes_on(server, before)
    server.kill()
    assert inspect(server, wrong) == []


def test_torn_tail_of_the_append_only_file(server: Server, chance: random.Random, rounds: int) -> None:
    server.start()
    goes_on(server, b"")
    time.sleep(3)
    for _ in range(-(-rounds // 2)):
        server.kill()
        assert inspect(server, wrong) == []
        tail = max(server.data_dir.glob("appendonlydir/*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))
        os.truncate(tail, max(0, tail.stat().st_size - chance.randint(1, 60_000)))
        assert inspect(server, wrong) == []
        server.start()
        goes_on(server, newest(server))
        time.sleep(1)
    server.kill()
    assert inspect(server, wrong) == []
