"""Break-even, time stop and flat before the session's end: when they act, what goes before them, and what is not opened any more."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import CLOSE, LIVE, MINUTE, NEXT_OPEN, NQ_24_7, OPEN, OTHER, PAPER, SECOND, bar, update
from tests.engine.desk import FLAT, LONG, SHORT, Desk, Scripted, ScriptedTicks, codes
from tests.engine.test_protective_exits import Floor, only, shape

from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.domain.market import BarFlag
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.engine.inputs import NOTHING, BarClosed, BarUpdated, Decision, DenialCode
from fortified.engine.risk import TradingState
from fortified.strategies.base import Answers

BUY, SELL, ENTRY, EXIT = OrderSide.BUY, OrderSide.SELL, Purpose.ENTRY, Purpose.EXIT
FROM_BARS = BarFlag.FROM_BARS
LAST = CLOSE - 10 * MINUTE
"""From here on nothing is open by ``flatten_before`` 10min."""
EVEN = ExitRules.parse("4pts", "20pts", break_even="2pts")
BARS = ExitRules.parse(time_stop="2bars")
HALF_HOUR = ExitRules.parse(time_stop="30min")
FLATTEN = ExitRules.parse(flatten_before="10min")
SIGNALS: Mapping[float, Answers] = {
    **Scripted.script,
    98.0: Signal(Target.LONG, "dip", limit=98.0),
    97.0: Signal(Target.LONG, "dip", limit=97.0),
    102.0: Signal(Target.SHORT, "top", limit=102.0),
    103.0: Signal(Target.LONG, "break", stop=103.0),
    2.0: Signal(Target.LONG, "own", exits=ExitRules.parse("9pts", break_even="3pts", time_stop="1bars", flatten_before="1h")),
    3.0: Signal(Target.LONG, "none", exits=ExitRules()),
    4.0: Signal(Target.LONG, "own dip", limit=98.0, exits=ExitRules.parse(flatten_before="1h")),
}


class Wishes(Scripted):
    script: ClassVar[Mapping[float, Answers]] = SIGNALS


class WishesTicks(ScriptedTicks):
    script: ClassVar[Mapping[float, Answers]] = SIGNALS


class Clock(Floor):
    """A floor whose ticks and bars are stamped by the test."""

    def __init__(self, exits: ExitRules, *accounts: Any, **config: Any) -> None:
        limits = msgspec.structs.replace(Desk().config.limits, collar_percent=None)
        super().__init__(*accounts, exits=exits, **({"strategy": Wishes, "limits": limits} | config))
        self.seq = 0

    def at(self, ts: int, price: float = 100.0, **more: Any) -> Decision:
        """A tick."""
        self.seq += 1
        return self.process(BarUpdated(update(self.seq, price, ts=ts), **more))

    def until(self, ts: int, close: float = 5.0, **fields: Any) -> Decision:
        """The minute bar of seen ticks that ends at ``ts``; of nothing but itself with the flag for it."""
        if fields.get("flags", 0) & FROM_BARS:
            self.seq += 1
        values = {"ts_open": ts - MINUTE, "ts_close": ts, "seq": self.seq, "open": 100.0, "high": 100.0, "low": 100.0}
        return self.process(BarClosed(bar(0, close, **(values | fields))))

    def made(self, ts: int, close: float = 5.0, **fields: Any) -> Decision:
        """The ready-made minute bar that ends at ``ts``."""
        return self.until(ts, close, **({"flags": FROM_BARS} | fields))

    def into(self, ts: int, wish: float = 1.0, price: float = 100.0) -> None:
        """In on every account, by the tick at ``ts`` behind a bar."""
        self.seq += 1
        orders = self.until(ts - SECOND, wish).orders
        self.at(ts)
        for order in orders:
            self.trade(order, price)

    def restart(self) -> None:
        self.engine = self.fresh(self.engine.snapshot())


def market(order: Order) -> tuple[Any, ...]:
    assert order.type is OrderType.MARKET
    return order.side, order.quantity, order.purpose, order.reason


# --- break-even ---


@pytest.mark.parametrize("sign", [1, -1])
def test_behind_a_price_at_the_distance_the_stop_lies_at_the_entry(sign: int) -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE, float(sign))
    entered = clock.engine.armed[PAPER]
    for price in (101.75, 100.0, 99.0):  # not far enough: the entry is no stop
        assert clock.later(100 + sign * (price - 100)) is NOTHING
    assert clock.later(100 + sign * 2.0) is NOTHING
    clock.restart()
    assert clock.later(100 + sign * 0.25) is NOTHING
    closing = only(clock.later(100.0))
    assert shape(closing) == (BUY if sign < 0 else SELL, 2, EXIT, "break_even", OrderType.STOP, 100)
    assert (closing.triggered, closing.seq, closing.ts_created) == (True, entered.seq, entered.ts_event)


def test_a_stop_that_was_not_moved_yet_is_a_stop_loss() -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE)
    clock.later(101.75)
    assert only(clock.later(96.0)).reason == "stop_loss"


def test_a_gap_over_the_entry_leaves_by_break_even_and_over_both_too() -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE)
    clock.later(110.0)
    assert only(clock.later(90.0)).reason == "break_even"


def test_of_entry_and_trailing_stop_the_nearer_one_acts() -> None:
    for high, price, reason in ((102.5, 100.0, "break_even"), (103.75, 100.75, "trailing_stop")):
        clock = Clock(ExitRules.parse("9pts", trailing="3pts", break_even="2pts"))
        clock.into(OPEN + MINUTE)
        clock.later(high)
        assert only(clock.later(price)).reason == reason


def test_break_even_needs_no_stop_loss() -> None:
    clock = Clock(ExitRules.parse(break_even="2pts"))
    clock.into(OPEN + MINUTE)
    assert clock.later(50.0) is clock.later(102.0) is NOTHING
    assert only(clock.later(100.0)).reason == "break_even"


def test_within_a_ready_made_bar_the_stop_is_not_moved_but_behind_it_is() -> None:
    clock = Clock(EVEN)
    entry = only(clock.made(OPEN + MINUTE, 1.0))
    clock.seq += 1
    clock.trade(entry, 100.0)
    clock.seq -= 1
    assert clock.made(OPEN + 2 * MINUTE, high=103.0, low=99.0) is NOTHING
    closing = only(clock.made(OPEN + 3 * MINUTE, open=101.0, high=101.0, low=99.0))
    assert (closing.reason, closing.stop_price) == ("break_even", 100)


def test_break_even_is_the_average_of_all_pieces() -> None:
    clock = Clock(EVEN)
    entry = only(clock.until(OPEN + MINUTE, 1.0))
    clock.at(OPEN + 61 * SECOND)
    clock.trade(entry, 100.0, 1)
    clock.later(102.0)
    clock.trade(clock.working[PAPER][entry.order_id], 102.0)
    assert clock.later(102.0) is clock.later(101.25) is clock.later(103.0) is NOTHING
    assert only(clock.later(101.0)).stop_price == 101


# --- time stop ---


def test_out_with_the_close_of_the_second_bar() -> None:
    clock = Clock(BARS)
    clock.into(OPEN + MINUTE)
    assert clock.until(OPEN + 2 * MINUTE) is NOTHING
    assert clock.at(OPEN + 2 * MINUTE) is NOTHING
    clock.restart()
    closing = only(clock.until(OPEN + 3 * MINUTE))
    assert market(closing) == (SELL, 2, EXIT, "time_stop")
    assert (closing.seq, closing.ts_created) == (clock.seq, OPEN + 3 * MINUTE)
    assert clock.at(OPEN + 3 * MINUTE) is NOTHING
    assert clock.trade(closing) is NOTHING
    assert not clock.engine.has_goals
    assert clock.engine.deadline is None


def test_the_bar_in_which_a_ready_made_entry_filled_is_the_first() -> None:
    clock = Clock(ExitRules.parse(time_stop="1bars"))
    entry = only(clock.made(OPEN + MINUTE, 1.0))
    clock.trade(entry, 100.0)
    assert only(clock.made(OPEN + 2 * MINUTE)).reason == "time_stop"


def test_bars_that_are_not_shown_to_the_strategy_count_too() -> None:
    clock = Clock(ExitRules.parse(time_stop="1bars"))
    clock.into(OPEN + MINUTE)
    assert only(clock.until(OPEN + 2 * MINUTE, flags=BarFlag.PARTIAL_START)).reason == "time_stop"


@pytest.mark.parametrize("by_bar", [False, True])
def test_out_at_the_first_event_half_an_hour_behind_the_fill(by_bar: bool) -> None:
    clock = Clock(HALF_HOUR)
    start = OPEN + MINUTE
    clock.into(start)
    assert clock.engine.deadline == start + 30 * MINUTE
    assert clock.at(start + 30 * MINUTE - 1) is NOTHING
    clock.restart()
    closing = only(clock.until(start + 30 * MINUTE) if by_bar else clock.at(start + 30 * MINUTE))
    assert market(closing) == (SELL, 2, EXIT, "time_stop")


def test_time_that_runs_backwards_for_a_moment_changes_nothing_about_what_is_late() -> None:
    clock = Clock(HALF_HOUR)
    start = OPEN + MINUTE
    clock.into(start)
    closing = only(clock.at(start + 30 * MINUTE))
    assert clock.at(start + 29 * MINUTE) is NOTHING
    assert clock.trade(closing) is NOTHING


@pytest.mark.parametrize("rules", [HALF_HOUR, ExitRules.parse(time_stop="1bars")], ids=["minutes", "bars"])
def test_what_fills_later_does_not_set_the_clock_back(rules: ExitRules) -> None:
    clock = Clock(rules)
    entry = only(clock.until(OPEN + MINUTE, 1.0))
    clock.at(OPEN + MINUTE)
    clock.trade(entry, 100.0, 1)
    armed = clock.engine.armed[PAPER]
    clock.at(OPEN + 20 * MINUTE)
    clock.engine.bars_seen += 5
    clock.trade(clock.working[PAPER][entry.order_id], 102.0)
    assert (clock.engine.armed[PAPER].expires, clock.engine.armed[PAPER].last_bar) == (armed.expires, armed.last_bar)


def test_the_rest_of_an_entry_that_still_works_is_called_off_and_what_filled_is_closed() -> None:
    clock = Clock(HALF_HOUR)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    clock.at(OPEN + MINUTE)
    clock.trade(entry, 98.0, 1)
    late = clock.at(OPEN + 31 * MINUTE)
    assert (late.orders, late.cancels) == ((), (entry.order_id,))
    closing = only(clock.end(clock.working[PAPER][entry.order_id], OrderStatus.CANCELED))
    assert market(closing) == (SELL, 1, EXIT, "time_stop")


# --- together with a wish or a level ---


def overdue(kind: str) -> tuple[Clock, int]:
    """A long position, and when its time is over."""
    rules = {"bars": ExitRules.parse("4pts", time_stop="30bars"), "minutes": ExitRules.parse("4pts", time_stop="30min")}
    clock = Clock(rules.get(kind, ExitRules.parse("4pts", flatten_before="10min")), strategy=WishesTicks)
    clock.into(LAST - 30 * MINUTE)
    clock.until(LAST - MINUTE)
    clock.engine.bars_seen += 28
    return clock, LAST


KINDS = {"bars": "time_stop", "minutes": "time_stop", "session": "session_end"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wish", "reason"), [(1.0, None), (-1.0, "down"), (0.0, "out"), (5.0, None), (102.0, "top"), (98.0, None)])
def test_another_wish_goes_before_the_time_and_the_same_one_keeps_nothing(kind: str, wish: float, reason: str | None) -> None:
    clock, late = overdue(kind)
    closing = only(clock.until(late, wish))
    assert market(closing) == (SELL, 2, EXIT, reason or KINDS[kind])
    then = clock.trade(closing)
    opened = kind != "session" and wish in (-1.0, 102.0)
    assert [(order.side, order.purpose) for order in then.orders] == ([(SELL, ENTRY)] if opened else [])
    assert codes(then) == ([DenialCode.SESSION_ENDING] if kind == "session" and wish in (-1.0, 102.0) else [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wish", [1.0, -1.0, 0.0])
def test_a_level_that_is_touched_on_the_very_tick_goes_before_both(kind: str, wish: float) -> None:
    clock, late = overdue(kind)
    clock.engine.bars_seen += 1
    closing = only(clock.at(late, wish))
    assert (closing.reason, closing.type) == ("stop_loss", OrderType.STOP)


@pytest.mark.parametrize("kind", ["minutes", "session"])
def test_a_wish_of_a_tick_goes_before_the_time(kind: str) -> None:
    script = {104.0: SHORT, 105.0: LONG, 106.0: FLAT}
    for price, reason in ((104.0, "down"), (105.0, KINDS[kind]), (106.0, "out")):
        strategy = type("Ticks", (ScriptedTicks,), {"script": {1.0: LONG, **script}})
        clock = Clock(ExitRules.parse("4pts", time_stop="30min", flatten_before="10min" if kind == "session" else None), strategy=strategy)
        clock.into(LAST - 30 * MINUTE)
        assert market(only(clock.at(LAST, price))) == (SELL, 2, EXIT, reason)


@pytest.mark.parametrize("kind", KINDS)
def test_while_the_exit_works_neither_levels_nor_time_nor_wishes_order_another(kind: str) -> None:
    clock, late = overdue(kind)
    closing = only(clock.until(late))
    for decision in (clock.at(late), clock.at(late + SECOND, 50.0), clock.until(late + MINUTE, 1.0), clock.until(late + 2 * MINUTE)):
        assert decision.orders == decision.cancels == ()
    clock.restart()
    assert clock.trade(closing).orders == ()
    assert clock.quantity[PAPER] == 0


def test_only_the_account_whose_time_is_over_is_closed() -> None:
    clock = Clock(HALF_HOUR, PAPER, OTHER)
    first, second = clock.until(OPEN + MINUTE, 1.0).orders
    clock.at(OPEN + MINUTE)
    clock.trade(first)
    clock.at(OPEN + 11 * MINUTE)
    clock.trade(second)
    closing = only(clock.at(OPEN + 31 * MINUTE))
    assert closing.account == first.account
    clock.trade(closing)
    assert clock.engine.deadline == OPEN + 41 * MINUTE
    assert clock.at(OPEN + 41 * MINUTE - 1) is NOTHING
    assert only(clock.at(OPEN + 41 * MINUTE)).account == second.account


# --- before the session's end ---


def test_out_ten_minutes_before_the_end_and_nothing_is_opened_from_then_on() -> None:
    clock = Clock(FLATTEN)
    clock.into(OPEN + MINUTE)
    assert clock.at(LAST - 1) is NOTHING
    clock.restart()
    closing = only(clock.at(LAST))
    assert market(closing) == (SELL, 2, EXIT, "session_end")
    clock.trade(closing)
    for ts in (LAST + MINUTE, CLOSE - MINUTE):
        [denial] = clock.until(ts, 1.0).denials
        assert (denial.code, "10min" in denial.text) == (DenialCode.SESSION_ENDING, True)
    assert only(clock.until(NEXT_OPEN + MINUTE, 1.0)).purpose is ENTRY


def test_an_entry_is_allowed_until_then() -> None:
    for ts, allowed in ((LAST - 1, True), (LAST, False)):
        clock = Clock(FLATTEN)
        assert (clock.until(ts, 1.0).orders != ()) is allowed


def test_on_ready_made_bars_the_bar_before_is_the_last_to_act_on() -> None:
    for ts, allowed in ((LAST - MINUTE, True), (LAST - MINUTE + 1, False), (LAST, False)):
        clock = Clock(FLATTEN)
        assert (clock.made(ts, 1.0).orders != ()) is allowed
        clock = Clock(FLATTEN)
        clock.trade(only(clock.made(OPEN + MINUTE, 1.0)))
        decision = clock.made(ts)
        assert [order.reason for order in decision.orders] == ([] if allowed else ["session_end"])


def test_a_position_that_filled_behind_the_time_leaves_with_the_event_of_its_fill() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(LAST - 1, 1.0))
    clock.seq += 1
    market_event = BarUpdated(update(clock.seq, 100.0, ts=LAST + SECOND))
    clock.trade(entry)  # the venue fills before the engine sees the tick
    assert market(only(clock.process(market_event))) == (SELL, 2, EXIT, "session_end")


def test_a_person_opens_nothing_before_the_end_either() -> None:
    clock = Clock(FLATTEN)
    clock.at(LAST - MINUTE)
    assert only(clock.command(Target.LONG, "c1", ts=LAST - 1)).purpose is ENTRY
    clock = Clock(FLATTEN)
    clock.at(LAST - MINUTE)
    assert codes(clock.command(Target.LONG, "c1", ts=LAST)) == [DenialCode.SESSION_ENDING]


def test_a_reversal_before_the_end_closes_and_opens_nothing_even_where_the_close_filled_too_late() -> None:
    clock = Clock(FLATTEN)
    clock.into(OPEN + MINUTE)
    closing = only(clock.until(LAST - MINUTE, -1.0))
    clock.at(LAST)
    then = clock.trade(closing)
    assert (then.orders, codes(then)) == ((), [DenialCode.SESSION_ENDING])


def test_one_that_was_held_over_the_end_leaves_with_the_first_event_behind_it() -> None:
    clock = Clock(FLATTEN)
    clock.into(OPEN + MINUTE)
    clock.at(LAST - MINUTE)
    assert market(only(clock.at(NEXT_OPEN + SECOND))) == (SELL, 2, EXIT, "session_end")


def test_an_exit_that_found_the_session_closed_goes_out_when_it_opens_whatever_was_wished() -> None:
    clock = Clock(FLATTEN)
    clock.into(OPEN + MINUTE)
    assert codes(clock.until(CLOSE, flags=BarFlag.SESSION_END)) == [DenialCode.SESSION_CLOSED]
    clock.restart()
    closing = only(clock.at(NEXT_OPEN))
    assert market(closing) == (SELL, 2, EXIT, "session_end")
    assert (closing.seq, closing.ts_created) == (clock.seq, NEXT_OPEN)
    assert clock.until(NEXT_OPEN + MINUTE, 1.0).orders == ()


def test_a_market_that_never_closes_has_no_end_to_be_out_before() -> None:
    clock = Clock(FLATTEN, instrument=NQ_24_7)
    clock.into(OPEN + MINUTE)
    assert clock.at(CLOSE) is clock.at(NEXT_OPEN) is NOTHING


def test_daily_bars_are_refused() -> None:
    with pytest.raises(ConfigError, match="flatten_before cannot act on daily bars"):
        Clock(FLATTEN, timeframe="1d")
    clock = Clock(ExitRules(), timeframe="1d")
    [denial] = clock.made(CLOSE, 2.0, ts_open=OPEN).denials
    assert (denial.code, "daily bar" in denial.text) == (DenialCode.SESSION_ENDING, True)


def test_rules_of_a_signal_replace_the_configured_ones_wholly() -> None:
    clock = Clock(ExitRules.parse("1pts", time_stop="30min", flatten_before="10min"))
    clock.into(OPEN + MINUTE, 2.0)
    armed = clock.engine.armed[PAPER]
    assert (armed.stop, armed.target, armed.even, armed.expires, armed.flatten_at) == (91.0, None, 103.0, None, CLOSE - 60 * MINUTE)
    clock.trade(only(clock.until(OPEN + 2 * MINUTE)))
    assert codes(clock.until(CLOSE - 60 * MINUTE, 2.0)) == [DenialCode.SESSION_ENDING]
    assert only(clock.until(CLOSE - 59 * MINUTE, 3.0)).purpose is ENTRY


# --- entries that wait for a price ---


@pytest.mark.parametrize("close", [98.0, 103.0])
@pytest.mark.parametrize("restart", [False, True])
def test_an_entry_that_waits_is_called_off_when_nothing_is_to_be_opened_any_more(close: float, restart: bool) -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, close))
    assert clock.engine.deadline == LAST
    if restart:
        clock.restart()
    assert clock.at(LAST - 1) is NOTHING
    late = clock.at(LAST)
    assert (late.orders, late.cancels, codes(late)) == ((), (entry.order_id,), [DenialCode.SESSION_ENDING])
    assert clock.end(entry, OrderStatus.CANCELED) is NOTHING
    assert not clock.engine.has_goals
    assert clock.engine.deadline is None


def test_it_is_called_off_once_while_the_venue_takes_its_time() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    assert clock.at(LAST).cancels == (entry.order_id,)
    clock.end(entry, OrderStatus.PENDING_CANCEL)
    assert clock.at(LAST + SECOND) is NOTHING


@pytest.mark.parametrize("wish", [98.0, 97.0, 102.0, 1.0, -1.0, 0.0])
def test_no_wish_on_that_very_event_opens_anything(wish: float) -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    late = clock.until(LAST, wish)
    assert (late.orders, late.cancels) == ((), (entry.order_id,))
    then = clock.end(entry, OrderStatus.CANCELED)
    assert (then.orders, set(codes(then))) == ((), set() if wish == 0.0 else {DenialCode.SESSION_ENDING})


def test_a_fill_that_crossed_the_cancel_is_closed_at_once() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    clock.at(LAST)
    clock.trade(entry, 98.0)
    assert market(only(clock.at(LAST + SECOND))) == (SELL, 2, EXIT, "session_end")


def test_on_ready_made_bars_it_is_called_off_one_bar_earlier() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.made(OPEN + MINUTE, 98.0))
    assert clock.made(LAST - MINUTE) is NOTHING
    assert clock.made(LAST - MINUTE + 1).cancels == (entry.order_id,)


def test_it_is_called_off_by_the_rules_of_its_signal() -> None:
    clock = Clock(ExitRules())
    entry = only(clock.until(OPEN + MINUTE, 4.0))
    assert clock.at(CLOSE - 60 * MINUTE - 1) is NOTHING
    assert clock.at(CLOSE - 60 * MINUTE).cancels == (entry.order_id,)
    clock = Clock(FLATTEN)
    assert clock.until(OPEN + MINUTE, 98.0).orders != ()
    clock.until(OPEN + 2 * MINUTE, 3.0)
    [first] = clock.working[PAPER].values()
    assert clock.end(first, OrderStatus.CANCELED).orders[0].reason == "none"
    assert clock.engine.deadline is None


def test_a_repeated_wish_does_not_keep_it() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    assert clock.until(LAST - MINUTE, 98.0).orders == ()
    assert clock.at(LAST).cancels == (entry.order_id,)


def test_what_filled_before_is_closed_and_the_rest_called_off() -> None:
    clock = Clock(FLATTEN)
    entry = only(clock.until(OPEN + MINUTE, 98.0))
    clock.at(OPEN + 2 * MINUTE)
    clock.trade(entry, 98.0, 1)
    assert clock.at(LAST).cancels == (entry.order_id,)
    assert market(only(clock.end(clock.working[PAPER][entry.order_id], OrderStatus.CANCELED))) == (SELL, 1, EXIT, "session_end")


# --- what is in the way ---


@pytest.mark.parametrize("kind", KINDS)
def test_an_exit_that_is_refused_is_told_once_and_sent_when_it_may_be(kind: str) -> None:
    clock, late = overdue(kind)
    clock.engine.state = TradingState.HALTED
    assert codes(clock.until(late)) == [DenialCode.HALTED]
    clock.restart()
    clock.engine.state = TradingState.HALTED
    for second in range(5):
        assert clock.at(late + second * SECOND) is NOTHING
    assert clock.until(late + MINUTE) is NOTHING
    clock.engine.state = TradingState.REDUCING
    assert market(only(clock.at(late + MINUTE))) == (SELL, 2, EXIT, KINDS[kind])


def test_a_price_around_the_stop_tells_of_each_refused_exit_once() -> None:
    clock, late = overdue("minutes")
    clock.engine.state = TradingState.HALTED
    told = [denial.reason for price in (100.0, 96.0, 97.0, 95.0, 100.0) for denial in clock.at(late, price).denials]
    assert told == ["time_stop", "stop_loss"]


def test_a_new_position_is_told_anew() -> None:
    clock = Clock(HALF_HOUR)
    for start in (OPEN + MINUTE, OPEN + 60 * MINUTE):
        clock.into(start)
        clock.engine.state = TradingState.HALTED
        assert codes(clock.at(start + 30 * MINUTE)) == [DenialCode.HALTED]
        clock.engine.state = TradingState.ACTIVE
        clock.trade(only(clock.at(start + 31 * MINUTE)))


def test_reducing_lets_the_exit_pass() -> None:
    clock, late = overdue("session")
    clock.engine.state = TradingState.REDUCING
    assert only(clock.at(late)).reason == "session_end"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exit_that_meets_a_stale_price_goes_out_with_the_next_fresh_one_whatever_was_wished(kind: str) -> None:
    clock, late = overdue(kind)
    clock.engine.bars_seen += 1
    assert codes(clock.at(late, fresh=False)) == [DenialCode.STALE_DATA]
    clock.restart()
    assert clock.at(late, fresh=False) is NOTHING
    assert market(only(clock.until(late + MINUTE, 1.0))) == (SELL, 2, EXIT, KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELED])
def test_an_exit_that_failed_is_tried_again_with_another_id(kind: str, status: OrderStatus) -> None:
    clock, late = overdue(kind)
    clock.engine.bars_seen += 1
    ids = set[str]()
    for _ in range(3):
        closing = only(clock.at(late))
        assert codes(clock.end(closing, status, "no")) == [DenialCode.CLOSE_FAILED]
        again = only(clock.until(late))  # a bar that ends with that tick
        clock.end(again, status, "no")
        ids |= {closing.order_id, again.order_id}
    assert len(ids) == 6


# --- positions that had no levels ---


def unprotected(exits: ExitRules, **config: Any) -> Clock:
    clock = Clock(exits, **config)
    clock.quantity[PAPER] = Decimal(2)
    assert clock.engine.protect(clock.book) == ([PAPER] if exits else [])
    return clock


def test_an_open_position_without_levels_gets_them_with_the_next_event() -> None:
    clock = unprotected(ExitRules.parse("4pts", time_stop="30min", flatten_before="10min"))
    assert clock.at(OPEN + MINUTE, 90.0) is NOTHING  # as if it had been opened with this very tick
    armed = clock.engine.armed[PAPER]
    assert (armed.stop, armed.expires, armed.flatten_at) == (96.0, OPEN + 31 * MINUTE, LAST)
    assert only(clock.at(OPEN + MINUTE, 96.0)).reason == "stop_loss"


def test_no_price_of_the_bar_that_sets_the_levels_touches_them() -> None:
    clock = unprotected(ExitRules.parse("4pts", time_stop="2bars"))
    assert clock.made(OPEN + MINUTE, high=120.0, low=80.0) is NOTHING
    assert clock.made(OPEN + 2 * MINUTE) is NOTHING
    assert only(clock.made(OPEN + 3 * MINUTE)).reason == "time_stop"


def test_one_found_before_the_end_or_while_it_is_closed_has_an_end_too() -> None:
    assert only(unprotected(FLATTEN).at(LAST)).reason == "session_end"
    clock = unprotected(FLATTEN)
    clock.until(CLOSE, flags=BarFlag.SESSION_END)
    assert clock.engine.armed[PAPER].flatten_at == LAST + 24 * 60 * MINUTE


def test_a_position_whose_signal_wanted_no_exits_gets_none_by_a_restart() -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE, 3.0)
    clock.restart()
    assert clock.engine.protect(clock.book) == []
    assert clock.later(50.0) is NOTHING
    assert clock.engine.armed == {}


def test_what_a_closed_position_of_a_signal_had_is_nothing_to_the_next_one() -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE, 3.0)
    clock.trade(only(clock.until(OPEN + 2 * MINUTE, 0.0)))
    clock.quantity[PAPER] = Decimal(2)  # by somebody else
    clock.restart()
    assert clock.engine.protect(clock.book) == [PAPER]
    clock.later(100.0)
    assert clock.engine.armed[PAPER].stop == 96.0


def test_nothing_is_protected_twice() -> None:
    clock = Clock(EVEN)
    clock.into(OPEN + MINUTE)
    armed = dict(clock.engine.armed)
    clock.restart()
    assert clock.engine.protect(clock.book) == []
    clock.later(100.0)
    assert clock.engine.armed == armed


# --- restarts ---

RULES = st.builds(
    ExitRules.parse,
    st.sampled_from([None, "2pts", "6pts"]),
    st.sampled_from([None, "5pts"]),
    st.sampled_from([None, "3pts"]),
    st.sampled_from([None, "1pts", "0.5atr"]),
    st.sampled_from([None, "1bars", "3bars", "30s", "4min"]),
    st.sampled_from([None, "10min", "13min"]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "tick", "tick", "bar", "made", "fill", "piece", "reject", "cancel", "halt", "stale", "command"]),
        st.sampled_from([1.0, -1.0, 0.0, 5.0, 2.0, 3.0, 4.0, 98.0, 97.0, 102.0, 103.0, 99.0, 100.0, 101.0, 95.0]),
        st.sampled_from([0, 1, SECOND, 20 * SECOND, 3 * MINUTE]),
    ),
    min_size=20,
    max_size=80,
)


def played(rules: ExitRules, steps: list[tuple[str, float, int]], *, restart: bool) -> list[Decision]:
    """All that an engine decides; ``restart``: it is made anew from its snapshot behind every event."""
    clock, ts, made = Clock(rules, PAPER, OTHER, strategy=WishesTicks), LAST - 10 * MINUTE, list[Decision]()

    def note(decision: Decision) -> None:
        made.append(decision)
        for order_id in decision.cancels:
            [order] = [one for orders in clock.working.values() for one in orders.values() if one.order_id == order_id]
            if order.status is not OrderStatus.PENDING_CANCEL:
                clock.working[order.account][order_id] = msgspec.structs.replace(order, status=OrderStatus.PENDING_CANCEL)
        if restart:
            clock.restart()

    for kind, value, passed in steps:
        ts += passed
        working = [order for orders in clock.working.values() for order in orders.values()]
        price = value if value > 90 else 100.0
        if kind in ("tick", "stale"):
            note(clock.at(ts, value if kind == "tick" else price, fresh=kind == "tick"))
        elif kind == "bar":
            note(clock.until(ts, value, high=120.0, low=80.0))
        elif kind == "made":
            note(clock.made(ts, value, open=price, high=max(price, 101.0), low=min(price, 99.0)))
        elif kind == "halt":
            clock.engine.state = TradingState.HALTED if value > 50 else TradingState.ACTIVE
        elif kind == "command":
            note(clock.command(Target.FLAT if value > 50 else Target.LONG, f"c{len(made)}"))
        elif working and clock.engine.now_ns() is not None:
            order = working[int(value) % len(working)]
            if kind == "fill" or (kind == "piece" and order.remaining < 2):
                note(clock.trade(order, price))
            elif kind == "piece":
                note(clock.trade(order, price, 1))
            else:
                note(clock.end(order, OrderStatus.REJECTED if kind == "reject" else OrderStatus.CANCELED))
    return made


@settings(max_examples=250, deadline=None)
@given(rules=RULES, steps=STEPS)
def test_a_restart_behind_every_event_changes_nothing(rules: ExitRules, steps: list[tuple[str, float, int]]) -> None:
    decisions = played(rules, steps, restart=True)
    assert decisions == played(rules, steps, restart=False)
    ids = [order.order_id for decision in decisions for order in decision.orders]
    assert len(ids) == len(set(ids))


def test_a_live_broker_that_refuses_an_exit_is_asked_again_after_a_pause_that_grows() -> None:
    floor = Floor(LIVE, exits=ExitRules.parse("4pts"), live_allowed=True)
    floor.enter()
    first = floor.later(96.0).orders
    assert codes(floor.end(floor.working[LIVE][first[0].order_id], OrderStatus.REJECTED, "not now")) == [DenialCode.CLOSE_FAILED]
    assert floor.later(95.0).orders  # a second of the market later
    [again] = floor.working[LIVE].values()
    floor.end(again, OrderStatus.REJECTED, "not now")
    assert floor.later(94.0) is NOTHING
    assert floor.later(93.0).orders
