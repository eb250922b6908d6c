"""The moving average crossover: what a cross is, and what it asks for."""

import logging
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import bar

from fortified.domain.errors import ConfigError
from fortified.domain.signal import Signal, Target
from fortified.indicators.moving_average import moving_average
from fortified.strategies.base import StrategyConfig, StrategyPosition
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


# --- filters ---------------------------------------------------------------------------------------------------------

OUT_UP, OUT_DOWN = Signal(Target.FLAT, "cross_up"), Signal(Target.FLAT, "cross_down")
QUICK = {"period_1": 1, "period_2": 3}
SESSION = "17:02-17:05 America/Chicago"
"""Of the bars of the builder, number 1 is the first that closes in it, and number 4, at 17:05, no more."""


def held(target: Target) -> StrategyPosition:
    return StrategyPosition(target, 1.0, 100.0)


def test_a_cross_enters_on_the_side_of_the_trend_only() -> None:
    """Closes below the average of all their past: the cross up is no entry, and ends a short; the cross down is one."""
    closes = [100.0, 100.0, 50.0, 80.0, 40.0]
    assert answers(crossover(**QUICK), closes) == [None, None, DOWN, UP, DOWN]
    assert answers(crossover(**QUICK, trend_filter="EMA", trend_period=100), closes) == [None, None, DOWN, OUT_UP, DOWN]


def test_a_close_on_the_average_is_on_neither_side() -> None:
    """An average over one bar is the close itself."""
    found = answers(crossover(**QUICK, trend_filter="SMA", trend_period=1), [10.0, 12.0, 8.0])
    assert found == [None, OUT_UP, OUT_DOWN]


def test_there_is_no_entry_before_the_trend_is_known() -> None:
    strategy = crossover(**QUICK, trend_filter="SMA", trend_period=4)
    assert strategy.warmup_periods() == 4
    assert answers(strategy, [10.0, 12.0, 8.0, 13.0, 5.0]) == [None, OUT_UP, OUT_DOWN, UP, DOWN]


def test_a_cross_enters_within_the_session_only_by_the_close_of_its_bar() -> None:
    """Bar n closes n + 1 minutes after 17:00 in Chicago."""
    closes = [10.0, 12.0, 8.0, 12.0, 8.0, 12.0]
    assert answers(crossover(**QUICK), closes) == [None, UP, DOWN, UP, DOWN, UP]
    assert answers(crossover(**QUICK, session=SESSION), closes) == [None, UP, DOWN, UP, OUT_DOWN, OUT_UP]
    assert answers(crossover(**QUICK, session="09:30-15:45 America/New_York"), closes) == [None, OUT_UP, OUT_DOWN, OUT_UP, OUT_DOWN, OUT_UP]


@pytest.mark.parametrize("filters", [{"session": "09:30-15:45 America/New_York"}, {"trend_filter": "EMA", "trend_period": 1}])
@pytest.mark.parametrize(("last", "own", "other"), [(12.0, Target.LONG, Target.SHORT), (8.0, Target.SHORT, Target.LONG)])
def test_a_cross_that_may_not_enter_ends_the_other_side_and_leaves_its_own(
    filters: dict[str, Any], last: float, own: Target, other: Target
) -> None:
    def answer(position: StrategyPosition | None) -> Signal | None:
        strategy = crossover(**QUICK, **filters)
        strategy.on_new_bar(bar(0, 10.0), None)
        return strategy.on_new_bar(bar(1, last), position)

    reason = "cross_up" if last > 10 else "cross_down"
    assert answer(held(other)) == answer(None) == Signal(Target.FLAT, reason)
    assert answer(held(own)) is None


@pytest.mark.parametrize(("direction", "up", "down"), [("long", UP, OUT_DOWN), ("short", OUT_UP, DOWN)])
def test_filters_and_direction_together(direction: str, up: Signal, down: Signal) -> None:
    """Bars 1 to 3 may enter; whatever the direction, the last two are exits."""
    found = answers(crossover(**QUICK, session=SESSION, direction=direction), [10.0, 12.0, 8.0, 12.0, 8.0, 12.0])
    assert found == [None, up, down, up, OUT_DOWN, OUT_UP]


walks = st.lists(st.integers(90, 110).map(float), max_size=60)


