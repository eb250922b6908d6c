"""The grid in vectorbt: one column for each pair."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import vectorbt as vbt  # type: ignore[import-not-found]  # in the peer's own environment
from benchmarks.peers.bars import resample
from benchmarks.peers.grid import PAIRS, TIMEFRAME, main
from benchmarks.peers.job import MULTIPLIER, load
from vectorbt.generic import nb  # type: ignore[import-not-found]  # as above

CASH, MOST_ORDERS = 1e9, 1_000_000
BARS = resample(load(Path(sys.argv[1])), TIMEFRAME)


def profits() -> list[float]:
    average = {period: nb.ewm_mean_1d_nb(BARS.close, period, period, False) for pair in PAIRS for period in pair}
    fast, slow = (np.column_stack([average[pair[place]] for pair in PAIRS]) for place in (0, 1))
    fast = np.where(np.isnan(slow), np.nan, fast)
    up, down = nb.crossed_above_nb(fast, slow), nb.crossed_above_nb(slow, fast)
    portfolio = vbt.Portfolio.from_signals(
        np.broadcast_to(BARS.close[:, None], up.shape),
        entries=nb.fshift_nb(up, 1, False),
        short_entries=nb.fshift_nb(down, 1, False),
        price=BARS.open[:, None],
        size=1,
        upon_opposite_entry="reverse",
        init_cash=CASH,
        max_orders=MOST_ORDERS,
    )
    trades = portfolio.trades.values
    closed = trades[trades["status"] == 1]
    return list(np.bincount(closed["col"], closed["pnl"], len(PAIRS)) * MULTIPLIER)


if __name__ == "__main__":
    main(version("vectorbt"), PAIRS, profits)
