"""`fortified state show|clear`: the ledger's state."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from fortified.bootstrap import open_store
from fortified.cli.loop import run
from fortified.domain.position import Position
from fortified.ports import DesiredRun
from fortified.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)
StrategyOption = Annotated[str | None, typer.Option(help="Only this strategy.")]


@app.command()
def show(strategy: StrategyOption = None, json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what should run and the positions."""
    desired, positions = run(_read(strategy))
    if json:
        typer.echo(msgspec.json.encode({"desired": desired, "positions": positions}))
        return
    table = Table("account", "strategy", "symbol", "side", "quantity", "average", "realized", "fees")
    for position in positions:
        average = position.average_price
        table.add_row(
            position.account,
            position.strategy,
            position.symbol,
            position.side,
            str(position.quantity),
            "" if average is None else str(average),
            str(position.realized_pnl),
            str(position.fees),
        )
    console = Console()
    console.print("should run: " + (", ".join(f"{run.strategy} ({run.mode})" for run in desired) or "nothing"))
    console.print(table)


@app.command()
def clear(strategy: StrategyOption = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete runner states, positions, orders, fills and trades. Stop the server first."""
    what = f"of strategy {strategy!r}" if strategy else "of all strategies"
    if not yes:
        typer.confirm(f"Delete positions, orders, fills and trades {what}?", abort=True)
    typer.echo(f"deleted {run(_clear(strategy))} keys {what}")


async def _read(strategy: str | None) -> tuple[list[DesiredRun], list[Position]]:
    async with open_store(load_settings()) as store:
        return list(await store.config.desired()), list(await store.ledger.positions(strategy=strategy))


async def _clear(strategy: str | None) -> int:
    async with open_store(load_settings()) as store:
        return await store.ledger.clear(strategy=strategy)
