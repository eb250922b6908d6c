"""Our figures against those of the library ``backtesting`` for one run of its own, and against pandas where its definitions differ.

The library agrees on equity at each close, return, drawdown, trades, wins and costs. It differs in these:

- its Sharpe and Sortino annualise a geometric mean, and leave the first day out, which has no day before it;
- its profit factor adds up returns in percent, ours money;
- its exposure counts the bar in which a position is closed.
"""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # the library ships no types
import pytest
from backtesting import Backtest, Strategy  # type: ignore[import-untyped]  # the library ships no types
from tests.builders import HOUR, fill
from tests.engine.trades import trade

from fortified.domain.calendar import get_calendar
from fortified.domain.signal import OrderSide
from fortified.engine.performance import Equity, Statistics, equity_curve, statistics, trading_days

pytestmark = pytest.mark.filterwarnings("ignore")  # the library uses what its own dependencies have deprecated

BARS, CASH, FEE = 24 * 40, 100_000, 2
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Theirs:
    """Forty days of hourly bars, opening at ``data``'s index, and a run that turns now and then, with a fixed cost of each fill."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        close = np.round((20_000 + np.cumsum(random.normal(0, 15, BARS))) * 4) / 4
        opens = np.round((np.roll(close, 1) + random.normal(0, 2, BARS)) * 4) / 4
        opens[0] = close[0]
        hours = pd.date_range("2025-03-03", periods=BARS, freq="h")
        low, high = np.minimum(opens, close) - 3, np.maximum(opens, close) + 3
        self.data = pd.DataFrame({"Open": opens, "High": high, "Low": low, "Close": close}, index=hours)
        turns = random.random(BARS) < 0.08
        turns[-30:] = False
        turns[-30] = True  # flat from here on, so that no trade is left open

        class Turns(Strategy):  # type: ignore[misc]  # the library ships no types
            def init(self) -> None:
                pass

            def next(self) -> None:
                number = len(self.data) - 1
                if not turns[number]:
                    return
                turn = self.sell if self.position.size > 0 else self.buy
                self.position.close()
                if number < BARS - 30:
                    turn(size=3)

        self.stats = Backtest(self.data, Turns, cash=CASH, commission=(FEE, 0.0)).run()
        self.equity, self.trades = self.stats["_equity_curve"]["Equity"], self.stats["_trades"]


@pytest.fixture(scope="module")
def theirs() -> Theirs:
    return Theirs()


@pytest.fixture
def curve(theirs: Theirs) -> Equity:
    """Our curve over the same bars from the same fills."""
    fills = []
    for row in theirs.trades.itertuples():
        into, out = (BUY, SELL) if row.Size > 0 else (SELL, BUY)
        for side, number, price in ((into, row.EntryBar, row.EntryPrice), (out, row.ExitBar, row.ExitPrice)):
            fills.append(fill(side, abs(row.Size), str(price), seq=number, fee=Decimal(FEE)))
    ends = theirs.data.index.as_unit("ns").asi8 + HOUR
    return equity_curve(ends, np.arange(BARS), theirs.data["Close"].to_numpy(), fills, Decimal(1), Decimal(CASH))


@pytest.fixture
def ours(theirs: Theirs, curve: Equity) -> Statistics:
    made = [trade(row.Index, str(row.PnL), str(row.Commission)) for row in theirs.trades.itertuples()]
    return statistics(made, curve, trading_days(curve.ts_ns, get_calendar("24/7")))


def test_the_run_is_worth_comparing(theirs: Theirs) -> None:
    assert len(theirs.trades) > 50
    assert set(np.sign(theirs.trades["Size"])) == {1, -1}


def test_equity_bar_by_bar(theirs: Theirs, curve: Equity) -> None:
    assert curve.value == pytest.approx(theirs.equity.to_numpy(), rel=1e-12)


def test_figures_on_which_both_agree(theirs: Theirs, ours: Statistics) -> None:
    stats: Any = theirs.stats
    assert float(ours.final_equity) == pytest.approx(stats["Equity Final [$]"])
    assert ours.return_percent == pytest.approx(stats["Return [%]"])
    assert ours.trades == stats["# Trades"]
    assert float(ours.win_rate or 0) * 100 == pytest.approx(stats["Win Rate [%]"])
    assert float(ours.fees) == pytest.approx(stats["Commissions [$]"])
    assert ours.equity_drawdown_percent == pytest.approx(-stats["Max. Drawdown [%]"])


def test_figures_of_trades_by_pandas(theirs: Theirs, ours: Statistics) -> None:
    made = theirs.trades["PnL"]
    assert float(ours.profit_factor or 0) == pytest.approx(made[made > 0].sum() / -made[made < 0].sum())
    assert float(ours.expectancy or 0) == pytest.approx(made.mean())
    walk = pd.concat([pd.Series([0.0]), made.cumsum()])
    assert float(ours.max_drawdown) == pytest.approx((walk.cummax() - walk).max())
    lost = made < 0
    assert ours.longest_losing_streak == lost.groupby((~lost).cumsum()).sum().max()


def test_figures_of_the_curve_by_pandas(curve: Equity, ours: Statistics, theirs: Theirs) -> None:
    equity = pd.concat([pd.Series([float(CASH)]), pd.Series(curve.value)])
    assert float(ours.equity_drawdown) == pytest.approx((equity.cummax() - equity).max())
    assert ours.equity_drawdown_percent == pytest.approx(-100 * (equity / equity.cummax() - 1).min())
    days = pd.Series(curve.value, index=theirs.data.index).resample("D").last()
    returns = pd.concat([pd.Series([float(CASH)]), days]).pct_change().dropna()
    assert ours.days == len(returns) == BARS / 24
    assert ours.sharpe == pytest.approx(returns.mean() / returns.std() * 252**0.5)
    assert ours.sortino == pytest.approx(returns.mean() / (returns.clip(upper=0) ** 2).mean() ** 0.5 * 252**0.5)


def test_exposure_but_for_the_bars_of_exits(theirs: Theirs, ours: Statistics) -> None:
    """Theirs has the bars from entry to exit; those of an exit that is no entry end flat."""
    end_flat = len(set(theirs.trades["ExitBar"]) - set(theirs.trades["EntryBar"]))
    assert ours.exposure_percent == pytest.approx(theirs.stats["Exposure Time [%]"] - 100 * end_flat / BARS)
