"""Rows of a data file: which are good, and what is said of the others.

Owns reading times and numbers out of columns, the report of bad rows, and their line numbers. Knows nothing of what the columns mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fortified.adapters.files_read import ROW, is_csv
from fortified.adapters.tables import MAX_SAMPLES, BadRow, FileReport
from fortified.domain.errors import DataError

_MAX_CELL: Final = 40
RAW: Final = "raw."
_BACKWARDS = "time runs backwards"
_MAX_US: Final = 9_000_000_000_000_000
_FIRST_YEAR, _LAST_YEAR = "1970", "2261"  # what int64 nanoseconds can tell
_NAIVE = "%Y-%m-%dT%H:%M:%S%.f"
_ZONED = _NAIVE + "%#z"


type Columns = dict[str, pl.Expr | pl.Series]
"""Typed columns by name, over the raw ones."""


class Check(NamedTuple):
    """A row is bad for ``reason`` where ``bad`` is true; ``column`` is shown with it."""

    reason: str
    column: str
    bad: pl.Expr


class Sieve(NamedTuple):
    """How rows are told apart: the first check that finds fault names it; then ``time`` must be ≥ the greatest before + ``step_ns``."""

    checks: Sequence[Check]
    step_ns: int
    strict: bool


def time_ns(path: Path, raw: pl.DataFrame, name: str, *, iso: bool) -> pl.Series:
    """The column as int UTC nanoseconds, null where it is no time. Text is ISO-8601 when ``iso`` (no zone means UTC), else an integer.

    Raises:
        DataError: a type that cannot hold nanoseconds.
    """
    column = raw[name]
    if column.dtype == pl.String:
        return _iso_ns(column) if iso else column.str.strip_chars().cast(pl.Int64, strict=False)
    if column.dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        micros = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None))).to_physical()
        nanos = column.cast(pl.Datetime("ns"), strict=False).to_physical() if column.dtype != pl.Date else micros * 1_000
        return nanos.set(micros.abs() > _MAX_US, None)
    raise DataError(f"{path}: its {name} column is of type {column.dtype}, which holds no exact time. Store int64 UTC nanoseconds.")


def number(path: Path, raw: pl.DataFrame, name: str) -> pl.Expr:
    """The column as float64, null where it is no number.

    Raises:
        DataError: a type that holds no numbers.
    """
    dtype = raw.schema[name]
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        raise DataError(f"{path}: its {name} column is of type {dtype}, which holds no numbers. Store float64.")
    column = pl.col(name).str.strip_chars() if dtype == pl.String else pl.col(name)
    return column.cast(pl.Float64, strict=False)


def missing_or_wrong(name: str, what: str) -> tuple[Check, Check]:
    """The checks that a cell is there, and that the typed column ``name`` could be made of it."""
    given = pl.col(RAW + name)
    missing = Check(f"{name} is missing", name, given.is_null())
    return missing, Check(f"{name} is not {what}", name, pl.col(name).is_null() & given.is_not_null())


def time_checks(what: str) -> list[Check]:
    """The checks of the column ``time``."""
    return [*missing_or_wrong("time", what), Check("time is before 1970", "time", pl.col("time") < 0)]


def number_checks(*names: str) -> list[Check]:
    """The checks of columns of finite numbers."""
    return [
        check
        for name in names
        for check in (*missing_or_wrong(name, "a number"), Check(f"{name} is not finite", name, ~pl.col(name).is_finite()))
    ]


def sift(path: Path, raw: pl.DataFrame, typed: Columns, sieve: Sieve) -> tuple[pl.DataFrame, FileReport]:
    """The good rows of ``raw`` as the ``typed`` columns, in file order, and the report. The column ``time`` must not run backwards.

    The checks see the typed columns by their names, the raw ones behind the prefix ``RAW``.

    Raises:
        DataError: no row is good; or ``strict`` and one is bad.
    """
    both = raw.select(pl.all().name.prefix(RAW), **typed)
    frame = both.select(typed.keys())
    found = both.select(pl.any_horizontal(check.bad.any() for check in sieve.checks)).item()
    if not found and _forward(frame["time"], max(sieve.step_ns, 0)):
        return frame, FileReport(raw.height)
    faults = both.select(_fault(sieve.checks)).to_series().to_numpy(writable=True)
    _mark_backwards(frame["time"], faults, len(sieve.checks) + 1, sieve.step_ns)
    if not faults.any():
        return frame, FileReport(raw.height)
    report = _report(path, raw, faults, (*sieve.checks, Check(_BACKWARDS, "time", pl.lit(True))))
    if sieve.strict:
        raise DataError(
            f"{report.samples[0]}. Mend the file, or read it without strict to leave such rows out ({report.bad} of {report.rows})."
        )
    if report.bad == report.rows:
        raise DataError(f"{path}: none of its {report.rows} rows can be used; the first: {report.samples[0]}. Check what its columns hold.")
    return frame.filter(pl.Series(faults == 0)), report


def _fault(checks: Sequence[Check]) -> pl.Expr:
    """The number, from 1, of the first check that finds fault with a row; 0 for a good one."""
    fault = pl.lit(0, pl.UInt8)
    for code, check in reversed(list(enumerate(checks, 1))):
        fault = pl.when(check.bad).then(pl.lit(code, pl.UInt8)).otherwise(fault)
    return fault


def _forward(stamps: pl.Series, step_ns: int) -> bool:
    return stamps.is_sorted() if step_ns == 0 else bool((np.diff(stamps.to_numpy()) >= step_ns).all())


def _mark_backwards(stamps: pl.Series, faults: NDArray[np.uint8], code: int, step_ns: int) -> None:
    """Mark the rows whose time is below the greatest of the good rows before + ``step_ns``."""
    ts = np.where(faults == 0, stamps.fill_null(-1).to_numpy(), -1)
    before = np.maximum.accumulate(ts)[:-1]
    faults[1:][(faults[1:] == 0) & (ts[1:] < before + step_ns) & (before >= 0)] = code


def _report(path: Path, raw: pl.DataFrame, faults: NDArray[np.uint8], checks: Sequence[Check]) -> FileReport:
    bad = np.flatnonzero(faults)
    counts = np.bincount(faults[bad], minlength=len(checks) + 1)
    first_line = 2 if is_csv(path) else 1
    places = raw[ROW] if ROW in raw.columns else range(raw.height)
    samples = (_bad_row(path, raw, row, int(places[row]) + first_line, checks[int(faults[row]) - 1]) for row in bad[:MAX_SAMPLES].tolist())
    return FileReport(
        rows=raw.height,
        bad=len(bad),
        counts={check.reason: int(count) for check, count in zip(checks, counts[1:], strict=True) if count},
        samples=tuple(samples),
    )


def _bad_row(path: Path, raw: pl.DataFrame, row: int, line: int, check: Check) -> BadRow:
    cell = raw.item(row, check.column)
    return BadRow(str(path), line, check.reason if cell is None else f"{check.reason}: {str(cell)!r:.{_MAX_CELL}}")


def _iso_ns(text: pl.Series) -> pl.Series:
    """ISO-8601 text as UTC nanoseconds: a date, or date and time, T or blank between, seconds optional, no zone means UTC."""
    years = text.str.strip_chars_start().str.slice(0, 4)
    text = text.set((years < _FIRST_YEAR) | (years > _LAST_YEAR), "")
    for form in (_ZONED, _NAIVE):
        stamps = text.str.to_datetime(form, time_unit="ns", strict=False)
        if stamps.null_count() == text.null_count():
            return stamps.to_physical()
    spelled = text.str.strip_chars().str.replace(" ", "T", literal=True).str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
    seconds = spelled.str.replace(r"T(\d\d:\d\d)([zZ+-]|$)", "T${1}:00${2}")
    zoned = seconds.str.replace(r"(T[\d:.]+)$", "${1}Z").str.replace(r"[zZ]$", "+00:00")
    return zoned.str.to_datetime(_ZONED, time_unit="ns", strict=False).to_physical()
