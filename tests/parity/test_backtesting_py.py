"""The published table of a peer: the unit test of backtesting.py (GOOG by day, SMA 10/30, all in), trade by trade.

Its ``crossover`` asks for lines that are strictly apart on the bar before, ours also takes lines that touched; these data have no such bar.
What differs is the end: backtesting.py closes what is open at the open of the last bar, we at its close. That one exit price is all the
difference.
"""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import backtesting  # type: ignore[import-untyped]  # the library has no types
import pytest
from backtesting.lib import crossover  # type: ignore[import-untyped]  # the library has no types
from backtesting.test import GOOG, SMA  # type: ignore[import-untyped]  # the library has no types

from fortified.bootstrap_replay import Progress, run_replay
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.engine.sizing import Sizing
from fortified.research.data import load
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest
from fortified.runs import RunOptions
from fortified.settings import Settings
from fortified.strategies.ema_crossover import EMACrossoverStrategy

pytestmark = pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofweek is deprecated")
"""The library's statistics still use it."""

CASH = Decimal(10_000)
LAST_OPEN, LAST_CLOSE = Decimal("797.8"), Decimal("806.19")
PARAMS = {"period_1": "10", "period_2": "30", "trend_line_1": "SMA", "trend_line_2": "SMA"}
FEES = {"0": 0.0, "0.1%": 0.001}


class SmaCross(backtesting.Strategy):  # type: ignore[misc]  # the library has no types
    """The strategy of the library's own test."""

    def init(self) -> None:
        self.fast = self.I(SMA, self.data.Close, 10)
        self.slow = self.I(SMA, self.data.Close, 30)

    def next(self) -> None:
        if crossover(self.fast, self.slow):
            self.position.close()
            self.buy()
        elif crossover(self.slow, self.fast):
            self.position.close()
            self.sell()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The bars as the most common file there is: a date and five numbers."""
    path = tmp_path / "GOOG.csv"
    GOOG.rename_axis("Date").to_csv(path)
    return path


def theirs(fee: str = "0") -> Any:
    return backtesting.Backtest(GOOG, SmaCross, cash=float(CASH), commission=FEES[fee], finalize_trades=True).run()


def options(file: Path, **asked: Any) -> RunOptions:
    fields: dict[str, Any] = {
        **{"files": (file,), "symbol": "GOOG", "timeframe": "1d", "bars_timeframe": "1d", "strategy": "ema", "params": PARAMS},
        **{"quantity": Decimal(1), "sizing": Sizing.parse("all_in"), "cash": CASH, "fills": FillModel(), "fee": "0", "flatten": True},
        **{"warmup": None, "calendar": None, "tick_size": None, "multiplier": None, "speed": None},
    }
    return RunOptions(**(fields | asked))


def ours(file: Path, **asked: Any) -> BacktestResult:
    chosen = options(file, **asked)
    return Backtest(chosen, load(chosen, lambda _: None), EMACrossoverStrategy).run()


def their_trades(stats: Any) -> list[tuple[int, int, int, float, float]]:
    """Entry bar, exit bar, signed units, entry price, exit price."""
    columns = stats["_trades"][["EntryBar", "ExitBar", "Size", "EntryPrice", "ExitPrice"]]
    return [tuple(row) for row in columns.itertuples(index=False)]


def our_trades(result: BacktestResult) -> list[tuple[int, int, int, float, float]]:
    columns, opens = result.columns, result.bars.ts_open
    entry, leave = (opens.searchsorted(stamps, "right") - 1 for stamps in (columns.ts_entry, columns.ts_exit))
    units = (columns.side * columns.quantity).astype(int)
    return list(zip(*(column.tolist() for column in (entry, leave, units, columns.entry_price, columns.exit_price)), strict=True))


def final_equity(result: BacktestResult) -> Decimal:
    return CASH + sum((trade.net_pnl for trade in result.trades), Decimal(0))


@pytest.mark.parametrize("calendar", [None, "24/7"], ids=["own calendar", "24-7"])
def test_all_66_trades_agree_one_by_one(file: Path, calendar: str | None) -> None:
    expected, found = their_trades(theirs()), our_trades(ours(file, calendar=calendar))
    assert len(found) == 66
    assert found[:-1] == expected[:-1]
    assert found[-1][:-1] == expected[-1][:-1] == (2088, 2147, 64, 695.0)
    assert (found[-1][-1], expected[-1][-1]) == (float(LAST_CLOSE), float(LAST_OPEN))


def test_the_published_equity_is_ours_but_for_the_price_of_the_last_exit(file: Path) -> None:
    result, published = ours(file), theirs()["Equity Final [$]"]
    assert published == pytest.approx(51_422.99, abs=1e-6)
    assert final_equity(result) == Decimal("51959.95")
    assert result.equity.value[-1] == pytest.approx(51_959.95, abs=1e-6)
    last = result.trades[-1]
    assert (last.exit_price, last.exit_reason) == (LAST_CLOSE, "end_of_data")
    assert final_equity(result) + (LAST_OPEN - LAST_CLOSE) * last.quantity == Decimal("51422.99")


def test_the_equity_agrees_at_every_bar_but_the_last(file: Path) -> None:
    stats, result = theirs(), ours(file)
    curve = stats["_equity_curve"]["Equity"].to_numpy()
    assert len(curve) == len(result.equity.value) == 2148
    assert result.equity.value[:-1].tolist() == pytest.approx(curve[:-1].tolist(), abs=1e-6)
    assert result.equity.value.max() == pytest.approx(75_787.44, abs=1e-6)
    assert result.stats.equity_drawdown_percent == pytest.approx(47.98012705007589, abs=1e-9)
    assert float(result.stats.win_rate or 0) == pytest.approx(0.4696969696969697)


def test_with_fees_both_buy_what_they_can_pay_for_with_the_fee(file: Path) -> None:
    stats, result = theirs("0.1%"), ours(file, fee="0.1%")
    assert our_trades(result)[:-1] == their_trades(stats)[:-1]
    last = result.trades[-1]
    assert last.quantity == 56
    swapped = final_equity(result) + (LAST_OPEN - LAST_CLOSE) * last.quantity * (1 - Decimal("0.001"))
    assert float(swapped) == pytest.approx(stats["Equity Final [$]"], abs=1e-6)


def test_a_replay_does_the_same(file: Path, redis_url: str) -> None:
    settings = Settings(redis_url=redis_url, _env_file=None)  # type: ignore[arg-type,call-arg]  # pydantic makes the secret of it
    replayed: RunResult = asyncio.run(run_replay(settings, options(file), Progress(), lambda _: None))
    assert len(replayed.trades) == 66
    assert replayed == ours(file).summary()


def test_without_all_in_there_is_one_share_a_trade(file: Path) -> None:
    result = ours(file, sizing=Sizing.parse("fixed"))
    assert [abs(trade[2]) for trade in our_trades(result)] == [1] * 66
    assert [trade[:2] for trade in our_trades(result)] == [trade[:2] for trade in their_trades(theirs())]


def test_the_rule_of_the_crossing_makes_no_difference_here() -> None:
    apart = (SMA(GOOG["Close"], 10) - SMA(GOOG["Close"], 30)).dropna()
    assert len(apart) == len(GOOG) - 29
    assert apart.abs().min() > 1e-9
