"""`fortified replay`: trade a file on paper through the whole live path."""

import asyncio
import contextlib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fortified.bootstrap_replay import Progress, ReplayOptions, run_replay
from fortified.cli.loop import run
from fortified.cli.output import check_writable, errors, progress_bar, show_report, write_csv, write_json
from fortified.domain.errors import ConfigError
from fortified.domain.order import Fill
from fortified.domain.trade import Trade
from fortified.engine.fills import FillModel
from fortified.logs import configure_logging
from fortified.orchestration.replay import ReplayResult
from fortified.settings import load_settings

app = typer.Typer(add_completion=False)
SHOWN_TRADES = 20
TRADE_COLUMNS = tuple(name for name in Trade.__struct_fields__ if name != "bar")


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Ticks or bars as CSV, CSV.gz or Parquet, in the order of time.")],
    symbol: Annotated[str, typer.Option(help="/NQ, SPY …")],
    timeframe: Annotated[str, typer.Option(help="1 5 15 30 1h 4h 1d, 30s, 144t …")],
    strategy: Annotated[str, typer.Option(help="A registered name, or a Python file with one BaseStrategy subclass.")],
    param: Annotated[list[str] | None, typer.Option(help="A parameter of the strategy, as name=value; may be repeated.")] = None,
    quantity: Annotated[str, typer.Option(help="Contracts or shares.")] = "1",
    fill: Annotated[str, typer.Option(help="Market orders fill at the next event, or at the last price: next | last.")] = "next",
    fee: Annotated[str, typer.Option(help="0 | 2.00/contract | 0.005/share | 0.1%")] = "0",
    slippage_ticks: Annotated[int, typer.Option(min=0, help="Ticks a market order without a quote fills worse.")] = 0,
    warmup: Annotated[int | None, typer.Option(min=0, help="Bars before the first signal; the strategy's own by default.")] = None,
    calendar: Annotated[str | None, typer.Option(help="Session calendar; the instrument's own by default, 24/7 for none.")] = None,
    tick_size: Annotated[str | None, typer.Option(help="Tick size, for an instrument that is not built in.")] = None,
    multiplier: Annotated[str | None, typer.Option(help="Money per point, for an instrument that is not built in.")] = None,
    flatten_at_end: Annotated[bool, typer.Option("--flatten-at-end", help="Close what is open at the last price.")] = False,
    speed: Annotated[str, typer.Option(help="max, or N for N times real time.")] = "max",
    bars_timeframe: Annotated[str | None, typer.Option(help="Timeframe of the bars in the file, when it holds bars.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file with a bad row.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON; - for standard output.")] = None,
    trades: Annotated[Path | None, typer.Option(help="Write the trades as CSV.")] = None,
) -> None:
    """Trade a file on paper through aggregation, Redis streams, consumer group, runner and PaperBroker."""
    check_writable(json, trades)
    options = ReplayOptions(
        files=tuple(files),
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        params=_params(param or []),
        quantity=_decimal("quantity", quantity),
        fills=FillModel(_fill(fill), slippage_ticks),
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else _decimal("tick size", tick_size),
        multiplier=None if multiplier is None else _decimal("multiplier", multiplier),
        flatten=flatten_at_end,
        speed=_speed(speed),
        bars_timeframe=bars_timeframe,
        strict=strict,
    )
    settings = load_settings()
    configure_logging("WARNING", settings.log_form)
    result = run(_replay(options))
    if result.out_of_session:
        errors.print(
            f"{result.out_of_session} ticks were outside of the sessions of the calendar and left out (--calendar 24/7 keeps them)",
            highlight=False,
        )
    if json is not None:
        write_json(json, _as_json(result))
    if trades is not None:
        write_csv(trades, TRADE_COLUMNS, ([getattr(trade, name) for name in TRADE_COLUMNS] for trade in result.trades))
    if json is None or str(json) != "-":
        _print(result)


async def _replay(options: ReplayOptions) -> ReplayResult:
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


def _as_json(result: ReplayResult) -> dict[str, object]:
    return {
        "bars": result.bars,
        "orders": result.orders,
        "fills": [_fill_as_json(fill) for fill in result.fills],
        "trades": result.trades,
        "stats": msgspec.structs.asdict(result.stats) | {"open_quantity": result.open_quantity},
        "late": result.late,
        "out_of_session": result.out_of_session,
        "digest": result.digest,
    }


def _fill_as_json(fill: Fill) -> dict[str, object]:
    return {
        "ts_ns": fill.ts_event,
        "side": fill.side,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "reason": fill.reason,
        "purpose": fill.purpose,
    }


def _print(result: ReplayResult) -> None:
    console = Console()
    table = Table("#", "side", "quantity", "entry", "exit", "gross", "fees", "net", "bars", "reason", title="trades")
    for number, trade in list(enumerate(result.trades, start=1))[-SHOWN_TRADES:]:
        table.add_row(
            str(number),
            trade.side,
            str(trade.quantity),
            f"{trade.entry_price:f}",
            f"{trade.exit_price:f}",
            f"{trade.gross_pnl:.2f}",
            f"{trade.fees:.2f}",
            f"{trade.net_pnl:.2f}",
            str(trade.bars_held),
            f"{trade.entry_reason} → {trade.exit_reason}",
        )
    console.print(table)
    if len(result.trades) > SHOWN_TRADES:
        console.print(f"the last {SHOWN_TRADES} of {len(result.trades)} trades; all of them with --trades FILE")
    facts = Table(show_header=False, title="statistics")
    for name, value in msgspec.structs.asdict(result.stats).items():
        facts.add_row(name, "–" if value is None else f"{value:.2f}" if isinstance(value, Decimal) else str(value))
    for name in ("bars", "orders", "open_quantity", "late", "out_of_session", "digest"):
        facts.add_row(name, str(getattr(result, name)))
    console.print(facts)


def _params(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ConfigError(f"--param {pair!r} is not understood; write name=value, such as period_1=9")
        found[name.strip()] = value.strip()
    return found


def _decimal(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{name} {text!r} is not a number") from None
    if not value.is_finite():
        raise ConfigError(f"{name} {text!r} is not a finite number")
    return value


def _fill(text: str) -> Literal["next", "last"]:
    if text == "next":
        return "next"
    if text == "last":
        return "last"
    raise ConfigError(f"--fill {text!r} is unknown; choose next or last")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--speed {text!r} is not understood; write max, or a number such as 10 for ten times real time") from None
