"""The pages of strategies and indicators agree with the code: all are there, with their parameters, lines, pictures and examples."""

import doctest
import importlib
import inspect
import json
import pkgutil
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
import pytest
from scripts.pictures import PICTURES
from tests.cli.conftest import Command
from tests.cli.conftest import run as command  # noqa: F401  # a fixture

import fortified.indicators
from fortified.api.tickers_body import parse_ticker
from fortified.domain.errors import ConfigError
from fortified.indicators.base import Indicator
from fortified.indicators.zigzag import Reversal
from fortified.registry import BUILT_IN, Registry
from fortified.strategies.base import BaseStrategy, parse_params

DOCS: Final = Path(__file__).parents[2] / "docs"
INDICATOR_PAGES: Final = sorted(page for page in (DOCS / "indicators").glob("*.md") if page.name != "README.md")
STRATEGY_PAGES: Final = sorted(page for page in (DOCS / "strategies").glob("*.md") if page.name != "README.md")
ALL_PAGES: Final = [*sorted((DOCS / "indicators").glob("*.md")), *sorted((DOCS / "strategies").glob("*.md"))]
LARGEST_PICTURE: Final = 80 * 1024
NONE: Final = "–"

type Row = tuple[str, str, str]
"""A parameter, its default and its bounds."""


def of(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: f"{page.parent.name}/{page.stem}")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def tables(page: Path, title: str) -> dict[str, list[list[str]]]:
    """The rows under each heading "``title`` of `X`", or "``title``", by X."""
    found = {}
    for heading, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text(page), re.MULTILINE | re.DOTALL):
        if match := re.fullmatch(rf"{title}(?: of `(\w+)`)?", heading):
            lines = [line for line in section.splitlines() if line.startswith("|")][2:]
            found[match[1] or ""] = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return found


def first_three(table: list[list[str]]) -> list[Row]:
    return [(row[0], row[1], row[2]) for row in table]


def written(default: object) -> str:
    """A default as the pages write it."""
    if default in (inspect.Parameter.empty, msgspec.NODEFAULT):
        return NONE
    if isinstance(default, Reversal):
        return "`Reversal()`"
    return "none" if default is None else f"`{default}`" if isinstance(default, str) else str(default)


def indicators() -> dict[str, type[Indicator]]:
    """Every indicator of the product by name."""
    names = [found.name for found in pkgutil.iter_modules(fortified.indicators.__path__, "fortified.indicators.")]
    found = [value for name in names for value in vars(importlib.import_module(name)).values() if inspect.isclass(value)]
    return {made.__name__: made for made in found if issubclass(made, Indicator) and made.__module__ != Indicator.__module__}


def parameters(made: Callable[..., object]) -> dict[str, Any]:
    """Names and defaults of a constructor."""
    return {name: parameter.default for name, parameter in inspect.signature(made).parameters.items()}


CONFIGURED: Final = {name: made for name, made in indicators().items() if parameters(made)}


# --- indicators ---


def test_every_indicator_has_its_page() -> None:
    described = {name for page in INDICATOR_PAGES for name in tables(page, "Parameters")}
    assert described == {*CONFIGURED, "Reversal"}
    spans = {span for page in INDICATOR_PAGES for span in re.findall(r"`(\w+)`", text(page))}
    assert indicators().keys() <= spans
    assert len(CONFIGURED) >= 10


@of(INDICATOR_PAGES)
def test_parameters_of_indicators_are_those_of_their_constructors(page: Path) -> None:
    for name, table in tables(page, "Parameters").items():
        made: Callable[..., object] = Reversal if name == "Reversal" else CONFIGURED[name]
        assert [(row[0], row[1]) for row in table] == [(f"`{key}`", written(default)) for key, default in parameters(made).items()], name
        for key, _, bounds, *_ in table:
            check_bounds(made, key.strip("`"), bounds)


def check_bounds(made: Callable[..., object], name: str, bounds: str) -> None:
    """What is within ``bounds`` is taken, what lies just outside is refused."""
    needed = {key: 5 for key, default in parameters(made).items() if default is inspect.Parameter.empty and key == "period"}
    if match := re.fullmatch(r"(≥|≤|>) (\d+)", bounds):
        sign, edge = match[1], int(match[2])
        step = -1 if sign == "≤" else 1
        made(**{**needed, name: edge + step if sign == ">" else edge})
        with pytest.raises(ConfigError):
            made(**{**needed, name: edge if sign == ">" else edge - step})
    elif bounds.startswith("a `"):
        assert bounds == f"a `{kind(made, name)}`"
    else:
        for word in re.findall(r"`(\w+)`", bounds):
            made(**{**needed, name: word})


