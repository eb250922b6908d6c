"""Triple EMA with ZigZag: in when both say so, out when one does not."""

import logging
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import bar
from tests.indicators import vectors
from tests.indicators.every import Row, bars

from fortified.domain.errors import ConfigError
from fortified.domain.signal import Signal, Target
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend
from fortified.indicators.zigzag import TREND_REVERSAL, Reversal, ZigZagHighLow
from fortified.strategies.base import StrategyConfig
from fortified.strategies.triple_ema_zigzag import TripleEMAZigZagStrategy

LOG = logging.getLogger("test")
SMALL: dict[str, Any] = {
    **{"fast_length": 2, "medium_length": 3, "slow_length": 5, "price_source": "high_low"},
    **{"method": "absolute", "rev_amount": 4.0},
}
IN_UP, IN_DOWN = Signal(Target.LONG, "entry_long"), Signal(Target.SHORT, "entry_short")
OUT_UP, OUT_DOWN = Signal(Target.FLAT, "exit_long"), Signal(Target.FLAT, "exit_short")
modes = st.sampled_from(["confirmed", "tos_live"])


def strategy(**parameters: Any) -> TripleEMAZigZagStrategy:
    return TripleEMAZigZagStrategy(StrategyConfig("/NQ", "1", parameters), LOG)


def answers(one: TripleEMAZigZagStrategy, rows: list[Row]) -> list[Signal | None]:
    made = [bar(number, close, high=high, low=low) for number, (high, low, close) in enumerate(rows)]
    return [one.on_new_bar(each, None) for each in made]


def sides(rows: list[Row], mode: str) -> list[int]:
    """What both say after each bar, from the indicators alone."""
    high, low, close = np.array(rows, np.float64).reshape(-1, 3).T.copy()
    zigzag = ZigZagHighLow(Reversal(percent=0.0, absolute=4.0, atr_multiple=0.0))
    swing = zigzag if mode == "confirmed" else ReversalArrows(zigzag)
    trend = TripleEMATrend(TripleEMA(2, 3, 5)).compute(high, low, close)["direction"]
    leg = swing.compute(high, low, close)["direction"]
    return [int(side) for side in np.where(trend == leg, trend, 0.0)]


@given(bars, modes)
def test_it_enters_when_the_second_joins_and_leaves_when_one_leaves(rows: list[Row], mode: str) -> None:
    expected: list[Signal | None] = []
    for before, now in pairwise([0, *sides(rows, mode)]):
        if now != before and now:
            expected.append(IN_UP if now > 0 else IN_DOWN)
        else:
            expected.append(None if now == before else OUT_UP if before > 0 else OUT_DOWN)
    assert answers(strategy(**SMALL, signal_mode=mode), rows) == expected


RISE_AND_FALL: list[Row] = [(close + 0.5, close - 0.25, float(close)) for close in (*range(100, 112, 2), *range(110, 90, -3))]


def test_a_rise_and_a_fall() -> None:
    found = answers(strategy(**SMALL), RISE_AND_FALL)
    assert [signal for signal in found if signal] == [IN_UP, OUT_UP, IN_DOWN]


@pytest.mark.parametrize(("direction", "expected"), [("long", [IN_UP, OUT_UP]), ("short", [IN_DOWN])])
def test_one_side_alone(direction: str, expected: list[Signal]) -> None:
    found = answers(strategy(**SMALL, direction=direction), RISE_AND_FALL)
    assert [signal for signal in found if signal] == expected


@given(bars, st.integers(0, 60), modes)
def test_a_restored_strategy_goes_on(rows: list[Row], cut: int, mode: str) -> None:
    living, fresh = strategy(**SMALL, signal_mode=mode), strategy(**SMALL, signal_mode=mode)
    answers(living, rows[:cut])
    fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(living.snapshot())))
    assert answers(fresh, rows[cut:]) == answers(living, rows[cut:])


# --- parameters ---


