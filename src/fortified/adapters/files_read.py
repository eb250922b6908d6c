"""Data files on disk, before their rows mean anything.

Owns which formats are read, the column names, and what is said about a file that cannot be read at all. Knows nothing of ticks or bars.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from fortified.adapters import dbn
from fortified.adapters.files_symbols import canonical, choose
from fortified.domain.errors import DataError

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", ".dbn", ".dbn.zst")
ROW, SYMBOL = "row", "symbol"
_MAX_HEADER = 65_536
_READ_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, EOFError, zlib.error, UnicodeError, csv.Error)


def is_parquet(path: Path) -> bool:
    """Whether the name says Parquet."""
    return path.name.lower().endswith(".parquet")


def is_csv(path: Path) -> bool:
    """Whether the name says CSV, compressed or not."""
    return path.name.lower().endswith((".csv", ".csv.gz"))


def is_dbn(path: Path) -> bool:
    """Whether the name says DBN, compressed or not."""
    return path.name.lower().endswith((".dbn", ".dbn.zst"))


def columns(path: Path) -> dict[str, str]:
    """The columns of ``path``: lower-case trimmed name to the name in the file.

    Raises:
        DataError: it is no file, of no known kind, empty, damaged, or has the same column twice.
    """
    if path.is_dir():
        raise DataError(f"{path} is a directory. Give the files in it, in the order of their time.")
    if not path.exists():
        raise DataError(f"{path} does not exist. Check the spelling, and the directory it is relative to.")
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(f"{path}: this kind of file is not read. Give a file named {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    reader = dbn.columns if is_dbn(path) else _parquet_names if is_parquet(path) else _csv_names
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


def read(path: Path, wanted: Mapping[str, str], symbol: str | None = None) -> pl.DataFrame:
    """The columns ``wanted`` (our name to the file's): text from CSV, the stored types from others. Blank last lines are cut.

    When a column ``symbol`` is among them, only the rows of ``symbol`` (None: of the only one) and those without one are there, and
    the column ``row`` has their place in the file, from 0.

    Raises:
        DataError: the file is damaged, has no rows, or not this symbol.
    """
    names = list(wanted.values())
    if is_dbn(path):
        return _renamed(_reading(path, lambda: dbn.read(path, symbol)), wanted)
    if is_parquet(path):
        frame = _reading(path, lambda: pl.read_parquet(path, columns=names, glob=False))
    else:
        frame = _reading(
            path,
            lambda: _trim(
                pl.read_csv(path, columns=names, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True, glob=False)
            ),
        )
    return _only(path, _renamed(_not_empty(path, frame), wanted), symbol)


def read_numbers(path: Path, wanted: Mapping[str, str], types: Mapping[str, type[pl.DataType]]) -> pl.DataFrame | None:
    """The columns ``wanted`` of a CSV file as ``types`` (by our names); None when one cell does not fit its type.

    Several times as fast as ``read``, which is to be asked for what is wrong.
    """
    overrides = {wanted[ours]: kind for ours, kind in types.items()}
    try:
        frame = pl.read_csv(
            path, columns=list(wanted.values()), infer_schema=False, schema_overrides=overrides, truncate_ragged_lines=True, glob=False
        )
    except _READ_ERRORS:
        return None
    return _renamed(frame, wanted)


def symbols(path: Path) -> dict[str, str | None]:
    """The names in the file's column of symbols, each with the symbol that it is, if it is one. Empty without the column.

    Raises:
        DataError: the file cannot be used.
    """
    found = columns(path)
    if is_dbn(path):
        return _reading(path, lambda: dbn.symbols(path))
    if SYMBOL not in found:
        return {}
    name = found[SYMBOL]
    lazy = (
        pl.scan_parquet(path, glob=False) if is_parquet(path) else pl.scan_csv(path, infer_schema=False, encoding="utf8-lossy", glob=False)
    )
    distinct = _reading(path, lambda: lazy.select(pl.col(name).cast(pl.String)).unique().collect())
    return {text: canonical(text, future=False, year=0) for text in distinct.to_series().drop_nulls().sort()}


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


def _renamed(frame: pl.DataFrame, wanted: Mapping[str, str]) -> pl.DataFrame:
    return frame.rename({theirs: ours for ours, theirs in wanted.items() if theirs in frame.columns})


def _not_empty(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{path} has a header and no rows. Give a file with data.")
    return frame


def _only(path: Path, frame: pl.DataFrame, symbol: str | None) -> pl.DataFrame:
    """The rows of the symbol."""
    if SYMBOL not in frame.columns:
        return frame
    names = frame[SYMBOL].cast(pl.String)
    present = names.drop_nulls().unique().to_list()
    if not present:
        raise DataError(f"{path} has a column symbol with nothing in it. Fill it, or remove it.")
    chosen = choose(path, present, symbol)
    return frame.with_row_index(ROW).filter((names == chosen) | names.is_null())


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
