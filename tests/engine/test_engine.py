"""From wishes to orders: one at a time, the exit before the entry, once per bar, and never what the state of the market forbids."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import msgspec
import pytest
from tests.builders import CLOSE, MINUTE, NEXT_OPEN, OPEN, OTHER, PAPER, SECOND, bar, order
from tests.engine.desk import LONG, Desk, ScriptedTicks, codes

from fortified.domain.market import BarFlag
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.engine.inputs import NOTHING, Decision, DenialCode, GapSeen
from fortified.engine.reversal import Goal
from fortified.engine.stop_reversal import order_id
from fortified.strategies.base import Answers

BUY, SELL, ENTRY, EXIT = OrderSide.BUY, OrderSide.SELL, Purpose.ENTRY, Purpose.EXIT
SESSION_END = BarFlag.SESSION_END


def only(decision: Decision) -> Order:
    assert decision.denials == ()
    [one] = decision.orders
    return one


def test_a_wish_becomes_an_order_of_the_configured_quantity_with_the_stamp_of_its_bar() -> None:
    desk = Desk()
    decision = desk.bar(1.0)
    one = only(decision)
    assert (one.side, one.quantity, one.purpose, one.reason, one.type) == (BUY, 2, ENTRY, "up", OrderType.MARKET)
    assert (one.ts_created, one.seq, one.reference_price) == (OPEN + 2 * MINUTE, 19, 1)
    assert decision.signal == LONG


def test_a_repeated_wish_and_an_exit_when_flat_do_nothing() -> None:
    desk = Desk()
    assert desk.bar(0.0).orders == ()
    desk.fill(only(desk.bar(1.0)))
    assert desk.bar(1.0).orders == ()
    assert desk.bar(5.0) is NOTHING


def test_while_an_order_works_nothing_more_is_sent() -> None:
    desk = Desk()
    first = only(desk.bar(1.0))
    assert desk.bar(1.0).orders == desk.bar(-1.0).orders == ()
    closing = only(desk.fill(first))  # the wish of the last bar is pursued once the way is free
    assert (closing.side, closing.purpose) == (SELL, EXIT)


def test_a_reversal_is_two_orders_with_the_stamp_of_one_decision() -> None:
    desk = Desk()
    desk.fill(only(desk.bar(1.0)))
    closing = only(desk.bar(-1.0))
    opening = only(desk.fill(closing))
    assert [(one.side, one.quantity, one.purpose) for one in (closing, opening)] == [(SELL, 2, EXIT), (SELL, 2, ENTRY)]
    stamp = (OPEN + 3 * MINUTE, 29, -1, "down")
    assert [(one.ts_created, one.seq, one.reference_price, one.reason) for one in (closing, opening)] == [stamp, stamp]
    assert closing.order_id != opening.order_id
    assert desk.fill(opening) is NOTHING


def test_an_exit_has_the_size_of_the_confirmed_position() -> None:
    desk = Desk()
    desk.quantity[PAPER] = Decimal(-7)
    closing = only(desk.bar(0.0))
    assert (closing.side, closing.quantity) == (BUY, 7)


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED])
def test_when_the_close_fails_the_goal_is_abandoned_with_an_alarm(status: OrderStatus) -> None:
    desk = Desk()
    desk.fill(only(desk.bar(1.0)))
    decision = desk.end(only(desk.bar(-1.0)), status, "no margin")
    assert codes(decision) == [DenialCode.CLOSE_FAILED]
    assert f"ended {status}: no margin" in decision.denials[0].text
    assert desk.bar(5.0) is NOTHING
    assert only(desk.bar(-1.0)).purpose is EXIT  # a new wish tries again


def test_a_rejected_entry_is_not_tried_again_by_itself() -> None:
    desk = Desk()
    assert desk.end(only(desk.bar(1.0)), OrderStatus.REJECTED) is NOTHING
    assert desk.bar(5.0) is NOTHING


def test_each_account_goes_its_own_way() -> None:
    desk = Desk(PAPER, OTHER)
    entries = desk.bar(1.0).orders
    assert [one.account for one in entries] == [PAPER, OTHER]
    desk.fill(entries[0])
    desk.end(entries[1], OrderStatus.REJECTED)
    [closing] = desk.bar(-1.0).orders[:1]
    assert (closing.account, closing.purpose) == (PAPER, EXIT)


def test_at_most_one_entry_per_bar_and_exits_as_many_as_it_takes() -> None:
    desk = Desk(strategy=ScriptedTicks)
    desk.fill(only(desk.tick(1.0, 1)))
    closing = only(desk.tick(-1.0, 2))
    assert codes(desk.fill(closing)) == [DenialCode.ONE_TRADE_PER_BAR]
    assert codes(desk.tick(1.0, 3)) == [DenialCode.ONE_TRADE_PER_BAR]
    desk.bar(5.0)
    assert only(desk.tick(1.0, 14)).purpose is ENTRY


def test_nothing_is_entered_before_the_warm_up_and_the_first_bar_after_it_may() -> None:
    desk = Desk(warmup=3)
    assert [codes(desk.bar(1.0)) for _ in range(3)] == [[DenialCode.WARMING_UP]] * 3
    assert only(desk.bar(1.0)).purpose is ENTRY


def test_bars_of_the_past_warm_up_and_are_never_acted_on() -> None:
    desk = Desk(warmup=1)
    desk.engine.warm(bar(0, 1.0))
    assert desk.engine.is_warm
    assert desk.engine.bar == bar(0, 1.0)
    assert desk.tick(5.0) is NOTHING
    assert only(desk.bar(1.0)).purpose is ENTRY


def test_an_exit_is_sent_while_warming() -> None:
    desk = Desk(warmup=3)
    desk.quantity[PAPER] = Decimal(2)
    assert only(desk.bar(0.0)).purpose is EXIT


def test_a_gap_begins_the_warm_up_anew_with_a_fresh_strategy() -> None:
    desk = Desk(warmup=2)
    desk.bar(5.0)
    desk.bar(5.0)
    desk.process(GapSeen(OPEN, "trimmed"))
    assert desk.engine.snapshot().strategy == {"seen": 0}
    assert [codes(desk.bar(1.0)) for _ in range(2)] == [[DenialCode.WARMING_UP]] * 2
    assert only(desk.bar(1.0)).purpose is ENTRY


def test_a_bar_with_missing_data_begins_the_warm_up_anew_too() -> None:
    desk = Desk(warmup=2)
    desk.bar(5.0)
    desk.bar(5.0)
    assert codes(desk.bar(1.0, flags=BarFlag.GAP)) == [DenialCode.WARMING_UP]


def test_a_bar_that_began_in_the_middle_never_reaches_the_strategy() -> None:
    desk = Desk(warmup=1)
    assert desk.bar(1.0, flags=BarFlag.PARTIAL_START) is NOTHING
    desk.engine.warm(bar(2, 1.0, flags=BarFlag.PARTIAL_START))
    assert (desk.engine.snapshot().strategy, desk.engine.warm_count) == ({"seen": 0}, 0)


def test_an_entry_of_a_stale_bar_is_dropped_for_good() -> None:
    desk = Desk()
    assert codes(desk.bar(1.0, fresh=False)) == [DenialCode.STALE_DATA]
    assert desk.tick(5.0) is NOTHING


@pytest.mark.parametrize("why", ["stale", "closed"])
def test_an_exit_waits_for_the_market_and_what_was_to_follow_is_dropped(why: str) -> None:
    desk = Desk()
    desk.fill(only(desk.bar(1.0)))
    denied = desk.bar(-1.0, fresh=False) if why == "stale" else desk.bar(-1.0, flags=SESSION_END)
    assert codes(denied) == [DenialCode.STALE_DATA if why == "stale" else DenialCode.SESSION_CLOSED]
    assert desk.bar(5.0, fresh=False).denials == ()  # said once
    closing = only(desk.tick(101.25, 77))
    assert (closing.purpose, closing.seq, closing.reference_price) == (EXIT, 77, Decimal("101.25"))
    assert closing.ts_created == desk.now
    assert desk.fill(closing) is NOTHING


def test_an_entry_at_the_last_bar_of_a_session_is_dropped() -> None:
    desk = Desk()
    assert codes(desk.bar(1.0, flags=SESSION_END)) == [DenialCode.SESSION_CLOSED]
    assert desk.tick(5.0) is NOTHING


def test_a_resting_order_that_does_not_lead_to_the_goal_is_cancelled_first() -> None:
    desk = Desk()
    resting = order(BUY, order_id="limit", type=OrderType.LIMIT, limit_price=Decimal(90), status=OrderStatus.ACCEPTED)
    desk.working[PAPER]["limit"] = resting
    assert desk.bar(-1.0).cancels == ("limit",)
    asked = msgspec.structs.replace(resting, status=OrderStatus.PENDING_CANCEL)
    desk.working[PAPER]["limit"] = asked
    assert desk.bar(5.0) is NOTHING
    assert only(desk.end(asked, OrderStatus.CANCELED)).side is SELL


# --- commands ---


def test_a_command_passes_the_same_gate_once() -> None:
    desk = Desk(warmup=9)
    desk.bar(5.0)
    one = only(desk.command(Target.LONG, "c7"))  # a person needs no warm-up
    assert (one.purpose, one.reason, one.seq) == (ENTRY, "manual", 19)
    desk.fill(one)
    assert codes(desk.command(Target.FLAT, "c7")) == [DenialCode.DUPLICATE_INTENT]
    assert only(desk.command(Target.FLAT, "c8")).purpose is EXIT


def test_a_command_before_any_price_is_refused_and_may_come_again() -> None:
    desk = Desk()
    assert codes(desk.command(Target.LONG)) == [DenialCode.STALE_DATA]
    desk.bar(5.0)
    assert only(desk.command(Target.LONG)).purpose is ENTRY


def test_a_command_in_the_maintenance_break_is_refused() -> None:
    desk = Desk()
    desk.bar(5.0)
    assert codes(desk.command(Target.LONG, ts=CLOSE + MINUTE)) == [DenialCode.SESSION_CLOSED]
    assert only(desk.command(Target.LONG, "c2", ts=NEXT_OPEN)).ts_created == NEXT_OPEN


@pytest.mark.parametrize("why", ["warming", "stale", "closed"])
def test_a_commanded_reversal_is_carried_out_to_its_end(why: str) -> None:
    desk = Desk(warmup=9 if why == "warming" else 0)
    desk.quantity[PAPER] = Decimal(2)
    desk.bar(5.0, fresh=why != "stale", flags=SESSION_END if why == "closed" else 0)
    closing = only(desk.command(Target.SHORT, ts=NEXT_OPEN + SECOND))
    assert only(desk.fill(closing)).purpose is ENTRY


# --- ids ---


def test_order_ids_are_pure_and_all_different() -> None:
    goal = Goal("b9.1", Target.LONG, "up", OPEN, 9, Decimal(1), 1)
    first = order_id("ema", "/NQ", "1", PAPER, goal, ENTRY)
    assert first == order_id("ema", "/NQ", "1", PAPER, msgspec.structs.replace(goal, reason="other", ts_event=5), ENTRY)
    assert len(first) == 32
    others = {
        order_id("wma", "/NQ", "1", PAPER, goal, ENTRY),
        order_id("ema", "/ES", "1", PAPER, goal, ENTRY),
        order_id("ema", "/NQ", "5", PAPER, goal, ENTRY),
        order_id("ema", "/NQ", "1", OTHER, goal, ENTRY),
        order_id("ema", "/NQ", "1", PAPER, goal, EXIT),
        order_id("ema", "/NQ", "1", PAPER, msgspec.structs.replace(goal, attempts=1), ENTRY),
        order_id("ema", "/NQ", "1", PAPER, msgspec.structs.replace(goal, decision_id="u9"), ENTRY),
    }
    assert len(others - {first}) == 7


# --- extremes ---


def test_extremes_run_from_the_entry_to_the_exit() -> None:
    desk = Desk()
    desk.fill(only(desk.bar(1.0)))
    for price in (100.0, 104.5, 97.25, 101.0):
        desk.tick(price)
    assert desk.engine.extremes(PAPER) == (Decimal("104.5"), Decimal("97.25"))
    desk.fill(only(desk.bar(0.0)))
    assert desk.engine.extremes(PAPER) == (None, None)


def test_a_bar_whose_ticks_were_not_seen_stretches_them_whole() -> None:
    desk = Desk()
    desk.quantity[PAPER] = Decimal(2)
    desk.bar(100.0, high=110.0, low=90.0)
    assert desk.engine.extremes(PAPER) == (None, None)
    desk.bar(100.0, high=110.0, low=90.0, flags=BarFlag.FROM_BARS)
    assert desk.engine.extremes(PAPER) == (110, 90)


def test_the_wish_behind_an_old_order_can_change_while_it_works() -> None:
    """Two ticks, two wishes: the first order is left to fill, then the second wish is met."""
    desk = Desk(strategy=ScriptedTicks)
    first = only(desk.tick(1.0, 1))
    assert desk.tick(0.0, 2).orders == ()
    assert only(desk.fill(first)).purpose is EXIT


def test_the_last_of_several_answers_counts() -> None:
    class Several(ScriptedTicks):
        script: ClassVar[Mapping[float, Answers]] = {7.0: [Signal(Target.FLAT, "exit"), Signal(Target.SHORT, "entry")]}

    desk = Desk(strategy=Several)
    assert only(desk.tick(7.0)).side is SELL