def test_the_defaults_are_those_of_the_study() -> None:
    params = strategy().params
    assert (params.fast_length, params.medium_length, params.slow_length, params.displace) == (9, 14, 21, 0)
    assert params.reversal() == TREND_REVERSAL
    assert (TREND_REVERSAL.percent, TREND_REVERSAL.absolute, TREND_REVERSAL.ticks) == (0.01, 0.05, 0.0)
    assert (TREND_REVERSAL.atr_length, TREND_REVERSAL.atr_multiple) == (5, 2.0)
    assert (TREND_REVERSAL.source, TREND_REVERSAL.average_length) == ("average", 5)
    assert params.signal_mode == "confirmed"


def test_every_parameter_is_described_and_bounded() -> None:
    fields = msgspec.json.schema(TripleEMAZigZagStrategy.Params)["$defs"]["Params"]["properties"]
    assert all(field["description"] for field in fields.values())
    assert all("minimum" in field for field in fields.values() if field.get("type") in ("integer", "number"))


@pytest.mark.parametrize(
    ("parameters", "bars_needed"), [({}, 210), ({"slow_length": 10}, 200 - 60), ({"displace": -7}, 217), ({"atr_length": 40}, 400)]
)
def test_the_warm_up_is_ten_times_the_longest_average_and_what_it_looks_back(parameters: dict[str, Any], bars_needed: int) -> None:
    assert strategy(**parameters).warmup_periods() == max(200, bars_needed)


def test_a_mode_that_looks_ahead_cannot_be_traded() -> None:
    with pytest.raises(
        ConfigError, match=r"signal_mode 'tos_chart' cannot be traded: .* takes about half of them away again; use 'confirmed'"
    ):
        strategy(signal_mode="tos_chart")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fast_length": 0}, r"strategy 'triple_ema': .*>= 1.*fast_length"),
        ({"displace": 1}, r"strategy 'triple_ema': .*<= 0.*displace"),
        ({"percent_amount": -0.01}, r"strategy 'triple_ema': .*>= 0.*percent_amount"),
        ({"atr_reversal": "nan"}, "atr_"),
        ({"method": "sum"}, r"strategy 'triple_ema': .*'sum'.*method"),
        ({"method": "percent", "percent_amount": 0}, "method 'percent' needs percent above 0"),
        ({"percent_amount": 0, "rev_amount": 0, "atr_reversal": 0}, "the zigzag has no threshold"),
        ({"fast": 9}, "has no parameter 'fast'; it has: atr_length, "),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        strategy(**parameters)


@pytest.mark.parametrize(
    ("parameters", "told"), [({}, 0), ({"method": "percent"}, 1), ({"method": "percent", "price_source": "high_low"}, 0)]
)
def test_a_threshold_below_the_width_of_the_averages_is_told_once(
    parameters: dict[str, Any], told: int, caplog: pytest.LogCaptureFixture
) -> None:
    answers(strategy(**parameters), [(105.0, 95.0, 100.0)] * 300)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["the zigzag turns after 0.0105 points"] * told


@vectors.needed
@pytest.mark.parametrize("source", ["average", "high_low"])
def test_entries_of_the_reference(source: str) -> None:
    table = vectors.columns(f"GOOG_1d_zz_{source}_tos.csv")
    rows = list(zip(table["high"].tolist(), table["low"].tolist(), table["close"].tolist(), strict=True))
    found = answers(strategy(price_source=source), rows)
    np.testing.assert_array_equal([signal == IN_UP for signal in found], table["enter_long"] != 0)
    np.testing.assert_array_equal([signal == IN_DOWN for signal in found], table["enter_short"] != 0)
    aligned = table["align_long"] - table["align_short"]
    left = (aligned == 0) & (np.append(0.0, aligned[:-1]) != 0)
    np.testing.assert_array_equal([signal in (OUT_UP, OUT_DOWN) for signal in found], left)
