"""The owner of orders and the owner of positions: what they write down, and what they let nobody do twice."""

from decimal import Decimal

import msgspec
import pytest
from tests.builders import OPEN, OTHER, PAPER, bar, fill, order

from fortified.domain.errors import InvariantError
from fortified.domain.order import Order, OrderEvent, OrderStatus, OrderType
from fortified.domain.position import FillContext
from fortified.domain.signal import OrderSide
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.ports import LedgerUnit, RunnerKey

S = OrderStatus
KEY = RunnerKey("ema", "/NQ", "1", "paper")
CONTEXT = FillContext("1", 0, bar(), None, None, "2025-03-04")


def event(status: OrderStatus, **fields: object) -> OrderEvent:
    return msgspec.structs.replace(OrderEvent("o1", status, OPEN), **fields)


def tracked(*events: OrderEvent, opened: Order | None = None) -> tuple[OrderTrackingService, LedgerUnit]:
    tracker, unit = OrderTrackingService(), LedgerUnit(KEY)
    tracker.open(opened or order(), unit)
    for one in events:
        tracker.apply(one, unit)
    return tracker, unit


def test_every_change_is_written_down() -> None:
    tracker, unit = tracked(event(S.SUBMITTED), event(S.ACCEPTED), event(S.FILLED, fill=fill()))
    assert [one.status for one in unit.orders] == [S.INITIALIZED, S.SUBMITTED, S.ACCEPTED, S.FILLED]
    assert unit.fills == [fill()]
    assert tracker.working(PAPER, "ema", "/NQ") == ()


def test_an_intent_is_taken_in_once() -> None:
    tracker, unit = tracked()
    assert not tracker.open(order(), unit)
    assert len(unit.orders) == 1


def test_what_was_said_before_changes_nothing() -> None:
    tracker, unit = tracked(event(S.SUBMITTED), event(S.ACCEPTED))
    partial = event(S.PARTIALLY_FILLED, fill=fill(quantity=1))
    assert tracker.apply(event(S.ACCEPTED), unit) is None
    assert tracker.apply(partial, unit) is not None
    assert tracker.apply(partial, unit) is None
    assert len(unit.fills) == 1


def test_a_triggered_stop_limit_is_news() -> None:
    tracker, unit = tracked(event(S.SUBMITTED), event(S.ACCEPTED), opened=order(type=OrderType.STOP_LIMIT))
    changed = tracker.apply(event(S.ACCEPTED, triggered=True), unit)
    assert changed is not None
    assert changed.triggered


def test_events_of_orders_that_are_not_ours_are_passed_over() -> None:
    tracker, unit = tracked()
    assert tracker.apply(OrderEvent("foreign", S.FILLED, OPEN), unit) is None


def test_a_fill_that_crossed_the_cancel_is_booked() -> None:
    tracker, unit = tracked(event(S.SUBMITTED), event(S.ACCEPTED), event(S.CANCELED))
    assert tracker.apply(event(S.FILLED, fill=fill()), unit) is not None
    assert unit.fills == [fill()]


def test_a_fill_reported_again_after_a_restart_is_the_same_fill() -> None:
    partial = event(S.PARTIALLY_FILLED, fill=fill(quantity=1))
    _, unit = tracked(event(S.SUBMITTED), event(S.ACCEPTED), partial)
    fresh = OrderTrackingService()
    fresh.restore("ema", {"/NQ"}, [unit.orders[-1]])
    assert fresh.apply(partial, LedgerUnit(KEY)) is None


def test_restoring_replaces_what_was_held_of_that_strategy_and_symbol_alone() -> None:
    tracker, unit = tracked()
    others = [order(order_id="o2", strategy="other"), order(order_id="o3", symbol="/ES"), order(order_id="o4", account=OTHER)]
    for one in others:
        tracker.open(one, unit)
    tracker.restore("ema", {"/NQ"}, [order(order_id="o9")])
    assert [tracker.get(name) is not None for name in ("o1", "o2", "o3", "o4", "o9")] == [False, True, True, False, True]
    assert [one.order_id for one in tracker.working(PAPER, "ema", "/NQ")] == ["o9"]


def test_a_position_and_the_round_trip_it_ends_go_into_the_unit_of_the_fill() -> None:
    manager, unit = TradeStateManager(), LedgerUnit(KEY)
    manager.apply(fill(), Decimal(20), CONTEXT, unit)
    position, trade = manager.apply(fill(OrderSide.SELL, price=20_010), Decimal(20), CONTEXT, unit)
    assert trade is not None
    assert (unit.positions[-1], unit.trades) == (position, [trade])
    assert [one.quantity for one in unit.positions] == [2, 0]
    with pytest.raises(InvariantError):
        manager.apply(fill(), Decimal(20), CONTEXT, unit) and manager.apply(fill(OrderSide.SELL, 3), Decimal(20), CONTEXT, unit)


def test_positions_are_kept_apart_and_listed_in_one_order() -> None:
    manager, unit = TradeStateManager(), LedgerUnit(KEY)
    for account, strategy in ((PAPER, "z"), (OTHER, "a"), (PAPER, "a")):
        manager.apply(msgspec.structs.replace(fill(), account=account, strategy=strategy), Decimal(20), CONTEXT, unit)
    assert [(one.account, one.strategy) for one in manager.positions()] == [(OTHER, "a"), (PAPER, "a"), (PAPER, "z")]
    assert [one.strategy for one in manager.positions("z")] == ["z"]
    manager.restore("a", {"/NQ"}, [])
    assert [one.strategy for one in manager.positions()] == ["z"]
