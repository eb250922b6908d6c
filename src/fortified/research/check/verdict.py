"""What a check of a strategy says.

Owns the shape that the command line prints and writes as JSON. Knows nothing of how a check is made.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec

Status = Literal["ok", "warning", "failed", "undecided"]


class Difference(msgspec.Struct, frozen=True):
    """The first place where two runs part: on bar ``bar`` (the first one is 1) or on a tick of it, at ``ts_ns``, and what either said."""

    bar: int
    ts_ns: int
    moment: Literal["bar", "tick"]
    expected: str
    found: str

    def __str__(self) -> str:
        place = f"bar {self.bar}" if self.moment == "bar" else f"a tick of bar {self.bar}"
        return f"{place}, {utc(self.ts_ns)}: {self.found} instead of {self.expected}"


class Finding(msgspec.Struct, frozen=True):
    """The result of one check. ``undecided``: another one failed that would explain any result of this."""

    check: str
    status: Status
    text: str
    difference: Difference | None = None


class ValueRow(msgspec.Struct, frozen=True):
    """One number of the strategy after the warm-up L and after 2 L bars, where they differ most.

    ``relative`` is |a − b| / max(|a|, |b|), infinite where only one is known. ``settles_after`` is the number of bars of history, a
    multiple of L, from which it is that of the whole history within the tolerance; None: not in this file.
    """

    name: str
    after_l: float | None
    after_2l: float | None
    relative: float
    settles_after: int | None


class Verdict(msgspec.Struct, frozen=True):
    """All findings about ``strategy``, over ``bars`` closed bars, with a warm-up of ``warmup`` bars."""

    strategy: str
    symbol: str
    timeframe: str
    bars: int
    signals: int
    warmup: int
    tolerance: float
    findings: tuple[Finding, ...]
    values: tuple[ValueRow, ...]

    def count(self, status: Status) -> int:
        """How many findings are of that status."""
        return sum(finding.status == status for finding in self.findings)


class Unchecked(msgspec.Struct, frozen=True):
    """A strategy that could not be checked, and why."""

    strategy: str
    reason: str


def utc(ts_ns: int) -> str:
    """A time as a person reads it, to the nanosecond where it is not on a second."""
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{fraction} UTC"
