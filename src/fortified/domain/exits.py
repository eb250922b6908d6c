"""Protective exits as a trader writes them: how far a level is from the entry, and when a position has lasted long enough.

Owns the spelling and the arithmetic from an entry price to a price level. Knows no orders and no positions.
"""

import re
from decimal import Decimal
from typing import Any, Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument

_SPELLING = re.compile(r"(?P<amount>\d+(\.\d+)?|\.\d+)\s*(?P<unit>ticks?|atr|%|pts|points?)", re.IGNORECASE)
_UNITS: dict[str, Literal["ticks", "points", "percent", "atr"]] = {
    **{"tick": "ticks", "ticks": "ticks", "pts": "points", "point": "points", "points": "points", "%": "percent", "atr": "atr"}
}

_DURATION = re.compile(r"(?P<amount>\d{1,9})\s*(?P<unit>bars?|s|sec|min|m|h)", re.IGNORECASE)
_LENGTHS = {"s": 1, "m": 60, "h": 3_600}

FARTHEST = Decimal(1_000_000_000)
MOST = 1_000_000
NS_PER_SECOND = 1_000_000_000
DURATIONS = ("time_stop", "flatten_before")


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
        return f"{Decimal(f'{self.amount.normalize():f}')}{unit}"


class Duration(msgspec.Struct, frozen=True):
    """So many closed bars, or so many nanoseconds; > 0."""

    amount: int
    unit: Literal["bars", "ns"]

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """The duration that ``text`` writes: ``20bars``, ``90s``, ``30min``, ``2h``.

        Raises:
            ConfigError: it writes none.
        """
        match = _DURATION.fullmatch(text.strip())
        if match is None or not 0 < int(match["amount"]) <= MOST:
            raise ConfigError(f"{text!r} is no duration; write it as 20bars, 90s, 30min or 2h")
        amount, unit = int(match["amount"]), match["unit"].lower()
        return cls(amount, "bars") if unit.startswith("bar") else cls(amount * _LENGTHS[unit[0]] * NS_PER_SECOND, "ns")

    def __str__(self) -> str:
        if self.unit == "bars":
            return f"{self.amount}bars"
        seconds = self.amount // NS_PER_SECOND
        for length, name in ((3_600, "h"), (60, "min")):
            if seconds % length == 0:
                return f"{seconds // length}{name}"
        return f"{seconds}s"


class ExitRules(msgspec.Struct, frozen=True):
    """The protective exits of every position: each may be None.

    ``trailing`` follows the best price since the entry. ``break_even``: once the price has come so far, the stop is at the entry.
    ``time_stop``: out after so many closed bars, or so much time. ``flatten_before``: out so long before the session's end, and no entry
    from then on.
    """

    stop_loss: Distance | None = None
    take_profit: Distance | None = None
    trailing: Distance | None = None
    break_even: Distance | None = None
    time_stop: Duration | None = None
    flatten_before: Duration | None = None

    def __post_init__(self) -> None:
        if self.flatten_before is not None and self.flatten_before.unit != "ns":
            raise ConfigError(f"flatten_before: {self.flatten_before} is no time before the session's end; write it as 90s, 10min or 1h")

    @property
    def distances(self) -> tuple[Distance, ...]:
        """Those that are prices."""
        rules = (self.stop_loss, self.take_profit, self.trailing, self.break_even)
        return tuple(rule for rule in rules if rule is not None)

    @property
    def needs_atr(self) -> bool:
        return any(rule.unit == "atr" for rule in self.distances)

    @property
    def is_plain(self) -> bool:
        """Whether there are but the stop, the target and the trailing stop."""
        return self.break_even is None and self.time_stop is None and self.flatten_before is None

    def __bool__(self) -> bool:
        return bool(self.distances) or self.time_stop is not None or self.flatten_before is not None

    @classmethod
    def parse(
        cls,
        stop_loss: str | None = None,
        take_profit: str | None = None,
        trailing: str | None = None,
        break_even: str | None = None,
        time_stop: str | None = None,
        flatten_before: str | None = None,
    ) -> "ExitRules":
        """The rules that the texts write; None for what is not wanted.

        Raises:
            ConfigError: a text is not understood; it is named.
        """
        texts = (stop_loss, take_profit, trailing, break_even, time_stop, flatten_before)
        found: dict[str, Any] = {}
        for name, text in zip(EXIT_NAMES, texts, strict=True):
            try:
                found[name] = None if text is None else (Duration if name in DURATIONS else Distance).parse(text)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        return cls(**found)

    @classmethod
    def of(cls, source: object) -> "ExitRules":
        """The rules that the texts in the fields of ``source`` write.

        Raises:
            ConfigError: a text is not understood; it is named.
        """
        return cls.parse(**{name: getattr(source, name) for name in EXIT_NAMES})

    def texts(self) -> dict[str, str | None]:
        """As ``parse`` takes them, each in its one spelling."""
        return {name: None if (rule := getattr(self, name)) is None else str(rule) for name in EXIT_NAMES}


EXIT_NAMES = ExitRules.__struct_fields__
NO_EXITS = ExitRules()
