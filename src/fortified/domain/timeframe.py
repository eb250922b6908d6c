"""Timeframes: how long a bar is, in time or in trades.

Owns the one canonical spelling of each timeframe and the spellings that are accepted for it. Knows nothing of sessions:
where a bar of this length begins is the calendar's business.
"""

import re
from typing import Literal, Self

import msgspec

from fortified.domain.errors import ConfigError

NS_PER_SECOND = 1_000_000_000
SECONDS_PER_DAY = 86_400
MAX_TICKS = 10_000_000

_SPELLING = re.compile(r"([0-9]{1,9})\s*([a-z]*)")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("", "m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days", "daily"), SECONDS_PER_DAY),
}
_TICKS = frozenset(("t", "tick", "ticks"))
_FIX = "Write minutes as 1 5 15 30, or 30s, 1h, 4h, 1d, or trades per bar as 144t."


class Timeframe(msgspec.Struct, frozen=True, order=True):
    """``length`` counts seconds for ``kind`` "time" (at most one day) and trades for "tick".

    Raises ``ConfigError`` for a length out of bounds.
    """

    kind: Literal["time", "tick"]
    length: int

    def __post_init__(self) -> None:
        limit = MAX_TICKS if self.kind == "tick" else SECONDS_PER_DAY
        if self.kind not in ("time", "tick") or not 1 <= self.length <= limit:
            unit = "trades" if self.kind == "tick" else "seconds"
            raise ConfigError(f"A bar of {self.length} {unit} is not possible: use 1 to {limit} {unit}. {_FIX}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The timeframe that ``text`` spells, canonical or alias; ``ConfigError`` when it spells none."""
        spelled = text.strip()
        match = _SPELLING.fullmatch(spelled.lower())
        if match is None:
            raise ConfigError(f"{text!r} is not a timeframe. {_FIX}")
        count, unit = int(match[1]), match[2]
        if spelled.endswith("M"):
            raise ConfigError(f"{text!r} could mean months, which are not offered. For minutes write {count}m.")
        if unit not in _TICKS and unit not in _SECONDS:
            raise ConfigError(f"{text!r} is not a timeframe: unknown unit {unit!r}. {_FIX}")
        try:
            return cls("tick", count) if unit in _TICKS else cls("time", count * _SECONDS[unit])
        except ConfigError as error:
            raise ConfigError(f"{text!r} is not a timeframe. {error}") from None

    @property
    def name(self) -> str:
        """The canonical spelling: ``1 5 15 30 1h 4h 1d 144t 30s``."""
        if self.is_tick:
            return f"{self.length}t"
        if self.is_daily:
            return "1d"
        for seconds, unit in ((3_600, "h"), (60, "")):
            if self.length % seconds == 0:
                return f"{self.length // seconds}{unit}"
        return f"{self.length}s"

    def __str__(self) -> str:
        return self.name

    @property
    def length_ns(self) -> int:
        """Nanoseconds of a bar of time; ``ConfigError`` for a tick timeframe, which has no duration."""
        if self.is_tick:
            raise ConfigError(f"Timeframe {self.name} counts trades and has no duration. Use a timeframe of time.")
        return self.length * NS_PER_SECOND

    @property
    def is_tick(self) -> bool:
        """Whether the bar counts trades."""
        return self.kind == "tick"

    @property
    def is_daily(self) -> bool:
        """Whether the bar is one trading day of its calendar."""
        return self.kind == "time" and self.length == SECONDS_PER_DAY
