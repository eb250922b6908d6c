"""The average true range against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indicators import vectors

from fortified.indicators.atr import ATR, true_range

bars = st.lists(st.tuples(*[st.integers(-400, 400)] * 3).map(sorted), max_size=40)


def naive(rows: list[list[int]], period: int) -> float | None:
    """``rows`` are low, close, high."""
    ranges = [
        max(high - low, abs(high - rows[index - 1][1]), abs(low - rows[index - 1][1])) if index else high - low
        for index, (low, _, high) in enumerate(rows)
    ]
    if len(ranges) < period:
        return None
    value = sum(ranges[:period]) / period
    for width in ranges[period:]:
        value = (value * (period - 1) + width) / period
    return value


@given(bars, st.integers(1, 9))
def test_each_value_is_that_of_the_definition(rows: list[list[int]], period: int) -> None:
    average = ATR(period)
    for count, (low, close, high) in enumerate(rows, start=1):
        expected = naive(rows[:count], period)
        told = average.peek(high, low, close)
        assert average.update(high, low, close) == (None if expected is None else pytest.approx(expected, abs=1e-9))
        assert told == average.value
        assert average.ready == (count >= period)


def test_before_it_is_ready_the_mean_of_what_was_seen_can_be_told() -> None:
    average = ATR(3)
    assert average.so_far is None
    average.update(12, 10, 11)
    average.update(15, 12, 15)
    assert average.value is None
    assert average.so_far == pytest.approx(3.0)


@vectors.needed
@pytest.mark.parametrize("period", [5, 10, 14])
def test_reference_vectors(period: int) -> None:
    table = vectors.columns("GOOG_1d_core.csv")
    bars = table["high"], table["low"], table["close"]
    vectors.assert_near(ATR(period).compute(*bars)["value"], table[f"atr{period}_tos"])
    vectors.assert_near(true_range(*bars), table["tr"])
