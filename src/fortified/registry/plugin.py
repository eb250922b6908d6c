"""What a file or a package gives: plugins, and what keeps others from being used.

Owns these values. Knows neither how files are run nor what is registered.
"""

from pathlib import Path
from typing import Literal

import msgspec

from fortified.ports import BaseBroker, BaseDataSource
from fortified.strategies.base import BaseStrategy

Kind = Literal["strategy", "broker", "data_source"]
type PluginClass = type[BaseStrategy] | type[BaseBroker] | type[BaseDataSource]

KINDS: dict[Kind, PluginClass] = {"strategy": BaseStrategy, "broker": BaseBroker, "data_source": BaseDataSource}


class Plugin(msgspec.Struct, frozen=True):
    """A class that can be used. ``place`` is its file, or the entry point that names it."""

    kind: Kind
    name: str
    place: str
    line: int | None
    made: PluginClass


class Problem(msgspec.Struct, frozen=True):
    """Why a plugin cannot be used. ``names`` are those it would have had, as far as that can be told."""

    place: str
    line: int | None
    text: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}{'' if self.line is None else f', line {self.line}'}: {self.text}"


class Contents(msgspec.Struct, frozen=True):
    """All that one file or one search gives."""

    plugins: tuple[Plugin, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.plugins or self.problems)


class Unusable(Exception):
    """A plugin's fault, on its way to a ``Problem``."""

    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.line, self.text = line, text


def shown(path: Path) -> str:
    """``path`` as a person reads it: relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
