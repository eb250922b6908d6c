"""`fortified simulate`: brokers on this machine that cost nothing, for a try of live mode and for tests by hand."""

import asyncio
import enum
import signal
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fortified.cli.loop import run
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError
from fortified.simulators.server import VENUES, Options, Ports, Simulation

app = typer.Typer(add_completion=False)

_LAST_OFFSET = 12


class Which(enum.StrEnum):
    TASTYTRADE = "tastytrade"
    SCHWAB = "schwab"
    ALL = "all"


class OpenHours(enum.StrEnum):
    ALWAYS = "always"
    REAL = "real"


@app.command()
def simulate(
    which: Annotated[Which, typer.Argument(help="Which brokers.")] = Which.ALL,
    host: Annotated[str, typer.Option(help="Address to listen on; whoever reaches it can trade there.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535 - _LAST_OFFSET, help="The first of the ports; 0 for any free ones.")] = 8100,
    symbols: Annotated[str, typer.Option(help="What has prices all the time, separated by commas.")] = ",".join(Options().symbols),
    file: Annotated[
        Path | None, typer.Option(help="A CSV file of ticks (ts_ns, price, size) to play instead of an invented market.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1_000, help="How fast the file is played.")] = 1.0,
    rate: Annotated[int, typer.Option(min=1, max=500, help="Prints per second of each symbol of the invented market.")] = 20,
    seed: Annotated[int, typer.Option(help="Which invented market, and which chance in faults.")] = 1,
    hours: Annotated[OpenHours, typer.Option(help="Trade always, or when the exchanges do.")] = OpenHours.ALWAYS,
    partial: Annotated[bool, typer.Option("--partial", help="An order gets no more of a print than its size.")] = False,
    cash: Annotated[int, typer.Option(min=1, help="Dollars in each account.")] = 250_000,
) -> None:
    """Brokers on this machine: TastyTrade and Schwab as they behave, with a matching engine and faults on demand."""
    names = tuple(name.strip() for name in symbols.split(",") if name.strip())
    if not names:
        raise ConfigError("--symbols is empty; name at least one, such as /NQ,SPY")
    options = Options(
        seed=seed,
        prints_per_s=rate,
        feed=True,
        file=file,
        speed=speed,
        symbols=names,
        always_open=hours is OpenHours.ALWAYS,
        cash=Decimal(cash),
        by_size=partial,
    )
    venues = VENUES if which is Which.ALL else (which.value,)
    simulation = Simulation(SystemClock(), options, venues=venues, host=host, ports=_ports(port))
    unknown = [name for name in names if file is None and simulation.find(name) is None]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)} is not listed by the simulated brokers; take roots such as /NQ, or equities such as SPY")
    run(_serve(simulation))


async def _serve(simulation: Simulation) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulation:
        _tell(simulation)
        await stopped.wait()


def _ports(first: int) -> Ports:
    return Ports(first + 1, first + 2, first + 3, first + 11, first + _LAST_OFFSET, first) if first else Ports()


def _tell(simulation: Simulation) -> None:
    """Where everything is, and with which words it opens."""
    known = simulation.options.credentials
    table = Table("what", "value", title="Simulated brokers. Ctrl+C ends them.", title_justify="left")
    for what, value in (
        ("TastyTrade API", simulation.tastytrade_url),
        ("TastyTrade streamer", simulation.tastytrade_streamer_url),
        ("DXLink", simulation.dxlink_url),
        ("Schwab API", simulation.schwab_url),
        ("Schwab streamer", simulation.schwab.streamer_url),
        ("admin: state, prices, faults", simulation.admin_url),
        ("accounts", ", ".join((*simulation.tastytrade.exchange.accounts, *simulation.schwab.exchange.accounts))),
        ("client id", known.client_id),
        ("client secret", known.client_secret),
        ("refresh token", known.refresh_token),
        ("redirect URI (Schwab)", known.redirect_uri),
    ):
        if value:
            table.add_row(what, value)
    Console(width=100).print(table)
