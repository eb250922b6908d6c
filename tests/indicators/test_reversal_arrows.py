"""Arrows as they are told at a bar's close, and as a chart shows them later."""

import json

import numpy as np
import pytest
from hypothesis import given
from tests.indicators import vectors
from tests.indicators.every import Row, bars

from fortified.indicators.base import Floats
from fortified.indicators.reversal_arrows import ARMED_FROM, ReversalArrows, ReversalLayer
from fortified.indicators.triple_ema import TripleEMA
from fortified.indicators.zigzag import TREND_REVERSAL, Reversal, ZigZagHighLow
from fortified.indicators.zigzag_chart import points, trend_reversal

POINTS = Reversal(percent=0.0, absolute=6.0, atr_multiple=0.0)
AVERAGES = Reversal(percent=0.0, absolute=4.0, atr_multiple=0.5, atr_length=2, source="average", average_length=2)


def columns(rows: list[Row]) -> tuple[Floats, Floats, Floats]:
    high, low, close = np.array(rows, np.float64).reshape(-1, 3).T.copy()
    return high, low, close


def on_a_chart(rows: list[Row], reversal: Reversal) -> ReversalLayer:
    """The layer over all that is drawn when the last of ``rows`` has closed and is looked at as a bar among others."""
    zigzag = ZigZagHighLow(reversal).compute(*columns(rows))
    layer = ReversalLayer()
    for point, high, low in zip(points(zigzag, newest=False), zigzag["price_high"], zigzag["price_low"], strict=True):
        layer.step(high, low, None if np.isnan(point) else point)
    return layer


@pytest.mark.parametrize("reversal", [POINTS, AVERAGES])
@given(rows=bars)
def test_each_arrow_is_that_of_the_chart_at_its_bars_close(reversal: Reversal, rows: list[Row]) -> None:
    arrows, last = ReversalArrows(ZigZagHighLow(reversal)), 0
    for number, row in enumerate(rows):
        arrows.update(*row)
        chart = on_a_chart(rows[: number + 1], reversal)
        assert arrows.signal == chart.signal
        assert arrows.arrow == (chart.arrow if number >= ARMED_FROM else 0)
        last = arrows.arrow or last
        assert arrows.direction == last


def test_an_arrow_is_told_at_once_and_not_taken_back() -> None:
    """The market falls for ten bars and rises for two; the arrow of the first rise stays although the fall goes on."""
    closes = [*range(100, 88, -1), 90, 91, 80, 79]
    arrows, found = ReversalArrows(ZigZagHighLow(POINTS)), []
    for close in closes:
        arrows.update(close + 0.5, close - 0.5, close)
        found.append(arrows.arrow)
    assert [place for place, arrow in enumerate(found) if arrow] == [12]
    assert (found[12], arrows.direction) == (1, 1)
    chart = trend_reversal(*columns([(close + 0.5, close - 0.5, close) for close in closes]), TripleEMA(), POINTS)
    assert chart["arrow"][12] == 0


def test_a_chart_of_nothing_has_no_lines() -> None:
    chart = trend_reversal(*columns([]))
    assert {len(line) for line in chart.values()} == {0}


@given(bars)
def test_the_color_of_a_bar_is_its_trend(rows: list[Row]) -> None:
    chart = trend_reversal(*columns(rows), TripleEMA(2, 3, 5), POINTS)
    assert set(chart["color"]) <= {1.0, 2.0, 3.0}
    assert not np.any(~np.isnan(chart["top"]) & ~np.isnan(chart["bottom"]))


# --- the reference ---

FILES = [f"GOOG_1d_zz_{source}_{terms}.csv" for source in ("average", "high_low") for terms in ("tos", "atr", "percent", "absolute")]


def reversal_of(name: str) -> tuple[Reversal, int]:
    """The threshold of a file, and how many rows of it tell what was seen live."""
    told = json.loads((vectors.FOLDER / "manifest.json").read_text())[name]
    reversal = Reversal(
        percent=told["pct"],
        absolute=told["abs"],
        atr_length=told["atr_len"],
        atr_multiple=told["atr_mult"],
        source=told["source"],
        average_length=told["avg_len"],
    )
    return reversal, told["live_rows"]


@vectors.needed
def test_the_defaults_are_those_of_the_reference() -> None:
    assert reversal_of("GOOG_1d_zz_average_tos.csv")[0] == TREND_REVERSAL


@vectors.needed
@pytest.mark.parametrize("name", FILES)
def test_the_machine_of_the_reference(name: str) -> None:
    table = vectors.columns(name)
    lines = ZigZagHighLow(reversal_of(name)[0]).compute(table["high"], table["low"], table["close"])
    for line, column in (("price_high", "price_h"), ("price_low", "price_l"), ("max_high", "max_h"), ("min_low", "min_l")):
        vectors.assert_near(lines[line], table[column])
    for line, column in (("direction", "state"), ("flip", "flip")):
        np.testing.assert_array_equal(lines[line], table[column], column)
    place, turned = np.arange(len(lines["flip"])), lines["flip"] != 0
    np.testing.assert_array_equal(lines["max_bar"] == place, table["new_max"] != 0)
    np.testing.assert_array_equal(lines["min_bar"] == place, table["new_min"] != 0)
    np.testing.assert_array_equal(np.where(turned, lines["pivot_bar"], -1), table["pivot_bar"])
    vectors.assert_near(np.where(turned, lines["pivot"], np.nan), table["pivot_price"])


@vectors.needed
@pytest.mark.parametrize("name", FILES)
def test_the_chart_of_the_reference(name: str) -> None:
    table = vectors.columns(name)
    chart = trend_reversal(table["high"], table["low"], table["close"], reversal=reversal_of(name)[0])
    near = {
        **{"point": "ei", "saved": "ei_save", "change": "chg", "amount": "rev_amount", "low": "eil", "high": "eih"},
        **{"top": "rev_line_top", "bottom": "rev_line_bot"},
    }
    for line, column in near.items():
        vectors.assert_near(chart[line], table[f"final_{column}"])
    flags = {
        **{"dir": chart["direction"], "signal": chart["signal"], "is_conf": chart["confirmed"], "is_up": chart["change"] >= 0},
        **{"u1": chart["arrow"] > 0, "d1": chart["arrow"] < 0},
    }
    for column, flag in flags.items():
        np.testing.assert_array_equal(flag, table[f"final_{column}"], column)


@vectors.needed
@pytest.mark.parametrize("name", FILES)
def test_the_live_arrows_of_the_reference(name: str) -> None:
    table = vectors.columns(name)
    reversal, rows = reversal_of(name)
    lines = ReversalArrows(ZigZagHighLow(reversal)).compute(table["high"], table["low"], table["close"])
    armed = slice(ARMED_FROM, rows)
    np.testing.assert_array_equal(lines["signal"][:rows], table["live_signal"][:rows])
    np.testing.assert_array_equal(lines["arrow"][armed] > 0, table["live_u1"][armed])
    np.testing.assert_array_equal(lines["arrow"][armed] < 0, table["live_d1"][armed])
    assert not lines["arrow"][:ARMED_FROM].any()
