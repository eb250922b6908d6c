"""`fortified backtest`: trade a file on paper, walking arrays: the trades of a replay, in a fraction of its time."""

from typing import Annotated

import typer

from fortified.cli.output import check_writable, progress_bar, show_report
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
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.research.run import backtest_files
from fortified.runs import RunOptions

app = typer.Typer(add_completion=False)


@app.command()
def backtest(
    files: Files,
    symbol: Symbol,
    timeframe: TimeframeName,
    strategy: Strategy,
    param: Params = None,
    quantity: Quantity = "1",
    fill: FillName = "next",
    fee: Fee = "0",
    slippage_ticks: Slippage = 0,
    latency_ms: Annotated[float, typer.Option(min=0, help="From the decision to the venue.")] = 0,
    warmup: Warmup = None,
    calendar: CalendarName = None,
    tick_size: TickSize = None,
    multiplier: Multiplier = None,
    flatten_at_end: Flatten = False,
    bars_timeframe: BarsTimeframe = None,
    strict: Strict = False,
    json: JsonOut = None,
    trades: TradesOut = None,
) -> None:
    """Trade a file on paper with the engine, the fills and the strategies of a replay, walking arrays instead of streams."""
    check_writable(json, trades)
    options = RunOptions(
        files=tuple(files),
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        params=parsed_params(param),
        quantity=parsed_number("quantity", quantity),
        fills=FillModel(parsed_fill(fill), slippage_ticks, int(latency_ms * 1_000_000)),
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else parsed_number("tick size", tick_size),
        multiplier=None if multiplier is None else parsed_number("multiplier", multiplier),
        flatten=flatten_at_end,
        speed=None,
        bars_timeframe=bars_timeframe,
        strict=strict,
    )
    configure_logging("WARNING", "auto")
    with progress_bar() as bar:
        task = bar.add_task("backtest", total=None)
        result = backtest_files(options, lambda done, total: bar.update(task, total=total, completed=done), show_report)
    write_result(result, json, trades)