@given(walks, st.integers(1, 30), st.sampled_from(["EMA", "SMA", "WMA"]), st.sampled_from([None, SESSION, "17:30-17:50 America/Chicago"]))
def test_filters_turn_entries_into_exits_and_change_nothing_else(closes: list[float], period: int, kind: str, session: str | None) -> None:
    free, bound = crossover(**QUICK), crossover(**QUICK, trend_filter=kind, trend_period=period, session=session)
    trend = moving_average(kind, period)  # type: ignore[arg-type]  # sampled from its values
    for number, close in enumerate(closes):
        one = bar(number, close)
        wish, found, average = free.on_new_bar(one, None), bound.on_new_bar(one, None), trend.update(close)
        if wish is None:
            assert found is None
            continue
        right = average is not None and (close > average if wish.target is Target.LONG else close < average)
        within = {None: True, SESSION: 2 <= number + 1 < 5}.get(session, 30 <= number + 1 < 50)
        assert found == (wish if right and within else Signal(Target.FLAT, wish.reason))


@pytest.mark.parametrize(
    "off", [{}, {"trend_filter": "none"}, {"trend_filter": "SMA", "trend_period": 0}, {"trend_period": "0", "session": None}]
)
def test_without_filters_all_is_as_ever(off: dict[str, Any]) -> None:
    closes = [10.0, 12.0, 8.0, 12.0, 8.0, 12.0]
    strategy = crossover(**QUICK, **off)
    assert not strategy.params.is_filtered
    assert strategy.warmup_periods() == 3
    assert answers(strategy, closes) == [None, UP, DOWN, UP, DOWN, UP]


@pytest.mark.parametrize("on", [{"trend_filter": "WMA", "trend_period": "50"}, {"session": SESSION}])
def test_what_is_filtered_says_so(on: dict[str, Any]) -> None:
    assert crossover(**on).params.is_filtered


@given(walks, st.integers(0, 60))
def test_a_restored_strategy_goes_on_with_its_filters(closes: list[float], cut: int) -> None:
    """Through the form in which a runner keeps the state."""

    def create() -> EMACrossoverStrategy:
        return crossover(**QUICK, trend_filter="SMA", trend_period=7, session="17:10-17:40 America/Chicago")

    living, fresh = create(), create()
    answers(living, closes[:cut])
    fresh.restore(msgspec.json.decode(msgspec.json.encode(living.snapshot())))
    rest = [bar(number, close) for number, close in enumerate(closes[cut:], start=cut)]
    assert [fresh.on_new_bar(one, None) for one in rest] == [living.on_new_bar(one, None) for one in rest]


def test_a_state_from_before_there_were_filters_is_taken() -> None:
    living, fresh = crossover(**QUICK), crossover(**QUICK)
    answers(living, [10.0, 12.0])
    fresh.restore({name: living.snapshot()[name] for name in ("line_1", "line_2")})
    assert fresh.on_new_bar(bar(2, 8.0), None) == DOWN


# --- parameters ------------------------------------------------------------------------------------------------------


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
        ({"length": 9}, r"has no parameter 'length'; it has: direction, period_1, period_2, session, trend_filter, trend_line_1, trend"),
        ({"trend_filter": "EMA"}, r"trend_filter 'EMA' needs trend_period: a number of bars, or 0"),
        ({"trend_period": 50}, r"trend_period 50 needs trend_filter: EMA, SMA or WMA"),
        ({"trend_filter": "HULL", "trend_period": 50}, r"strategy 'ema': Invalid enum value 'HULL'.*trend_filter"),
        ({"trend_filter": "SMA", "trend_period": -1}, r"strategy 'ema': .*>= 0.*trend_period"),
        ({"trend_filter": "SMA", "trend_period": 10_001}, r"strategy 'ema': .*<= 10000.*trend_period"),
        ({"session": "09:30-15:45 EST"}, r"session: window '09:30-15:45 EST': .*write America/New_York"),
        ({"session": "09:30-15:45"}, r"session: window '09:30-15:45' names no time zone"),
        ({"session": ""}, r"session: window '' is not understood"),
        ({"session": "0" * 101}, r"strategy 'ema': .*<= 100.*session"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        crossover(**parameters)
