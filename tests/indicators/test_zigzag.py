"""The zigzag: when a leg turns, which bar its extreme is, and what a chart draws of it later."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indicators import vectors
from tests.indicators.every import Row, bars

from fortified.domain.errors import ConfigError
from fortified.indicators.base import Floats
from fortified.indicators.zigzag import TREND_REVERSAL, Method, Reversal, ZigZagHighLow
from fortified.indicators.zigzag_chart import points

TWO_POINTS = Reversal(percent=0.0, absolute=2.0, atr_multiple=0.0)
settings = st.sampled_from(
    [
        TWO_POINTS,
        Reversal(percent=3.0, atr_multiple=0.0),
        Reversal(percent=0.0, atr_multiple=1.0, atr_length=2),
        Reversal(percent=0.5, absolute=0.5, atr_multiple=0.5, atr_length=3, source="average", average_length=2),
    ]
)


def lines_of(rows: list[Row], reversal: Reversal = TWO_POINTS) -> dict[str, Floats]:
    high, low, close = np.array(rows, np.float64).reshape(-1, 3).T.copy()
    return ZigZagHighLow(reversal).compute(high, low, close)


def directions(*highs_and_lows: tuple[float, float]) -> list[int]:
    return [int(one) for one in lines_of([(high, low, low) for high, low in highs_and_lows])["direction"]]


# --- turns ---


def test_a_touch_of_the_threshold_turns_and_a_tick_short_of_it_does_not() -> None:
    assert directions((20, 19), (22, 21), (21.5, 20.25), (21, 20)) == [0, 1, 1, -1]
    assert directions((20, 19), (19, 18), (19.75, 19), (20, 19)) == [0, -1, -1, 1]


def test_an_equal_extreme_moves_to_the_later_bar() -> None:
    lines = lines_of([(20, 19, 19), (22, 21, 21), (21, 20.5, 21), (22, 21, 21), (20, 19, 19)])
    assert lines["max_bar"].tolist() == [0, 1, 1, 3, 3]
    assert (lines["flip"][-1], lines["pivot"][-1], lines["pivot_bar"][-1]) == (-1, 22, 3)


def test_a_bar_beyond_both_sides_turns_and_its_own_extreme_is_lost() -> None:
    lines = lines_of([(20, 19, 19), (22, 21, 21), (30, 15, 20)])
    assert lines["direction"].tolist() == [0, 1, -1]
    assert (lines["max_high"][-1], lines["pivot_bar"][-1], lines["value"][-1]) == (22, 1, 15)


def test_an_outside_second_bar_decides_for_up() -> None:
    assert directions((20, 19), (23, 16)) == [0, 1]


def test_bars_inside_of_the_first_decide_nothing() -> None:
    assert directions((20, 10), (19, 11), (18, 12), (19, 11), (20, 11), (21, 20.5)) == [0, 0, 0, 0, 1, 1]


def test_a_market_that_stands_still_is_a_leg_up() -> None:
    assert directions((20, 20), (20, 20), (20, 20)) == [0, 1, 1]


def test_a_lower_bar_decides_for_down() -> None:
    assert directions((20, 19), (19, 18), (18, 17), (20, 19)) == [0, -1, -1, 1]


def test_legs_of_one_bar() -> None:
    lines = lines_of([(20, 19, 19), (25, 24, 24), (20, 19, 19), (25, 24, 24), (20, 19, 19)])
    assert lines["flip"].tolist() == [0, 0, -1, 1, -1]
    assert lines["pivot_bar"].tolist()[2:] == [1, 2, 3]


def test_no_leg_ends_before_there_is_an_average_range() -> None:
    rows = [(20.0, 19.0, 19.5), (30.0, 29.0, 29.5), (20.0, 19.0, 19.5), (20.0, 19.0, 19.5), (20.0, 1.0, 19.5)]
    assert lines_of(rows, Reversal(percent=0.0, atr_multiple=1.0, atr_length=5))["direction"].tolist() == [0, 1, 1, 1, -1]


@pytest.mark.parametrize("price", [0.0, -50.0])
def test_prices_at_and_below_zero_stop_nothing(price: float) -> None:
    """Oil closed at −37.63 dollars once."""
    zigzag = ZigZagHighLow(TREND_REVERSAL)
    for number in range(40):
        close = price + number % 5
        zigzag.update(close + 1.0, close - 1.0, close)
    assert zigzag.ready


# --- the threshold ---


def test_the_threshold_is_a_sum_at_the_extreme() -> None:
    zigzag = ZigZagHighLow(Reversal(percent=1.0, absolute=0.5, atr_multiple=2.0, atr_length=1))
    zigzag.update(101.0, 99.0, 100.0)
    assert zigzag.threshold(100.0) is None
    zigzag.update(110.0, 108.0, 109.0)
    assert zigzag.threshold(109.0) == pytest.approx(110.0 * 0.01 + 2.0 * 10.0 * 110.0 / 109.0 + 0.5)


@given(bars, settings)
def test_a_leg_turns_at_its_threshold(rows: list[Row], reversal: Reversal) -> None:
    zigzag = ZigZagHighLow(reversal)
    for row in rows:
        before, extreme = zigzag.direction, zigzag.value
        zigzag.update(*row)
        held = zigzag.fork()
        held.value = extreme
        threshold = held.threshold(row[2])
        if before and extreme is not None:
            way = extreme - zigzag.price_low if before > 0 else zigzag.price_high - extreme
            near = threshold is not None and way == pytest.approx(threshold, abs=1e-9)
            assert near or (zigzag.direction != before) == (threshold is not None and way >= threshold)


def test_ticks_stand_in_for_points_and_are_not_added() -> None:
    assert Reversal(ticks=8, tick_size=0.25).points == 2.0
    assert Reversal(absolute=1.5, ticks=8, tick_size=0.25).points == 1.5


@pytest.mark.parametrize(
    ("method", "left"),
    [("average", (0.01, 0.05, 2.0)), ("percent", (0.01, 0.0, 0.0)), ("absolute", (0.0, 0.05, 0.0)), ("atr", (0.0, 0.0, 2.0))],
)
def test_the_presets_keep_all_terms_or_one(method: Method, left: tuple[float, float, float]) -> None:
    preset = TREND_REVERSAL.by(method)
    assert (preset.percent, preset.absolute, preset.atr_multiple) == left
    assert (preset.source, preset.average_length, preset.atr_length) == ("average", 5, 5)


def test_a_preset_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="the zigzag's method 'absolute' needs absolute above 0"):
        Reversal().by("absolute")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"percent": -1.0}, "percent -1.0 of the zigzag is not possible"),
        ({"absolute": float("nan")}, "absolute nan of the zigzag is not possible"),
        ({"atr_multiple": float("inf")}, "atr_multiple inf of the zigzag is not possible"),
        ({"percent": 0.0, "atr_multiple": 0.0}, "the zigzag has no threshold; give percent"),
        ({"percent": 0.0, "atr_multiple": 0.0, "ticks": 4.0}, "or ticks with tick_size, above 0"),
        ({"atr_length": 0}, "period 0 is not possible"),
        ({"average_length": 0}, "period 0 is not possible"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reversal(**fields)  # type: ignore[arg-type]  # the fields are floats and whole numbers


# --- legs and their extremes ---


@given(bars, settings)
def test_the_pivot_of_a_leg_is_the_last_bar_at_its_extreme(rows: list[Row], reversal: Reversal) -> None:
    lines = lines_of(rows, reversal)
    highs, lows, turns = lines["price_high"], lines["price_low"], np.flatnonzero(lines["flip"]).tolist()
    for direction, places in groupby(range(len(rows)), lambda place: lines["direction"][place]):
        leg = np.array(list(places))
        after = int(leg[-1]) + 1
        if direction and after < len(rows):
            extreme = highs[leg].max() if direction > 0 else lows[leg].min()
            last = leg[(highs if direction > 0 else lows)[leg] == extreme][-1]
            assert after in turns
            assert (lines["pivot"][after], lines["pivot_bar"][after]) == (extreme, last)


@given(bars, settings, st.integers(0, 60))
def test_what_was_said_stays_said(rows: list[Row], reversal: Reversal, cut: int) -> None:
    whole, part = lines_of(rows, reversal), lines_of(rows[:cut], reversal)
    for name, line in part.items():
        np.testing.assert_array_equal(line, whole[name][: len(line)], name)


# --- the chart ---


@given(bars, settings)
def test_the_drawn_line_goes_from_low_to_high_and_back(rows: list[Row], reversal: Reversal) -> None:
    lines = lines_of(rows, reversal)
    drawn = points(lines, newest=False)
    turns = np.flatnonzero(lines["flip"])
    known = np.flatnonzero(~np.isnan(drawn[1:])) + 1
    if not lines["direction"].any():
        assert np.isnan(drawn).all()
        return
    assert len(known) == len(turns) + 1
    assert known[-1] == (lines["max_bar"] if lines["direction"][-1] > 0 else lines["min_bar"])[-1]
    assert not np.isnan(points(lines)[-1])


@vectors.needed
def test_the_edge_cases_of_the_reference() -> None:
    table = vectors.rows("edge_zigzag.csv")
    for case, group in groupby(table, lambda row: row["case"]):
        wanted = list(group)
        lines = lines_of([(float(row["high"]), float(row["low"]), float(row["low"])) for row in wanted])
        for name, column in (("direction", "state"), ("max_high", "max_h"), ("min_low", "min_l"), ("flip", "flip")):
            np.testing.assert_array_equal(lines[name], [float(row[column]) for row in wanted], f"{case} {name}")
        for drawn, column in ((points(lines), "ei"), (points(lines, newest=False), "ei_interior")):
            np.testing.assert_array_equal(drawn, [float(row[column] or "nan") for row in wanted], f"{case} {column}")
        for place, row in enumerate(wanted):
            assert (lines["max_bar"][place] == place) == bool(int(row["new_max"]))
            assert (lines["min_bar"][place] == place) == bool(int(row["new_min"]))
            if row["flip"] != "0":
                assert (lines["pivot_bar"][place], lines["pivot"][place]) == (float(row["pivot_bar"]), float(row["pivot_price"]))
