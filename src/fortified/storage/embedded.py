"""The Redis that comes with the product: one real server per data directory, whoever starts first owns it.

Owns the directory's lock, who supervises, and where the server is reached (a Unix socket, nothing on the network). Must
not know what is stored. Plain blocking calls: an event loop runs them in a thread.

Two locks tell who lives. ``redis.lock`` is held by the owner and its server together, so it is free exactly when both are
gone: then any process that was attached may start the server again. ``redis.owner`` is held by the owner alone, so it
tells a server that is about to end. ``redis.json`` says where the server is reached.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from fortified.storage.embedded_binary import EmbeddedRedisError, find_server
from fortified.storage.embedded_lock import FileLock
from fortified.storage.embedded_process import Answer, ServerProcess, ping

__all__ = ["EmbeddedRedis", "EmbeddedRedisError"]

_SOCKET_PATH_BYTES = 100  # the kernel's limit is 104 on macOS and 108 on Linux, with the closing zero
_DYING_S = 2.0
_POLL_S = 0.02


class EmbeddedRedis:
    """The server of one data directory: started by the first process, attached to by the others. Thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.expanduser().absolute()
        self._guard = threading.RLock()
        self._directory_lock: FileLock | None = None
        self._owner_lock: FileLock | None = None
        self._socket_path: Path | None = None
        self._server: ServerProcess | None = None
        self._timeout_s = 0.0

    @property
    def owner(self) -> bool:
        """Whether this process supervises the server; False when it is attached to another's."""
        return self._server is not None

    @property
    def server_pid(self) -> int | None:
        """Process id of the server, known to its owner only."""
        return self._server.pid if self._server is not None else None

    @property
    def url(self) -> str:
        """``unix://…`` for any Redis client. It stays the same across restarts of the server."""
        if self._socket_path is None:
            raise EmbeddedRedisError("The embedded Redis has no address before start(): call start() first.")
        return f"unix://{quote(str(self._socket_path))}"

    def start(self, timeout_s: float = 10.0) -> None:
        """Starts the server, or attaches to the one that serves this directory; returns when it answers.

        Raises EmbeddedRedisError: directory not usable, no server binary, server does not start, or the directory is
        held by a process whose server does not answer.
        """
        with self._guard:
            if self._directory_lock is not None:
                return
            self._timeout_s = timeout_s
            try:
                self._own_or_attach(*self._open_directory())
            except BaseException:
                self.stop()
                raise

    def ensure_running(self) -> bool:
        """Brings the server back when it, or its socket, has gone; to be called a few times a second. True when it had to.

        The owner restarts its own server. An attached process takes over when owner and server are both gone. Costs
        some microseconds when all is well. Raises like ``start``; the next call tries again.
        """
        with self._guard:
            if self._directory_lock is None:
                return False
            if self._server is not None:
                if self._server.is_alive() and self._is_reachable():
                    return False
                self._server.stop()
            elif not self._directory_lock.take():
                return False
            self._launch(self._directory_lock)
            return True

    def stop(self) -> None:
        """The owner ends the server, all data written; an attached process only lets go. May be called twice."""
        with self._guard:
            if self._server is not None:
                self._server.stop()
                self._server = None
                with contextlib.suppress(OSError):
                    self._endpoint.unlink(missing_ok=True)
            self._close_locks()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _is_reachable(self) -> bool:
        return self._socket_path is not None and self._socket_path.exists()

    @property
    def _endpoint(self) -> Path:
        return self._data_dir / "redis.json"

    def _open_directory(self) -> tuple[FileLock, FileLock]:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._data_dir = self._data_dir.resolve()
            self._directory_lock = FileLock(self._data_dir / "redis.lock")
            self._owner_lock = FileLock(self._data_dir / "redis.owner")
        except OSError as error:
            raise EmbeddedRedisError(
                f"The data directory {self._data_dir} cannot be written: {error.strerror}. Make it a directory you "
                f"may write, choose another with FORTIFIED_DATA_DIR, or set REDIS_URL to a server that already runs."
            ) from error
        _instances.add(self)
        return self._directory_lock, self._owner_lock

    def _own_or_attach(self, directory: FileLock, owner: FileLock) -> None:
        begun = time.monotonic()
        while not directory.take():
            waited_s = time.monotonic() - begun
            socket_path, supervisor = self._read_endpoint()
            answer = ping(socket_path)
            # A server whose owner has just died still answers until it is told to stop: better become its heir.
            if answer is Answer.READY and (owner.is_held_by_another() or waited_s > _DYING_S):
                self._socket_path = socket_path
                return
            if waited_s > self._timeout_s and answer is not Answer.LOADING:
                raise EmbeddedRedisError(
                    f"The data directory {self._data_dir} is in use by process {supervisor or '(unknown)'}, whose "
                    f"Redis does not answer. Stop that process, or choose another directory with FORTIFIED_DATA_DIR."
                )
            time.sleep(_POLL_S)
        self._socket_path = _socket_path(self._data_dir)
        self._launch(directory)

    def _launch(self, directory: FileLock) -> None:
        """Starts a server while we hold the directory. After a failure we go on holding it, and may be asked again."""
        assert self._socket_path is not None
        assert self._owner_lock is not None
        try:
            while not self._owner_lock.take():  # held for an instant by one who asks whether there is an owner
                time.sleep(_POLL_S)
            self._server = ServerProcess(find_server(), self._data_dir, self._socket_path, directory.fileno())
            self._server.wait_ready(self._timeout_s)
            self._write_endpoint()
        except BaseException as error:
            if self._server is not None:
                self._server.stop()
            if isinstance(error, OSError):
                raise EmbeddedRedisError(
                    f"The embedded Redis cannot run in {self._data_dir}: {error}. Make that directory writable, "
                    f"choose another with FORTIFIED_DATA_DIR, or set REDIS_URL to a server that already runs."
                ) from error
            raise

    def _write_endpoint(self) -> None:
        draft = self._endpoint.with_suffix(".json.new")
        draft.write_text(json.dumps({"socket": str(self._socket_path), "supervisor": os.getpid()}), encoding="utf-8")
        draft.replace(self._endpoint)

    def _read_endpoint(self) -> tuple[Path, int]:
        try:
            endpoint = json.loads(self._endpoint.read_text(encoding="utf-8"))
            return Path(endpoint["socket"]), int(endpoint["supervisor"])
        except (OSError, ValueError, KeyError, TypeError):
            return self._data_dir / "redis.sock", 0

    def _close_locks(self) -> None:
        for lock in (self._directory_lock, self._owner_lock):
            if lock is not None:
                lock.close()
        self._directory_lock = self._owner_lock = None

    def _disown(self) -> None:
        """In a forked child: drop the copies of what keeps the parent's server alive and its directory locked."""
        self._guard = threading.RLock()
        if self._server is not None:
            self._server.forget()
            self._server = None
        self._close_locks()


def _socket_path(data_dir: Path) -> Path:
    """Inside the data directory; in the system's temporary one, under a name made of the directory, when too long."""
    inside = data_dir / "redis.sock"
    if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"fortified-{os.getuid()}-{digest}"
    with contextlib.suppress(FileExistsError):
        private.mkdir(mode=0o700)
    status = private.lstat()
    outside = private / "redis.sock"
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or len(os.fsencode(outside)) > _SOCKET_PATH_BYTES:
        raise EmbeddedRedisError(
            f"{inside} is too long for a socket, and {private} is not a short directory of yours alone. "
            f"Choose a shorter directory with FORTIFIED_DATA_DIR."
        )
    return outside


def _disown_in_child() -> None:
    for instance in list(_instances):
        instance._disown()


_instances: weakref.WeakSet[EmbeddedRedis] = weakref.WeakSet()
os.register_at_fork(after_in_child=_disown_in_child)
