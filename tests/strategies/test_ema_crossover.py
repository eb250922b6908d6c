"""The moving average crossover: what a cross is, and what it asks for."""

import logging
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import bar

from fortified.domain.errors import ConfigError
from fortified.domain.signal import Signal, Target
from fortified.indicators.moving_average import moving_average
from fortified.strategies.base import StrategyConfig
from fortified.strategies.ema_crossover import EMACrossoverStrategy

LOG = logging.getLogger("test")
UP, DOWN = Signal(Target.LONG, "cross_up"), Signal(Target.SHORT, "cross_down")


def crossover(**parameters: Any) -> EMACrossoverStrategy:
    return EMACrossoverStrategy(StrategyConfig("/NQ", "1", parameters), LOG)


def answers(strategy: EMACrossoverStrategy, closes: list[float]) -> list[Signal | None]:
    return [strategy.on_new_bar(bar(number, close), None) for number, close in enumerate(closes)]


def test_a_cross_counts_from_touching_and_only_once() -> None:
    """Period 1 is the close itself, period 3 moves by half of the way."""
    closes = [10.0, 10.0, 12.0, 13.0, 8.0, 8.0]
    assert answers(crossover(period_1=1, period_2=3), closes) == [None, None, UP, None, DOWN, None]


def test_equal_lines_are_no_cross_but_the_place_to_cross_from() -> None:
    """12 → 10 falls onto the slow line at 10, and stays there: no cross down; the next step below is one."""
    strategy = crossover(period_1=1, period_2=2, trend_line_1="SMA", trend_line_2="SMA")
    assert answers(strategy, [10.0, 12.0, 12.0, 11.0, 11.0, 12.0]) == [None, None, None, DOWN, None, UP]


@pytest.mark.parametrize(
    ("direction", "up", "down"),
    [("long", Target.LONG, Target.FLAT), ("short", Target.FLAT, Target.SHORT), ("both", Target.LONG, Target.SHORT)],
)
def test_the_direction_turns_the_other_side_into_an_exit(direction: str, up: Target, down: Target) -> None:
    found = answers(crossover(period_1=1, period_2=3, direction=direction), [10.0, 12.0, 8.0])
    assert [one and one.target for one in found] == [None, up, down]


@pytest.mark.parametrize("kind", ["SMA", "WMA"])
def test_there_is_no_signal_before_both_lines_have_two_values(kind: str) -> None:
    strategy = crossover(period_1=1, period_2=4, trend_line_1=kind, trend_line_2=kind)
    found = answers(strategy, [10.0, 20.0, 5.0, 30.0, 1.0])
    assert strategy.warmup_periods() == 4
    assert found == [None, None, None, None, DOWN]


@given(st.lists(st.integers(90, 110).map(float), max_size=60), st.integers(1, 6), st.integers(1, 6))
def test_the_signals_are_the_crosses_of_the_two_lines(closes: list[float], one: int, two: int) -> None:
    lines = moving_average("EMA", one), moving_average("WMA", two)
    values = [(lines[0].update(close), lines[1].update(close)) for close in closes]
    expected: list[Signal | None] = [None] if closes else []
    for (a_before, b_before), (a, b) in pairwise(values):
        known = a_before is not None and b_before is not None and a is not None and b is not None
        up = known and a > b and a_before <= b_before  # type: ignore[operator]  # known says they are numbers
        down = known and a < b and a_before >= b_before  # type: ignore[operator]  # known says they are numbers
        expected.append(UP if up else DOWN if down else None)
    assert answers(crossover(period_1=one, period_2=two, trend_line_2="WMA"), closes) == expected


@given(st.lists(st.integers(90, 110).map(float), max_size=40), st.integers(0, 40))
def test_a_restored_strategy_goes_on(closes: list[float], cut: int) -> None:
    living, fresh = crossover(period_1=2, period_2=4, trend_line_2="SMA"), crossover(period_1=2, period_2=4, trend_line_2="SMA")
    answers(living, closes[:cut])
    fresh.restore(living.snapshot())
    assert answers(fresh, closes[cut:]) == answers(living, closes[cut:])


def test_parameters_may_come_as_text_and_have_defaults() -> None:
    params = crossover(period_1="5", trend_line_1="WMA").params
    assert (params.period_1, params.period_2, params.trend_line_1, params.direction) == (5, 21, "WMA", "both")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"period_1": 0}, r"strategy 'ema': .*>= 1.*period_1"),
        ({"period_2": 10_001}, r"strategy 'ema': .*<= 10000.*period_2"),
        ({"period_1": "nine"}, r"strategy 'ema': .*int.*period_1"),
        ({"trend_line_1": "HULL"}, r"strategy 'ema': Invalid enum value 'HULL'.*trend_line_1"),
        ({"direction": "up"}, r"strategy 'ema': .*direction"),
        ({"length": 9}, r"has no parameter 'length'; it has: direction, period_1, period_2, trend_line_1, trend_line_2"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        crossover(**parameters)
