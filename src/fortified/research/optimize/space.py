"""The parameters to search: what a person writes, and the grid it means.

Owns the spelling of ranges and lists, and the number of each point of the grid. Knows no data and no method.
"""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from fortified.domain.errors import ConfigError
from fortified.strategies.base import BaseStrategy, parse_params

MAX_GRID = 5_000_000
"""Points of a grid that are evaluated one and all, and values of one parameter."""


class Dimension(msgspec.Struct, frozen=True):
    """A parameter and its values; ``ordered`` when they are numbers, which then rise."""

    name: str
    values: tuple[Any, ...]
    ordered: bool


class Space(msgspec.Struct, frozen=True):
    """All combinations. A point's number counts through the grid, the last dimension fastest."""

    dimensions: tuple[Dimension, ...]
    refused: int = 0
    """Combinations of what was asked for that hold a value the strategy refuses by itself; they are not in the grid."""

    @property
    def size(self) -> int:
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def places(self, number: int) -> tuple[int, ...]:
        """The place of the point in each dimension."""
        places = []
        for dimension in reversed(self.dimensions):
            number, place = divmod(number, len(dimension.values))
            places.append(place)
        return tuple(reversed(places))

    def number(self, places: Mapping[str, int]) -> int:
        """The number of the point with these places by name; a dimension that is not named is at its first value."""
        number = 0
        for dimension in self.dimensions:
            number = number * len(dimension.values) + places.get(dimension.name, 0)
        return number

    def params(self, number: int) -> dict[str, Any]:
        """The parameters of a point."""
        return {dimension.name: dimension.values[place] for dimension, place in zip(self.dimensions, self.places(number), strict=True)}


def parse_space(strategy: type[BaseStrategy], texts: Mapping[str, str]) -> Space:
    """The space of ``name → text``: ``5..20``, ``5..20:5``, ``0.5..2:0.25``, ``a,b,c`` or one value.

    Raises:
        ConfigError: a text is not understood, the strategy has no such parameter, or it refuses every value of one.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(strategy.Params)}
    if strategy.Params is not BaseStrategy.Params:
        for name in texts:
            if name not in types:
                parse_params(strategy, {name: None})  # says which parameters there are
    asked = [_dimension(name, text) for name, text in texts.items()]
    usable = [_accepted(strategy, dimension, types.get(dimension.name, Any)) for dimension in asked]
    space = Space(tuple(usable))
    return msgspec.structs.replace(space, refused=Space(tuple(asked)).size - space.size)


def check_grid(space: Space) -> None:
    """See that the whole grid can be evaluated.

    Raises:
        ConfigError: it is too large.
    """
    if space.size > MAX_GRID:
        sizes = " × ".join(str(len(dimension.values)) for dimension in space.dimensions if len(dimension.values) > 1)
        raise ConfigError(
            f"the grid has {sizes} = {space.size:,} points, more than {MAX_GRID:,}; use wider steps (name=5..200:5), "
            "or let --method tpe --trials 1000 choose the points"
        )


def _dimension(name: str, text: str) -> Dimension:
    values = _range(name, text) if ".." in text else tuple(_value(item.strip()) for item in text.split(","))
    if "" in values:
        raise ConfigError(f"--param {name}={text} holds an empty value; write {name}=a,b,c")
    if all(isinstance(value, int | float) for value in values):
        return Dimension(name, tuple(sorted(set(values))), True)
    return Dimension(name, tuple(dict.fromkeys(values)), False)


def _range(name: str, text: str) -> tuple[int | float, ...]:
    span, _, step_text = text.partition(":")
    low_text, _, high_text = span.partition("..")
    try:
        low, high = Decimal(low_text.strip()), Decimal(high_text.strip())
        step = Decimal(step_text.strip()) if ":" in text else Decimal(1)
        whole = all(number == int(number) for number in (low, high, step))
    except (InvalidOperation, ValueError, OverflowError):
        raise ConfigError(f"--param {name}={text} is not understood; write {name}=5..20, {name}=5..20:5 or {name}=0.5..2:0.25") from None
    if not whole and ":" not in text:
        raise ConfigError(f"--param {name}={text} has no step; write {name}={text}:0.1")
    if step <= 0:
        raise ConfigError(f"--param {name}={text} has a step of {step}; it must be above 0")
    if high < low:
        raise ConfigError(f"--param {name}={text} is empty; write the smaller number first: {name}={high_text}..{low_text}")
    count = int((high - low) / step) + 1
    if count > MAX_GRID:
        raise ConfigError(f"--param {name}={text} has {count:,} values, more than {MAX_GRID:,}; use a wider step")
    return tuple((int if whole else float)(low + step * place) for place in range(count))


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text


def _accepted(strategy: type[BaseStrategy], dimension: Dimension, kind: Any) -> Dimension:
    """The values that the parameter's type takes, as values of it."""
    converted, first = [], None
    for value in dimension.values:
        try:
            converted.append(_convert(value, kind))
        except msgspec.ValidationError as error:
            first = first or error
    if not converted:
        raise ConfigError(f"strategy {strategy.name!r} takes no value of {dimension.name}: {first} at {dimension.values[0]!r}")
    values = tuple(dict.fromkeys(converted))
    return Dimension(dimension.name, values, all(type(value) in (int, float) for value in values))


def _convert(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        if isinstance(value, str):
            raise
        return msgspec.convert(str(value), kind, strict=False)  # a text that looks like a number
