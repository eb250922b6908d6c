"""`fortified contracts`: the contracts of a root, which is the front, and what a day asks of a position.

Owns the tables and the words around them; the days are those of the calendar's rules, because no broker is asked.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fortified.cli.output import check_writable, write_json
from fortified.clock import SystemClock
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.futures import futures_root
from fortified.domain.futures_chain import chain, front, resolve
from fortified.domain.futures_contract import Contract, read_symbol
from fortified.domain.futures_roll import RollPlan, roll_plan
from fortified.domain.futures_tables import CONTRACT_RULES, ContractRules
from fortified.domain.instrument_tables import FUTURES

app = typer.Typer(add_completion=False)
YEARS = range(2000, 2061)


@app.command()
def contracts(
    symbol: Annotated[str | None, typer.Argument(help="/NQ, /NQZ26, /NQZ26:XCME; all roots by default.")] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; the trading day it is now by default.")] = None,
    held: Annotated[str | None, typer.Option(help="The contract of an open position: /NQZ26.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many contracts.")] = 6,
    json: Annotated[Path | None, typer.Option(help="Write it as JSON; - for standard output.")] = None,
) -> None:
    """Show the contracts of a root with their last trading, notice and roll days, and today's plan."""
    check_writable(json)
    if on is not None and on.year not in YEARS:
        raise ConfigError(f"--on {on:%Y-%m-%d} is outside of what the rules know. Give a day from {YEARS[0]} to {YEARS[-1]}.")
    if symbol is None:
        if held is not None:
            raise ConfigError(f"--held {held} needs the symbol that is traded: fortified contracts /{futures_root(held)} --held {held}.")
        _all_roots(on, json)
    else:
        _one_root(symbol, on, held, count, json)


def _all_roots(on: datetime | None, json: Path | None) -> None:
    fronts = [front(root, _day(root, on)) for root in CONTRACT_RULES]
    if json is not None:
        write_json(json, [{"root": f"/{contract.symbol.root}", **_as_json(contract)} for contract in fronts])
    if str(json) == "-":
        return
    table = _table("root", "", "front", "rolls on", "last trade", "first notice")
    for contract in fronts:
        root = contract.symbol.root
        table.add_row(f"/{root}", FUTURES[root][4], contract.name, *_days(contract))
    Console(highlight=False).print(table)


def _one_root(symbol: str, on: datetime | None, held: str | None, count: int, json: Path | None) -> None:
    root = futures_root(symbol)
    day = _day(root, on)
    one = read_symbol(symbol, day).is_contract
    shown = [resolve(symbol, day)] if one else chain(root, day, count)
    now, plan, rules = front(root, day), roll_plan(symbol, day, held), CONTRACT_RULES[root]
    if json is not None:
        rows = [{**_as_json(contract), "front": contract == now} for contract in shown]
        write_json(json, {"root": f"/{root}", "day": day, "front": now.name, "contracts": rows, "plan": _plan_as_json(plan)})
    if str(json) != "-":
        _print(shown, now, plan, rules)


def _print(shown: list[Contract], now: Contract, plan: RollPlan, rules: ContractRules) -> None:
    root = now.symbol.root
    table = _table("contract", "rolls on", "last trade", "first notice", "leave by", "")
    for contract in shown:
        table.add_row(contract.name, *_days(contract), str(contract.last_day_to_hold), "front" if contract == now else "")
    console = Console(highlight=False)
    console.print(f"/{root} {FUTURES[root][4]}, {plan.day}", table, plan.text, "", sep="\n")
    if len(shown) == 1:
        console.print(f"market data: {shown[0].streamer_symbol}, TastyTrade: {shown[0].venue_symbol}")
    console.print(f"months: {rules.traded}" + (f", listed too: {_others(rules)}" if _others(rules) else ""))
    console.print(f"last trading day: {rules.last_trade}")
    console.print(f"first notice day: {rules.first_notice or 'none before the last trading day'}")
    console.print(f"rolls on: {rules.roll_words}")


def _table(*columns: str) -> Table:
    """A table in which only columns without a heading are broken."""
    table = Table()
    for column in columns:
        table.add_column(column, no_wrap=bool(column))
    return table


def _day(root: str, on: datetime | None) -> date:
    """The day that was asked for, else the trading day of the root's calendar now."""
    if on is not None:
        return on.date()
    calendar = FUTURES[root][2] if root in FUTURES else "CME"
    return get_calendar(calendar).trading_day(SystemClock().now_ns())


def _days(contract: Contract) -> tuple[str, str, str]:
    return str(contract.roll_day), str(contract.last_trading_day), str(contract.first_notice_day or "–")


def _others(rules: ContractRules) -> str:
    return "".join(code for code in rules.months if code not in rules.traded)


def _as_json(contract: Contract) -> dict[str, object]:
    return {
        "contract": contract.name,
        "streamer_symbol": contract.streamer_symbol,
        "venue_symbol": contract.venue_symbol,
        "roll_day": contract.roll_day,
        "last_trading_day": contract.last_trading_day,
        "first_notice_day": contract.first_notice_day,
        "last_day_to_hold": contract.last_day_to_hold,
    }


def _plan_as_json(plan: RollPlan) -> dict[str, object]:
    return {
        "entries": None if plan.target is None or plan.refusal else plan.target.name,
        "held": None if plan.held is None else plan.held.name,
        "leave_by": plan.leave_by,
        "must_leave": plan.must_leave,
        "refusal": plan.refusal,
        "text": plan.text,
    }
