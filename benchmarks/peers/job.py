"""The job that all implementations do, and how one is timed and reported.

Owns what is common: ticks by column, the two averages, the form in which fills are compared. Needs numpy alone, as it runs in every
peer's environment; knows none of them.
"""

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FAST, SLOW, TICK_SIZE, MULTIPLIER = 9, 21, 0.25, 20
NS_PER_MINUTE = 60_000_000_000
ROUNDS, WARM_UP_TICKS, LONGEST_S = 5, 100_000, 60.0

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]


class Ticks(NamedTuple):
    """Ticks by column: UTC nanoseconds, rising, prices on the tick, whole sizes."""

    ts_ns: Ints
    price: Floats
    size: Floats

    def head(self, rows: int) -> "Ticks":
        return Ticks(self.ts_ns[:rows], self.price[:rows], self.size[:rows])


class Outcome(NamedTuple):
    """What an implementation did: fills as (price, signed quantity), profit of what was closed in money, bars that were complete."""

    fills: Sequence[tuple[float, float]]
    net_pnl: float
    bars: int


type Run = Callable[[], Any]
type Prepare = Callable[[Ticks, str], Run]
"""Puts ticks into the form that an implementation reads, which is not timed, and returns the job over them, to be run once."""


def load(path: Path) -> Ticks:
    """The ticks that ``data.py`` wrote."""
    with np.load(path) as columns:
        return Ticks(columns["ts_ns"], columns["price"], columns["size"])


def ticks_per_bar(timeframe: str) -> int | None:
    """144 for ``144t``; None for ``1``, a minute."""
    return int(timeframe[:-1]) if timeframe.endswith("t") else None


def alpha(period: int) -> float:
    """The weight of the newest value."""
    return 2.0 / (period + 1)


def units(fills: Sequence[tuple[float, float]]) -> list[int]:
    """Each contract that was bought or sold, as its signed price in ticks: so a reversal is two, in one order or in two."""
    return [round(price / TICK_SIZE) * (1 if signed > 0 else -1) for price, signed in fills for _ in range(round(abs(signed)))]


def measure(prepare: Callable[[], Run]) -> tuple[list[float], Any]:
    """The seconds of each round, and what the last one gave. A slow job gets fewer rounds."""
    seconds: list[float] = []
    result = None
    while len(seconds) < ROUNDS and sum(seconds) < LONGEST_S:
        run, result = prepare(), None
        began = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - began)
    return seconds, result


def main(package: str, prepare: Prepare, read: Callable[[Any], Outcome]) -> None:
    """The whole program of an implementation: ``python -m benchmarks.peers.NAME ticks.npz TIMEFRAME``."""
    ticks, timeframe = load(Path(sys.argv[1])), sys.argv[2]
    prepare(ticks.head(WARM_UP_TICKS), timeframe)()
    seconds, result = measure(lambda: prepare(ticks, timeframe))
    report(package, seconds, read(result))


def report(package: str, seconds: Sequence[float], outcome: Outcome) -> None:
    """Print what the one command reads; ``package`` is also the name under which its version is known."""
    each = units(outcome.fills)
    facts = {
        "version": version(package) if package else "",
        "seconds": min(seconds, default=None),
        "median": statistics.median(seconds) if seconds else None,
        "rounds": len(seconds),
        "fills": len(each),
        "net_pnl": round(outcome.net_pnl, 6),
        "bars": outcome.bars,
        "digest": hashlib.sha256(np.array(each, np.int64).tobytes()).hexdigest()[:12],
    }
    print(json.dumps(facts))
