"""`fortified import`: files into a catalogue, and what they lack."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fortified.adapters.catalogue_gaps import DayReport
from fortified.adapters.catalogue_import import ImportOptions, ImportReport, import_files
from fortified.cli.output import check_writable, errors, progress_bar, show_report, write_json
from fortified.domain.timeframe import NS_PER_SECOND

app = typer.Typer(add_completion=False)
SHOWN_DAYS = 60


@app.command()
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Ticks or bars as CSV, CSV.gz, Parquet or DBN, or directories, in the order of time.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the catalogue; made if it does not exist.")],
    symbol: Annotated[str | None, typer.Option(help="/NQ, SPY …; all that the files name by default.")] = None,
    bars_timeframe: Annotated[str | None, typer.Option(help="Timeframe of the bars in the files, when they hold bars.")] = None,
    calendar: Annotated[str | None, typer.Option(help="Session calendar; the instrument's own by default, 24/7 for none.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON; - for standard output.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file with a bad row.")] = False,
) -> None:
    """Write files to a catalogue by symbol and trading day, and report gaps. What is imported again replaces what was there."""
    check_writable(json)
    options = ImportOptions(tuple(files), out, symbol, bars_timeframe, calendar, strict)
    with progress_bar() as bar:
        task = bar.add_task("import", total=None)
        report = import_files(options, lambda done, total: bar.update(task, total=total, completed=done))
    show_report(report.files)
    if report.skipped:
        errors.print(f"left out, as they are no single instrument: {', '.join(report.skipped)}", highlight=False)
    if json is not None:
        write_json(json, _as_json(report))
    if json is None or str(json) != "-":
        _print(report, out)


def _as_json(report: ImportReport) -> dict[str, object]:
    files = report.files
    bad = {"rows": files.rows, "bad_rows": files.bad, "reasons": files.counts, "samples": [str(row) for row in files.samples]}
    return {"days": [msgspec.structs.asdict(day) for day in report.days], "files": bad, "skipped": report.skipped}


def _print(report: ImportReport, out: Path) -> None:
    console = Console()
    table = Table("symbol", "day", "", "rows", "first", "last", "longest silence", "empty sessions", "duplicates", title="gap report, UTC")
    for day in report.days[-SHOWN_DAYS:]:
        table.add_row(*_row(day))
    console.print(table)
    if len(report.days) > SHOWN_DAYS:
        console.print(f"the last {SHOWN_DAYS} of {len(report.days)} days; all of them with --json FILE")
    console.print(", ".join(_summary(report.days)) + f" in {out}", highlight=False, soft_wrap=True)


def _row(day: DayReport) -> Sequence[str]:
    change = f"changed, was {day.rows_before:,}" if day.change == "changed" else day.change
    silence = "" if day.silence_from_ns is None else f"{_duration(day.silence_ns)} from {_clock(day.silence_from_ns)}"
    empty = f"{day.empty_sessions} of {day.sessions}" if day.empty_sessions else ""
    stamps = ("" if stamp is None else _clock(stamp) for stamp in (day.first_ns, day.last_ns))
    return (f"{day.symbol} {day.kind}", day.day.isoformat(), change, f"{day.rows:,}", *stamps, silence, empty, str(day.duplicates or ""))


def _summary(days: Sequence[DayReport]) -> Iterator[str]:
    for change in ("new", "changed", "unchanged", "missing"):
        count = sum(day.change == change for day in days)
        if count:
            yield f"{count} {'day' if count == 1 else 'days'} {change}"


def _clock(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC):%m-%d %H:%M:%S}"


def _duration(span_ns: int) -> str:
    minutes, seconds = divmod(round(span_ns / NS_PER_SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
