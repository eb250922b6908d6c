"""What a person calls a strategy, and how every process of a command finds it.

Owns the step from a name to the file that gives it: what runs the strategy afterwards, here or in a worker, needs no settings.
"""

from typing import Final

from fortified.registry import BUILT_IN, Registry, split
from fortified.settings import load_settings

STRATEGY_HELP: Final = "A name, or a Python file with one strategy, or mine.py:name for one of several."


def located(strategy: str) -> str:
    """``strategy`` itself when it is built in or names a file; else where a plugin of that name is.

    Raises:
        ConfigError: its plugin cannot be used, with file and line; NotFound: no such name.
    """
    file, _ = split(strategy)
    if file is not None or strategy in {made.name for made in BUILT_IN}:
        return strategy
    return Registry.discover(load_settings().plugins_dir).locate(strategy)
