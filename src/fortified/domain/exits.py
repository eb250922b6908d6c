"""Protective exits as a trader writes them: how far a stop, a target or a trailing stop is from the entry.

Owns the spelling and the arithmetic from an entry price to a price level. Knows no orders and no positions.
"""

import re
from decimal import Decimal
from typing import Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument

_SPELLING = re.compile(r"(?P<amount>\d+(\.\d+)?|\.\d+)\s*(?P<unit>ticks?|atr|%|pts|points?)", re.IGNORECASE)
_UNITS: dict[str, Literal["ticks", "points", "percent", "atr"]] = {
    **{"tick": "ticks", "ticks": "ticks", "pts": "points", "point": "points", "points": "points", "%": "percent", "atr": "atr"}
}

FARTHEST = Decimal(1_000_000_000)


class Distance(msgspec.Struct, frozen=True):
    """A distance from the entry price, > 0: in ticks, points, percent of the entry, or multiples of the average true range."""

    amount: Decimal
    unit: Literal["ticks", "points", "percent", "atr"]

    def __post_init__(self) -> None:
        if not 0 < self.amount <= FARTHEST:
            raise ConfigError(f"a distance of {self.amount:f} {self.unit} is not possible; give one above 0 and at most {FARTHEST}")

    def points(self, entry: Decimal, atr: Decimal | None, instrument: Instrument) -> Decimal:
        """The distance in price points. ``atr`` may be None for other units."""
        if self.unit == "ticks":
            return self.amount * instrument.tick_size
        if self.unit == "points":
            return self.amount
        if self.unit == "percent":
            return abs(entry) * self.amount / 100
        if atr is None:
            raise ConfigError("a distance in atr needs the average true range; warm up longer")
        return self.amount * atr

    @classmethod
    def parse(cls, text: str) -> "Distance":
        """The distance that ``text`` writes: ``20ticks``, ``10pts``, ``0.5%``, ``1.5atr``.

        Raises:
            ConfigError: it writes none.
        """
        match = _SPELLING.fullmatch(text.strip())
        if match is None or not Decimal(match["amount"]):
            raise ConfigError(f"distance {text!r} is not understood; write 20ticks, 10pts, 0.5% or 1.5atr, above 0")
        return cls(Decimal(match["amount"]), _UNITS[match["unit"].lower()])

    def __str__(self) -> str:
        unit = {"ticks": "ticks", "points": "pts", "percent": "%", "atr": "atr"}[self.unit]
        return f"{self.amount:f}{unit}"


class ExitRules(msgspec.Struct, frozen=True):
    """The protective exits of every position: each may be None. ``trailing`` follows the best price since the entry."""

    stop_loss: Distance | None = None
    take_profit: Distance | None = None
    trailing: Distance | None = None

    @property
    def needs_atr(self) -> bool:
        return any(rule is not None and rule.unit == "atr" for rule in (self.stop_loss, self.take_profit, self.trailing))

    def __bool__(self) -> bool:
        return self.stop_loss is not None or self.take_profit is not None or self.trailing is not None

    @classmethod
    def parse(cls, stop_loss: str | None = None, take_profit: str | None = None, trailing: str | None = None) -> "ExitRules":
        """The rules that three texts write; None for what is not wanted.

        Raises:
            ConfigError: a text is not understood; it is named.
        """
        found: dict[str, Distance | None] = {}
        for name, text in (("stop_loss", stop_loss), ("take_profit", take_profit), ("trailing", trailing)):
            try:
                found[name] = None if text is None else Distance.parse(text)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        return cls(**found)


NO_EXITS = ExitRules()
