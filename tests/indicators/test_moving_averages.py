"""Moving averages against their definitions."""

from collections.abc import Callable
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indicators import vectors

from fortified.domain.errors import ConfigError
from fortified.indicators.base import SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.moving_average import AverageType, moving_average
from fortified.indicators.wilders import WildersAverage

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


@given(prices, st.integers(1, 30), kinds)
def test_a_whole_column_is_computed_to_the_bit(values: list[float], period: int, kind: AverageType) -> None:
    average = moving_average(kind, period)
    expected = np.array([average.update(value) for value in values], np.float64)
    np.testing.assert_array_equal(moving_average(kind, period).compute(np.array(values))["value"], expected)


@given(prices, periods)
def test_wilders_average_begins_with_a_mean_and_moves_by_its_share(values: list[float], period: int) -> None:
    average = WildersAverage(period)
    for count, value in enumerate(values, start=1):
        before = average.value
        now = average.update(value)
        if count < period:
            assert now is None
        elif before is None:
            assert now == pytest.approx(sum(values[:period]) / period, abs=1e-6)
        else:
            assert now == pytest.approx((before * (period - 1) + value) / period, abs=1e-6)
        assert average.ready == (count >= period)


@given(prices, st.integers(2, 20))
def test_the_hull_average_is_one_of_weighted_averages(values: list[float], period: int) -> None:
    average = HullAverage(period)
    raw: list[float] = []
    for count, value in enumerate(values, start=1):
        half, full = wma(values[:count], period // 2), wma(values[:count], period)
        if half is not None and full is not None:
            raw.append(2 * half - full)
        expected = wma(raw, isqrt(period))
        assert average.update(value) == (None if expected is None else pytest.approx(expected, abs=1e-5))
        assert average.ready == (count >= period + isqrt(period) - 1)


@vectors.needed
@pytest.mark.parametrize(
    ("column", "average"),
    [
        *((f"ema{period}_first", EMA(period)) for period in (9, 14, 21)),
        *((f"{kind.lower()}{period}", moving_average(kind, period)) for kind in ("SMA", "WMA") for period in (9, 21)),
        ("hull16", HullAverage(16)),
        ("wilders14_close", WildersAverage(14)),
    ],
)
def test_reference_vectors(column: str, average: SeriesIndicator) -> None:
    table = vectors.columns("GOOG_1d_core.csv")
    vectors.assert_near(average.compute(table["close"])["value"], table[column])


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


def test_a_hull_average_of_one_has_no_half() -> None:
    with pytest.raises(ConfigError, match="period 1 is not possible; this average needs a period of at least 2"):
        HullAverage(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [0, -3])
def test_a_period_below_one_is_refused(kind: AverageType, period: int) -> None:
    with pytest.raises(ConfigError, match=f"period {period} is not possible"):
        moving_average(kind, period)
