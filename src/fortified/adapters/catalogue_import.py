"""Importing files into a catalogue.

Owns which rows go to which day, and the report of what came in. A file is taken for whole in its own span of time: importing it replaces
what the catalogue has in that span.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import polars as pl

from fortified.adapters.catalogue import CatalogueWriter, writing
from fortified.adapters.catalogue_days import frame_of, trading_days
from fortified.adapters.catalogue_gaps import DayReport, examine
from fortified.adapters.catalogue_layout import is_catalogue, kind_name
from fortified.adapters.files import check_order, symbols
from fortified.adapters.files_select import Selection, expand, select
from fortified.adapters.files_span import load_selected
from fortified.adapters.tables import FileReport
from fortified.domain.calendar import Calendar, get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument, normalise_symbol
from fortified.domain.timeframe import Timeframe

type Progress = Callable[[int, int], None]
"""Told the files that are done, and all files."""


class ImportOptions(msgspec.Struct, frozen=True):
    """What is imported. ``symbol`` None: all that the files name. ``calendar`` None: that of each instrument."""

    files: tuple[Path, ...]
    out: Path
    symbol: str | None = None
    bars_timeframe: str | None = None
    calendar: str | None = None
    strict: bool = False


class ImportReport(msgspec.Struct, frozen=True):
    """What came in: the days of each symbol in order, what was found wrong in the files, and names that are no single instrument."""

    days: tuple[DayReport, ...]
    files: FileReport
    skipped: tuple[str, ...] = ()


class _Job(msgspec.Struct, frozen=True):
    """One symbol of an import."""

    symbol: str
    selection: Selection
    calendar: Calendar


def import_files(options: ImportOptions, progress: Progress) -> ImportReport:
    """Write the rows of ``options.files`` to the catalogue ``options.out``. When it fails, nothing is changed.

    Raises:
        ConfigError: an option is not possible, or the catalogue cannot be written. DataError: a file cannot be used.
    """
    jobs, skipped = _jobs(options)
    total = sum(len(job.selection.files) for job in jobs)
    days: list[DayReport] = []
    files = FileReport(0)
    with writing(options.out) as writer:
        done = 0
        for job in jobs:
            target = _Target(job, writer)
            for path, frame, report in _frames(job, options.strict):
                days += target.take(path, frame)
                files += report
                done += 1
                progress(done, total)
            days += target.finish()
        writer.commit()
    return ImportReport(tuple(days), files, skipped)


def _jobs(options: ImportOptions) -> tuple[list[_Job], tuple[str, ...]]:
    """What is to be done, and the names that are left out."""
    if options.calendar is not None:
        get_calendar(options.calendar)
    if options.symbol is not None:
        return [_job(options, normalise_symbol(options.symbol), options.files)], ()
    holders: dict[str, list[Path]] = {}
    skipped: set[str] = set()
    for path in _plain(options.files):
        names = symbols(path)
        if not names:
            raise ConfigError(f"{path} does not say whose data it is; name the symbol with --symbol")
        for name, symbol in names.items():
            if symbol is None:
                skipped.add(name)
            else:
                holders.setdefault(symbol, []).append(path)
    if not holders:
        raise ConfigError(f"none of {', '.join(sorted(skipped))} is the symbol of an instrument; name one with --symbol")
    return [_job(options, symbol, tuple(paths)) for symbol, paths in sorted(holders.items())], tuple(sorted(skipped))


def _plain(paths: Sequence[Path]) -> tuple[Path, ...]:
    found = next((path for path in paths if is_catalogue(path)), None)
    if found is not None:
        raise ConfigError(f"{found} is a catalogue; say which symbol of it is imported with --symbol")
    return expand(paths)


def _job(options: ImportOptions, symbol: str, paths: tuple[Path, ...]) -> _Job:
    selection = select(paths, symbol=symbol, bars_timeframe=options.bars_timeframe)
    return _Job(symbol, selection, get_calendar(options.calendar or _calendar(symbol)))


def _calendar(symbol: str) -> str:
    try:
        return get_instrument(symbol).calendar
    except ConfigError:
        raise ConfigError(f"The calendar of {symbol} is not known; name one with --calendar, such as CME_INDEX or 24/7") from None


def _frames(job: _Job, strict: bool) -> Iterator[tuple[Path, pl.DataFrame, FileReport]]:
    for path in job.selection.files:
        table = load_selected(Selection((path,), job.selection.timeframe), job.symbol, strict=strict)
        yield path, frame_of(table), table.report


class _Target:
    """The days of one symbol. The last day of a file waits for the next file, which may go on with it."""

    def __init__(self, job: _Job, writer: CatalogueWriter) -> None:
        self._job, self._writer = job, writer
        self._kind = kind_name(job.selection.timeframe)
        self._waiting: pl.DataFrame | None = None
        self._before = Path()

    def take(self, path: Path, frame: pl.DataFrame) -> Iterator[DayReport]:
        """Add the rows of a file; the days that are over."""
        if self._waiting is not None:
            check_order(path, frame.item(0, 0), self._before, self._waiting.item(-1, 0), -1 if self._is_time_bars() else 0)
            frame = pl.concat([self._waiting, frame])
        self._before = path
        return self._days(frame, keep_last=True)

    def finish(self) -> Iterator[DayReport]:
        """The last day."""
        return iter(()) if self._waiting is None else self._days(self._waiting, keep_last=False)

    def _is_time_bars(self) -> bool:
        timeframe: Timeframe | None = self._job.selection.timeframe
        return timeframe is not None and not timeframe.is_tick

    def _days(self, frame: pl.DataFrame, *, keep_last: bool) -> Iterator[DayReport]:
        job, stamps, at = self._job, frame.to_series(0), 0
        self._waiting = None
        for day in trading_days(job.calendar, frame.item(0, 0), frame.item(-1, 0)):
            stop = int(stamps.search_sorted(day.end_ns))
            rows = frame[at:stop]
            at = stop
            if keep_last and stop == len(frame):
                self._waiting = rows
            elif len(rows):
                added = self._writer.add(job.symbol, self._kind, day.day, rows)
                yield examine(day, added.rows, job.calendar, job.symbol, self._kind, added.change, added.rows_before)
            elif not self._writer.has(job.symbol, self._kind, day.day):
                yield examine(day, rows, job.calendar, job.symbol, self._kind, "missing", 0)
