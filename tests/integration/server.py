"""A server in a process of its own, started as a user starts it, with a person's means: HTTP, WebSocket, signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import redis

SOURCES = Path(__file__).parents[2] / "src"
PASSWORD = "correct horse battery"
EMAIL = "admin@example.com"
_OURS = re.compile(r"^(FORTIFIED|REDIS|TASTY|SCHWAB|JWT|PAPER)_|^(HOST|PORT|LOG_LEVEL|LOG_FORMAT|ALLOW_LIVE)$")


def environment(data_dir: Path, **own: str) -> dict[str, str]:
    """The environment of a process of ours: nothing of the developer's own settings in it."""
    inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return inherited | {"PYTHONPATH": str(SOURCES), "FORTIFIED_DATA_DIR": str(data_dir), "LOG_FORMAT": "json"} | own


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until[T](look: Callable[[], T], what: str, seconds: float = 15.0) -> T:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
    return found


class Server:
    """`python -m fortified serve` on a data directory. ``directory`` is where it runs and where its words are kept."""

    def __init__(self, directory: Path, *options: str, **own: str) -> None:
        self.data_dir = directory / "data"
        self.port = free_port()
        self._directory = directory
        self._arguments = [sys.executable, "-m", "fortified", "serve", "--port", str(self.port), *options]
        self._environment = environment(self.data_dir, FORTIFIED_ADMIN_PASSWORD=PASSWORD, **own)
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    # --- life ---

    def launch(self) -> Self:
        """Start the process; it does not serve yet."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._arguments, cwd=self._directory, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def start(self) -> Self:
        """Start, and wait until it listens."""
        self.launch()
        until(self._listens, f"{self.log} says where it listens")
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.said()
        return f"listening on http://127.0.0.1:{self.port} " in self.said()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> Path:
        return self._directory / f"serve-{self._starts}.log"

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, seconds: float) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    # --- what a person does with it ---

    @contextmanager
    def client(self) -> Iterator[httpx2.Client]:
        """A client that is logged in."""
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20) as client:
            answer = client.post("/api/login", json={"email": EMAIL, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield client

    @contextmanager
    def redis(self) -> Iterator["redis.Redis"]:
        """The embedded Redis, while this server runs."""
        with closing(redis.Redis(unix_socket_path=str(self.data_dir / "redis.sock"))) as client:
            yield client

    def redis_pid(self) -> int:
        with self.redis() as client:
            facts: Any = client.info("server")
            return int(facts["process_id"])


@contextmanager
def running(directory: Path, *options: str, **own: str) -> Iterator[Server]:
    """A server that listens, ended with the block."""
    server = Server(directory, *options, **own)
    try:
        yield server.start()
    finally:
        server.kill()


def runners(client: httpx2.Client, strategy: str = "ema") -> list[Mapping[str, Any]]:
    answer = client.get("/api/trading-status", params={"strategy": strategy})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["runners"])
