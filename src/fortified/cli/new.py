"""`fortified new strategy|ticks`: a strategy to begin with, and data to try it on.

Owns what a new file may be called. The files themselves are in ``templates``.
"""

import keyword
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from fortified.adapters.synthetic_market import SyntheticMarket
from fortified.cli.output import check_writable
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.registry import BUILT_IN, DOCUMENTED, Registry
from fortified.registry.plugin import shown
from fortified.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)

TEMPLATE, TEMPLATE_CLASS, TEMPLATE_TITLE = "my_strategy", "MyStrategy", "My strategy"
_TEMPLATES: Final = Path(__file__).with_name("templates")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED: Final = frozenset({"base", "base_strategy", *DOCUMENTED, *(strategy.name for strategy in BUILT_IN)})
_START_NS: Final = 1_750_086_000_000_000_000
"""A Monday, 15:00 UTC: the middle of every session."""


@app.command()
def strategy(
    name: Annotated[str, typer.Argument(help="Small letters, digits and _; also the name of the file.")],
    directory: Annotated[Path | None, typer.Option(help="Where to; FORTIFIED_PLUGINS_DIR by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the files where they exist.")] = False,
) -> None:
    """Write a strategy that works, and its test."""
    plugins = load_settings().plugins_dir
    where = plugins if directory is None else directory.expanduser().absolute()
    path, test = where / f"{name}.py", where / f"test_{name}.py"
    _check_name(name)
    _check_free(name, path, plugins)
    if not force:
        for file in (path, test):
            if file.exists():
                raise ConfigError(f"{shown(file)} exists; choose another name, or replace it with --force")
    _write(path, TEMPLATE, name)
    _write(test, f"test_{TEMPLATE}", name)
    word = name if where == plugins else shown(path)
    typer.echo(f"{shown(path)} and {shown(test)} are written. Now:\n")
    typer.echo(f"  ./run_tests.sh {shown(test)}")
    typer.echo("  ./fortified new ticks ticks.csv --symbol /NQ")
    typer.echo(f"  ./fortified check {word} ticks.csv --symbol /NQ --timeframe 30t")
    typer.echo(f"  ./fortified backtest ticks.csv --symbol /NQ --timeframe 30t --strategy {word}")


@app.command()
def ticks(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, by its name.")],
    symbol: Annotated[str, typer.Option(help="/NQ, SPY …")] = "/NQ",
    minutes: Annotated[int, typer.Option(min=1, max=240, help="How long.")] = 30,
    seed: Annotated[int, typer.Option(help="Which market; the same seed gives the same prices.")] = 7,
) -> None:
    """Write ticks of an invented market: what a strategy earns on them says nothing, but it can be tried."""
    if file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{file}: name a file that ends with .csv or .parquet")
    check_writable(file)
    market = SyntheticMarket(seed, get_instrument(symbol))
    made = market.ticks(market.end(_START_NS), market.end(_START_NS + minutes * 60 * NS_PER_SECOND))
    fields = {"ts_ns": "ts_event", "price": "price", "size": "size", "bid": "bid", "ask": "ask"}
    frame = pl.DataFrame({name: [getattr(tick, field) for tick in made] for name, field in fields.items()})
    try:
        if file.suffix == ".csv":
            frame.write_csv(file)
        else:
            frame.write_parquet(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"{file}: {len(made)} ticks of {market.symbol} from {datetime.fromtimestamp(_START_NS / 1e9, UTC):%Y-%m-%d %H:%M} UTC on")


def class_name(name: str) -> str:
    """``rising_closes`` as a class: RisingClosesStrategy."""
    return "".join(part.capitalize() for part in name.removesuffix("_strategy").split("_")) + "Strategy"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        like = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:40]
        raise ConfigError(f"name {name!r} is not possible; use small letters, digits and _, such as {like or TEMPLATE}")
    if keyword.iskeyword(name) or name.startswith("test_"):
        raise ConfigError(f"name {name!r} is not possible, for Python or for tests it means something else; use my_{name}")
    if name in _RESERVED:
        raise ConfigError(f"name {name!r} is taken by a built-in strategy or reserved for one; use my_{name}")


def _check_free(name: str, path: Path, plugins: Path) -> None:
    for plugin in Registry.discover(plugins).plugins:
        if (plugin.kind, plugin.name) == ("strategy", name) and plugin.place != shown(path):
            raise ConfigError(f"name {name!r} is taken by {plugin.place}; choose another")


def _write(path: Path, template: str, name: str) -> None:
    text = (_TEMPLATES / f"{template}.py").read_text(encoding="utf-8")
    title = name.replace("_", " ").capitalize()
    for known, given in ((TEMPLATE_TITLE, title), (TEMPLATE_CLASS, class_name(name)), (TEMPLATE, name)):
        text = text.replace(known, given)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{shown(path)} cannot be written: {error.strerror}") from None
