"""`fortified check`: whether a strategy can be trusted with live data: no look-ahead, repeatable, durable, warm in time."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fortified.cli.check_output import print_summary, print_verdict
from fortified.cli.main import FAILED
from fortified.cli.output import check_writable, progress_bar, show_report, write_json
from fortified.cli.run_options import (
    BarsTimeframe,
    CalendarName,
    JsonOut,
    MaybeFiles,
    Multiplier,
    Params,
    Symbol,
    TickSize,
    TimeframeName,
    Warmup,
    parsed_number,
    parsed_params,
)
from fortified.cli.strategies import STRATEGY_HELP, located
from fortified.domain.errors import ConfigError
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.registry import Registry
from fortified.research.check.run import CUTS, TOLERANCE, check_each, check_files
from fortified.research.check.verdict import Unchecked, Verdict
from fortified.runs import RunOptions
from fortified.settings import load_settings

app = typer.Typer(add_completion=False)

Found = Verdict | Unchecked


@app.command()
def check(
    strategy: Annotated[str, typer.Argument(help=f"{STRATEGY_HELP} Not with --all.")],
    symbol: Symbol,
    timeframe: TimeframeName,
    files: MaybeFiles = None,
    every: Annotated[bool, typer.Option("--all", help="Every strategy there is, built in or of a plugin, as it is by default.")] = False,
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
    if every and param:
        raise ConfigError("--param names a parameter of one strategy, and --all checks each with its defaults; leave one of them out")
    paths = [Path(strategy), *(files or ())] if every else files or []
    if not paths:
        raise ConfigError("no files are given; write check STRATEGY FILES…, or check --all FILES…")
    options = RunOptions(
        files=tuple(paths),
        symbol=symbol,
        timeframe=timeframe,
        strategy="" if every else located(strategy),
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
    found = _check(options, cuts, tolerance, every=every)
    passed = [_passes(one, strict=strict) for one in found]
    silent = str(json) == "-"
    if every:
        if json is not None:
            results = [msgspec.structs.asdict(one) | {"passed": good} for one, good in zip(found, passed, strict=True)]
            write_json(json, {"passed": all(passed), "strategies": results})
        if not silent:
            print_summary(found)
    else:
        [verdict] = found
        assert isinstance(verdict, Verdict)
        if json is not None:
            write_json(json, msgspec.structs.asdict(verdict) | {"passed": all(passed)})
        if not silent:
            print_verdict(verdict)
    if not all(passed):
        raise typer.Exit(FAILED)


def _check(options: RunOptions, cuts: int, tolerance: float, *, every: bool) -> list[Found]:
    """The verdict about one strategy, or about every one of the register; a plugin that cannot be used is not checked."""
    with progress_bar() as bar:
        task = bar.add_task("check", total=None)

        def progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, total=total, completed=done)

        if not every:
            return [check_files(options, cuts=cuts, tolerance=tolerance, progress=progress, report=show_report)]
        registry = Registry.discover(load_settings().plugins_dir)
        places = [registry.locate(name) for name in registry.names()]
        found: list[Found] = list(check_each(options, places, cuts=cuts, tolerance=tolerance, progress=progress, report=show_report))
        return found + [Unchecked(str(problem).removesuffix(f": {problem.text}"), problem.text) for problem in registry.problems]


def _passes(found: Found, *, strict: bool) -> bool:
    return isinstance(found, Verdict) and not found.count("failed") and not (strict and found.count("warning"))
