"""backtesting.py: a strategy called for each bar. An order fills at the open of the next bar, which is the next tick."""

import warnings
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # no stubs
from backtesting import Backtest, Strategy  # type: ignore[import-untyped]  # no types
from benchmarks.peers.bars import resample
from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, Floats, Outcome, Run, Ticks, main

CASH = 1e9


def average(close: Floats, period: int) -> Floats:
    """The exponential average, seeded with the first close."""
    return np.asarray(pd.Series(close).ewm(span=period, adjust=False).mean())


class Crossing(Strategy):  # type: ignore[misc]  # its base has no types
    """Stop and reverse where the averages cross."""

    def init(self) -> None:
        self.fast: Any = self.I(average, self.data.Close, FAST)
        self.slow: Any = self.I(average, self.data.Close, SLOW)

    def next(self) -> None:
        if len(self.data) <= SLOW:
            return
        fast, slow = self.fast, self.slow
        if fast[-1] > slow[-1] and fast[-2] <= slow[-2]:
            self.buy(size=1)
        elif fast[-1] < slow[-1] and fast[-2] >= slow[-2]:
            self.sell(size=1)


def prepare(ticks: Ticks, timeframe: str) -> Run:
    def run() -> Any:
        bars = resample(ticks, timeframe)
        columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
        frame = pd.DataFrame(columns, index=pd.to_datetime(bars.ts_open))
        return Backtest(frame, Crossing, cash=CASH, exclusive_orders=True).run(), bars

    return run


def read(result: Any) -> Outcome:
    statistics, bars = result
    trades, fills = statistics["_trades"], []
    for trade in trades.itertuples():
        fills += [(trade.EntryBar, 1, trade.EntryPrice, trade.Size), (trade.ExitBar, 0, trade.ExitPrice, -trade.Size)]
    fills += [(trade.entry_bar, 1, trade.entry_price, trade.size) for trade in statistics["_strategy"].trades]
    ordered = [(price, size) for _, _, price, size in sorted(fills, key=lambda fill: fill[:2])]
    return Outcome(ordered, float(np.sum(trades["PnL"])) * MULTIPLIER, bars.complete)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of trades that are open at the end, which is meant
    main("backtesting", prepare, read)
