"""Files of ticks that commands are given."""

from collections.abc import Iterable
from pathlib import Path

HEADER = "ts_ns,price,size\n"
SECOND = 1_000_000_000
START = 1_750_086_000 * SECOND
"""A Monday, 15:00 UTC: the middle of every session."""


def ticks(path: Path, rows: Iterable[tuple[float, float, float]]) -> Path:
    """``rows`` of seconds since START, price and size."""
    path.write_text(HEADER + "".join(f"{START + round(at * SECOND)},{price},{size}\n" for at, price, size in rows))
    return path


def wave(path: Path, count: int = 400) -> Path:
    """A price that goes up and down, ten ticks each way."""
    return ticks(path, ((i * 0.5, 5000 + 0.25 * abs(i % 80 - 40), 1 + i % 3) for i in range(count)))
