"""The order of points: by what they were searched for, those without a value last."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.research.batch import METRICS
from fortified.research.optimize.objective import Rows, as_metrics, as_row, order, parse_objectives

SMALL = st.one_of(st.none(), st.integers(-3, 3).map(float))


def table(**columns: list[float | None]) -> Rows:
    count = len(next(iter(columns.values())))
    return np.array([as_row({name: columns[name][at] for name in columns}) for at in range(count)])


def test_the_largest_first_and_without_a_value_last() -> None:
    rows = table(sharpe=[1.0, None, 3.0, -2.0, 3.0])
    assert order(rows, parse_objectives("sharpe"))[0].tolist() == [2, 4, 0, 3, 1]


def test_drawdown_is_made_small() -> None:
    rows = table(max_drawdown=[50.0, 0.0, None, 10.0])
    assert order(rows, parse_objectives("max_drawdown"))[0].tolist() == [1, 3, 0, 2]


@given(st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=30))
def test_with_two_objectives_those_that_none_beats_come_first(pairs: list[tuple[float | None, float | None]]) -> None:
    rows = table(net_pnl=[pair[0] for pair in pairs], max_drawdown=[pair[1] for pair in pairs])
    places, front = order(rows, parse_objectives("net_pnl,max_drawdown"))
    assert sorted(places.tolist()) == list(range(len(pairs)))

    def beats(one: tuple[float | None, float | None], other: tuple[float | None, float | None]) -> bool:
        if None in one:
            return False
        assert one[0] is not None
        assert one[1] is not None
        assert other[0] is not None
        assert other[1] is not None
        return one[0] >= other[0] and one[1] <= other[1] and one != other

    unbeaten = {at for at, pair in enumerate(pairs) if None not in pair and not any(beats(other, pair) for other in pairs)}
    assert set(places[:front].tolist()) == unbeaten
    profits = [pairs[at][0] for at in places[:front]]
    assert profits == sorted(profits, key=lambda profit: -(profit or 0.0))


def test_metrics_survive_their_row() -> None:
    metrics = dict.fromkeys(METRICS, 1.5) | {"sharpe": None, "trades": 7.0}
    assert as_metrics(np.array(as_row(metrics))) == metrics


@pytest.mark.parametrize(
    ("text", "word"), [("", "is unknown"), ("trades", "is unknown"), ("sharpe,sharpe", "twice"), ("Sharpe", "choose of")]
)
def test_objectives_that_are_refused(text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        parse_objectives(text)
