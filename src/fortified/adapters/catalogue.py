"""The catalogue on disk: who may write it, and how a day appears in it whole or not at all.

Owns lock, staging and the exchange of day files. An import stages all its days first, so that bad input changes nothing; then each day file
is replaced by a rename. What an import that was killed has staged is dropped by the next one. Knows nothing of where rows come from.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

import polars as pl

from fortified.adapters.catalogue_days import merged
from fortified.adapters.catalogue_layout import MARKER, day_file, folder, is_catalogue
from fortified.domain.errors import ConfigError, DataError

_COMPRESSION: Final[Literal["lz4"]] = "lz4"
"""Read about as fast as no compression, at half the size; see ADR 0016."""
_ROW_GROUP: Final = 1 << 24
"""A day is one piece, which numpy takes over without a copy."""
_CONTENT: Final = b'{"format": 1}\n'
_STAGING: Final = ".import"


class Added(NamedTuple):
    """The rows of a day after an import, and what became of those that it had."""

    rows: pl.DataFrame
    rows_before: int
    change: Literal["new", "changed", "unchanged"]


class CatalogueWriter:
    """Days on their way into the catalogue ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING

    def add(self, symbol: str, kind: str, day: date, rows: pl.DataFrame) -> Added:
        """Stage ``rows`` of a day.

        Raises:
            DataError: the day that is there cannot be read. ConfigError: the disk refuses.
        """
        now = self._read(day_file(folder(self._root, symbol, kind), day))
        after = rows if now is None else merged(now, rows)
        if now is not None and after.equals(now):
            return Added(now, len(now), "unchanged")
        self._write(day_file(folder(self._staging, symbol, kind), day), after)
        return Added(after, 0, "new") if now is None else Added(after, len(now), "changed")

    def has(self, symbol: str, kind: str, day: date) -> bool:
        """Whether the catalogue holds the day."""
        return day_file(folder(self._root, symbol, kind), day).exists()

    def commit(self) -> None:
        """Put all staged days in their places."""
        with _disk(self._root):
            for staged in sorted(self._staging.rglob("*.parquet")):
                place = self._root / staged.relative_to(self._staging)
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)

    def _read(self, path: Path) -> pl.DataFrame | None:
        if not path.exists():
            return None
        try:
            return pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path} cannot be read: {error}. Delete it and import the day again.") from None

    def _write(self, path: Path, rows: pl.DataFrame) -> None:
        with _disk(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                rows.write_parquet(file, compression=_COMPRESSION, row_group_size=_ROW_GROUP)
                file.flush()
                os.fsync(file.fileno())


@contextlib.contextmanager
def writing(root: Path) -> Iterator[CatalogueWriter]:
    """The catalogue ``root`` to be written by us alone; a new one is gone again when the block fails.

    Raises:
        ConfigError: ``root`` is something else, cannot be written, or another import writes it.
    """
    with _disk(root):
        existed = root.exists()
        _prepare(root)
        lock = (root / MARKER).open("rb")
    with lock:
        _lock(root, lock)
        _drop(root / _STAGING)
        try:
            yield CatalogueWriter(root)
        finally:
            _drop(root / _STAGING)
            _drop_empty(root, existed)


def _prepare(root: Path) -> None:
    """See that ``root`` is a catalogue, or make it one."""
    if is_catalogue(root):
        if (root / MARKER).read_bytes() != _CONTENT:
            raise ConfigError(f"The catalogue {root} was made by another version. Import into a new directory.")
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(f"{root} is no catalogue and not empty. Name a catalogue, or a directory that does not exist yet.")
    if not root.parent.is_dir():
        raise ConfigError(f"{root} cannot be made: there is no directory {root.parent}. Make it, or name another place.")
    root.mkdir(exist_ok=True)
    (root / MARKER).write_bytes(_CONTENT)


def _lock(root: Path, file: IO[Any]) -> None:
    """The kernel gives the lock back when its holder ends, however it ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"Another import writes the catalogue {root}. Wait until it has ended.") from None


def _drop_empty(root: Path, existed: bool) -> None:
    """Leave no catalogue behind that holds nothing."""
    if [path.name for path in root.iterdir()] == [MARKER]:
        (root / MARKER).unlink()
        if not existed:
            root.rmdir()


def _drop(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"The catalogue {root} cannot be written: {why}. Check its permissions and the free space.") from None
