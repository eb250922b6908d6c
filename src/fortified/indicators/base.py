"""What every indicator offers: of one number per bar, or of the bar itself.

Owns the interface. An indicator holds nothing but its own numbers; its state is plain data, so that a runner can make it durable.
"""

from abc import ABC, abstractmethod
from operator import attrgetter
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from fortified.domain.errors import ConfigError

type Floats = NDArray[np.float64]

_NUMBERS: Final = frozenset({float, int, bool, type(None)})


class Indicator(ABC):
    """Fed once per closed bar. ``value`` is None until the first one can be told; ``ready`` once it is warm."""

    fields: ClassVar[tuple[str, ...]]
    """Names of the attributes that are the state: numbers, lists of numbers, or other indicators."""
    lines: ClassVar[tuple[str, ...]] = ("value",)
    """Names of the attributes that tell something: the lines of a chart. Each is a number, or None while there is none."""

    value: float | None
    ready: bool

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {name: _plain(getattr(self, name)) for name in self.fields}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that ``snapshot`` gave."""
        for name in self.fields:
            value, held = state[name], getattr(self, name)
            if isinstance(held, Indicator):
                held.restore(value)
            else:
                setattr(self, name, list(value) if isinstance(value, list) else value)

    def fork(self) -> Self:
        """Another one in the same state: a bar that is still open can be given to it, and all its lines be read."""
        twin = object.__new__(type(self))
        held = vars(self)
        vars(twin).update(held)
        for name, value in held.items():
            if type(value) not in _NUMBERS:  # asking for its class would take longer than all else
                vars(twin)[name] = value.fork() if isinstance(value, Indicator) else list(value) if isinstance(value, list) else value
        return twin


class SeriesIndicator(Indicator):
    """Fed one number per closed bar.

    ``peek`` tells what ``value`` would be after one more input, without changing anything: the form for a bar that is still open.
    """

    @abstractmethod
    def update(self, value: float) -> float | None:
        """Take the value of a closed bar; returns the new ``value``."""

    @abstractmethod
    def peek(self, value: float) -> float | None:
        """What ``update`` would return, without changing anything."""

    @abstractmethod
    def compute(self, values: Floats) -> dict[str, Floats]:
        """``lines`` after each of ``values``, NaN where there is none: what a new one gives, to the bit. This one is left as it is."""


class BarIndicator(Indicator):
    """Fed high, low and close of each closed bar; ``peek`` and ``compute`` as for numbers."""

    @abstractmethod
    def update(self, high: float, low: float, close: float) -> float | None:
        """Take a closed bar; returns the new ``value``."""

    def peek(self, high: float, low: float, close: float) -> float | None:
        """What ``update`` would return, without changing anything."""
        return self.fork().update(high, low, close)

    @abstractmethod
    def compute(self, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
        """``lines`` after each of the bars, NaN where there is none: what a new one gives, to the bit. This one is left as it is."""


def followed(indicator: BarIndicator, high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
    """``lines`` of a new ``indicator`` that is fed all bars: the way of those that decide bar by bar."""
    names, update = indicator.lines, indicator.update
    told = attrgetter("ready", *names)  # with one name alone it would give no tuple
    rows = []
    for row in zip(high.tolist(), low.tolist(), close.tolist(), strict=True):
        update(*row)
        rows.append(told(indicator))
    table = np.array(rows, np.float64).reshape(-1, 1 + len(names))
    return {name: table[:, column].copy() for column, name in enumerate(names, start=1)}


def checked_period(period: int, least: int = 1) -> int:
    """``period`` when it can be one.

    Raises:
        ConfigError: it is below ``least``.
    """
    if period < least:
        raise ConfigError(f"period {period} is not possible; this average needs a period of at least {least}")
    return period


def _plain(value: Any) -> Any:
    return value.snapshot() if isinstance(value, Indicator) else list(value) if isinstance(value, list) else value