def kind(made: Callable[..., object], name: str) -> str:
    found = inspect.signature(made).parameters[name].annotation
    return found if isinstance(found, str) else found.__name__


@of(INDICATOR_PAGES)
def test_lines_of_indicators_are_those_of_the_class(page: Path) -> None:
    found = tables(page, "Lines")
    assert found
    for name, table in found.items():
        assert [row[0] for row in table] == [f"`{line}`" for line in CONFIGURED[name].lines], name
    assert found.keys() == tables(page, "Parameters").keys() - {"Reversal"}


# --- strategies ---


def test_every_strategy_has_its_page() -> None:
    assert {page.stem for page in STRATEGY_PAGES} == {strategy.name for strategy in BUILT_IN}


@of(STRATEGY_PAGES)
def test_parameters_of_strategies_are_those_of_the_schema(page: Path) -> None:
    assert first_three(tables(page, "Parameters")[""]) == schema_rows(Registry().get(page.stem))


def schema_rows(strategy: type[BaseStrategy]) -> list[Row]:
    """What the table of a strategy has to say: a new parameter is one row more, as the failing test shows it."""
    described = msgspec.inspect.type_info(strategy.Params)
    assert isinstance(described, msgspec.inspect.StructType)
    return [(f"`{field.name}`", written(field.default), bounds(field.type)) for field in described.fields]


def bounds(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return bounds(inner)
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(bounds(one) for one in types if not isinstance(one, msgspec.inspect.NoneType))
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case msgspec.inspect.StrType(max_length=letters):
            return f"text, ≤ {letters} letters"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            limits = (("≥", kind.ge), (">", kind.gt), ("≤", kind.le), ("<", kind.lt))
            return ", ".join(f"{sign} {limit:,.10g}" for sign, limit in limits if limit is not None)
        case _:
            return type(kind).__name__


@of(STRATEGY_PAGES)
def test_configurations_of_strategies_are_accepted(page: Path) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        config = parse_ticker(json.loads(block), {page.stem: frozenset(Registry().get(page.stem).Params.__struct_fields__)})
        assert config.strategy == page.stem
        assert config.venues
        parse_params(Registry().get(page.stem), config.parameters)


@of(STRATEGY_PAGES)
def test_commands_of_strategies_run(page: Path, command: Command, tmp_path: Path) -> None:  # noqa: F811  # the fixture
    at = np.arange(20_000)
    price = 60 + 0.25 * np.rint(4 * (np.sin(at / 900) + 20 * np.sin(at / 7_000)))
    stamps = 1_750_086_000_000_000_000 + at * 1_000_000_000
    pl.DataFrame({"ts_ns": stamps, "price": price, "size": np.ones(len(at))}).write_parquet(tmp_path / "day.parquet")
    commands = re.findall(r"^(\./fortified (?:.*\\\n)*.*)$", text(page), re.MULTILINE)
    assert commands
    for line in commands:
        words = shlex.split(line.replace("\\\n", " "))[1:]
        assert words[words.index("--strategy") + 1] == page.stem
        ended = command(*words)
        assert ended.code == 0, ended.err
        assert (tmp_path / "report.html").stat().st_size > 1_000_000


# --- all ---


@pytest.mark.parametrize("folder", ["indicators", "strategies"])
def test_the_index_lists_every_page(folder: str) -> None:
    listed = re.findall(r"^\| \[.+?\]\(([\w]+\.md)\)", text(DOCS / folder / "README.md"), re.MULTILINE)
    assert sorted(listed) == [page.name for page in sorted((DOCS / folder).glob("*.md")) if page.name != "README.md"]


@of([*INDICATOR_PAGES, *STRATEGY_PAGES])
def test_each_page_shows_its_picture(page: Path) -> None:
    name = page.stem if page.parent.name == "indicators" else f"strategy_{page.stem}"
    assert re.findall(r"!\[.{20,}\]\((.+?)\)", text(page)) == [f"../pictures/{name}.png"]


def test_pictures_are_the_ones_that_are_made_and_small() -> None:
    pictures = {path.stem: path for path in (DOCS / "pictures").iterdir()}
    assert pictures.keys() == PICTURES.keys()
    for path in pictures.values():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= LARGEST_PICTURE, path.name


@of(ALL_PAGES)
def test_examples_give_what_they_say(page: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
    assert blocks or page.parent.name == "strategies"
    for block in blocks:
        said: list[str] = []
        doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(block, {}, page.name, None, 0), out=said.append)
        assert "".join(said) == ""
