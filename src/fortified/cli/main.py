"""The command `fortified` and how its errors end.

Owns the list of commands. Each is in a module of its own, imported when it is called, so that `redis-cli` does not wait for polars.
"""

import importlib
import sys

import typer
from typer.core import TyperGroup

from fortified.domain.errors import ConfigError, DataError, FortifiedError, StoreUnavailable

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

COMMANDS = {
    "new": ("fortified.cli.new", "Write a strategy to begin with, or ticks to try one on."),
    "serve": ("fortified.cli.serve", "Run the server."),
    "bars": ("fortified.cli.bars", "Build bars from a file of ticks."),
    "replay": ("fortified.cli.replay", "Trade a file on paper through the whole live path."),
    "backtest": ("fortified.cli.backtest", "Trade a file on paper, walking arrays: as a replay, and fast."),
    "check": ("fortified.cli.check", "Check a strategy for look-ahead, restarts and warm-up."),
    "optimize": ("fortified.cli.optimize", "Search the parameters of a strategy: grid, tpe, nsga2, walk forward."),
    "import": ("fortified.cli.import_files", "Write files of ticks or bars to a catalogue, and report gaps."),
    "hours": ("fortified.cli.hours", "When a symbol trades: sessions, holidays, early closes."),
    "contracts": ("fortified.cli.contracts", "Contracts of a future: front, roll, last trading and first notice days."),
    "login": ("fortified.cli.login", "Let the server in at a broker: login schwab, login tastytrade."),
    "simulate": ("fortified.cli.simulate", "Brokers on this machine, to try live mode without an account."),
    "doctor": ("fortified.cli.doctor", "Check this machine, its settings, its Redis and its brokers."),
    "user": ("fortified.cli.user", "Users who may log in."),
    "state": ("fortified.cli.state", "The ledger's state: show or clear it."),
    "redis-cli": ("fortified.cli.redis", "Talk to the Redis this server uses."),
}


class LazyGroup(TyperGroup):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: object, name: str):  # type: ignore[no-untyped-def]  # typer vendors click's types
        if name not in COMMANDS:
            return None
        module, help_text = COMMANDS[name]
        app = importlib.import_module(module).app
        command = typer.main.get_command(app)
        command.name, command.help = name, help_text
        return command


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Automated trading: one engine for live, paper, replay and backtest."""


def main() -> None:
    """Run the command line; every error that is meant for a person is one readable line, never a traceback."""
    try:
        app(prog_name="fortified")
    except (ConfigError, DataError, StoreUnavailable) as error:
        _end(error, BAD_INPUT)
    except FortifiedError as error:
        _end(error, FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BaseExceptionGroup as group:
        known, unknown = group.split(FortifiedError)
        if unknown is not None or known is None:
            raise
        first = _first(known)
        _end(first, BAD_INPUT if isinstance(first, ConfigError | DataError | StoreUnavailable) else FAILED)


def _first(group: BaseExceptionGroup[FortifiedError]) -> FortifiedError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _end(error: FortifiedError, code: int) -> None:
    sys.stderr.write(f"fortified: ERROR: {error}\n")
    sys.exit(code)
