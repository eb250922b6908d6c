"""A best point that should not be believed is told of, with the numbers; one on a plateau is not."""

import itertools

import numpy as np
from numpy.typing import NDArray

from fortified.research.batch import METRICS
from fortified.research.optimize.objective import Objective, Rows
from fortified.research.optimize.result import Fold, Metrics, Point
from fortified.research.optimize.robustness import at_the_edge, doubts, lonely_peak
from fortified.research.optimize.space import Dimension, Space

NUMBERS = tuple(range(1, 6))
FIVE_BY_FIVE = Space((Dimension("a", NUMBERS, True), Dimension("b", NUMBERS, True)))


def said(values: NDArray[np.float64], name: str = "net_pnl", known: list[int] | None = None, space: Space = FIVE_BY_FIVE) -> list[str]:
    """What is said of the best of ``values``, one for each point of the space, of which those in ``known`` were evaluated."""
    numbers = list(range(space.size)) if known is None else known
    rows: Rows = np.full((len(numbers), len(METRICS)), np.nan)
    rows[:, METRICS.index(name)] = values.ravel()[numbers]
    best = int(np.nanargmin(rows[:, METRICS.index(name)]) if name == "max_drawdown" else np.nanargmax(rows[:, METRICS.index(name)]))
    return list(lonely_peak(space, numbers, rows, best, Objective(name)))


def test_a_lonely_peak() -> None:
    values = np.full((5, 5), 100.0)
    values[2, 2] = 1_000.0
    (warning,) = said(values)
    assert "lonely peak: its net_pnl is 1000, its 8 neighbours one step away have a median of 100" in warning


def test_a_peak_among_losses() -> None:
    values = np.full((5, 5), -10.0)
    values[2, 2] = 5.0
    assert "median of -10" in said(values)[0]


def test_a_plateau() -> None:
    values = np.full((5, 5), -100.0)
    values[1:4, 1:4] = 900.0
    values[2, 2] = 1_000.0
    assert said(values) == []


def test_drawdown_is_lonely_when_its_neighbours_are_larger() -> None:
    values = np.full((5, 5), 300.0)
    values[2, 2] = 100.0
    assert "lonely peak" in said(values, "max_drawdown")[0]
    assert said(np.where(values > 100, 120.0, values), "max_drawdown") == []


def test_neighbours_without_a_value_make_it_lonely() -> None:
    values = np.full((5, 5), np.nan)
    values[2, 2] = 3.0
    assert "its 8 neighbours one step away have no value" in said(values, "sharpe")[0]


def test_too_few_neighbours() -> None:
    values = np.full((5, 5), 100.0)
    values[2, 2] = 101.0
    (warning,) = said(values, known=[12, 13, 0, 4])
    assert "1 of the 8 neighbours of the best point were evaluated, too few" in warning


def test_a_line_has_two_neighbours_and_its_end_one() -> None:
    line = Space((Dimension("a", NUMBERS, True),))
    assert said(np.array([1.0, 8.0, 9.0, 8.0, 1.0]), space=line) == []
    assert "edge of the space" in said(np.array([9.0, 8.0, 1.0, 1.0, 1.0]), space=line)[0]


def test_neighbours_have_the_same_kind() -> None:
    space = Space((Dimension("kind", ("EMA", "SMA"), False), Dimension("a", NUMBERS, True)))
    values = np.array([[8.0, 9.0, 10.0, 9.0, 8.0], [-5.0] * 5])
    assert said(values, space=space) == []


def test_no_numbers_no_neighbours() -> None:
    assert said(np.array([1.0, 100.0]), space=Space((Dimension("kind", ("EMA", "SMA"), False),))) == []


def test_a_point_at_the_edge() -> None:
    assert list(at_the_edge(FIVE_BY_FIVE, FIVE_BY_FIVE.number({"a": 2, "b": 3}))) == []
    smallest, largest = at_the_edge(FIVE_BY_FIVE, FIVE_BY_FIVE.number({"a": 0, "b": 4}))
    assert smallest.startswith("a of the best point is 1, the smallest that was searched")
    assert largest.startswith("b of the best point is 5, the largest that was searched")


def metrics(**known: float | None) -> Metrics:
    return dict.fromkeys(METRICS) | {"trades": 100.0, "net_pnl": 500.0} | known


def doubt(train: Metrics, test: Metrics | None, objective: str = "net_pnl", folds: list[Fold] | None = None) -> str:
    return "\n".join(doubts([Point({}, train, test)], folds or [], Objective(objective), tested=test is not None or folds is not None))


def test_nothing_to_say_of_a_good_point() -> None:
    assert doubt(metrics(), metrics(net_pnl=200.0)) == ""


def test_good_in_train_and_bad_in_test() -> None:
    assert "net_pnl is 500 and then -20" in doubt(metrics(), metrics(net_pnl=-20.0))
    assert "profit_factor is 1.4 and then 0.9" in doubt(metrics(profit_factor=1.4), metrics(profit_factor=0.9), "profit_factor")
    assert "net_pnl is 500 and then -20" in doubt(metrics(win_rate=0.6), metrics(win_rate=0.6, net_pnl=-20.0), "win_rate")
    assert "sharpe is 2 and then without a value" in doubt(metrics(sharpe=2.0), metrics(sharpe=None), "sharpe")


def test_few_trades() -> None:
    assert "made 29 trades, fewer than 30" in doubt(metrics(trades=29.0), metrics())


def test_no_test() -> None:
    assert "use --train 0.7 or --walk-forward 5" in doubt(metrics(), None)


def test_folds_that_lose() -> None:
    tests = itertools.cycle([metrics(), metrics(net_pnl=-1.0)])
    folds = [Fold(number, 0, 1, 1, 2, {}, metrics(), test) for number, test in zip(range(1, 6), tests, strict=False)]
    assert "2 of 5 folds are good in train and bad in test (net_pnl; fold 2, 4)" in doubt(metrics(), None, folds=folds)
