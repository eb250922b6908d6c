"""`fortified check`: whether a strategy can be trusted with live data: no look-ahead, repeatable, durable, warm in time."""

from decimal import Decimal
from math import isinf
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fortified.cli.main import FAILED
from fortified.cli.output import check_writable, progress_bar, show_report, write_json
from fortified.cli.run_options import (
    BarsTimeframe,
    CalendarName,
    Files,
    JsonOut,
    Multiplier,
    Params,
    Symbol,
    TickSize,
    TimeframeName,
    Warmup,
    parsed_number,
    parsed_params,
)
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.research.check.run import CUTS, TOLERANCE, check_files
from fortified.research.check.verdict import Verdict
from fortified.runs import RunOptions

app = typer.Typer(add_completion=False)

MARKS = {"ok": "[green]ok", "warning": "[yellow]warning", "failed": "[red]failed", "undecided": "[dim]undecided"}


@app.command()
def check(
    strategy: Annotated[str, typer.Argument(help="A registered name, or a Python file with one BaseStrategy subclass.")],
    files: Files,
    symbol: Symbol,
    timeframe: TimeframeName,
    param: Params = None,
    warmup: Warmup = None,
    bars_timeframe: BarsTimeframe = None,
    calendar: CalendarName = None,
    tick_size: TickSize = None,
    multiplier: Multiplier = None,
    cuts: Annotated[int, typer.Option(min=1, help="How many histories that end earlier are played.")] = CUTS,
    tolerance: Annotated[float, typer.Option(help="Relative difference of numbers that counts as none.")] = TOLERANCE,
    strict: Annotated[bool, typer.Option("--strict", help="A warning fails too, and a file with a bad row is refused.")] = False,
    json: JsonOut = None,
) -> None:
    """Check a strategy on a file: look-ahead, repeatability, restarts and warm-up. Exit code 1 when a check fails."""
    check_writable(json)
    options = RunOptions(
        files=tuple(files),
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        params=parsed_params(param),
        quantity=Decimal(1),
        fills=FillModel(),
        fee="0",
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else parsed_number("tick size", tick_size),
        multiplier=None if multiplier is None else parsed_number("multiplier", multiplier),
        flatten=False,
        speed=None,
        bars_timeframe=bars_timeframe,
        strict=strict,
    )
    configure_logging("WARNING", "auto")
    with progress_bar() as bar:
        task = bar.add_task("check", total=None)

        def progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, total=total, completed=done)

        verdict = check_files(options, cuts=cuts, tolerance=tolerance, progress=progress, report=show_report)
    fails = bool(verdict.count("failed") or (strict and verdict.count("warning")))
    if json is not None:
        write_json(json, msgspec.structs.asdict(verdict) | {"passed": not fails})
    if json is None or str(json) != "-":
        _print(verdict)
    if fails:
        raise typer.Exit(FAILED)


def _print(verdict: Verdict) -> None:
    console = Console(highlight=False)
    told = f"{verdict.bars} bars, {verdict.signals} signals, warm-up {verdict.warmup} bars"
    console.print(f"{verdict.strategy} on {verdict.symbol} {verdict.timeframe}: {told}", markup=False)
    table = Table("check", "result", "", box=None, padding=(0, 2, 0, 0))
    for finding in verdict.findings:
        text = finding.text if finding.difference is None else f"{finding.text}\n{finding.difference}"
        table.add_row(finding.check, MARKS[finding.status], Text(text))
    console.print(table)
    if verdict.values:
        console.print(_values(verdict))
    counts = [f"{count} {status}" for status in MARKS if (count := verdict.count(status))]  # type: ignore[arg-type]  # the keys are all statuses
    console.print(", ".join(counts), markup=False)


def _values(verdict: Verdict) -> Table:
    title = f"numbers that differ, where they differ most (tolerance {verdict.tolerance:g}, L = {verdict.warmup} bars)"
    table = Table("number", "after L", "after 2 L", "relative", "settles after", title=title)
    for row in verdict.values:
        settles = "not in this file" if row.settles_after is None else f"{row.settles_after} bars"
        relative = "–" if isinf(row.relative) else f"{row.relative:.1e}"
        table.add_row(Text(row.name), _number(row.after_l), _number(row.after_2l), relative, settles)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.10g}"
