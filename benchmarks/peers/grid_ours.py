"""The grid in our own engine: ``python -m benchmarks.peers.grid_ours ticks.npz CASE``.

Cases: ``class`` is a strategy in Python over a tenth of the pairs.
"""

import sys
from pathlib import Path

from benchmarks.peers.crossing import Crossing
from benchmarks.peers.grid import PAIRS, TIMEFRAME, main
from benchmarks.peers.job import load
from benchmarks.peers.ours import backtest

if __name__ == "__main__":
    pairs = PAIRS[::10]
    test = backtest(load(Path(sys.argv[1])), TIMEFRAME, Crossing)
    main("", pairs, lambda: [float(sum(t.net_pnl for t in test.run({"fast": fast, "slow": slow}).trades)) for fast, slow in pairs])
