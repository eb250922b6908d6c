"""An advisory lock on a file, given back by the kernel when its last holder ends, however it ends.

Owns the dealings with ``flock``. Must not know what is locked or why.
"""

import fcntl
import os
from pathlib import Path

from fortified.storage.embedded_binary import EmbeddedRedisError


class FileLock:
    """Our descriptor of a lock file; a process that inherits the descriptor holds the lock with us. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Opens the file, creating it; does not lock. Raises OSError."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def fileno(self) -> int:
        return self._descriptor

    def take(self) -> bool:
        """Takes the lock unless another holds it. True when it is ours, also when it was before."""
        return self._lock(fcntl.LOCK_EX)

    def is_held_by_another(self) -> bool:
        """Whether another holds the lock; to be asked only by one who does not."""
        if not self._lock(fcntl.LOCK_SH):
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        os.close(self._descriptor)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise EmbeddedRedisError(
                f"The file system of {self._path} cannot lock files: {error.strerror}. Choose a directory on a local "
                f"disk with FORTIFIED_DATA_DIR, or set REDIS_URL to a server that already runs."
            ) from error
        return True
