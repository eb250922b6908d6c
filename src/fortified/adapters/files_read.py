"""Data files on disk, before their rows mean anything.

Owns which formats are read, the column names, and what is said about a file that cannot be read at all. Knows nothing of ticks or bars.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from fortified.domain.errors import DataError

_MAX_HEADER = 65_536
_READ_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, EOFError, zlib.error, UnicodeError, csv.Error)


def is_parquet(path: Path) -> bool:
    """Whether the name says Parquet; ``DataError`` when it says none of the formats that are read."""
    name = path.name.lower()
    if not name.endswith((".csv", ".csv.gz", ".parquet")):
        raise DataError(f"{path}: this kind of file is not read. Give a .csv, .csv.gz or .parquet file.")
    return name.endswith(".parquet")


def columns(path: Path) -> dict[str, str]:
    """The columns of ``path``: lower-case trimmed name to the name in the file.

    Raises:
        DataError: it is no file, of no known kind, empty, damaged, or has the same column twice.
    """
    if path.is_dir():
        raise DataError(f"{path} is a directory. Give the files in it, in the order of their time.")
    if not path.exists():
        raise DataError(f"{path} does not exist. Check the spelling, and the directory it is relative to.")
    reader = _parquet_names if is_parquet(path) else _csv_names
    names = _reading(path, lambda: reader(path))
    found = {name.strip().lower(): name for name in names}
    if len(found) < len(names):
        raise DataError(f"{path}: a column name occurs twice in {', '.join(names)}. Rename or remove one.")
    return found


def find(found: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The file's name for the first of the synonyms ``names`` that it has."""
    return next((found[name] for name in names if name in found), None)


def pick(path: Path, found: Mapping[str, str], names: Sequence[str]) -> str:
    """As ``find``; ``DataError`` naming the columns present when it has none."""
    theirs = find(found, names)
    if theirs is None:
        have = ", ".join(found.values())
        raise DataError(f"{path}: no column {' or '.join(names)}; it has {have}. Add the column, or rename the one that holds it.")
    return theirs


def read(path: Path, wanted: Mapping[str, str]) -> pl.DataFrame:
    """The columns ``wanted`` (our name to the file's) of all rows: text from CSV, the stored types from Parquet. Blank last lines are cut.

    Raises:
        DataError: the file is damaged or has no rows.
    """
    names = list(wanted.values())
    if is_parquet(path):
        frame = _reading(path, lambda: pl.read_parquet(path, columns=names, glob=False))
    else:
        frame = _reading(
            path,
            lambda: _trim(
                pl.read_csv(path, columns=names, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True, glob=False)
            ),
        )
    if frame.is_empty():
        raise DataError(f"{path} has a header and no rows. Give a file with data.")
    return frame.rename({theirs: ours for ours, theirs in wanted.items()})


def fingerprint(paths: Sequence[Path]) -> str:
    """An identity of the content of ``paths`` in this order, whatever their names: blake2b in hexadecimal, 32 characters.

    Raises:
        DataError: a file cannot be read.
    """
    whole = hashlib.blake2b(digest_size=16)
    for path in paths:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "blake2b").digest()
            whole.update(path.stat().st_size.to_bytes(8) + digest)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}. Check the path and its permissions.") from None
    return whole.hexdigest()


def _csv_names(path: Path) -> list[str]:
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
        line = file.readline(_MAX_HEADER)
    header = line.decode("utf-8-sig").rstrip("\r\n")
    if not header.replace("\t", " ").isprintable():
        raise DataError(f"{path} is not a CSV file: its first line is not text. Give it the extension of what it is.")
    names = next(csv.reader([header]), [])
    if not any(names):
        raise DataError(f"{path} is empty or its first line is. Give a file whose first line names the columns.")
    return names


def _parquet_names(path: Path) -> list[str]:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Give a file with data.")
    return list(pl.read_parquet_schema(path))


def _trim(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the blank lines at the end."""
    tail = frame.height
    while tail and all(cell is None for cell in frame.row(tail - 1)):
        tail -= 1
    return frame.head(tail)


def _reading[T](path: Path, action: Callable[[], T]) -> T:
    try:
        return action()
    except _READ_ERRORS as error:
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{path} cannot be read, it may be torn or damaged: {why}. Copy or export it again.") from None
