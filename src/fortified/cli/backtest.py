"""`fortified backtest`: trade a file on paper, walking arrays: the trades of a replay, in a fraction of its time."""

from pathlib import Path

import msgspec
import typer

from fortified.cli.loop import run
from fortified.cli.output import check_writable, progress_bar, show_report
from fortified.cli.run_options import (
    BarsTimeframe,
    BreakEven,
    CalendarName,
    Cash,
    Fee,
    FillName,
    Flatten,
    FlattenBefore,
    From,
    JsonOut,
    Latency,
    MaybeFiles,
    Multiplier,
    Params,
    Quantity,
    ReportOut,
    SizingName,
    Slippage,
    StopLoss,
    Stored,
    Strategy,
    Strict,
    Symbols,
    TakeProfit,
    TickSize,
    TimeframeName,
    TimeStop,
    To,
    TradesOut,
    Trailing,
    Warmup,
    latency_ns,
    parsed_fill,
    run_options,
)
from fortified.cli.run_results import write_result, write_results
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.registry import Registry
from fortified.research.data import Data, load, load_stored
from fortified.research.report.backtest import write_backtest_report
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest, check
from fortified.runs import RunOptions
from fortified.settings import load_settings
from fortified.strategies.base import BaseStrategy

app = typer.Typer(add_completion=False)


@app.command()
def backtest(
    symbol: Symbols,
    timeframe: TimeframeName,
    strategy: Strategy,
    files: MaybeFiles = None,
    stored: Stored = False,
    start: From = None,
    end: To = None,
    param: Params = None,
    quantity: Quantity = "1",
    sizing: SizingName = "fixed",
    cash: Cash = "100000",
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
    warmup: Warmup = None,
    calendar: CalendarName = None,
    tick_size: TickSize = None,
    multiplier: Multiplier = None,
    flatten_at_end: Flatten = False,
    bars_timeframe: BarsTimeframe = None,
    strict: Strict = False,
    report: ReportOut = None,
    json: JsonOut = None,
    trades: TradesOut = None,
) -> None:
    """Trade files on paper with the engine, the fills and the strategies of a replay, walking arrays instead of streams."""
    if stored == bool(files):
        raise ConfigError("give files of ticks or bars, or --stored for the bars that the server has stored")
    symbols = [name.strip() for name in symbol.split(",")]
    reports = {name: _report_of(report, name, len(symbols)) for name in symbols}
    check_writable(json, trades, *reports.values())
    options = run_options(
        files=files or [],
        symbol=symbols[0],
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
        start=start,
        end=end,
    )
    configure_logging("WARNING", "auto")
    made = Registry().resolve(options.strategy)
    asked = {name: msgspec.structs.replace(options, symbol=name) for name in symbols}
    for each in asked.values():  # every option is looked at before a file is
        check(each, made)
    results = {name: _backtest(each, made, reports[name], stored=stored) for name, each in asked.items()}
    told = {name: msgspec.structs.replace(result.summary(), stats=result.stats) for name, result in results.items()}
    if len(told) == 1:
        write_result(told[symbols[0]], json, trades)
    else:
        write_results(told, json, trades)


def _backtest(options: RunOptions, strategy: type[BaseStrategy], report: Path | None, *, stored: bool) -> BacktestResult:
    with progress_bar() as bar:
        task = bar.add_task(f"{options.symbol}: reading", total=None)
        test = Backtest(options, _data(options, stored=stored), strategy)
        bar.update(task, description=f"{options.symbol}: backtest")
        result = test.run(progress=lambda done, total: bar.update(task, total=total, completed=done))
        if report is not None:
            bar.update(task, description=f"{options.symbol}: report")
            write_backtest_report(report, result)
    return result


def _data(options: RunOptions, *, stored: bool) -> Data:
    if not stored:
        return load(options, show_report)
    return run(load_stored(load_settings(), options.symbol, options.timeframe, options.start_ns, options.end_ns))


def _report_of(path: Path | None, symbol: str, symbols: int) -> Path | None:
    """Where the report of a symbol goes: one file each."""
    if path is None or symbols == 1:
        return path
    return path.with_name(f"{path.stem}-{symbol.strip('/').replace('/', '_')}{path.suffix}")
