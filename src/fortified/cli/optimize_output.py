"""How the result of an optimization is shown in a terminal, and texts are written."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fortified.cli.output import errors
from fortified.domain.errors import ConfigError
from fortified.research.optimize.result import Fold, Metrics, OptimizeResult, Point

SHOWN = 10
ALONE = ("net_pnl", "profit_factor", "sharpe", "max_drawdown", "trades")
BESIDE_TEST = ("net_pnl", "trades")
WHOLE = ("net_pnl", "max_drawdown", "trades")


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def print_result(result: OptimizeResult) -> None:
    """The best points, the folds, and what speaks against them."""
    console = Console()
    searched = [name for name, values in result.space.items() if len(values) > 1]
    objectives = result.objective.split(",")
    tested = any(point.test is not None for point in result.points)
    columns = tuple(dict.fromkeys((*objectives, *(BESIDE_TEST if tested else ALONE))))
    title = f"{result.strategy} on {result.symbol} {result.timeframe}, by {result.objective}"
    table = Table("#", *searched, *columns, *(f"test {name}" for name in columns if tested), title=title)
    for number, point in enumerate(result.points[:SHOWN], start=1):
        table.add_row(str(number), *_params(point, searched), *_numbers(point, columns, tested=tested))
    console.print(table)
    if len(result.points) > SHOWN:
        console.print(f"the best {SHOWN} of {len(result.points)} points; all of them with --json FILE")
    if result.folds:
        console.print(_folds(result.folds, searched, tuple(dict.fromkeys((*objectives, *BESIDE_TEST)))))
    for warning in result.warnings:
        errors.print(f"! {warning}", highlight=False, markup=False)


def _numbers(point: Point, columns: tuple[str, ...], *, tested: bool) -> list[str]:
    if point.error is not None:
        return ["failed"]
    return [*_said(point.train, columns), *(_said(point.test or {}, columns) if tested else [])]


def _folds(folds: list[Fold], searched: list[str], columns: tuple[str, ...]) -> Table:
    table = Table("fold", *searched, *columns, *(f"test {name}" for name in columns), title="walk forward")
    for fold in folds:
        table.add_row(str(fold.number), *_params(fold, searched), *_said(fold.train, columns), *_said(fold.test, columns))
    return table


def _params(point: Point | Fold, searched: list[str]) -> list[str]:
    return [escape(str(point.params[name])) for name in searched]


def _said(metrics: Metrics, columns: tuple[str, ...]) -> list[str]:
    values = ((name, metrics.get(name)) for name in columns)
    return ["–" if value is None else f"{value:,.0f}" if name in WHOLE else f"{value:,.2f}" for name, value in values]
