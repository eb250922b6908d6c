"""From what a user names to data files: files as they are, the files of a directory, the days of a catalogue.

Owns in which order files of a directory are taken, and what kind of data a run is given. Reads no rows.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from fortified.adapters import dbn
from fortified.adapters.catalogue_layout import choose_kind, day_files, is_catalogue, kind_of
from fortified.adapters.files import sniff
from fortified.adapters.files_read import SUFFIXES, is_dbn
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.instrument import normalise_symbol
from fortified.domain.timeframe import Timeframe

_NUMBER: Final = re.compile(r"(\d+)")


class Selection(msgspec.Struct, frozen=True):
    """Files in the order of time, all of one kind. ``timeframe`` is that of bars, None for ticks."""

    files: tuple[Path, ...]
    timeframe: Timeframe | None

    @property
    def kind(self) -> Literal["ticks", "bars"]:
        return "ticks" if self.timeframe is None else "bars"


def select(
    paths: Sequence[Path], *, symbol: str, bars_timeframe: str | None = None, start_ns: int | None = None, end_ns: int | None = None
) -> Selection:
    """The files behind ``paths``. Of a catalogue only the days of ``symbol`` that can hold data stamped in [start, end).

    ``bars_timeframe`` is needed for files of bars that do not say it.

    Raises:
        DataError: a path holds no data, or ticks are mixed with bars. ConfigError: the timeframe of bars is missing or another one.
    """
    timeframe = None if bars_timeframe is None else Timeframe.parse(bars_timeframe)
    with _listing():
        parts = [_selected(path, symbol, timeframe, start_ns, end_ns) for path in paths]
    if not parts:
        raise DataError("No data file is given. Give files, directories of files, or a catalogue.")
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if part.timeframe != first.timeframe:
            raise DataError(f"{path} holds {_named(part)} and {paths[0]} {_named(first)}. Give files of one kind.")
    return Selection(tuple(file for part in parts for file in part.files), first.timeframe)


def expand(paths: Sequence[Path]) -> tuple[Path, ...]:
    """``paths`` with the data files of a directory in its place, in the order of their names (``2`` before ``10``).

    Raises:
        DataError: a directory has no data files.
    """
    with _listing():
        return tuple(file for path in paths for file in (_files_of(path) if path.is_dir() else (path,)))


def _selected(path: Path, symbol: str, timeframe: Timeframe | None, start_ns: int | None, end_ns: int | None) -> Selection:
    if is_catalogue(path):
        symbol = normalise_symbol(symbol)
        kind = choose_kind(path, symbol, timeframe)
        return Selection(tuple(day_files(path, symbol, kind, start_ns, end_ns)), kind_of(kind))
    files = expand([path])
    kinds = {sniff(file): file for file in reversed(files)}
    if len(kinds) > 1:
        raise DataError(f"{path} holds ticks ({kinds['ticks'].name}) and bars ({kinds['bars'].name}). Give files of one kind.")
    if "ticks" in kinds:
        return Selection(files, None)
    found = {_timeframe(file, timeframe): file for file in reversed(files)}
    if len(found) > 1:
        raise DataError(
            f"{path} holds bars of several timeframes: {', '.join(known.name for known in found)}. Give files of one timeframe."
        )
    return Selection(files, next(iter(found)))


def _timeframe(path: Path, given: Timeframe | None) -> Timeframe:
    known = dbn.timeframe(path) if is_dbn(path) else None
    if known is not None and given is not None and known != given:
        raise ConfigError(f"{path} holds bars of {known.name}, not of {given.name}; leave --bars-timeframe out.")
    timeframe = known or given
    if timeframe is None:
        raise ConfigError(f"{path} holds bars; say of which timeframe with --bars-timeframe")
    return timeframe


def _files_of(directory: Path) -> list[Path]:
    files = [path for path in directory.iterdir() if path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")]
    if not files:
        raise DataError(f"{directory} is a directory without data files. Give one that holds files named {', '.join(SUFFIXES)}.")
    return sorted(files, key=lambda path: [int(part) if part.isdecimal() else part for part in _NUMBER.split(path.name)])


@contextlib.contextmanager
def _listing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}. Check its name and its permissions.") from None


def _named(selection: Selection) -> str:
    return "ticks" if selection.timeframe is None else f"{selection.timeframe.name} bars"
