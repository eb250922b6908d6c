"""How the result of a run is written: files, JSON, tables."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from fortified.cli.output import errors, write_csv, write_json
from fortified.domain.order import Fill
from fortified.domain.trade import Trade
from fortified.engine.result import RunResult
from fortified.engine.statistics import trade_statistics

SHOWN_TRADES = 20
TRADE_COLUMNS = tuple(name for name in Trade.__struct_fields__ if name != "bar")


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
        write_trades(trades, result.trades)
    if json is None or str(json) != "-":
        _print(result)


def write_results(results: Mapping[str, RunResult], json: Path | None, trades: Path | None) -> None:
    """As ``write_result``, for several symbols: each by itself, and the statistics of all trades together."""
    together = sorted((trade for result in results.values() for trade in result.trades), key=lambda trade: (trade.ts_exit, trade.symbol))
    stats = trade_statistics(together)
    if json is not None:
        write_json(
            json, {"runs": {symbol: _as_json(result) for symbol, result in results.items()}, "together": msgspec.structs.asdict(stats)}
        )
    if trades is not None:
        write_trades(trades, together)
    if json is not None and str(json) == "-":
        return
    table = Table("symbol", "bars", "trades", "net P&L", "fees", "win rate", "profit factor", "max drawdown", "digest", title="by symbol")
    rows = [(symbol, str(result.bars), result.stats, result.digest[:16]) for symbol, result in results.items()]
    for symbol, bars, found, digest in [*rows, ("together", "", stats, "")]:
        ratios = ("–" if ratio is None else f"{ratio:.2f}" for ratio in (found.win_rate, found.profit_factor))
        table.add_row(
            symbol, bars, str(found.trades), f"{found.net_pnl:.2f}", f"{found.fees:.2f}", *ratios, f"{found.max_drawdown:.2f}", digest
        )
    Console().print(table)


def write_trades(path: Path, trades: Sequence[Trade]) -> None:
    """Write trades as CSV."""
    write_csv(path, TRADE_COLUMNS, ([getattr(trade, name) for name in TRADE_COLUMNS] for trade in trades))


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
    table = Table("#", "side", "quantity", "entry", "exit", "gross", "fees", "net", "bars", "reason", title="trades", box=None)
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
        facts.add_row(name, "–" if value is None else f"{value:.2f}" if isinstance(value, Decimal | float) else str(value))
    for name in ("bars", "orders", "open_quantity", "late", "out_of_session"):
        facts.add_row(name, str(getattr(result, name)))
    console.print(facts)
    console.print(f"digest {result.digest}", soft_wrap=True)
