"""backtrader: a strategy called for each bar. A market order fills at the open of the next bar, which is the next tick."""

from typing import Any

import backtrader as bt  # type: ignore[import-not-found]  # in the peer's own environment
import pandas as pd  # type: ignore[import-untyped]  # no stubs
from benchmarks.peers.bars import resample
from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, Outcome, Run, Ticks, alpha, main

CASH = 1e9


class Crossing(bt.Strategy):  # type: ignore[misc]  # its base has no types here
    """Stop and reverse where the averages cross; the averages are its own, as the library's begin with a simple average."""

    def __init__(self) -> None:
        self.fast = self.slow = 0.0
        self.filled: list[tuple[float, float]] = []
        self.profit = 0.0

    def next(self) -> None:
        close, bars = self.data.close[0], len(self)
        if bars == 1:
            self.fast = self.slow = close
            return
        was_above, was_below = self.fast > self.slow, self.fast < self.slow
        self.fast += alpha(FAST) * (close - self.fast)
        self.slow += alpha(SLOW) * (close - self.slow)
        if bars <= SLOW:
            return
        if self.fast > self.slow and not was_above and self.position.size <= 0:
            self.buy(size=1 - self.position.size)
        elif self.fast < self.slow and not was_below and self.position.size >= 0:
            self.sell(size=1 + self.position.size)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            self.filled.append((order.executed.price, order.executed.size))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.profit += trade.pnl


def prepare(ticks: Ticks, timeframe: str) -> Run:
    def run() -> Any:
        bars = resample(ticks, timeframe)
        columns = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close, "volume": bars.volume}
        frame = pd.DataFrame(columns, index=pd.to_datetime(bars.ts_open))
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Crossing)
        cerebro.broker.setcash(CASH)
        return cerebro.run()[0], bars.complete

    return run


def read(result: Any) -> Outcome:
    strategy, bars = result
    return Outcome(strategy.filled, strategy.profit * MULTIPLIER, bars)


if __name__ == "__main__":
    main("backtrader", prepare, read)
