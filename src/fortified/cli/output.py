"""How commands write numbers, tables and progress."""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fortified.adapters.tables import FileReport
from fortified.domain.errors import ConfigError

errors = Console(stderr=True)
JSON = msgspec.json.Encoder(decimal_format="number")


def shortest(value: float) -> str:
    """The shortest text that is exactly ``value``, without a trailing ``.0``."""
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def progress_bar() -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def show_report(report: FileReport) -> None:
    """Tell of rows that were left out."""
    if not report.bad:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.counts.items()))
    errors.print(f"{report.bad} of {report.rows} rows were left out: {reasons}", highlight=False)
    for row in report.samples:
        errors.print(f"  {row}", highlight=False)


def write_csv(path: Path | None, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, or to standard output.

    Raises:
        ConfigError: the file cannot be written.
    """
    if path is None:
        _write(sys.stdout, header, rows)
        return
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            _write(file, header, rows)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def write_json(path: Path, value: object) -> None:
    """Write JSON to a file, or to standard output for ``-``.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = JSON.encode(value) + b"\n"
    if str(path) == "-":
        sys.stdout.buffer.write(text)
        return
    try:
        path.write_bytes(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def check_writable(*paths: Path | None) -> None:
    """See before a long run that its results can be written.

    Raises:
        ConfigError: one cannot.
    """
    for path in paths:
        if path is None or str(path) == "-":
            continue
        if path.is_dir():
            raise ConfigError(f"{path} is a directory; name a file")
        if not path.parent.is_dir():
            raise ConfigError(f"{path} cannot be written: there is no directory {path.parent}")


def _write(file: IO[str], header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
