"""The register: which name means which class.

Owns the names. Each belongs to one plugin of its kind: who comes later, and wants one that is taken, is left out with a ``Problem``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from fortified.domain.errors import ConfigError, NotFound
from fortified.ports import BaseBroker, BaseDataSource
from fortified.registry.plugin import Contents, Kind, Plugin, Problem, shown
from fortified.registry.search import files_of, in_file, in_packages
from fortified.strategies.base import BaseStrategy
from fortified.strategies.ema_crossover import EMACrossoverStrategy
from fortified.strategies.supertrend import SuperTrendStrategy
from fortified.strategies.triple_ema_zigzag import TripleEMAZigZagStrategy

BUILT_IN: tuple[type[BaseStrategy], ...] = (EMACrossoverStrategy, SuperTrendStrategy, TripleEMAZigZagStrategy)

DOCUMENTED: Mapping[str, str] = {
    "zeroday": "Zero days to expiry options",
}
"""Names the documentation uses for strategies that this version does not hold yet. They can be configured, not started."""

_SUFFIX = ".py"


class Registry:
    """Plugins by name: strategies, and the ``brokers`` and ``data_sources`` of plugins."""

    def __init__(self, strategies: tuple[type[BaseStrategy], ...] = BUILT_IN) -> None:
        self.brokers: dict[str, type[BaseBroker]] = {}
        self.data_sources: dict[str, type[BaseDataSource]] = {}
        self.plugins: list[Plugin] = []
        """What was found beyond the built-ins and can be used."""
        self.problems: list[Problem] = []
        """What was found and cannot."""
        self._strategies: dict[str, type[BaseStrategy]] = {}
        self._files: dict[Path, Contents] = {}
        self._has_packages = False
        for strategy in strategies:
            self.register(strategy)

    @classmethod
    def discover(cls, directory: Path) -> Self:
        """The built-ins, the files of ``directory`` and what installed packages give, in this order."""
        registry = cls()
        try:
            paths = files_of(directory.absolute())
        except OSError as error:
            paths = []
            registry.problems.append(Problem(shown(directory), None, f"the directory cannot be read: {error.strerror}"))
        for path in paths:
            registry._take(registry._contents(path) or _nothing(path))
        registry._take_packages()
        return registry

    def register(self, strategy: type[BaseStrategy]) -> None:
        """Make a strategy known.

        Raises:
            ConfigError: another one has its name.
        """
        known = self._strategies.get(strategy.name)
        if known is not None and known is not strategy:
            raise ConfigError(f"two strategies are named {strategy.name!r}: {known.__qualname__} and {strategy.__qualname__}; rename one")
        self._strategies[strategy.name] = strategy

    def names(self) -> list[str]:
        """The names of all strategies, sorted."""
        return sorted(self._strategies)

    def get(self, name: str) -> type[BaseStrategy]:
        """The strategy of that name.

        Raises:
            NotFound: there is none. ConfigError: its plugin cannot be used; names file and line.
        """
        found = self._strategies.get(name)
        if found is not None:
            return found
        for problem in self.problems:
            if name in problem.names:
                raise ConfigError(f"strategy {name!r} cannot be used: {problem}")
        raise NotFound(f"unknown strategy {name!r}; known are: {', '.join(self.names())}")

    def resolve(self, name_or_path: str) -> type[BaseStrategy]:
        """A strategy by name, or of a Python file: ``mine.py`` for the one it holds, ``mine.py:rising`` for one of several.

        Raises:
            ConfigError: the file cannot be used; NotFound: no such name.
        """
        path, name = split(name_or_path)
        if path is None:
            if name not in self._strategies:
                self._take_packages()
            return self.get(name)
        chosen = _choose(path, self._contents(path), name)
        self.register(chosen)
        return chosen

    def locate(self, name: str) -> str:
        """What ``resolve`` of any other registry, in this or another process, finds the strategy ``name`` by.

        Raises:
            ConfigError: its plugin cannot be used; NotFound: no such name.
        """
        found = self.get(name)
        for path, contents in self._files.items():
            made = [plugin.made for plugin in contents.plugins]
            if found in made:
                return str(path) if len(made) == 1 and not contents.problems else f"{path}:{name}"
        return name

    def _contents(self, path: Path) -> Contents:
        """What ``path`` holds; it is run once."""
        if path not in self._files:
            self._files[path] = in_file(path)
        return self._files[path]

    def _take_packages(self) -> None:
        if not self._has_packages:
            self._has_packages = True
            self._take(in_packages())

    def _take(self, contents: Contents) -> None:
        self.problems += contents.problems
        for plugin in contents.plugins:
            known = self._known(plugin.kind)
            if known.setdefault(plugin.name, plugin.made) is plugin.made:
                self.plugins.append(plugin)
            else:
                text = f"{plugin.made.__name__}: the name {plugin.name!r} is taken by {self._holder(plugin)}; use another"
                self.problems.append(Problem(plugin.place, plugin.line, text))

    def _known(self, kind: Kind) -> dict[str, Any]:
        known: dict[Kind, dict[str, Any]] = {"strategy": self._strategies, "broker": self.brokers, "data_source": self.data_sources}
        return known[kind]

    def _holder(self, plugin: Plugin) -> str:
        same = (known.place for known in self.plugins if (known.kind, known.name) == (plugin.kind, plugin.name))
        return next(same, "a built-in one")


def load_file(path: Path) -> type[BaseStrategy]:
    """The strategy class in ``path``.

    Raises:
        ConfigError: the file is missing, does not run (with its line), or does not hold exactly one strategy.
    """
    return _choose(path.absolute(), in_file(path.absolute()), "")


def split(name_or_path: str) -> tuple[Path | None, str]:
    """The file and the strategy that are meant, each as far as it is named."""
    file, colon, name = name_or_path.rpartition(f"{_SUFFIX}:")
    if colon:
        return Path(file + _SUFFIX).absolute(), name
    if name_or_path.endswith(_SUFFIX) or "/" in name_or_path:
        return Path(name_or_path).absolute(), ""
    return None, name_or_path


def _nothing(path: Path) -> Contents:
    text = f"it holds no strategy, broker or data source; call a file that only helps others _{path.name}"
    return Contents(problems=(Problem(shown(path), None, text, (path.stem,)),))


def _choose(path: Path, contents: Contents, name: str) -> type[BaseStrategy]:
    """The strategy ``name`` of a file, or the only one when no name is given."""
    file = shown(path)
    if not path.is_file():
        raise ConfigError(f"strategy file {file} does not exist")
    strategies = [plugin.made for plugin in contents.plugins if issubclass(plugin.made, BaseStrategy)]
    for strategy in strategies:
        if strategy.name == name:
            return strategy
    for problem in contents.problems:
        if not name or name in problem.names:
            raise ConfigError(f"strategy file {problem}")
    names = [strategy.name for strategy in strategies]
    if name:
        raise ConfigError(f"strategy file {file} holds no strategy {name!r}; it holds {', '.join(names) or 'none'}")
    if len(strategies) != 1:
        choice = f", or be told which: {', '.join(f'{file}:{each}' for each in names)}" if names else ""
        raise ConfigError(f"strategy file {file} holds {len(names)} strategies; it must hold exactly one subclass of BaseStrategy{choice}")
    return strategies[0]
