"""Moving averages against their definitions, and their state."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.indicators.base import SeriesIndicator
from fortified.indicators.moving_average import AverageType, moving_average

KINDS: tuple[AverageType, ...] = ("EMA", "SMA", "WMA")
prices = st.lists(st.floats(-1e6, 1e6).map(lambda price: round(price, 2)), max_size=60)
periods = st.integers(1, 9)
kinds = st.sampled_from(KINDS)


def ema(values: list[float], period: int) -> float | None:
    alpha, result = 2 / (period + 1), None
    for value in values:
        result = value if result is None else alpha * value + (1 - alpha) * result
    return result


def sma(values: list[float], period: int) -> float | None:
    return sum(values[-period:]) / period if len(values) >= period else None


def wma(values: list[float], period: int) -> float | None:
    weights = range(1, period + 1)
    if len(values) < period:
        return None
    return sum(weight * value for weight, value in zip(weights, values[-period:], strict=True)) / sum(weights)


NAIVE: dict[AverageType, Callable[[list[float], int], float | None]] = {"EMA": ema, "SMA": sma, "WMA": wma}


@given(prices, periods, kinds)
def test_each_value_is_that_of_the_definition(values: list[float], period: int, kind: AverageType) -> None:
    average = moving_average(kind, period)
    for count, value in enumerate(values, start=1):
        expected = NAIVE[kind](values[:count], period)
        assert average.update(value) == (expected if expected is None else pytest.approx(expected, abs=1e-6))
        assert average.ready == (count >= period)


@given(prices, periods, kinds)
def test_peek_tells_the_next_value_bit_for_bit_and_changes_nothing(values: list[float], period: int, kind: AverageType) -> None:
    average = moving_average(kind, period)
    for value in values:
        before = average.snapshot()
        average.peek(-value)
        expected = average.peek(value)
        assert average.snapshot() == before
        assert average.update(value) == expected == average.value


@given(prices, prices, periods, kinds)
def test_a_restored_one_goes_on_bit_for_bit(past: list[float], future: list[float], period: int, kind: AverageType) -> None:
    living, fresh = moving_average(kind, period), moving_average(kind, period)
    for value in past:
        living.update(value)
    fresh.restore(living.snapshot())
    assert [fresh.update(value) for value in future] == [living.update(value) for value in future]


@pytest.mark.parametrize("kind", ["SMA", "WMA"])
def test_a_snapshot_can_be_restored_twice(kind: AverageType) -> None:
    living = moving_average(kind, 3)
    for value in (1.0, 2.0, 3.0):
        living.update(value)
    state = living.snapshot()
    results = [_after(moving_average(kind, 3), state) for _ in range(2)]
    assert results[0] == results[1]


def _after(fresh: SeriesIndicator, state: dict[str, Any]) -> list[float | None]:
    fresh.restore(state)
    return [fresh.update(value) for value in (10.0, 20.0)]


def test_the_ema_begins_with_its_first_value() -> None:
    """Alpha of 3 periods is a half."""
    average = moving_average("EMA", 3)
    assert [average.update(value) for value in (10.0, 20.0, 20.0)] == [10.0, 15.0, 17.5]


def test_rounding_does_not_pile_up() -> None:
    """A huge value that left the window leaves nothing behind once the window has turned over."""
    average = moving_average("SMA", 3)
    for value in (1e17, *[0.1] * 6):
        average.update(value)
    assert average.value == pytest.approx(0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [0, -3])
def test_a_period_below_one_is_refused(kind: AverageType, period: int) -> None:
    with pytest.raises(ConfigError, match=f"period {period} is not possible"):
        moving_average(kind, period)
