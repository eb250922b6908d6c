"""What every indicator offers: of one number per bar, or of the bar itself.

Owns the interface. An indicator holds nothing but its own numbers; its state is plain data, so that a runner can make it durable.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from fortified.domain.errors import ConfigError


class Indicator(ABC):
    """Fed once per closed bar. ``value`` is None until the first one can be told; ``ready`` once it is warm."""

    fields: ClassVar[tuple[str, ...]]
    """Names of the attributes that are the state."""

    value: float | None
    ready: bool

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {name: getattr(self, name) for name in self.fields}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that ``snapshot`` gave."""
        for name in self.fields:
            value = state[name]
            setattr(self, name, list(value) if isinstance(value, list) else value)


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


class BarIndicator(Indicator):
    """Fed high, low and close of each closed bar; ``peek`` as for numbers."""

    @abstractmethod
    def update(self, high: float, low: float, close: float) -> float | None:
        """Take a closed bar; returns the new ``value``."""

    @abstractmethod
    def peek(self, high: float, low: float, close: float) -> float | None:
        """What ``update`` would return, without changing anything."""


def checked_period(period: int) -> int:
    """``period`` when it can be one.

    Raises:
        ConfigError: it is below 1.
    """
    if period < 1:
        raise ConfigError(f"period {period} is not possible; a moving average needs a period of at least 1")
    return period
