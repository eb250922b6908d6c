"""The options that the commands share which run a strategy over data."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import typer

from fortified.cli.strategies import STRATEGY_HELP, located
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.engine.fills import FillModel
from fortified.engine.sizing import Sizing
from fortified.runs import RunOptions

Files = Annotated[list[Path], typer.Argument(help="Ticks or bars as CSV, CSV.gz, Parquet or DBN, or directories, in the order of time.")]
MaybeFiles = Annotated[
    list[Path] | None, typer.Argument(help="Ticks or bars as CSV, CSV.gz, Parquet or DBN, or directories, in the order of time.")
]
Stored = Annotated[bool, typer.Option("--stored", help="The stored bars of the timeframe instead of files.")]
From = Annotated[str | None, typer.Option("--from", help="Leave out what is stamped before: 2025-03-05, 2025-03-05T14:30, UTC.")]
To = Annotated[str | None, typer.Option("--to", help="Leave out what is stamped from then on; a day alone is still taken in whole.")]
ReportOut = Annotated[Path | None, typer.Option("--report", help="Write a report as one HTML file.")]
Symbol = Annotated[str, typer.Option(help="/NQ, SPY …")]
Symbols = Annotated[str, typer.Option(help="/NQ, SPY …; several with commas, each runs by itself.")]
TimeframeName = Annotated[str, typer.Option(help="1 5 15 30 1h 4h 1d, 30s, 144t …")]
Strategy = Annotated[str, typer.Option(callback=located, help=STRATEGY_HELP)]
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
BreakEven = Annotated[str | None, typer.Option(help="Once the price has come so far, the stop is at the entry: 20ticks | 0.5% | 1atr")]
TimeStop = Annotated[str | None, typer.Option(help="Out after so many bars, or so much time: 20bars | 90s | 30min | 2h")]
FlattenBefore = Annotated[str | None, typer.Option(help="Out so long before the session's end, no entry from then on: 10min | 1h")]
SizingName = Annotated[str, typer.Option("--sizing", help="fixed (--quantity) | all_in | a share of the equity, such as 25%")]
Cash = Annotated[str, typer.Option(help="Money at the start.")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = _EPOCH, datetime(2262, 1, 1, tzinfo=UTC)
"""What int64 nanoseconds of a tick can be."""


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
    start: str | None = None,
    end: str | None = None,
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
        start_ns=None if start is None else parsed_instant("--from", start),
        end_ns=None if end is None else parsed_instant("--to", end, whole_day=True),
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


def parsed_instant(name: str, text: str, *, whole_day: bool = False) -> int:
    """UTC nanoseconds of an ISO-8601 day or time, in UTC where it names no zone; the end of a day alone when ``whole_day``.

    Raises:
        ConfigError: it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{name} {text!r} is not understood; write a day or a time such as 2025-03-05 or 2025-03-05T14:30") from None
    day_alone = len(text.strip()) <= len("2025-03-05")
    instant = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if not FIRST <= instant < LAST:
        raise ConfigError(f"{name} {text!r} is not possible; give a time from {FIRST:%Y} on and before {LAST:%Y}")
    instant += timedelta(days=1 if whole_day and day_alone else 0)
    return round((instant - _EPOCH) / timedelta(microseconds=1)) * 1_000


def parsed_fill(text: str) -> Literal["next", "last"]:
    """The fill model of market orders; ``ConfigError`` for an unknown one."""
    if text == "next":
        return "next"
    if text == "last":
        return "last"
    raise ConfigError(f"--fill {text!r} is unknown; choose next or last")


def latency_ns(milliseconds: float) -> int:
    """Whole nanoseconds; ``ConfigError`` for a number that is not finite."""
    if not math.isfinite(milliseconds):
        raise ConfigError(f"--latency-ms {milliseconds} is not a finite number")
    return int(milliseconds * 1_000_000)
