"""A search finds what single backtests find, whoever evaluates, and judges on bars it has not chosen on."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.research.optimize_stage import head, minutes, no_progress, no_report, optimization, options, own, walk

from fortified.domain.errors import ConfigError, StrategyError
from fortified.engine.fills import FillModel
from fortified.registry import Registry
from fortified.research.batch import METRICS
from fortified.research.data import load
from fortified.research.optimize.folds import walk_forward
from fortified.research.optimize.objective import days_of, metrics
from fortified.research.optimize.result import Metrics, OptimizeResult
from fortified.research.run import Backtest
from fortified.runs import RunOptions

EMA = {"period_1": "2..5", "period_2": "6..12:2"}


@pytest.fixture
def ema(tmp_path: Path) -> RunOptions:
    return options(walk(tmp_path / "t.parquet"))


def backtest(run_options: RunOptions) -> Backtest:
    return Backtest(run_options, load(run_options, no_report), Registry().resolve(run_options.strategy))


def evaluated(test: Backtest, params: dict[str, Any]) -> Metrics:
    result = test.run(params)
    return metrics(result, days_of(result))


def by_params(result: OptimizeResult) -> dict[str, object]:
    return {str(point.params): (point.train, point.test, point.error) for point in result.points}


def test_the_grid_holds_every_backtest_best_first(ema: RunOptions) -> None:
    result = optimization(ema, params=EMA).run(no_progress)
    single = backtest(ema)
    assert {(point.params["period_1"], point.params["period_2"]) for point in result.points} == {
        (fast, slow) for fast in (2, 3, 4, 5) for slow in (6, 8, 10, 12)
    }
    assert all(point.train == pytest.approx(evaluated(single, point.params)) for point in result.points)
    earned = [point.train["net_pnl"] or 0.0 for point in result.points]
    assert earned == sorted(earned, reverse=True)
    assert len(set(earned)) > 8
    assert (result.bars, result.symbol, result.timeframe, result.strategy) == (300, "/ES", "10t", "ema")
    assert result.space == {"period_1": [2, 3, 4, 5], "period_2": [6, 8, 10, 12]}


def test_metrics_are_those_of_the_backtest(ema: RunOptions) -> None:
    result = backtest(ema).run({"period_1": 2, "period_2": 6})
    stats = {name: float(getattr(result.stats, name)) for name in METRICS if getattr(result.stats, name) is not None}
    found = evaluated(backtest(ema), {"period_1": 2, "period_2": 6})
    assert {name: value for name, value in found.items() if value is not None} == pytest.approx(stats)
    assert stats["trades"] > 30


def test_processes_find_what_one_finds(ema: RunOptions) -> None:
    search = {"params": EMA, "train": 0.6, "folds": 2, "objective": "profit_factor"}
    assert optimization(ema, **search, jobs=2).run(no_progress) == optimization(ema, **search).run(no_progress)


def test_progress_reaches_its_end(ema: RunOptions) -> None:
    told: list[tuple[int, int]] = []
    optimization(ema, params=EMA, folds=2).run(lambda done, total: told.append((done, total)))
    assert told[-1] == (48, 48)
    assert {total for _, total in told} == {48}


ON_TICK = "    def on_tick(self, tick, position): return None\n"


@pytest.mark.parametrize("latency_ms", [0, 700])
@pytest.mark.parametrize("kind", ["bars", "ticks", "ready-made bars"])
def test_train_knows_nothing_of_the_test(tmp_path: Path, kind: str, latency_ms: int) -> None:
    path = tmp_path / "own.py"
    own(path)
    path.write_text(path.read_text() + (ON_TICK if kind == "ticks" else ""))
    file, first = walk(tmp_path / "t.parquet"), 1_500
    changes: dict[str, Any] = {"fills": FillModel("next", 0, latency_ms * 1_000_000)}
    if kind == "ready-made bars":
        file, first = minutes(tmp_path / "bars.parquet", 300), 150
        changes |= {"timeframe": "1", "bars_timeframe": "1"}
    result = optimization(options(file, str(path), **changes), params={"a": "1..3", "b": "1..2"}, train=0.5).run(no_progress)
    train = backtest(options(head(file, first), str(path), **changes))
    assert result.bars == 300
    assert all(point.train == pytest.approx(evaluated(train, point.params)) for point in result.points)
    assert all((point.train["trades"] or 0) > 5 for point in result.points)
    assert all(point.test is not None for point in result.points)


def test_a_test_is_warm_at_its_first_bar_and_trades_none_before(tmp_path: Path) -> None:
    """The strategy buys once, at the first bar it may; a warm-up of 20 bars comes before the test, not out of it."""
    path = tmp_path / "first.py"
    path.write_text(
        "from fortified.strategies.base import BaseStrategy\n"
        "import msgspec\n"
        "class First(BaseStrategy):\n"
        "    class Params(msgspec.Struct, frozen=True):\n"
        "        warm: int = 20\n"
        "    def warmup_periods(self): return self.params.warm\n"
        "    def on_new_bar(self, bar, position):\n"
        "        return None if position else {'side': 'BUY', 'reason': 'entry'}\n"
    )
    run_options = options(walk(tmp_path / "t.parquet"), str(path), fills=FillModel("last", 0), flatten=True)
    result = optimization(run_options, params={"warm": "20,50"}, train=0.5).run(no_progress)
    bars = backtest(run_options).run({"warm": 20}).bars
    prices = {point.params["warm"]: point.test for point in result.points}
    expected = (float(bars.close[-1]) - float(bars.close[150])) * 50 - 4
    assert {warm: test and test["net_pnl"] for warm, test in prices.items()} == pytest.approx({20: expected, 50: expected})


def test_folds_choose_on_train_and_are_judged_behind_it(ema: RunOptions) -> None:
    result = optimization(ema, params=EMA, folds=3, train=None).run(no_progress)
    assert [fold.number for fold in result.folds] == [1, 2, 3]
    for before, fold in itertools.pairwise(result.folds):
        assert before.test_start_ns < before.test_end_ns < fold.test_start_ns
        assert fold.train_start_ns < fold.train_end_ns < fold.test_start_ns
    first = backtest(options(head(ema.files[0], 10 * walk_forward(300, 3, 0.7)[0].train.stop)))
    best = max((evaluated(first, point.params) for point in result.points), key=lambda found: found["net_pnl"] or 0.0)
    assert result.folds[0].train == pytest.approx(best)


def test_a_strategy_that_raises_somewhere_hurts_that_point_only(tmp_path: Path) -> None:
    strategy = own(tmp_path / "own.py", "if self.params.a == 2: raise ValueError('two is too many')")
    run_options = options(walk(tmp_path / "t.parquet"), strategy)
    for jobs in (1, 2):
        result = optimization(run_options, params={"a": "1..4", "b": "1..2"}, jobs=jobs).run(no_progress)
        failed = [point for point in result.points if point.error]
        assert [point.params["a"] for point in failed] == [2, 2]
        assert failed == result.points[-2:]
        assert "two is too many" in str(failed[0].error)
        assert any("2 points failed; the first: " in warning for warning in result.warnings)


def test_a_strategy_that_raises_everywhere_is_an_error(tmp_path: Path) -> None:
    strategy = own(tmp_path / "own.py", "raise ValueError('never works')")
    with pytest.raises(StrategyError, match=r"every point failed; the first: .*never works"):
        optimization(options(walk(tmp_path / "t.parquet"), strategy), params={"a": "1..4"}).run(no_progress)


def test_combinations_that_are_refused_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "pair.py"
    source = Path(own(path)).read_text()
    check = "        b: int = 1\n        def __post_init__(self):\n            if self.b < self.a: raise ValueError('b is less than a')\n"
    path.write_text(source.replace("        b: int = 1\n", check))
    run_options = options(walk(tmp_path / "t.parquet"), str(path))
    result = optimization(run_options, params={"a": "1..4", "b": "1..3"}).run(no_progress)
    assert len(result.points) == 6
    assert any("6 combinations were skipped" in warning and "b is less than a" in warning for warning in result.warnings)
    with pytest.raises(ConfigError, match="b is less than a"):
        optimization(run_options, params={"a": "4..5", "b": "1..3"})


@pytest.mark.parametrize("objective", ["net_pnl", "net_pnl,max_drawdown"])
@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_learning_searches_repeat_and_evaluate_no_point_twice(ema: RunOptions, method: str, objective: str) -> None:
    if method == "nsga2" and objective == "net_pnl":
        with pytest.raises(ConfigError, match="two or more objectives"):
            optimization(ema, params=EMA, method=method, objective=objective)
        return
    wide = {"period_1": "2..20", "period_2": "21..60", "trend_line_1": "EMA,SMA"}
    search = {"params": wide, "method": method, "objective": objective, "trials": 25, "seed": 3}
    result = optimization(ema, **search).run(no_progress)
    assert by_params(result) == by_params(optimization(ema, **search).run(no_progress))
    assert by_params(result) != by_params(optimization(ema, **(search | {"seed": 4})).run(no_progress))
    assert len(by_params(result)) == len(result.points) == 25
    single = backtest(ema)
    assert all(point.train == pytest.approx(evaluated(single, point.params)) for point in result.points)


def test_a_small_space_ends_when_all_is_known(ema: RunOptions) -> None:
    result = optimization(ema, params={"period_1": "2..4"}, method="tpe", trials=500).run(no_progress)
    assert {point.params["period_1"] for point in result.points} == {2, 3, 4}


def test_the_front_is_tested_as_a_whole(ema: RunOptions) -> None:
    result = optimization(ema, params=EMA, objective="net_pnl,max_drawdown", train=0.7).run(no_progress)
    points = [(point.train["net_pnl"] or 0.0, -(point.train["max_drawdown"] or 0.0)) for point in result.points]
    front = [point for point in points if not any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)]
    assert points[: len(front)] == sorted(front, reverse=True)


def test_what_is_interrupted_keeps_what_it_has(ema: RunOptions) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    for jobs in (1, 2):
        search = optimization(ema, params=EMA, train=0.5, jobs=jobs)
        result = search.run(interrupt)
        assert search.interrupted
        assert 4 <= len(result.points) < 16
        assert f"interrupted after {len(result.points)} of 16 points" in result.warnings
