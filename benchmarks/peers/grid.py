"""The grid: the crossing with 640 pairs of periods over 7,000 bars.

Owns the pairs and the report. The bars are ready before it is timed.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence

BARS, PER_BAR, ROUNDS = 7_000, 144, 3
TICKS = BARS * PER_BAR + 1
TIMEFRAME = f"{PER_BAR}t"

type Pair = tuple[int, int]

PAIRS: Sequence[Pair] = [(fast, slow) for fast in range(5, 21) for slow in range(22, 62)]


def main(version: str, pairs: Sequence[Pair], profits: Callable[[], Sequence[float]]) -> None:
    """Time ``profits``, the net profit of each pair in money; print what the one command reads."""
    found = profits()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = profits()
        seconds.append(time.perf_counter() - began)
    report(version, seconds, pairs, found)


def report(version: str, seconds: Sequence[float], pairs: Sequence[Pair], profits: Sequence[float]) -> None:
    """Print seconds and profits."""
    by_pair = {f"{fast}/{slow}": round(float(profit), 6) for (fast, slow), profit in zip(pairs, profits, strict=True)}
    best, median = (min(seconds), statistics.median(seconds)) if seconds else (None, None)
    print(json.dumps({"version": version, "seconds": best, "median": median, "rounds": len(seconds), "profits": by_pair}))
