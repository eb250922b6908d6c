"""Three averages and their trend: when it begins, ends, and begins again."""

import numpy as np
import pytest
from hypothesis import given
from tests.indicators import vectors
from tests.indicators.every import Row, bars

from fortified.domain.errors import ConfigError
from fortified.indicators.ema import EMA
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend


def naive(rows: list[Row]) -> list[int]:
    """The recursions as the script writes them, over EMAs of 2, 3 and 5 bars."""
    averages = EMA(2), EMA(3), EMA(5)
    buy = sell = up = down = False
    found = []
    for number, (high, low, close) in enumerate(rows):
        fast, medium, slow = (average.update(close) for average in averages)
        buy_before, sell_before = buy, sell
        buy, sell = fast > medium > slow and low > fast, fast < medium < slow and high < fast
        stop_buy, stop_sell = fast <= medium, fast >= medium
        if number:
            up = (buy and not buy_before and not stop_buy) or (up and not stop_buy)
            down = (sell and not sell_before and not stop_sell) or (down and not stop_sell)
        assert not (up and down)
        found.append(up - down)
    return found


@given(bars)
def test_the_trend_is_that_of_the_recursions(rows: list[Row]) -> None:
    trend, found = TripleEMATrend(TripleEMA(2, 3, 5)), []
    for row in rows:
        trend.update(*row)
        found.append(trend.direction)
    assert found == naive(rows)


def test_a_tie_ends_a_trend() -> None:
    """The fast average of one bar is the close; that of three bars goes half of the way: 10, 11, 11, 12."""
    trend, found = TripleEMATrend(TripleEMA(1, 3, 7)), []
    for close in (10.0, 12.0, 11.0, 13.0):
        trend.update(close + 2.0, close + 1.0, close)
        found.append((trend.medium, trend.direction))
    assert found == [(10.0, 0), (11.0, 1), (11.0, 0), (12.0, 1)]


def test_a_trend_outlives_bars_that_would_not_begin_one() -> None:
    trend = TripleEMATrend(TripleEMA(1, 3, 7))
    for high, low, close in ((10.0, 10.0, 10.0), (13.0, 12.5, 12.0), (14.0, 11.0, 13.0)):
        trend.update(high, low, close)
    assert (trend.aligned, trend.direction) == (0, 1)


def test_the_first_bar_has_no_trend_because_all_averages_are_equal() -> None:
    trend = TripleEMATrend(TripleEMA())
    assert trend.update(12.0, 11.0, 10.0) == 10.0
    assert (trend.fast, trend.medium, trend.slow, trend.direction) == (10.0, 10.0, 10.0, 0)


def test_a_bar_that_touches_the_fast_average_begins_nothing() -> None:
    trend = TripleEMATrend(TripleEMA(2, 3, 5))
    trend.update(10.0, 10.0, 10.0)
    fast = trend.average.fast_ema.peek(20.0)
    assert trend.peek(21.0, fast, 20.0) == fast
    trend.update(21.0, fast, 20.0)
    assert trend.direction == 0
    trend.update(31.0, 29.0, 30.0)
    assert trend.direction == 1


def test_displacement_looks_back() -> None:
    here, back = TripleEMA(2, 3, 5), TripleEMA(2, 3, 5, displacement=-2)
    closes = [10.0, 13.0, 11.0, 18.0, 12.0, 12.5, 13.0, 9.0]
    told = [(here.update(close), here.medium, here.slow) for close in closes]
    found = [(back.update(close), back.medium, back.slow) for close in closes]
    assert found == [(None, None, None)] * 2 + told[:-2]
    assert (here.ready, back.ready) == (True, True)


def test_it_is_warm_with_its_slowest_average_and_the_bars_it_looks_back() -> None:
    average = TripleEMA(2, 3, 5, displacement=-2)
    seen = []
    for close in range(8):
        average.update(float(close))
        seen.append(average.ready)
    assert seen == [False] * 6 + [True] * 2


def test_a_displacement_into_the_future_is_refused() -> None:
    with pytest.raises(ConfigError, match="displacement 1 would read closes of the future"):
        TripleEMA(displacement=1)


@vectors.needed
def test_reference_vectors() -> None:
    table = vectors.columns("GOOG_1d_core.csv")
    lines = TripleEMATrend(TripleEMA()).compute(table["high"], table["low"], table["close"])
    for name, column in (("fast", "ema9_first"), ("medium", "ema14_first"), ("slow", "ema21_first")):
        vectors.assert_near(lines[name], table[column])
    direction, before = lines["direction"], np.append(0.0, lines["direction"][:-1])
    flags = {
        **{"te_buysignal": direction > 0, "te_sellsignal": direction < 0},
        **{"te_buy_signal": (direction > 0) & (before <= 0), "te_momentum_down": (direction <= 0) & (before > 0)},
        **{"te_sell_signal": (direction < 0) & (before >= 0), "te_momentum_up": (direction >= 0) & (before < 0)},
        "te_colorbars": np.where(direction > 0, 1, np.where(direction < 0, 2, 3)),
    }
    for name, flag in flags.items():
        np.testing.assert_array_equal(flag, table[name], name)
