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
    BreakEven,
    CalendarName,
    Cash,
    Fee,
    Files,
    FillName,
    Flatten,
    FlattenBefore,
    JsonOut,
    Latency,
    Multiplier,
    Params,
    Quantity,
    SizingName,
    Slippage,
    StopLoss,
    Strategy,
    Strict,
    Symbol,
    TakeProfit,
    TickSize,
    TimeframeName,
    TimeStop,
    TradesOut,
    Trailing,
    Warmup,
    latency_ns,
    parsed_fill,
    run_options,
)
from fortified.cli.run_results import write_result
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
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
    latency_ms: Latency = 0,
    stop_loss: StopLoss = None,
    take_profit: TakeProfit = None,
    trailing: Trailing = None,
    break_even: BreakEven = None,
    time_stop: TimeStop = None,
    flatten_before: FlattenBefore = None,
    sizing: SizingName = "fixed",
    cash: Cash = "100000",
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
    options = run_options(
        files=files,
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        param=param,
        quantity=quantity,
        fills=FillModel(parsed_fill(fill), slippage_ticks, latency_ns(latency_ms)),
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=tick_size,
        multiplier=multiplier,
        flatten=flatten_at_end,
        bars_timeframe=bars_timeframe,
        strict=strict,
        exits=ExitRules.parse(stop_loss, take_profit, trailing, break_even, time_stop, flatten_before),
        sizing=sizing,
        cash=cash,
        speed=_speed(speed),
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
