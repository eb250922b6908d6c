"""`fortified login schwab|tastytrade`: let the server in at a broker. It may run meanwhile: it takes over what is stored."""

import secrets
import sys
import webbrowser
from datetime import UTC, datetime
from typing import Annotated

import typer

from fortified.adapters.schwab.auth import authorize_url
from fortified.bootstrap import open_tokens, product_version
from fortified.bootstrap_logins import schwab_accounts, tastytrade_accounts
from fortified.bootstrap_venues import SchwabKeys, schwab_connection, schwab_keys, tastytrade_keys
from fortified.cli.loop import run
from fortified.clock import SystemClock
from fortified.domain.errors import VenueError
from fortified.logs import configure_logging
from fortified.ports.venue_access import AccessState
from fortified.settings import Settings, load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def schwab(
    code: Annotated[str | None, typer.Option(help="The code, or the address the browser ended on; else it is asked for.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page here.")] = True,
) -> None:
    """Log in at Charles Schwab, for seven days: open a page, agree, and paste the address it leads to."""
    settings = _settings()
    keys = schwab_keys(settings)
    state = None
    if code is None:
        state = secrets.token_urlsafe(24)
        code = _ask(authorize_url(keys.auth_url, keys.app, state), browser=browser)
    done = run(_log_in(settings, keys, code, state))
    typer.echo(done.text)
    for warning in done.warnings:
        typer.echo(warning, err=True)
    typer.echo(f"accounts: {', '.join(done.accounts) or 'none'}")


@app.command()
def tastytrade() -> None:
    """Try TastyTrade's refresh grant, and list the accounts that it opens."""
    settings = _settings()
    keys = tastytrade_keys(settings)
    accounts = run(tastytrade_accounts(keys, SystemClock(), product_version()))
    typer.echo("The refresh grant works; a server renews its access by itself, and nobody has to log in again.")
    typer.echo(f"accounts: {', '.join(accounts) or 'none'}")
    if keys.account is None:
        typer.echo("Set TASTY_ACCOUNT_ID to the whole number of the one to trade.", err=True)


def _settings() -> Settings:
    configure_logging("CRITICAL", "console")  # what goes wrong is an error of the command
    return load_settings()


def _ask(page: str, *, browser: bool) -> str:
    """What a person pastes after having agreed on ``page``."""
    typer.echo(f"Open this page, log in and agree:\n\n{page}\n")
    if browser and sys.stdin.isatty():
        webbrowser.open(page)
    typer.echo("Then the browser shows an address that may not load; its code is good for about 30 seconds.")
    return str(typer.prompt("Paste that address"))


async def _log_in(settings: Settings, keys: SchwabKeys, pasted: str, state: str | None) -> AccessState:
    clock = SystemClock()
    async with open_tokens(settings) as tokens:
        connection = schwab_connection(keys, clock, product_version(), tokens)
        try:
            expiry = await connection.log_in(pasted, state)
            until = datetime.fromtimestamp(expiry.ts_expires // 10**9, UTC)
            text = f"Logged in at Charles Schwab until {until:%Y-%m-%d %H:%M} UTC ({expiry.countdown(clock.now_ns())})."
            try:
                accounts, warnings = await schwab_accounts(connection), tuple[str, ...]()
            except VenueError as error:  # the log-in stands all the same
                accounts, warnings = (), (f"The accounts were not read: {error}",)
            return AccessState("schwab", True, True, text, expiry.ts_expires, warnings, accounts)
        finally:
            await connection.close()
