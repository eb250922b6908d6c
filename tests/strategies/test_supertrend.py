"""The SuperTrend strategy: in, out and around at each turn."""

import logging
from typing import Any

import pytest
from tests.builders import bar

from fortified.domain.errors import ConfigError
from fortified.domain.signal import Signal, Target
from fortified.strategies.base import StrategyConfig
from fortified.strategies.supertrend import SuperTrendStrategy

LOG = logging.getLogger("test")
CLOSES = [100.0, 101.0, 110.0, 111.0, 90.0, 89.0, 110.0]
"""Up and down by more than a range, and on."""


def supertrend(**parameters: Any) -> SuperTrendStrategy:
    return SuperTrendStrategy(StrategyConfig("/NQ", "1", {"period": 2, "multiplier": 1.0} | parameters), LOG)


def answers(strategy: SuperTrendStrategy, closes: list[float]) -> list[Signal | None]:
    bars = [bar(number, close, high=close + 1.0, low=close - 1.0) for number, close in enumerate(closes)]
    return [strategy.on_new_bar(one, None) for one in bars]


@pytest.mark.parametrize(
    ("direction", "up", "down"),
    [("both", Target.LONG, Target.SHORT), ("long", Target.LONG, Target.FLAT), ("short", Target.FLAT, Target.SHORT)],
)
def test_it_goes_with_each_turn_and_its_beginning_is_none(direction: str, up: Target, down: Target) -> None:
    turn_up, turn_down = Signal(up, "trend_up"), Signal(down, "trend_down")
    assert answers(supertrend(direction=direction), CLOSES) == [None, None, turn_up, None, turn_down, None, turn_up]


@pytest.mark.parametrize("cut", range(len(CLOSES)))
def test_a_restored_strategy_goes_on(cut: int) -> None:
    living, fresh = supertrend(), supertrend()
    answers(living, CLOSES[:cut])
    fresh.restore(living.snapshot())
    assert answers(fresh, CLOSES[cut:]) == answers(living, CLOSES[cut:])


def test_defaults_and_warm_up() -> None:
    params = SuperTrendStrategy(StrategyConfig("/NQ", "1"), LOG).params
    assert (params.period, params.multiplier, params.direction) == (10, 3.0, "both")
    assert [supertrend(period=period).warmup_periods() for period in (10, 50)] == [200, 500]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"period": 0}, r"strategy 'supertrend': .*>= 1.*period"),
        ({"multiplier": 0}, r"strategy 'supertrend': .*> 0.*multiplier"),
        ({"multiplier": "nan"}, "multiplier"),
        ({"direction": "up"}, r"strategy 'supertrend': .*direction"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        supertrend(**parameters)
