"""vectorbt: whole columns at once, no code of a strategy per bar. An order fills at the open of the bar after its signal."""

from typing import Any

import numpy as np
import vectorbt as vbt  # type: ignore[import-not-found]  # in the peer's own environment
from benchmarks.peers.bars import resample
from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, Outcome, Run, Ticks, main
from vectorbt.generic import nb  # type: ignore[import-not-found]  # as above

CASH = 1e9


def prepare(ticks: Ticks, timeframe: str) -> Run:
    def run() -> Any:
        bars = resample(ticks, timeframe)
        fast, slow = (nb.ewm_mean_1d_nb(bars.close, period, period, False) for period in (FAST, SLOW))
        up, down = nb.crossed_above_1d_nb(fast, slow), nb.crossed_above_1d_nb(slow, fast)
        portfolio = vbt.Portfolio.from_signals(
            bars.close,
            entries=nb.fshift_1d_nb(up, 1, False),
            short_entries=nb.fshift_1d_nb(down, 1, False),
            price=bars.open,
            size=1,
            upon_opposite_entry="reverse",
            init_cash=CASH,
        )
        return portfolio.orders.values, portfolio.trades.values, bars.complete

    return run


def read(result: Any) -> Outcome:
    orders, trades, bars = result
    signed = np.where(orders["side"] == 0, orders["size"], -orders["size"])
    closed = trades["status"] == 1
    return Outcome(list(zip(orders["price"], signed, strict=True)), trades["pnl"][closed].sum() * MULTIPLIER, bars)


if __name__ == "__main__":
    main("vectorbt", prepare, read)
