"""Protective exits and entries at a level, as the engine orders them: one order at a time, and out before anything else."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from tests.builders import OPEN, OTHER, PAPER, bar, fill
from tests.engine.desk import FLAT, LONG, SHORT, Desk, Scripted, ScriptedTicks, codes

from fortified.domain.account import AccountId
from fortified.domain.errors import StrategyError
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar, BarFlag
from fortified.domain.order import Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.engine.inputs import NOTHING, BarClosed, Decision, DenialCode, GapSeen, LegState, OrderChanged
from fortified.engine.risk import TradingState
from fortified.engine.tick_level import BOTH
from fortified.strategies.base import Answers, StrategyPosition

BUY, SELL, ENTRY, EXIT = OrderSide.BUY, OrderSide.SELL, Purpose.ENTRY, Purpose.EXIT
BRACKET = ExitRules.parse("4pts", "8pts")
FROM_BARS = BarFlag.FROM_BARS


class Floor(Desk):
    """Fills at a price, whole or in pieces, so that levels are armed."""

    def __init__(self, *accounts: AccountId, exits: ExitRules = BRACKET, **config: Any) -> None:
        super().__init__(*accounts, exits=exits, **config)
        self.price = dict.fromkeys(self.accounts, Decimal(100))
        self.fills = 0

    @property
    def book(self) -> dict[AccountId, LegState]:
        states = super().book
        return {account: msgspec.structs.replace(state, average_price=self.price[account]) for account, state in states.items()}

    def trade(self, order: Order, price: float = 100.0, quantity: int | None = None) -> Decision:
        """``order`` fills on the event that was seen last; ``quantity`` of it, or all that is left."""
        order = self.working[order.account].get(order.order_id, order)
        piece = order.remaining if quantity is None else Decimal(quantity)
        held, signed = self.quantity[order.account], piece * order.side.sign
        if order.purpose is ENTRY:
            cost = self.price[order.account] * abs(held) + Decimal(str(price)) * piece
            self.price[order.account] = cost / (abs(held) + piece)
        self.quantity[order.account] = held + signed
        done = piece == order.remaining
        moment = self.engine.snapshot().moment
        assert moment is not None
        self.fills += 1
        values: dict[str, Any] = {"account": order.account, "order_id": order.order_id, "purpose": order.purpose, "reason": order.reason}
        traded = fill(order.side, str(piece), str(price), fill_id=f"f{self.fills}", seq=moment.seq, ts_event=moment.ts_event, **values)
        changed = msgspec.structs.replace(
            order,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=order.filled_quantity + piece,
            ts_updated=moment.ts_event,
        )
        if done:
            self.working[order.account].pop(order.order_id, None)
        else:
            self.working[order.account][order.order_id] = changed
        return self.process(OrderChanged(changed, traded))

    def enter(self, wish: float = 1.0, price: float = 100.0) -> None:
        """In with a bar, filled by the tick behind it."""
        orders = self.bar(wish).orders
        self.tick(100.0)
        for one in orders:
            assert self.trade(one, price) is NOTHING

    def later(self, price: float, **more: Any) -> Decision:
        """The next tick."""
        moment = self.engine.snapshot().moment
        assert moment is not None
        return self.tick(price, moment.seq + 1, **more)


def only(decision: Decision) -> Order:
    assert decision.denials == ()
    [one] = decision.orders
    return one


def shape(order: Order) -> tuple[Any, ...]:
    return order.side, order.quantity, order.purpose, order.reason, order.type, order.stop_price


# --- one leg ---


def test_the_tick_at_the_stop_orders_the_exit_with_the_stamp_of_the_entry() -> None:
    floor = Floor()
    floor.enter()
    entered = floor.engine.armed[PAPER]
    assert floor.later(96.25) is NOTHING
    closing = only(floor.later(96.0))
    assert shape(closing) == (SELL, 2, EXIT, "stop_loss", OrderType.STOP, 96)
    assert (closing.triggered, closing.seq, closing.ts_created) == (True, entered.seq, entered.ts_event)
    assert floor.trade(closing, 96.0) is NOTHING
    assert (floor.engine.armed, floor.engine.has_goals) == ({}, False)
    assert floor.later(90.0) is NOTHING


def test_a_short_is_protected_the_other_way_around() -> None:
    floor = Floor()
    floor.enter(-1.0)
    assert floor.later(103.75) is floor.later(92.25) is NOTHING
    assert shape(only(floor.later(92.0))) == (BUY, 2, EXIT, "take_profit", OrderType.MARKET_IF_TOUCHED, 92)


def test_while_the_exit_works_further_ticks_order_nothing() -> None:
    floor = Floor()
    floor.enter()
    closing = only(floor.later(96.0))
    assert floor.later(95.0) is floor.later(108.0) is NOTHING
    assert floor.bar(5.0) is NOTHING
    assert floor.trade(closing, 95.0) is NOTHING


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED])
def test_an_exit_that_failed_leaves_the_level_armed_and_the_next_tick_tries_again(status: OrderStatus) -> None:
    floor = Floor()
    floor.enter()
    first = only(floor.later(96.0))
    assert codes(floor.end(first, status, "no")) == [DenialCode.CLOSE_FAILED]
    second = only(floor.later(95.5))
    assert shape(second) == shape(first)
    assert second.order_id != first.order_id


def test_pieces_of_the_entry_are_protected_at_their_average_while_the_rest_works() -> None:
    floor = Floor()
    entry = only(floor.bar(1.0))
    floor.tick(100.0)
    floor.trade(entry, 100.0, 1)
    assert floor.engine.armed[PAPER].stop == 96.0
    floor.later(102.0)
    floor.trade(entry, 102.0, 1)
    assert floor.engine.armed[PAPER].stop == 97.0
    closing = only(floor.later(97.0))
    assert (closing.quantity, closing.stop_price) == (2, 97)


def test_a_level_touched_while_the_rest_of_the_entry_works_closes_all_of_it_once_it_has_ended() -> None:
    floor = Floor()
    entry = only(floor.bar(1.0))
    floor.tick(100.0)
    floor.trade(entry, 100.0, 1)
    assert floor.later(96.0).orders == ()
    closing = only(floor.trade(entry, 96.0))
    assert (closing.purpose, closing.quantity, closing.reason) == (EXIT, 2, "stop_loss")
    assert floor.trade(closing, 96.0) is NOTHING


def test_what_is_left_of_an_exit_stays_protected() -> None:
    floor = Floor()
    floor.enter()
    closing = only(floor.later(96.0))
    floor.trade(closing, 96.0, 1)
    assert codes(floor.end(floor.working[PAPER][closing.order_id], OrderStatus.CANCELED)) == [DenialCode.CLOSE_FAILED]
    assert only(floor.later(96.0)).quantity == 1


def test_rules_of_the_signal_go_before_the_configured_ones_until_the_next_entry() -> None:
    class Own(Scripted):
        script: ClassVar[Mapping[float, Answers]] = {**Scripted.script, 2.0: Signal(Target.LONG, "tight", exits=ExitRules.parse("1pts"))}

    floor = Floor(strategy=Own)
    floor.enter(2.0)
    assert (floor.engine.armed[PAPER].stop, floor.engine.armed[PAPER].target) == (99.0, None)
    floor.trade(only(floor.later(99.0)), 99.0)
    floor.enter()
    assert (floor.engine.armed[PAPER].stop, floor.engine.armed[PAPER].target) == (96.0, 108.0)


def test_a_repeated_wish_does_not_take_the_rules_from_the_entry_that_works() -> None:
    class Own(ScriptedTicks):
        script: ClassVar[Mapping[float, Answers]] = {2.0: Signal(Target.LONG, "tight", exits=ExitRules.parse("1pts")), 3.0: LONG}

    floor = Floor(strategy=Own)
    entry = only(floor.tick(2.0))
    assert floor.later(3.0) is not NOTHING
    floor.engine = floor.fresh(floor.engine.snapshot())
    floor.trade(entry)
    assert floor.engine.armed[PAPER].stop == 99.0


def test_a_fill_that_comes_after_the_cancel_is_protected_by_the_rules_of_its_signal() -> None:
    class Own(Scripted):
        script: ClassVar[Mapping[float, Answers]] = {2.0: Signal(Target.LONG, "tight", limit=90.0, exits=ExitRules.parse("1pts"))}

    floor = Floor(strategy=Own, limits=msgspec.structs.replace(Desk().config.limits, collar_percent=None))
    entry = only(floor.bar(2.0))
    floor.tick(100.0)
    floor.end(entry, OrderStatus.CANCELED)
    floor.trade(entry, 100.0)
    assert floor.engine.armed[PAPER].stop == 99.0


def test_a_distance_that_cannot_be_told_is_said_and_the_others_are_armed() -> None:
    floor = Floor(exits=ExitRules.parse("1atr", "8pts"), strategy=ScriptedTicks)
    [entry] = floor.tick(1.0).orders
    assert codes(floor.trade(entry)) == [DenialCode.NO_EXIT_LEVEL]
    assert (floor.engine.armed[PAPER].stop, floor.engine.armed[PAPER].target) == (None, 108.0)


# --- touched together with a wish ---


@pytest.mark.parametrize(("price", "again"), [(1.0, BUY), (-1.0, SELL), (0.0, None)], ids=["same", "opposite", "flat"])
def test_a_touch_and_a_wish_on_one_tick_leave_by_the_level_and_go_on_with_the_wish(price: float, again: OrderSide | None) -> None:
    floor = Floor(strategy=ScriptedTicks)
    floor.trade(only(floor.tick(1.0, 1)), 100.0)
    floor.bar(50.0)
    closing = only(floor.later(price))  # far below the stop
    assert shape(closing) == (SELL, 2, EXIT, "stop_loss", OrderType.STOP, 96)
    then = floor.trade(closing, price)
    assert [(one.side, one.purpose, one.type, one.triggered) for one in then.orders] == (
        [] if again is None else [(again, ENTRY, OrderType.MARKET, False)]
    )
    if again is not None:
        assert then.orders[0].seq > closing.seq  # belongs to the tick of the wish, so it fills behind it


def test_the_strategy_is_told_that_it_is_flat_on_the_tick_that_stops_it_out() -> None:
    seen: list[StrategyPosition | None] = []

    class Watching(ScriptedTicks):
        def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Answers:
            seen.append(current_position)
            return super().on_tick(tick, current_position)

    floor = Floor(strategy=Watching)
    floor.trade(only(floor.tick(1.0, 1)), 100.0)
    floor.later(97.0)
    floor.later(96.0)
    assert [place is None for place in seen] == [True, False, True]


@pytest.mark.parametrize(("close", "again"), [(1.0, BUY), (-1.0, SELL), (0.0, None)], ids=["same", "opposite", "flat"])
def test_a_touch_and_a_wish_on_one_ready_made_bar(close: float, again: OrderSide | None) -> None:
    floor = Floor()
    floor.enter()
    closing = only(floor.bar(close, open=100.0, high=101.0, low=95.0, flags=FROM_BARS))
    assert shape(closing) == (SELL, 2, EXIT, "stop_loss", OrderType.STOP, 96)
    assert [one.side for one in floor.trade(closing, 96.0).orders] == ([] if again is None else [again])


def test_a_bar_that_holds_stop_and_target_is_marked_and_its_gap_is_not() -> None:
    floor = Floor()
    floor.enter()
    snapshot = floor.engine.snapshot()
    wide = bar(2, 100.0, open=100.0, high=120.0, low=90.0, flags=FROM_BARS)
    assert only(floor.process(BarClosed(wide))).reason == BOTH
    floor = Floor()
    floor.quantity[PAPER] = Decimal(2)
    floor.engine = floor.fresh(snapshot)
    assert only(floor.process(BarClosed(msgspec.structs.replace(wide, open=110.0)))).reason == "take_profit"


def test_a_bar_whose_ticks_were_seen_touches_nothing_again() -> None:
    floor = Floor()
    floor.enter()
    assert floor.bar(100.0, high=200.0, low=1.0) is NOTHING


# --- several accounts ---


def test_of_several_accounts_only_the_one_that_is_touched_is_closed() -> None:
    floor = Floor(PAPER, OTHER)
    first, second = floor.bar(1.0).orders
    floor.tick(100.0)
    floor.trade(first, 100.0)
    floor.trade(second, 97.0)
    closing = only(floor.later(96.0))
    assert (closing.account, closing.stop_price) == (PAPER, 96)
    floor.trade(closing, 96.0)
    assert set(floor.engine.armed) == {OTHER}
    assert floor.bar(5.0) is NOTHING
    assert only(floor.later(93.0)).account == OTHER


def test_a_wish_for_all_accounts_takes_the_touched_one_out_first() -> None:
    floor = Floor(PAPER, OTHER, strategy=ScriptedTicks)
    first, second = floor.tick(1.0, 1).orders
    floor.trade(first, 100.0)
    floor.trade(second, 0.5)  # its levels are far below
    floor.bar(50.0)
    orders = {one.account: one for one in floor.later(-1.0).orders}
    assert shape(orders[PAPER])[2:5] == (EXIT, "stop_loss", OrderType.STOP)
    assert orders[OTHER].type is OrderType.MARKET or orders[OTHER].reason == "stop_loss"
    assert {one.purpose for one in orders.values()} == {EXIT}


# --- what is in the way ---


@pytest.mark.parametrize("wish", [1.0, -1.0, 0.0, 5.0], ids=["same", "opposite", "flat", "none"])
def test_a_stop_that_meets_a_stale_price_goes_out_with_the_next_fresh_one_whatever_was_wished_meanwhile(wish: float) -> None:
    floor = Floor()
    floor.enter()
    assert codes(floor.later(96.0, fresh=False)) == [DenialCode.STALE_DATA]
    assert floor.later(95.0, fresh=False) is NOTHING
    floor.engine = floor.fresh(floor.engine.snapshot())
    assert floor.bar(wish, fresh=False).orders == ()
    closing = only(floor.later(99.0))  # back above the level: the promise is kept
    assert shape(closing) == (SELL, 2, EXIT, "stop_loss", OrderType.MARKET, None)
    moment = floor.engine.snapshot().moment
    assert moment is not None
    assert (closing.seq, closing.ts_created) == (moment.seq, moment.ts_event)
    assert floor.trade(closing, 99.0) is NOTHING


def test_a_person_may_call_off_a_stop_that_waits() -> None:
    floor = Floor()
    floor.enter()
    floor.later(96.0, fresh=False)
    floor.command(Target.LONG)
    assert floor.later(99.0) is NOTHING


def test_a_level_is_left_within_the_last_bar_of_a_session_but_nothing_is_opened_behind_it() -> None:
    floor = Floor()
    floor.enter()
    closing = only(floor.bar(-1.0, open=100.0, high=101.0, low=95.0, flags=FROM_BARS | BarFlag.SESSION_END))
    assert (closing.purpose, closing.reason) == (EXIT, "stop_loss")
    assert codes(floor.trade(closing, 96.0)) == [DenialCode.SESSION_CLOSED]


def test_an_exit_that_waits_for_the_session_is_not_ordered_twice_by_a_touch() -> None:
    floor = Floor()
    floor.enter()
    assert codes(floor.bar(0.0, flags=BarFlag.SESSION_END)) == [DenialCode.SESSION_CLOSED]
    assert only(floor.later(90.0)).reason == "out"
    assert floor.later(90.0) is NOTHING


def test_reducing_lets_exits_pass_and_halted_nothing() -> None:
    floor = Floor()
    floor.enter()
    floor.engine.state = TradingState.HALTED
    assert codes(floor.later(96.0)) == [DenialCode.HALTED]
    floor.engine.state = TradingState.REDUCING
    assert only(floor.later(96.0)).reason == "stop_loss"


def test_no_limit_keeps_anyone_in_a_position() -> None:
    none = Decimal(0)
    limits = msgspec.structs.replace(Desk().config.limits, max_order_quantity=none, max_position=none, max_orders_per_minute=0)
    floor = Floor(limits=limits, trade_enabled=False)
    floor.quantity[PAPER] = Decimal(2)
    armed = Floor()
    armed.enter()
    floor.engine = floor.fresh(armed.engine.snapshot())
    assert only(floor.later(1.0)).reason == "stop_loss"


def test_a_gap_starts_the_strategy_over_and_leaves_the_levels_armed() -> None:
    floor = Floor()
    floor.enter()
    floor.process(GapSeen(OPEN, "trimmed"))
    assert only(floor.later(96.0)).reason == "stop_loss"


def test_a_restart_between_any_two_events_changes_nothing() -> None:
    def run(*, restart: bool) -> list[Order]:
        floor = Floor(exits=ExitRules.parse("2pts", "1atr", "3pts"))
        orders: list[Order] = []
        for wish, prices in ((1.0, (100.0, 100.75, 98.25, 98.0)), (-1.0, (100.0, 101.75, 102.0)), (1.0, (100.0, 108.25))):
            decisions = [floor.bar(wish, high=wish + 7, low=wish - 1)]
            for price in prices:
                if restart:
                    floor.engine = floor.fresh(floor.engine.snapshot())
                decisions.append(floor.later(price))
                while decisions:
                    made = decisions.pop().orders
                    orders += made
                    decisions += [floor.trade(one, price) for one in made]
        return orders

    orders = run(restart=True)
    assert orders == run(restart=False)
    exits = [(one.reason, one.stop_price) for one in orders if one.purpose is EXIT]
    assert exits == [("stop_loss", 98), ("stop_loss", 102), ("take_profit", Decimal("108.25"))]


# --- commands ---


def test_a_command_while_levels_are_armed_closes_once_and_disarms() -> None:
    floor = Floor()
    floor.enter()
    closing = only(floor.command(Target.FLAT))
    assert (closing.reason, closing.type) == ("manual", OrderType.MARKET)
    assert floor.later(90.0) is NOTHING
    floor.trade(closing, 90.0)
    assert floor.engine.armed == {}


def test_what_a_command_opened_is_protected_by_the_configured_rules() -> None:
    floor = Floor()
    floor.bar(5.0)
    floor.trade(only(floor.command(Target.SHORT)), 100.0)
    assert only(floor.later(104.0)).reason == "stop_loss"


def test_a_stop_that_is_touched_while_another_exit_works_never_opens_the_other_side() -> None:
    """Out, and back in before the exit filled: the touch of a level then asks for nothing but to be flat."""
    floor = Floor(strategy=ScriptedTicks)
    floor.trade(only(floor.tick(1.0, 1)), 100.0)
    floor.bar(50.0)
    closing = only(floor.command(Target.FLAT))
    assert floor.command(Target.LONG, "c2").orders == ()
    floor.later(96.0)
    assert floor.trade(closing, 96.0).orders == ()
    assert floor.quantity[PAPER] == 0


# --- entries at a level ---


class Levels(Scripted):
    script: ClassVar[Mapping[float, Answers]] = {
        **Scripted.script,
        98.0: Signal(Target.LONG, "dip", limit=98.0),
        97.0: Signal(Target.LONG, "dip", limit=97.0),
        103.0: Signal(Target.LONG, "break", stop=103.0),
        104.0: Signal(Target.LONG, "both", stop=103.0, limit=104.0),
        98.1: Signal(Target.LONG, "off", limit=98.1),
        50.0: Signal(Target.LONG, "far", limit=40.0),
        102.0: Signal(Target.SHORT, "top", limit=102.0),
    }


def levels(**config: Any) -> Floor:
    return Floor(strategy=Levels, **config)


@pytest.mark.parametrize(
    ("close", "type_", "limit", "stop"),
    [(98.0, "LIMIT", 98, None), (103.0, "STOP", None, 103), (104.0, "STOP_LIMIT", 104, 103)],
)
def test_a_wish_with_prices_rests_at_them(close: float, type_: str, limit: int | None, stop: int | None) -> None:
    one = only(levels().bar(close))
    assert (one.type, one.limit_price, one.stop_price, one.triggered) == (type_, limit, stop, False)


def test_a_repeated_wish_at_the_same_price_neither_doubles_nor_replaces_the_order() -> None:
    floor = levels()
    floor.bar(98.0)
    again = floor.bar(98.0)
    assert (again.orders, again.cancels) == ((), ())
    assert len(floor.working[PAPER]) == 1


@pytest.mark.parametrize(("close", "then"), [(97.0, "dip"), (1.0, "up"), (-1.0, "down"), (0.0, None)])
def test_another_wish_cancels_the_order_and_goes_on_once_it_is_gone(close: float, then: str | None) -> None:
    floor = levels()
    first = only(floor.bar(98.0))
    changed = floor.bar(close)
    assert (changed.orders, changed.cancels) == ((), (first.order_id,))
    after = floor.end(first, OrderStatus.CANCELED)
    assert [one.reason for one in after.orders] == ([] if then is None else [then])
    assert after.denials == ()


def test_an_order_that_filled_instead_of_being_cancelled_is_what_there_is() -> None:
    floor = levels()
    first = only(floor.bar(98.0))
    assert floor.bar(97.0).cancels == (first.order_id,)
    assert floor.trade(first, 98.0).orders == ()
    assert floor.engine.armed[PAPER].stop == 94.0
    assert not floor.engine.has_goals


def test_a_fill_that_crossed_the_cancel_of_a_flat_wish_is_closed() -> None:
    floor = levels()
    first = only(floor.bar(98.0))
    assert floor.bar(0.0).cancels == (first.order_id,)
    assert only(floor.trade(first, 98.0)).purpose is EXIT


def test_a_reversal_to_a_limit_closes_at_once_and_waits_for_its_price() -> None:
    floor = levels()
    floor.enter()
    closing = only(floor.bar(102.0))
    assert (closing.type, closing.limit_price, closing.reason) == (OrderType.MARKET, None, "top")
    opening = only(floor.trade(closing))
    assert (opening.side, opening.type, opening.limit_price) == (SELL, OrderType.LIMIT, 102)
    floor.later(102.25)
    floor.trade(opening, 102.0)
    assert only(floor.later(106.0)).reason == "stop_loss"


@pytest.mark.parametrize(("close", "code"), [(98.1, DenialCode.OFF_TICK), (50.0, DenialCode.PRICE_COLLAR)])
def test_a_price_that_cannot_be_is_refused(close: float, code: DenialCode) -> None:
    assert codes(levels().bar(close)) == [code]


# --- strategies that fail ---


def failing(answers: Any) -> type[Scripted]:
    class Failing(ScriptedTicks):
        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
            found: Answers = answers() if callable(answers) else answers
            return found

        def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Answers:
            return self.on_new_bar(tick, current_position)

    return Failing


def breaking() -> Iterator[Signal]:
    yield LONG
    raise ZeroDivisionError("in the middle")


@pytest.mark.parametrize("answers", [breaking, 5, [7], {"reason": "x"}, {"side": "UP"}, Signal(3, "what")])  # type: ignore[arg-type]  # wrong on purpose
def test_an_answer_that_is_none_is_blamed_on_the_strategy_with_its_place(answers: Any) -> None:
    floor = Floor(strategy=failing(answers))
    with pytest.raises(StrategyError, match=r"strategy 'scripted_ticks' failed on the 1 bar of /NQ that opened at \d+"):
        floor.bar(5.0)
    with pytest.raises(StrategyError, match=r"strategy 'scripted_ticks' failed on tick 77 of /NQ"):
        floor.tick(5.0, 77)


def test_a_generator_is_run_also_when_bars_of_the_past_warm_it_up() -> None:
    class Yielding(Scripted):
        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
            return self._answers(bar)

        def _answers(self, bar: Bar) -> Iterator[Signal]:
            self.seen += 1
            yield {1.0: LONG, -1.0: SHORT}.get(bar.close, FLAT)

    floor = Floor(strategy=Yielding)
    floor.engine.warm(bar(0, 5.0))
    assert floor.engine.snapshot().strategy == {"seen": 1}
    assert only(floor.bar(-1.0)).side is SELL
