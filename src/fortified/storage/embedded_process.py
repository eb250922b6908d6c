"""One server process: started so that it dies with us, asked whether it answers, stopped so that it keeps its data.

Owns the command line of the server and the death watch. Must not know who may start a server on which directory.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from enum import Enum, auto
from pathlib import Path

from fortified.storage.embedded_binary import EmbeddedRedisError

LOG_NAME = "redis.log"
_POLL_S = 0.002
_STOP_S = 10.0
_LOG_LIMIT_BYTES = 4 << 20

# The shell becomes the server, so the process we start, signal and reap is the server itself. Before that it leaves a
# watcher behind, which reads a pipe that only we hold open: however we end, the read returns and the server is told to
# stop. (A parent-death signal would fire when the thread that started the server ends.) Standard output brings the
# directory's lock in: the server keeps it as descriptor 4 for as long as it lives; the watcher does not.
# The watcher stays in the server's session, so the server's pid cannot pass to another process under its hands.
_LAUNCH = """
umask 077
exec 3<&0 4>&1 </dev/null >/dev/null 2>&1
(
  exec 4>&-
  read -r _ <&3
  kill -TERM $$
  for second in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 $$ || exit 0
    sleep 1
  done
  kill -KILL $$
) &
exec 3<&-
exec "$@"
"""


class Answer(Enum):
    """What a server said to a PING."""

    READY = auto()
    LOADING = auto()
    NONE = auto()


def ping(path: Path, timeout_s: float = 1.0) -> Answer:
    """Asks the server behind a Unix socket whether it serves; never raises."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(b"PING\r\n")
            reply = connection.recv(64)
        except OSError:
            return Answer.NONE
    if reply.startswith(b"+PONG"):
        return Answer.READY
    return Answer.LOADING if reply.startswith(b"-LOADING") else Answer.NONE


class ServerProcess:
    """A running server whose standard streams, session and life end are ours. Not thread-safe: the owner serialises."""

    def __init__(self, binary: Path, data_dir: Path, socket_path: Path, lock_fd: int) -> None:
        """Starts ``binary`` on ``data_dir``; returns before it serves. The server inherits ``lock_fd``."""
        self._socket_path = socket_path
        self._log = data_dir / LOG_NAME
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        socket_path.unlink(missing_ok=True)
        watched, self._life_fd = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - fixed script, arguments passed as arguments
                ["/bin/sh", "-c", _LAUNCH, "fortified-redis", *_command(binary, data_dir, socket_path)],
                stdin=watched,
                stdout=lock_fd,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            os.close(self._life_fd)
            raise
        finally:
            os.close(watched)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, timeout_s: float) -> None:
        """Returns when the server answers. The time it loads its data does not count against ``timeout_s``.

        Raises EmbeddedRedisError, with the end of the server's log, when it exits or stays silent.
        """
        deadline = time.monotonic() + timeout_s
        while (answer := ping(self._socket_path)) is not Answer.READY:
            if not self.is_alive():
                raise EmbeddedRedisError(
                    f"The embedded Redis ended while it started (exit status {self._process.returncode}): "
                    f"{self._complaint()} The whole log is {self._log}. Mend what it names, choose another directory "
                    f"with FORTIFIED_DATA_DIR, or set REDIS_URL to a server that already runs."
                )
            if answer is Answer.LOADING:
                deadline = time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise EmbeddedRedisError(
                    f"The embedded Redis did not answer within {timeout_s:g} s. Its log is {self._log}. "
                    f"Start again when the machine is less busy, or set REDIS_URL to a server that already runs."
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Lets the server write its data out and end, then removes what is left of its session. May be called twice."""
        if self.is_alive():
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._life_fd >= 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.forget()

    def forget(self) -> None:
        """Closes our end of the death watch: the server ends unless another copy of the descriptor is open."""
        if self._life_fd >= 0:
            os.close(self._life_fd)
            self._life_fd = -1

    def _complaint(self) -> str:
        """The last lines this start wrote into the log, without the banner."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read()[-4000:].decode(errors="replace").splitlines()
        except OSError:
            return "it wrote no log."
        told = [line.strip() for line in lines if line.strip()]
        return " | ".join(told[-4:]) or "it wrote no log."


def _command(binary: Path, data_dir: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "logfile": str(data_dir / LOG_NAME),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "256mb",  # what streams trim is soon most of the file; a rewrite takes a core for a while
        "aof-use-rdb-preamble": "yes",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
