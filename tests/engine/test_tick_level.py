"""Where protective levels lie, and what touches them."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.builders import NQ, OPEN, PAPER, bar, fill, order

from fortified.domain.account import AccountId
from fortified.domain.exits import ExitRules
from fortified.domain.instrument import Instrument
from fortified.domain.order import OrderType
from fortified.engine.tick_level import BOTH, STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, Armed, LevelRules, Opened, TickLevelExecutor, Touch

TICKS = ["0.25", "0.01", "0.1", "0.00005", "0.03125"]
LONG, SHORT = 1, -1


def instrument(tick: str) -> Instrument:
    return msgspec.structs.replace(NQ, tick_size=Decimal(tick))


def rules(stop: str | None = None, target: str | None = None, trail: str | None = None) -> ExitRules:
    return ExitRules.parse(stop, target, trail)


def armed(
    given: ExitRules, entry: float = 100.0, sign: int = LONG, *, tick: str = "0.25", atr: float | None = None, **of_order: Any
) -> TickLevelExecutor:
    """Levels of a position that was opened on event 10."""
    executor = TickLevelExecutor(instrument(tick), given)
    opened = Opened(entry, sign, 10, fill(seq=10).ts_event, atr, 0, None, order(**of_order).limit_price is not None)
    executor.arm(PAPER, None, opened)
    return executor


def walk(executor: TickLevelExecutor, *prices: float, first: int = 11) -> Touch | None:
    """The touch by the last of ``prices``; the ones before must not touch."""
    found = None
    for seq, price in enumerate(prices, first):
        assert found is None
        found = executor.on_price(PAPER, seq, price)
    return found


# --- levels ---


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("20ticks", 20),
        ("2.5ticks", 2),
        ("3.5ticks", 4),
        ("0.1ticks", 1),
        ("5pts", 20),
        ("1.2pts", 5),
        ("0.01pts", 1),
        ("1%", 4),
        ("2atr", 12),
    ],
)
@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_every_unit_comes_to_whole_ticks_and_at_least_one(text: str, steps: int, sign: int) -> None:
    levels = LevelRules(rules(text, text, text), NQ).of(100.0, sign, 1.5)
    assert (levels.stop, levels.target, levels.trail) == (100 - sign * steps / 4, 100 + sign * steps / 4, steps / 4)


def test_what_is_not_asked_for_is_not_there_and_an_unknown_range_leaves_its_levels_out() -> None:
    assert LevelRules(rules(), NQ).of(100.0, LONG, 1.0) == LevelRules(rules("1atr", "2atr", "3atr"), NQ).of(100.0, LONG, None)
    assert LevelRules(rules("1atr", "4ticks"), NQ).of(100.0, LONG, None).target == 101.0


@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_levels_are_the_very_floats_that_a_feed_gives(tick: str, sign: int) -> None:
    size = Decimal(tick)
    levels_of = LevelRules(rules("7ticks", "13ticks"), instrument(tick)).of
    for step in (1, 3, 29, 1_733, 2_000_001, -752_600):
        levels = levels_of(float(step * size), sign, None)
        assert levels.stop == float((step - sign * 7) * size)
        assert levels.target == float((step + sign * 13) * size)


def test_levels_of_an_entry_between_two_ticks_lie_on_a_tick() -> None:
    levels = LevelRules(rules("4ticks", "4ticks"), NQ).of(100.1, LONG, None)
    assert (levels.stop, levels.target) == (99.0, 101.0)


def test_below_zero_and_at_zero_levels_are_where_they_are_elsewhere() -> None:
    levels_of = LevelRules(rules("10%", "4ticks"), instrument("0.01")).of
    assert (levels_of(-37.6, LONG, None).stop, levels_of(-37.6, SHORT, None).stop) == (-41.36, -33.84)
    assert (levels_of(0.0, LONG, None).stop, levels_of(0.0, LONG, None).target) == (-0.01, 0.04)


# --- ticks ---


@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_the_first_price_at_a_level_or_beyond_touches_it(sign: int) -> None:
    given = rules("4ticks", "8ticks")
    assert walk(armed(given, sign=sign), 100 - sign * 0.75, 100 + sign * 1.75) is None
    stop = walk(armed(given, sign=sign), 100 - sign * 1.0)
    assert stop == Touch(STOP_LOSS, OrderType.STOP, Decimal(100 - sign), 10, OPEN)
    target = walk(armed(given, sign=sign), 100 + sign * 7.5)
    assert target == Touch(TAKE_PROFIT, OrderType.MARKET_IF_TOUCHED, Decimal(100 + sign * 2), 10, OPEN)


def test_a_level_counts_from_the_event_behind_the_fill() -> None:
    executor = armed(rules("4ticks"))
    assert executor.on_price(PAPER, 9, 90.0) is executor.on_price(PAPER, 10, 90.0) is None
    assert executor.on_price(PAPER, 11, 90.0) is not None


@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_a_trailing_stop_follows_the_best_price_to_the_tick(tick: str, sign: int) -> None:
    """Whatever the noise of binary: one tick before the level never touches, the level always does."""
    size, step = Decimal(tick), 20_003 if sign > 0 else 1_001
    given = rules(trail="5ticks")
    executor = armed(given, float(step * size), sign, tick=tick)
    for seq in range(11, 400):
        step += sign * (seq % 3)
        assert executor.on_price(PAPER, seq, float(step * size)) is None
        assert executor.on_price(PAPER, seq, float((step - sign * 4) * size)) is None
        touch = msgspec.structs.replace(executor.armed[PAPER], seq=0)
        probe = TickLevelExecutor(instrument(tick), given)
        probe.restore({PAPER: touch})
        found = probe.on_price(PAPER, seq, float((step - sign * 5) * size))
        assert found is not None
        assert (found.reason, found.type, found.level) == (TRAILING_STOP, OrderType.STOP, (step - sign * 5) * size)


def test_a_trailing_stop_begins_at_the_entry_and_never_goes_back() -> None:
    touch = walk(armed(rules(trail="4ticks")), 99.25, 101.0, 100.25, 100.5, 100.0)
    assert touch is not None
    assert touch.level == 100


def test_a_trailing_stop_also_follows_prices_while_an_exit_is_on_its_way_or_ordered() -> None:
    """So that it is where it belongs, should the exit fail."""
    executor = armed(rules("4ticks", "8ticks", "20ticks"))
    assert executor.on_price(PAPER, 10, 130.0, leaving=True) is None
    assert executor.armed[PAPER].best == 100.0
    assert executor.on_price(PAPER, 11, 101.0, leaving=True) is executor.on_price(PAPER, 12, 90.0, leaving=True) is None
    assert executor.armed[PAPER].best == 101.0
    assert executor.on_price(PAPER, 13, 103.0) is not None
    assert executor.armed[PAPER].best == 103.0
    assert executor.on_bar(PAPER, bar(2, 90.0, open=100.0, high=105.0, low=90.0), leaving=True) is None
    assert executor.armed[PAPER].best == 105.0
    assert executor.on_bar(PAPER, bar(3, 90.0, open=104.0, high=106.0, low=99.0)) is not None
    assert executor.armed[PAPER].best == 106.0


def test_the_nearer_of_stop_and_trailing_stop_gives_the_reason() -> None:
    given = rules("4ticks", None, "8ticks")
    first = walk(armed(given), 99.0)
    assert first is not None
    assert first.reason == STOP_LOSS
    then = walk(armed(given), 101.5, 99.5)
    assert then is not None
    assert (then.reason, then.level) == (TRAILING_STOP, Decimal("99.5"))


@pytest.mark.parametrize("tick", TICKS)
def test_where_both_lie_on_one_tick_it_is_the_stop_that_gives_it(tick: str) -> None:
    size = Decimal(tick)
    for step in range(20_000, 20_100):
        touch = walk(armed(rules("5ticks", None, "5ticks"), float(step * size), tick=tick), float((step - 5) * size))
        assert touch is not None
        assert (touch.reason, touch.level) == (STOP_LOSS, (step - 5) * size)


def test_pieces_of_an_entry_set_the_levels_anew_from_the_average_and_keep_the_best_price() -> None:
    executor = armed(rules("4ticks", None, "20ticks"))
    walk(executor, 103.0)
    executor.arm(PAPER, None, Opened(101.0, LONG, 20, fill(seq=20).ts_event, None, 0, None))
    known = executor.armed[PAPER]
    assert (known.stop, known.best, known.seq) == (100.0, 103.0, 20)
    assert executor.on_price(PAPER, 20, 50.0) is None
    executor.disarm(PAPER)
    executor.disarm(PAPER)
    assert executor.armed == {}


def test_rules_of_the_signal_take_the_place_of_the_configured_ones_wholly() -> None:
    executor = TickLevelExecutor(NQ, rules("4ticks", "4ticks"))
    executor.arm(PAPER, rules(trail="8ticks"), Opened(100.0, LONG, 10, fill(seq=10).ts_event, None, 0, None))
    assert executor.armed[PAPER] == Armed(LONG, 10, OPEN, 100.0, trail=2.0, entry=100.0)


# --- bars ---

BRACKET = rules("4ticks", "8ticks")


@pytest.mark.parametrize(
    ("name", "open_", "high", "low", "reason"),
    [
        ("nothing", 100.0, 101.75, 99.25, None),
        ("stop", 100.0, 101.0, 99.0, STOP_LOSS),
        ("target", 100.0, 102.0, 99.25, TAKE_PROFIT),
        ("both", 100.0, 102.0, 99.0, BOTH),
        ("gap down", 98.0, 103.0, 97.0, STOP_LOSS),
        ("gap up", 103.0, 104.0, 98.0, TAKE_PROFIT),
    ],
)
@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_of_a_bar_the_open_counts_first_then_the_stop_then_the_target(
    name: str, open_: float, high: float, low: float, reason: str | None, sign: int
) -> None:
    if sign < 0:
        open_, high, low = 200 - open_, 200 - low, 200 - high
    touch = armed(BRACKET, sign=sign).on_bar(PAPER, bar(2, 100.0, open=open_, high=high, low=low))
    assert (None if touch is None else touch.reason) == reason, name


def test_the_open_of_the_entry_bar_touches_nothing_and_the_rest_of_it_does() -> None:
    entry = bar(0, 100.0, open=98.0, high=101.0, low=99.5, seq=10)
    assert armed(BRACKET).on_bar(PAPER, entry) is None
    low = armed(BRACKET).on_bar(PAPER, msgspec.structs.replace(entry, low=99.0))
    assert low is not None
    assert low.reason == STOP_LOSS
    assert armed(BRACKET).on_bar(PAPER, msgspec.structs.replace(entry, seq=9, low=1.0)) is None


@pytest.mark.parametrize("sign", [LONG, SHORT])
def test_the_best_price_of_the_bar_that_filled_a_limit_may_have_come_before(sign: int) -> None:
    """So it reaches no target, unless the bar ends beyond it; from the next bar on it does."""

    def entry(close: float) -> Any:
        low, high = sorted((100 - sign * 0.5, 100 + sign * 9.0))
        return bar(0, close, open=100 + sign * 5.0, high=high, low=low, seq=10)

    def limited() -> TickLevelExecutor:
        return armed(BRACKET, sign=sign, type=OrderType.LIMIT, limit_price=Decimal(100))

    assert limited().on_bar(PAPER, entry(100 + sign * 1.75)) is None
    beyond = limited().on_bar(PAPER, entry(100 + sign * 2.0))
    assert beyond is not None
    assert beyond.reason == TAKE_PROFIT
    assert armed(BRACKET, sign=sign).on_bar(PAPER, entry(100.0)) is not None
    at_open = limited().on_bar(PAPER, msgspec.structs.replace(entry(100.0), open=100.0))
    assert at_open is not None
    later = limited().on_bar(PAPER, msgspec.structs.replace(entry(100.0), seq=11, open=100.0))
    assert later is not None


def test_a_trailing_stop_follows_a_bar_from_the_next_one_on() -> None:
    executor = armed(rules(trail="4ticks"))
    assert executor.on_bar(PAPER, bar(2, 104.0, open=100.0, high=105.0, low=99.25)) is None
    gone = executor.on_bar(PAPER, bar(3, 104.5, open=104.5, high=104.75, low=103.0))
    assert gone is not None
    assert (gone.reason, gone.level) == (TRAILING_STOP, 104)


def test_prices_that_touched_nothing_are_followed_at_once() -> None:
    long, short = armed(rules(trail="4ticks")), armed(rules(trail="4ticks"), sign=SHORT)
    long.follow(PAPER, 103.0, 90.0)
    short.follow(PAPER, 103.0, 90.0)
    assert (long.armed[PAPER].best, short.armed[PAPER].best) == (103.0, 90.0)
    long.follow(PAPER, 102.0, 90.0)
    assert long.armed[PAPER].best == 103.0
    still = armed(rules("4ticks"))
    still.follow(PAPER, 103.0, 90.0)
    assert still.armed[PAPER].best == 100.0


def test_what_was_armed_survives_its_encoding() -> None:
    executor = armed(rules("4ticks", "8ticks", "6ticks"))
    walk(executor, 100.75)
    again = TickLevelExecutor(NQ, rules())
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(executor.armed), type=dict[AccountId, Armed]))
    assert again.armed == executor.armed
