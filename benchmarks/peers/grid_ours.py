"""The grid in our own engine: ``python -m benchmarks.peers.grid_ours ticks.npz CASE``.

Cases: ``batch`` is the built-in strategy, ``class`` one in Python over a tenth of the pairs.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.crossing import Crossing
from benchmarks.peers.grid import PAIRS, TIMEFRAME, main
from benchmarks.peers.job import Ticks, load
from benchmarks.peers.ours import backtest

from fortified.registry import Registry
from fortified.research.batch import METRICS, evaluate_batch


def batch(ticks: Ticks) -> None:
    """All pairs at once."""
    test = backtest(ticks, TIMEFRAME, Registry().get("ema"))
    points = [{"period_1": fast, "period_2": slow} for fast, slow in PAIRS]

    def profits() -> Sequence[float]:
        metrics = evaluate_batch(test, points)
        if metrics is None:
            raise SystemExit("the built-in strategy was not evaluated as a batch")
        return list(metrics[:, METRICS.index("net_pnl")])

    main("", PAIRS, profits)


def one_by_one(ticks: Ticks) -> None:
    """A run for each pair, with its records of trades by column, as a search reads them."""
    test, pairs = backtest(ticks, TIMEFRAME, Crossing), PAIRS[::10]

    def profit(fast: int, slow: int) -> float:
        return float(test.run({"fast": fast, "slow": slow}).columns.net_pnl.sum())

    main("", pairs, lambda: [profit(*pair) for pair in pairs])


if __name__ == "__main__":
    CASES = {"batch": batch, "class": one_by_one}
    CASES[sys.argv[2]](load(Path(sys.argv[1])))
