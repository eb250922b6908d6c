"""Data for worker processes, once for all of them.

Owns the form in which it leaves a process: one file that all workers map into their memory, so that one copy serves them all.
"""

import mmap
import pickle
import tempfile
from pathlib import Path
from typing import IO

import msgspec

from fortified.domain.errors import DataError
from fortified.research.data import Data

ALIGNMENT = 64


class Parcel(msgspec.Struct, frozen=True):
    """What a worker needs to read the data: its outline, and where in the file each column lies."""

    path: str
    outline: bytes
    places: list[tuple[int, int]]

    def open(self) -> Data:
        """The data; its columns cannot be written."""
        with Path(self.path).open("rb") as file:
            memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        columns = [memory[start : start + size] for start, size in self.places]
        found: Data = pickle.loads(self.outline, buffers=columns)  # noqa: S301 - our own process wrote it
        return found


class Handover:
    """``data`` in a file, until ``close``; who has opened it by then keeps it."""

    def __init__(self, data: Data) -> None:
        columns: list[pickle.PickleBuffer] = []
        outline = pickle.dumps(data, protocol=5, buffer_callback=columns.append)
        self._file = tempfile.NamedTemporaryFile(prefix="fortified-optimize-")  # noqa: SIM115 - it lives until close
        try:
            places = [_append(self._file, column) for column in columns]
            self._file.flush()
        except OSError as error:
            self.close()
            raise DataError(
                f"{self._file.name} cannot take the data for the workers: {error.strerror}; make room, set TMPDIR, or use --jobs 1"
            ) from None
        self.parcel = Parcel(self._file.name, outline, places)

    def close(self) -> None:
        """Delete the file. May be called twice."""
        self._file.close()


def _append(file: IO[bytes], column: pickle.PickleBuffer) -> tuple[int, int]:
    file.write(bytes(-file.tell() % ALIGNMENT))
    with column.raw() as raw:
        return file.tell(), file.write(raw)
