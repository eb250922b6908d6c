"""`fortified replay`: trade a file on paper through the whole live path."""

import asyncio
import contextlib
from typing import Annotated, Any

import typer

from fortified.bootstrap_replay import Progress, run_replay
from fortified.cli.loop import run
from fortified.cli.output import check_writable, errors, progress_bar, show_report
from fortified.cli.run_options import (
    BarsTimeframe,
    CalendarName,
    Fee,
    Files,
    FillName,
    Flatten,
    JsonOut,
    Multiplier,
    Params,
    Quantity,
    Slippage,
    Strategy,
    Strict,
    Symbol,
    TickSize,
    TimeframeName,
    TradesOut,
    Warmup,
    parsed_fill,
    parsed_number,
    parsed_params,
    write_result,
)
from fortified.domain.errors import ConfigError
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.logs import configure_logging
from fortified.runs import RunOptions
from fortified.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    files: Files,
    symbol: Symbol,
    timeframe: TimeframeName,
    strategy: Strategy,
    param: Params = None,
    quantity: Quantity = "1",
    fill: FillName = "next",
    fee: Fee = "0",
    slippage_ticks: Slippage = 0,
    warmup: Warmup = None,
    calendar: CalendarName = None,
    tick_size: TickSize = None,
    multiplier: Multiplier = None,
    flatten_at_end: Flatten = False,
    speed: Annotated[str, typer.Option(help="max, or N for N times real time.")] = "max",
    bars_timeframe: BarsTimeframe = None,
    strict: Strict = False,
    json: JsonOut = None,
    trades: TradesOut = None,
) -> None:
    """Trade a file on paper through aggregation, Redis streams, consumer group, runner and PaperBroker."""
    check_writable(json, trades)
    options = RunOptions(
        files=tuple(files),
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        params=parsed_params(param),
        quantity=parsed_number("quantity", quantity),
        fills=FillModel(parsed_fill(fill), slippage_ticks),
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else parsed_number("tick size", tick_size),
        multiplier=None if multiplier is None else parsed_number("multiplier", multiplier),
        flatten=flatten_at_end,
        speed=_speed(speed),
        bars_timeframe=bars_timeframe,
        strict=strict,
    )
    configure_logging("WARNING", load_settings().log_form)
    write_result(run(_replay(options)), json, trades)


async def _replay(options: RunOptions) -> RunResult:
    progress = Progress()
    with progress_bar() as bar:
        watcher = asyncio.create_task(_watch(progress, bar))
        try:
            return await run_replay(load_settings(), options, progress, show_report)
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            if progress.resumed_at:
                errors.print(f"went on at tick {progress.resumed_at}, where an earlier run of this replay was stopped", highlight=False)


async def _watch(progress: Progress, bar: Any) -> None:
    task = bar.add_task("replay", total=None)
    while True:
        bar.update(task, total=progress.total or None, completed=progress.done)
        await asyncio.sleep(0.1)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--speed {text!r} is not understood; write max, or a number such as 10 for ten times real time") from None
