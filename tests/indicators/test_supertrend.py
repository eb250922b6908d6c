"""The SuperTrend against its definition, and in flat markets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indicators import vectors
from tests.indicators.every import Row, bars

from fortified.domain.errors import ConfigError
from fortified.indicators.atr import ATR
from fortified.indicators.supertrend import SuperTrend

Told = tuple[float | None, int]


def naive(rows: list[Row], period: int, multiplier: float) -> list[Told]:
    """The definition, on lists of all bars."""
    average = ATR(period)
    ranges = [average.update(*row) for row in rows]
    found: list[Told] = []
    upper = lower = 0.0
    direction = 0
    for number, ((high, low, close), atr) in enumerate(zip(rows, ranges, strict=True)):
        if atr is None:
            found.append((None, 0))
            continue
        basic_upper, basic_lower = (high + low) / 2 + multiplier * atr, (high + low) / 2 - multiplier * atr
        if not direction:
            upper, lower, direction = basic_upper, basic_lower, -1
        else:
            last = rows[number - 1][2]
            upper = basic_upper if basic_upper < upper or last > upper else upper
            lower = basic_lower if basic_lower > lower or last < lower else lower
            direction = (1 if close > upper else -1) if direction < 0 else (-1 if close < lower else 1)
        found.append((lower if direction > 0 else upper, direction))
    return found


@given(bars, st.integers(1, 5), st.sampled_from([0.5, 1.0, 3.0]))
def test_each_line_and_direction_is_that_of_the_definition(rows: list[Row], period: int, multiplier: float) -> None:
    supertrend = SuperTrend(period, multiplier)
    for row, expected in zip(rows, naive(rows, period, multiplier), strict=True):
        before = supertrend.direction
        assert (supertrend.update(*row), supertrend.direction) == expected
        turned = before and supertrend.direction != before
        assert supertrend.flip == (supertrend.direction if turned else 0)


def test_it_begins_down_and_that_is_no_turn() -> None:
    supertrend = SuperTrend(2, 1.0)
    assert supertrend.update(11.0, 9.0, 10.0) is None
    assert supertrend.update(12.0, 10.0, 12.0) == 13.0
    assert (supertrend.direction, supertrend.flip) == (-1, 0)


@pytest.mark.parametrize(("close", "flip"), [(14.0, 0), (14.01, 1)])
def test_a_close_on_the_band_is_no_turn(close: float, flip: int) -> None:
    """The first bar sets the band to 12 + 2; the second one's own, 17, is wider and does not count."""
    supertrend = SuperTrend(1, 1.0)
    supertrend.update(13.0, 11.0, 12.0)
    supertrend.update(15.0, 13.0, close)
    assert (supertrend.upper, supertrend.flip) == (14.0, flip)


def test_without_any_range_the_bands_meet_and_the_direction_stays() -> None:
    supertrend = SuperTrend(2, 3.0)
    for _ in range(5):
        supertrend.update(10.0, 10.0, 10.0)
    assert (supertrend.upper, supertrend.lower, supertrend.direction) == (10.0, 10.0, -1)


def test_prices_below_zero_are_prices() -> None:
    supertrend = SuperTrend(1, 1.0)
    supertrend.update(-9.0, -11.0, -10.0)
    assert (supertrend.upper, supertrend.lower) == (-8.0, -12.0)
    supertrend.update(-6.0, -8.0, -6.0)
    assert (supertrend.direction, supertrend.flip) == (1, 1)


@pytest.mark.parametrize("multiplier", [0.0, -1.0, float("nan"), float("inf")])
def test_a_multiplier_that_is_none_is_refused(multiplier: float) -> None:
    with pytest.raises(ConfigError, match=r"multiplier .* is not possible; give a number above 0"):
        SuperTrend(10, multiplier)


@vectors.needed
def test_reference_vectors() -> None:
    table = vectors.columns("GOOG_1d_core.csv")
    lines = SuperTrend().compute(table["high"], table["low"], table["close"])
    vectors.assert_near(lines["value"], table["st_tv_line"])
    np.testing.assert_array_equal(lines["direction"], table["st_tv_dir"])
