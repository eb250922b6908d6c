"""Whether a class of a user's can be used, before anybody starts it.

Owns what is asked of each kind of plugin, and the line that an answer points at. Runs nothing of the class.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Final

import msgspec

from fortified.registry.plugin import KINDS, Kind, PluginClass, Unusable
from fortified.strategies.base import BaseStrategy

_NAME: Final = re.compile(r"(?!\s)[^/:{}\x00-\x1f]+(?<!\s)(?<!\.py)")
_GIVEN: Final = re.compile(r"^\s+name\b[^=\n]*=\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)


def candidates(module: ModuleType) -> Iterator[tuple[Kind, PluginClass]]:
    """The classes of ``module`` that mean to be plugins: those of its own that nothing in it builds upon, and that are not ``_private``."""
    classes = (value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__)
    own = list(dict.fromkeys(classes))  # one that has two names is one
    for value in own:
        is_base = inspect.isabstract(value) and any(other is not value and issubclass(other, value) for other in own)
        for kind, base in KINDS.items():
            if issubclass(value, base) and not is_base and not value.__name__.startswith("_"):
                yield kind, value


def names_in(source: str) -> tuple[str, ...]:
    """The names that classes of ``source``, which does not run, give themselves."""
    return tuple(_GIVEN.findall(source))


def examine(made: PluginClass, name: str, source: str) -> str:
    """The name under which ``made`` is known: its own, or ``name``.

    Raises:
        Unusable: it lacks what its kind must have, or its parameters are not possible.
    """
    place = made.__qualname__.split(".")
    if missing := sorted(getattr(made, "__abstractmethods__", ())):
        raise Unusable(line_of(source, *place), f"{made.__name__} has no {' and no '.join(missing)}; define what is missing")
    owner = next((base for base in made.__mro__ if "name" in vars(base)), None)
    if owner is None or (owner is not made and not inspect.isabstract(owner)):  # the name of a usable parent is the parent's
        made.name = name
    if not isinstance(made.name, str) or not _NAME.fullmatch(made.name):
        text = f"{made.__name__} has the name {made.name!r}; use a text without / : {{ }}, and no .py at its end"
        raise Unusable(line_of(source, *place, "name"), text)
    if issubclass(made, BaseStrategy):
        if not isinstance(made.title, str):
            raise Unusable(line_of(source, *place, "title"), f"{made.__name__} has the title {made.title!r}; use a text")
        _examine_params(made, source, [*place, "Params"])
    return made.name


def _examine_params(strategy: type[BaseStrategy], source: str, place: Sequence[str]) -> None:
    params = strategy.Params
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct)):
        text = f"Params of {strategy.__name__} is no msgspec.Struct; write class Params(msgspec.Struct, frozen=True)"
        raise Unusable(line_of(source, *place), text)
    try:
        msgspec.json.schema(params)
        fields = msgspec.structs.fields(params)
    except Exception as error:  # annotations are the user's: they may be anything
        raise Unusable(line_of(source, *place), f"Params of {strategy.__name__} cannot be used: {error}") from None
    for field in fields:
        if field.required:
            continue
        try:
            value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            msgspec.convert(msgspec.to_builtins(value), field.type)
        except Exception as error:  # as above
            text = f"the default of parameter {field.name!r} is not possible: {error}"
            raise Unusable(line_of(source, *place, field.name), text) from None


def line_of(source: str, *path: str) -> int | None:
    """Where ``path``, names of definitions within one another, is in ``source``; of as much of it as there is."""
    body, line = ast.parse(source).body, None
    for name in path:
        found = next((node for node in body if name in _defined(node)), None)
        if found is None:
            break
        line, body = found.lineno, getattr(found, "body", [])
    return line


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
