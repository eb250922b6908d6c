"""Replies are printed as redis-cli prints them when its output is not a terminal."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.redis_cli import redis_cli


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with EmbeddedRedis(tmp_path / "data") as server:
        yield server.url


def test_replies_in_raw_form(url: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    dialogue = [
        (["PING"], b"PONG\n"),
        (["SET", "k", "two words"], b"OK\n"),
        (["get", "k"], b"two words\n"),
        (["GET", "absent"], b"\n"),
        (["INCRBY", "n", "41"], b"41\n"),
        (["KEYS", "nothing*"], b"\n"),
        (["MGET", "k", "absent", "n"], b"two words\n\n41\n"),
        (["XADD", "s", "1-1", "field", "value"], b"1-1\n"),
        (["XRANGE", "s", "-", "+"], b"1-1\nfield\nvalue\n"),
        (["HSET", "h", "a", "1"], b"1\n"),
        (["HGETALL", "h"], b"a\n1\n"),
        (["CONFIG", "GET", "appendfsync"], b"appendfsync\neverysec\n"),
    ]
    for command, expected in dialogue:
        assert redis_cli(url, command) == 0
        assert capfdbinary.readouterr().out == expected, command


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["NOSUCH"], "ERR unknown command 'NOSUCH'"),
        (["LPUSH", "text", "x"], "WRONGTYPE Operation against a key"),
        (["AUTH", "x"], "ERR AUTH <password> called without any password"),
    ],
)
def test_the_servers_errors_word_for_word(url: str, capfd: pytest.CaptureFixture[str], command: list[str], complaint: str) -> None:
    redis_cli(url, ["SET", "text", "x"])
    assert redis_cli(url, command) == 1
    assert capfd.readouterr().err.startswith(complaint)


def test_a_server_that_does_not_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert redis_cli(f"unix://{tmp_path}/none.sock", ["PING"]) == 1
    assert "none.sock" in capfd.readouterr().err


def test_the_prompt_reads_until_the_input_ends(url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('SET k "a b"\n\nNOSUCH\nGET "k\nGET k\n'))
    assert redis_cli(url, []) == 0
    shown = capfd.readouterr()
    assert shown.out == "OK\na b\n"
    assert "NOSUCH" in shown.err
    assert "close the quote" in shown.err
