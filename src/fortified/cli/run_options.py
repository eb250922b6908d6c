"""The options that replay and backtest share, and how their results are written."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fortified.cli.output import errors, write_csv, write_json
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.domain.order import Fill
from fortified.domain.trade import Trade
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.engine.sizing import Sizing
from fortified.runs import RunOptions

Files = Annotated[list[Path], typer.Argument(help="Ticks or bars as CSV, CSV.gz or Parquet, in the order of time.")]
Symbol = Annotated[str, typer.Option(help="/NQ, SPY …")]
TimeframeName = Annotated[str, typer.Option(help="1 5 15 30 1h 4h 1d, 30s, 144t …")]
Strategy = Annotated[str, typer.Option(help="A registered name, or a Python file with one BaseStrategy subclass.")]
Params = Annotated[list[str] | None, typer.Option(help="A parameter of the strategy, as name=value; may be repeated.")]
Quantity = Annotated[str, typer.Option(help="Contracts or shares.")]
FillName = Annotated[str, typer.Option(help="Market orders fill at the next event, or at the last price: next | last.")]
Fee = Annotated[str, typer.Option(help="0 | 2.00/contract | 0.005/share | 0.1%")]
Slippage = Annotated[int, typer.Option(min=0, help="Ticks a market order without a quote fills worse.")]
Latency = Annotated[float, typer.Option(min=0, help="Milliseconds from the decision to the venue.")]
Warmup = Annotated[int | None, typer.Option(min=0, help="Bars before the first signal; the strategy's own by default.")]
CalendarName = Annotated[str | None, typer.Option(help="Session calendar; the instrument's own by default, 24/7 for none.")]
TickSize = Annotated[str | None, typer.Option(help="Tick size, for an instrument that is not built in.")]
Multiplier = Annotated[str | None, typer.Option(help="Money per point, for an instrument that is not built in.")]
Flatten = Annotated[bool, typer.Option("--flatten-at-end", help="Close what is open at the last price.")]
BarsTimeframe = Annotated[str | None, typer.Option(help="Timeframe of the bars in the file, when it holds bars.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file with a bad row.")]
JsonOut = Annotated[Path | None, typer.Option(help="Write the result as JSON; - for standard output.")]
TradesOut = Annotated[Path | None, typer.Option(help="Write the trades as CSV.")]

StopLoss = Annotated[str | None, typer.Option(help="Distance from the entry: 20ticks | 10pts | 0.5% | 1.5atr")]
TakeProfit = Annotated[str | None, typer.Option(help="Distance from the entry: 20ticks | 10pts | 0.5% | 1.5atr")]
Trailing = Annotated[str | None, typer.Option(help="Distance from the best price since the entry: 20ticks | 10pts | 0.5% | 1.5atr")]
SizingName = Annotated[str, typer.Option("--sizing", help="fixed (--quantity) | all_in | a share of the equity, such as 25%")]
Cash = Annotated[str, typer.Option(help="Money at the start.")]

SHOWN_TRADES = 20
TRADE_COLUMNS = tuple(name for name in Trade.__struct_fields__ if name != "bar")


def run_options(
    *,
    files: list[Path],
    symbol: str,
    timeframe: str,
    strategy: str,
    param: list[str] | None,
    quantity: str,
    fills: FillModel,
    fee: str,
    warmup: int | None,
    calendar: str | None,
    tick_size: str | None,
    multiplier: str | None,
    flatten: bool,
    bars_timeframe: str | None,
    strict: bool,
    exits: ExitRules,
    sizing: str,
    cash: str,
    speed: float | None = None,
) -> RunOptions:
    """What the words of a command ask for; ``ConfigError`` for a word that is not understood."""
    money = parsed_number("cash", cash)
    if money <= 0:
        raise ConfigError(f"cash {cash} is not possible; give an amount above 0")
    return RunOptions(
        files=tuple(files),
        symbol=symbol,
        timeframe=timeframe,
        strategy=strategy,
        params=parsed_params(param),
        quantity=parsed_number("quantity", quantity),
        fills=fills,
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else parsed_number("tick size", tick_size),
        multiplier=None if multiplier is None else parsed_number("multiplier", multiplier),
        flatten=flatten,
        speed=speed,
        bars_timeframe=bars_timeframe,
        strict=strict,
        exits=exits,
        sizing=Sizing.parse(sizing),
        cash=money,
    )


def parsed_params(pairs: list[str] | None) -> dict[str, str]:
    """``name=value`` pairs; ``ConfigError`` for one that is none."""
    found: dict[str, str] = {}
    for pair in pairs or []:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ConfigError(f"--param {pair!r} is not understood; write name=value, such as period_1=9")
        found[name.strip()] = value.strip()
    return found


def parsed_number(name: str, text: str) -> Decimal:
    """A finite number; ``ConfigError`` naming the option otherwise."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{name} {text!r} is not a number") from None
    if not value.is_finite():
        raise ConfigError(f"{name} {text!r} is not a finite number")
    return value


def parsed_fill(text: str) -> Literal["next", "last"]:
    """The fill model of market orders; ``ConfigError`` for an unknown one."""
    if text == "next":
        return "next"
    if text == "last":
        return "last"
    raise ConfigError(f"--fill {text!r} is unknown; choose next or last")


def latency_ns(milliseconds: float) -> int:
    """Whole nanoseconds."""
    return int(milliseconds * 1_000_000)


def write_result(result: RunResult, json: Path | None, trades: Path | None) -> None:
    """Tell of dropped ticks, write the files that were asked for, and print the tables unless JSON went to standard output."""
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


def _as_json(result: RunResult) -> dict[str, object]:
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


def _print(result: RunResult) -> None:
    console = Console()
    table = Table("#", "side", "quantity", "entry", "exit", "gross", "fees", "net", "bars", "reason", title="trades")
    for number, trade in list(enumerate(result.trades, start=1))[-SHOWN_TRADES:]:
        table.add_row(
            *(str(number), trade.side, str(trade.quantity), f"{trade.entry_price:f}", f"{trade.exit_price:f}"),
            *(f"{trade.gross_pnl:.2f}", f"{trade.fees:.2f}", f"{trade.net_pnl:.2f}", str(trade.bars_held), trade.exit_reason),
        )
    console.print(table)
    if len(result.trades) > SHOWN_TRADES:
        console.print(f"the last {SHOWN_TRADES} of {len(result.trades)} trades; all of them with --trades FILE")
    facts = Table(show_header=False, title="statistics")
    for name, value in msgspec.structs.asdict(result.stats).items():
        facts.add_row(name, "–" if value is None else f"{value:.2f}" if isinstance(value, Decimal) else str(value))
    for name in ("bars", "orders", "open_quantity", "late", "out_of_session"):
        facts.add_row(name, str(getattr(result, name)))
    console.print(facts)
    console.print(f"digest {result.digest}", soft_wrap=True)
