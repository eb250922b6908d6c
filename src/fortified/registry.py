"""What strategies there are: built-ins, and files of the user's.

Owns discovery by name and by path. A broken file is reported with its name and line and hurts nothing else.
"""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Buffer, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path

from fortified.domain.errors import ConfigError, NotFound
from fortified.strategies.base import BaseStrategy
from fortified.strategies.ema_crossover import EMACrossoverStrategy
from fortified.strategies.supertrend import SuperTrendStrategy
from fortified.strategies.triple_ema_zigzag import TripleEMAZigZagStrategy

BUILT_IN: tuple[type[BaseStrategy], ...] = (EMACrossoverStrategy, SuperTrendStrategy, TripleEMAZigZagStrategy)

DOCUMENTED: Mapping[str, str] = {
    "zeroday": "Zero days to expiry options",
}
"""Names the documentation uses for strategies that this version does not hold yet. They can be configured, not started."""


class Registry:
    """Strategies by name."""

    def __init__(self, strategies: tuple[type[BaseStrategy], ...] = BUILT_IN) -> None:
        self._strategies: dict[str, type[BaseStrategy]] = {}
        self._files: dict[Path, type[BaseStrategy]] = {}
        for strategy in strategies:
            self.register(strategy)

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
        """All names, sorted."""
        return sorted(self._strategies)

    def get(self, name: str) -> type[BaseStrategy]:
        """The strategy of that name.

        Raises:
            NotFound: there is none.
        """
        found = self._strategies.get(name)
        if found is None:
            raise NotFound(f"unknown strategy {name!r}; known are: {', '.join(self.names())}")
        return found

    def resolve(self, name_or_path: str) -> type[BaseStrategy]:
        """A strategy by name, or the one BaseStrategy subclass of a Python file.

        Raises:
            ConfigError: the file cannot be used; NotFound: no such name.
        """
        if name_or_path.endswith(".py") or "/" in name_or_path:
            path = Path(name_or_path).absolute()
            if path not in self._files:
                strategy = load_file(path)
                self.register(strategy)
                self._files[path] = strategy
            return self._files[path]
        return self.get(name_or_path)


class _Loader(SourceFileLoader):
    """Writes nothing beside a user's file."""

    def set_data(self, path: bytes | str, data: Buffer, *, _mode: int = 0o666) -> None:
        return


def load_file(path: Path) -> type[BaseStrategy]:
    """The strategy class in ``path``.

    Raises:
        ConfigError: the file is missing, does not run (with its line), or does not hold exactly one strategy.
    """
    if not path.is_file():
        raise ConfigError(f"strategy file {path} does not exist")
    module_name = f"fortified_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path, loader=_Loader(module_name, str(path)))
    if spec is None or spec.loader is None:
        raise ConfigError(f"strategy file {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigError(f"strategy file {path}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:  # the file is the user's: whatever it raises is a fault of that file alone
        raise ConfigError(f"strategy file {path}, line {_line(error, path)}: {type(error).__name__}: {error}") from None
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseStrategy) and value.__module__ == module_name and not inspect.isabstract(value)
    ]
    if len(found) != 1:
        raise ConfigError(f"strategy file {path} holds {len(found)} strategies; it must hold exactly one subclass of BaseStrategy")
    if not hasattr(found[0], "name"):
        found[0].name = path.stem
    return found[0]


def _line(error: BaseException, path: Path) -> int | str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return lines[-1] if lines and lines[-1] is not None else "?"
