"""`fortified backtest`: trade a file on paper, walking arrays: the trades of a replay, in a fraction of its time."""

import typer

from fortified.cli.output import check_writable, progress_bar, show_report
from fortified.cli.run_options import (
    BarsTimeframe,
    CalendarName,
    Cash,
    Fee,
    Files,
    FillName,
    Flatten,
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
    TradesOut,
    Trailing,
    Warmup,
    latency_ns,
    parsed_fill,
    run_options,
    write_result,
)
from fortified.domain.exits import ExitRules
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.registry import Registry
from fortified.research.data import load
from fortified.research.run import Backtest, check

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
    latency_ms: Latency = 0,
    stop_loss: StopLoss = None,
    take_profit: TakeProfit = None,
    trailing: Trailing = None,
    sizing: SizingName = "fixed",
    cash: Cash = "100000",
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
        exits=ExitRules.parse(stop_loss, take_profit, trailing),
        sizing=sizing,
        cash=cash,
    )
    configure_logging("WARNING", "auto")
    made = Registry().resolve(options.strategy)
    check(options, made)  # every option is looked at before a file is
    with progress_bar() as bar:
        task = bar.add_task("backtest", total=None)
        test = Backtest(options, load(options, show_report), made)
        result = test.run(progress=lambda done, total: bar.update(task, total=total, completed=done))
    write_result(result.summary(), json, trades)
