"""`fortified optimize`: search the parameters of a strategy, with many backtests over the same bars."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from fortified.cli.main import INTERRUPTED
from fortified.cli.optimize_output import print_result, write_text
from fortified.cli.output import check_writable, progress_bar, show_report, write_json
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
    Trailing,
    Warmup,
    latency_ns,
    parsed_fill,
    run_options,
)
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.research.optimize.adaptive import Shared
from fortified.research.optimize.run import METHODS, TRIALS, Method, Optimization, Search
from fortified.research.report.optimize import optimize_report
from fortified.settings import load_settings
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.endpoint import Endpoint

Ranges = Annotated[
    list[str] | None, typer.Option(help="name=5..20, name=5..20:5, name=0.5..2:0.25, name=a,b,c or name=9; one for each parameter.")
]
Goal = Annotated[
    str, typer.Option(help="net_pnl, return_percent, sharpe, sortino, profit_factor, win_rate, expectancy, max_drawdown; several: a,b")
]
MethodName = Annotated[str, typer.Option(help="grid: every point | tpe: learns where it is good | nsga2: for several objectives.")]
Trials = Annotated[int, typer.Option(min=1, help="Different points that tpe and nsga2 evaluate; of a shared study, by all together.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Of tpe and nsga2. With several jobs the order of trials still depends on who is done first.")
]
Train = Annotated[float | None, typer.Option(help="The first part of the bars chooses, the rest tests: 0.7")]
Folds = Annotated[int, typer.Option("--walk-forward", min=0, help="Rolling folds: choose on the train bars, test on those behind.")]
Jobs = Annotated[str | None, typer.Option(help="Processes; by default one for each core. ray: the CPUs of a Ray cluster.")]
Study = Annotated[str | None, typer.Option(help="Join the study of this name: all who do share its trials (tpe, nsga2).")]
Storage = Annotated[str, typer.Option(help="Where the study is: redis, the one of the server here, or the URL of another.")]
ReportOut = Annotated[Path | None, typer.Option(help="Write a report as HTML.")]

app = typer.Typer(add_completion=False)


@app.command()
def optimize(
    files: Files,
    symbol: Symbol,
    timeframe: TimeframeName,
    strategy: Strategy,
    param: Ranges = None,
    objective: Goal = "net_pnl",
    method: MethodName = "grid",
    trials: Trials = TRIALS,
    seed: Seed = 1,
    train: Train = None,
    walk_forward: Folds = 0,
    jobs: Jobs = None,
    study: Study = None,
    storage: Storage = "redis",
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
    bars_timeframe: BarsTimeframe = None,
    strict: Strict = False,
    report: ReportOut = None,
    json: JsonOut = None,
) -> None:
    """Search the parameters of a strategy on a file: all of a grid, or where tpe or nsga2 expect it to be good."""
    check_writable(report, json)
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
    )
    configure_logging("WARNING", "auto")
    with _shared(study, storage) as shared:
        search = Search(
            params={name: str(value) for name, value in options.params.items()},
            objective=objective,
            method=_method(method),
            trials=trials,
            seed=seed,
            train=train,
            folds=walk_forward,
            jobs=_jobs(jobs),
            shared=shared,
        )
        optimization = Optimization(options, search, show_report)
        with progress_bar() as bar:
            task = bar.add_task("optimize", total=None)
            result = optimization.run(lambda done, total: bar.update(task, total=total, completed=done))
    if json is not None:
        write_json(json, result)
    if report is not None:
        write_text(report, optimize_report(result))
    if json is None or str(json) != "-":
        print_result(result)
    if optimization.interrupted:
        raise typer.Exit(INTERRUPTED)


@contextlib.contextmanager
def _shared(study: str | None, storage: str) -> Iterator[Shared | None]:
    """The study of that name; an embedded Redis is kept alive while the block lasts."""
    if study is None:
        yield None
        return
    if not study.strip():
        raise ConfigError("--study is empty; give the study a name")
    settings = load_settings()
    url = settings.external_redis_url if storage == "redis" else storage
    if url is not None:
        Endpoint.parse(url)
        yield Shared(url, study, _nothing)
        return
    with EmbeddedRedis(settings.data_dir) as embedded:
        yield Shared(embedded.url, study, embedded.ensure_running)


def _nothing() -> None:
    return


def _method(text: str) -> Method:
    for known in METHODS:
        if text == known:
            return known
    raise ConfigError(f"--method {text!r} is unknown; choose {', '.join(METHODS)}")


def _jobs(text: str | None) -> int | Literal["ray"] | None:
    if text is None:
        return None
    if text == "ray":
        return "ray"
    if not text.isdecimal():
        raise ConfigError(f"--jobs {text!r} is not understood; give a number of processes, or ray")
    return int(text)
