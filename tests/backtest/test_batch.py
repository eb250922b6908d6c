"""A built-in strategy that is not called gives what it gives when it is called, alone and among many."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtest.test_lane import exits, models, rounded, table_of
from tests.builders import SECOND, ns

from fortified.adapters.tables import FileReport, TickTable
from fortified.backtest import lane, run_kernels
from fortified.backtest.batch import METRICS
from fortified.domain.calendar import get_calendar
from fortified.domain.exits import ExitRules
from fortified.domain.market import BarFlag
from fortified.engine import performance
from fortified.engine.fills import FillModel
from fortified.engine.performance import trading_days
from fortified.research.batch import evaluate_batch
from fortified.research.data import Data
from fortified.research.optimize.objective import metrics
from fortified.research.run import Backtest
from fortified.runs import RunOptions
from fortified.strategies.ema_crossover import EMACrossoverStrategy


class Called(EMACrossoverStrategy):
    """The same, but a class of somebody's own."""


def backtest(strategy: type[EMACrossoverStrategy], table: TickTable, **asked: Any) -> Backtest:
    fields: dict[str, Any] = {
        **{"files": (), "symbol": "/NQ", "timeframe": "5t", "strategy": "ema", "quantity": Decimal(3), "params": {}},
        **{"fills": FillModel(), "fee": "2.50/contract", "warmup": None, "calendar": None, "tick_size": None, "multiplier": None},
        **{"flatten": True, "speed": None},
    }
    return Backtest(RunOptions(**(fields | asked)), Data(ticks=table), strategy)


params = st.fixed_dictionaries(
    {
        "period_1": st.integers(1, 5),
        "period_2": st.integers(1, 9),
        "trend_line_1": st.sampled_from(["EMA", "SMA", "WMA"]),
        "trend_line_2": st.sampled_from(["EMA", "SMA", "WMA"]),
        "direction": st.sampled_from(["both", "long", "short"]),
    }
)


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rules=exits,
    fills=models,
    timeframe=st.sampled_from(["1t", "2t", "5t", "1", "5"]),
    flatten=st.booleans(),
    chosen=params,
    warmup=st.sampled_from([None, 0, 1]),
)
def test_it_is_the_same_as_called(
    seed: int, rules: ExitRules, fills: FillModel, timeframe: str, flatten: bool, chosen: dict[str, Any], warmup: int | None
) -> None:
    asked = {"exits": rules, "fills": fills, "timeframe": timeframe, "flatten": flatten, "params": chosen, "warmup": warmup}
    alone, called = (backtest(strategy, table_of(seed), **asked).run() for strategy in (EMACrossoverStrategy, Called))
    assert alone.summary() == called.summary()
    assert rounded(alone.columns) == rounded(called.columns)
    assert alone.denials == called.denials


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rules=exits,
    fills=models,
    timeframe=st.sampled_from(["2t", "5t", "1"]),
    flatten=st.booleans(),
    fee=st.sampled_from(["0", "2.50/contract", "0.001%"]),
    points=st.lists(params, min_size=1, max_size=6),
)
def test_many_at_once_have_the_metrics_of_each(
    seed: int, rules: ExitRules, fills: FillModel, timeframe: str, flatten: bool, fee: str, points: list[dict[str, Any]]
) -> None:
    test = backtest(EMACrossoverStrategy, table_of(seed), exits=rules, fills=fills, timeframe=timeframe, flatten=flatten, fee=fee)
    rows = evaluate_batch(test, points)
    if rows is None:
        assert any(rule is not None and rule.unit in ("percent", "atr") for rule in (rules.stop_loss, rules.take_profit, rules.trailing))
        return
    for row, point in zip(rows, points, strict=True):
        check(row, test, point)


def check(row: Any, test: Backtest, point: dict[str, Any]) -> None:
    if np.isnan(row[METRICS.index("trades")]):
        return  # left to a run of its own
    result = test.run(point)
    expected = metrics(result, trading_days(result.bars.ts_close, get_calendar(result.instrument.calendar)))
    for name, value in zip(METRICS, row.tolist(), strict=True):
        wanted = expected[name]
        assert np.isnan(value) if wanted is None else value == pytest.approx(wanted, rel=1e-6, abs=1e-6), name


def test_a_grid_over_a_week_leaves_none_out() -> None:
    dice = np.random.default_rng(3)
    count = 50_000
    ts = ns("2025-03-03 15:00") + np.cumsum(dice.integers(0, 16 * SECOND, count))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count)).astype(np.float64)
    table = TickTable(ts, price, np.ones(count), None, None, FileReport(count))
    test = backtest(EMACrossoverStrategy, table, timeframe="20t", exits=ExitRules.parse("12ticks", "9pts", "30ticks"))
    points = [{"period_1": first, "period_2": second} for first in (3, 5, 8) for second in (9, 13, 21)]
    rows = evaluate_batch(test, points)
    assert rows is not None
    assert not np.isnan(rows).any()
    for row, point in zip(rows, points, strict=True):
        check(row, test, point)


def test_the_compiled_loops_speak_the_words_of_the_lane() -> None:
    names = ("MARKET", "TOUCH", "CLOSE", "REFERENCE", "BY_LEVEL", "BY_COMMAND")
    assert [getattr(run_kernels, name) for name in names] == [getattr(lane, name) for name in names]
    assert (BarFlag.SESSION_END, performance._FLAT, len(METRICS)) == (run_kernels.SESSION_END, run_kernels.FLAT, run_kernels.METRICS)


def test_a_strategy_of_ones_own_is_called() -> None:
    assert evaluate_batch(backtest(Called, table_of(1)), [{}]) is None
