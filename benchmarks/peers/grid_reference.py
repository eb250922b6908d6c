"""The grid in plain Python: what the others are compared with. It is not timed."""

import sys
from pathlib import Path

from benchmarks.peers.grid import PAIRS, TIMEFRAME, report
from benchmarks.peers.job import load
from benchmarks.peers.reference import closing_rows, trade

if __name__ == "__main__":
    ticks = load(Path(sys.argv[1]))
    prices, ends = ticks.price.tolist(), closing_rows(ticks, TIMEFRAME)
    report("", [], PAIRS, [trade(prices, ends, fast, slow).net_pnl for fast, slow in PAIRS])
