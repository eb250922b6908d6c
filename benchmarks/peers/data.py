"""Synthetic ticks of a future, written for all implementations: ``python -m benchmarks.peers.data ticks.npz COUNT``.

Owns the one seeded market: a random walk by single ticks, about 725 trades a minute, inside consecutive sessions of CME index futures.
"""

import sys
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from benchmarks.peers.job import NS_PER_MINUTE, TICK_SIZE, Ticks

from fortified.domain.calendar import get_calendar

PER_MINUTE, FIRST_PRICE, SESSIONS = 725, 20_000, 400
START = datetime(2025, 3, 10, tzinfo=UTC)


def synthetic(count: int) -> Ticks:
    """``count`` ticks; no stamp is on the edge of a session, and no two are alike."""
    dice = np.random.default_rng(7)
    gaps = dice.exponential(NS_PER_MINUTE / PER_MINUTE, count).astype(np.int64)
    traded = np.cumsum(np.maximum(gaps, 1_000))
    sessions = list(islice(get_calendar("CME_INDEX").sessions(int(START.timestamp()) * 1_000_000_000, 2**62), SESSIONS))
    ends = np.cumsum([session.close_ns - session.open_ns - 2 for session in sessions])
    if traded[-1] >= ends[-1]:
        raise SystemExit(f"{count} ticks need more than {SESSIONS} sessions; raise SESSIONS in {__file__}")
    number = np.searchsorted(ends, traded, side="right")
    opens = np.array([session.open_ns for session in sessions])
    begins = np.concatenate(([0], ends[:-1]))
    ts = opens[number] + 1 + traded - begins[number]
    steps = dice.choice((-TICK_SIZE, 0.0, TICK_SIZE), count, p=(0.25, 0.5, 0.25))
    return Ticks(ts, FIRST_PRICE + np.cumsum(steps), dice.integers(1, 10, count).astype(np.float64))


if __name__ == "__main__":
    np.savez(sys.argv[1], **synthetic(int(sys.argv[2]))._asdict())
