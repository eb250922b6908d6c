"""`redis-cli` for a machine without one: sends one command, or reads commands from a prompt, and prints raw replies.

Owns the textual form of a reply, which is that of ``redis-cli`` when its output is not a terminal. Must not know which
server is meant: it is given a URL.
"""

import readline  # noqa: F401 - importing it gives input() line editing and history
import shlex
import sys
from collections.abc import Iterator

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def redis_cli(url: str, args: list[str]) -> int:
    """Runs ``args`` as one command, or a prompt when there are none. Returns the exit status: 1 after an error."""
    client = redis.Redis.from_url(url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0))
    client.response_callbacks.clear()
    try:
        return _run(client, args) if args else _prompt(client, url)
    except (redis.ConnectionError, OSError) as error:
        sys.stderr.write(f"Could not talk to Redis at {url}: {error} Start it, or set REDIS_URL to one that runs.\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        client.close()


def raw_lines(reply: object) -> Iterator[bytes]:
    """The lines of a reply: text as it is, nil and an empty array as an empty line, arrays element by element."""
    match reply:
        case None:
            yield b""
        case bytes():
            yield reply
        case []:
            yield b""
        case list():
            for element in reply:
                yield from raw_lines(element)
        case redis.ResponseError():
            yield _error_text(reply).encode()
        case _:
            yield str(reply).encode()


def _run(client: redis.Redis, args: list[str]) -> int:
    try:
        _write(client.execute_command(*args))  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    except redis.ConnectionError as error:
        if error.status_code is None:
            raise
        return _complain(error)
    except redis.ResponseError as error:
        return _complain(error)
    return 0


def _prompt(client: redis.Redis, url: str) -> int:
    status = 0
    while True:
        try:
            line = input(f"{url}> " if sys.stdin.isatty() else "")
        except EOFError:
            return status
        try:
            words = shlex.split(line)
        except ValueError as error:
            sys.stderr.write(f"{error}: close the quote.\n")
            status = 1
            continue
        if words and words[0].lower() in {"exit", "quit"}:
            return status
        if words:
            status = _run(client, words)


def _write(reply: object) -> None:
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in raw_lines(reply)))
    sys.stdout.buffer.flush()


def _complain(error: redis.RedisError) -> int:
    sys.stderr.write(f"{_error_text(error)}\n")
    return 1


def _error_text(error: redis.RedisError) -> str:
    """The server's own words: the client library has cut the error's code off the ones it knows."""
    return f"{error.status_code} {error}" if error.status_code else str(error)
