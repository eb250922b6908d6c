"""Protective stops that rest at the brokers: there while a position is open, in step with it, and never beside another exit."""

from decimal import Decimal
from typing import Any

import pytest
from tests.engine.desk import Scripted
from tests.orchestration.house import Market
from tests.orchestration.live_house import simulated
from tests.orchestration.stop_house import (
    DOWN,
    IDLE,
    ONE,
    OUT,
    SCHWAB,
    SCRIPT,
    TASTY,
    TEN,
    UP,
    StopHouse,
    Watch,
    late_fill,
    one_house,
    stop_house,
)

from fortified.domain.order import OrderStatus
from fortified.domain.signal import Target
from fortified.engine.inputs import DenialCode
from fortified.engine.resident import PROTECTIVE_STOP
from fortified.orchestration.events import DenialSeen
from fortified.simulators.faults import Fault, Kind
from fortified.simulators.orders import Life, OrderKind, State
from fortified.simulators.tastytrade.venue import ACCOUNT
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
SUBMIT, CANCEL = f"POST /accounts/{ACCOUNT}/orders", f"DELETE /accounts/{ACCOUNT}/orders/*"


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "script", SCRIPT)


async def opened(house: StopHouse, **fields: Any) -> Watch:
    """A position whose stop rests."""
    watch = Watch(house.exchange())
    await house.go(**fields)
    await house.ticks(UP)
    await house.rests()
    return watch


# --- placed ---


@pytest.mark.parametrize(("price", "sell", "level"), [(UP, True, "19996.25"), (DOWN, False, "20003.75")])
async def test_it_is_for_all_of_the_position_on_its_other_side_good_till_cancelled(price: float, sell: bool, level: str) -> None:
    async with one_house() as house:
        await house.go(quantities={"tastytrade": Decimal(2)})
        await house.ticks(price)
        await house.rests(at=level, of=2)
        [order] = house.resting()
        assert order.ticket.buy is not sell
        assert order.ticket.life is Life.UNTIL_CANCELLED
        await house.agree()


async def test_at_schwab_it_outlives_the_day_as_well() -> None:
    async with one_house() as house:
        await house.go(symbol="SPY", quantities=TEN, stop_loss="1pts")
        await house.ticks(500.1, symbol="SPY")
        await house.rests(SCHWAB, "SPY", at="499.01", of=10)
        [order] = house.resting(SCHWAB)
        assert order.ticket.life is Life.UNTIL_CANCELLED


async def test_a_repeated_wish_leaves_it_alone() -> None:
    async with one_house() as house:
        watch = await opened(house)
        stop = await house.rests()
        await house.ticks(UP, UP, UP)
        await house.agree()
        assert (await house.rests()) == stop
        assert len(house.exchange().orders) == 2
        assert watch.most == 1


async def test_an_entry_that_was_called_off_in_part_is_protected_with_what_it_got() -> None:
    async with one_house() as house:
        await house.go(quantities={"tastytrade": Decimal(3)})
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)
        await house.ticks(UP)
        [entry] = house.exchange().live_orders()
        house.exchange().fill_now(entry, Decimal("20000.25"), Decimal(1))
        await house.ticks(IDLE)
        assert house.resting() == []
        house.exchange().end(entry, State.CANCELLED)
        await house.rests(at="19996.25", of=1)
        await house.agree()


async def test_a_fill_behind_the_cancel_of_the_entry_is_protected_too() -> None:
    async with one_house() as house:
        await house.go(quantities={"tastytrade": Decimal(3)})
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)
        await house.ticks(UP)
        [entry] = house.exchange().live_orders()
        house.exchange().fill_now(entry, Decimal("20000.25"), Decimal(1))
        house.exchange().end(entry, State.CANCELLED)
        await house.rests(of=1)
        late_fill(house.exchange(), entry, Decimal(1))
        await house.ticks(IDLE, IDLE)
        await house.rests(at="19996.25", of=2)


async def test_a_leg_in_another_symbol_has_none_and_is_closed_with_the_level_of_the_signal() -> None:
    async with one_house() as house:
        await house.go(quantities=ONE | TEN, symbols={"schwab": "QQQ"})
        await house.ticks(UP)
        await house.rests(at="19996.25")
        await house.until(lambda: house.at_venue(SCHWAB) == 10, "the other leg is open")
        assert house.resting(SCHWAB) == []
        house.nq = "19990.00"
        house.push()
        await house.ticks(19990.0)
        await house.flat()


# --- moved ---


async def test_it_follows_the_trailing_level_at_closed_bars_as_one_order_under_new_ids() -> None:
    async with one_house() as house:
        await house.go(stop_loss=None, trailing="10pts")
        watch = Watch(house.exchange())
        await house.ticks(UP)
        first = await house.rests(at="19990.25")
        house.nq = "20010.00"
        await house.ticks(20010.0)
        second = await house.rests(at="20000.00")
        assert second.order_id == first.order_id
        assert second.venue_order_id != first.venue_order_id
        house.nq = "20005.00"
        await house.ticks(20005.0)  # never back
        assert (await house.rests(at="20000.00")).venue_order_id == second.venue_order_id
        house.nq = "19999.00"
        house.push()
        await house.flat()
        assert watch.most == 1
        await house.agree()


async def test_it_goes_to_the_entry_at_break_even() -> None:
    async with one_house() as house:
        await house.go(break_even="6pts")
        await house.ticks(UP)
        await house.rests(at="19996.25")
        house.nq = "20007.00"
        await house.ticks(20007.0)
        await house.rests(at="20000.25")


async def test_a_move_that_meets_a_fill_is_booked_once_and_nothing_is_placed() -> None:
    async with one_house() as house:
        await house.go(stop_loss=None, trailing="10pts")
        await house.ticks(UP)
        await house.rests(at="19990.25")
        house.simulation.tastytrade_faults.next("replace", Kind.FILL_FIRST)
        house.nq = "20010.00"
        await house.ticks(20010.0)
        await house.flat()
        await house.ticks(20011.0)
        assert house.exchange().live_orders() == []
        await house.agree()


@pytest.mark.parametrize("kind", [Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.STATUS, Kind.GARBLED])
async def test_a_move_of_unknown_fate_leaves_one_stop(kind: Kind) -> None:
    async with one_house() as house:
        await house.go(stop_loss=None, trailing="10pts")
        watch = Watch(house.exchange())
        await house.ticks(UP)
        await house.rests(at="19990.25")
        house.simulation.tastytrade_faults.next(f"PUT /accounts/{ACCOUNT}/orders/*", kind)
        house.nq = "20010.00"

        async def moved() -> bool:
            await house.ticks(20010.0)
            return [order.ticket.stop for order in house.resting()] == [Decimal(20000)]

        await house.wait(moved, "it is moved")
        await house.rests(at="20000.00")
        assert watch.most == 1


# --- given way to another exit ---


async def test_a_signal_cancels_it_and_waits_for_the_cancel() -> None:
    async with one_house() as house:
        watch = await opened(house)
        house.simulation.tastytrade_faults.next("cancel", Kind.STUCK)
        await house.ticks(OUT, IDLE, IDLE)
        [stop] = house.exchange().live_orders()
        assert stop.state is State.CANCELLING
        assert [order.status for order in house.ours()] == [OrderStatus.PENDING_CANCEL]
        house.exchange().end(stop, State.CANCELLED)
        await house.flat()
        assert watch.most == 1
        assert watch.positions <= {Decimal(0), Decimal(1)}
        await house.agree()


async def test_a_reversal_closes_first_and_the_other_side_gets_its_own() -> None:
    async with one_house() as house:
        watch = await opened(house)
        await house.ticks(DOWN)
        await house.rests(at="20003.75")
        assert house.at_venue() == -1
        assert watch.most == 1
        await house.agree()


async def test_a_target_and_a_time_stop_and_a_person_close_it_too() -> None:
    for fields, prices in (({"take_profit": "8pts"}, [20009.0]), ({"time_stop": "3bars"}, [IDLE, IDLE, IDLE]), ({}, [])):
        async with one_house() as house:
            watch = await opened(house, **fields)
            if prices:
                house.nq = str(Decimal(prices[-1]))
                await house.ticks(*prices)
            else:
                await house.manager.manual("/NQ", Target.FLAT, strategy=None, command_id="c1", actor="test")
            await house.flat()
            assert watch.most == 1, fields
            await house.agree()


@pytest.mark.parametrize("target", [OUT, DOWN])
async def test_it_fills_while_it_is_being_cancelled(target: float) -> None:
    async with one_house() as house:
        watch = await opened(house)
        house.simulation.tastytrade_faults.next("cancel", Kind.FILL_FIRST)
        await house.ticks(target)
        if target == OUT:
            await house.flat()
        else:
            await house.rests(at="20003.75")
        await house.ticks(IDLE)
        assert watch.positions <= {Decimal(0), Decimal(1), Decimal(-1)}
        assert watch.most == 1
        assert [order.purpose for order in await house.made() if order.purpose == "exit" and order.reason != PROTECTIVE_STOP] == []
        await house.agree()


async def test_it_fills_behind_its_cancel() -> None:
    async with one_house() as house:
        await opened(house)
        [stop] = house.resting()
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)  # the exit waits at the exchange
        await house.ticks(OUT)
        await house.until(lambda: [one.ticket.kind for one in house.exchange().live_orders()] == [OrderKind.MARKET], "the exit works")
        late_fill(house.exchange(), stop, Decimal(1))
        [exit_] = house.exchange().live_orders()
        await house.ticks(IDLE)
        house.exchange().fill_now(exit_)
        await house.flat()
        await house.agree()


async def test_a_lost_cancel_costs_no_second_exit() -> None:
    for kind in (Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.STATUS, Kind.STATUS_AFTER):
        async with one_house() as house:
            watch = await opened(house)
            house.simulation.tastytrade_faults.next(CANCEL, kind)
            await house.ticks(OUT)

            def later(house: StopHouse = house) -> bool:
                house.clock.advance(1.0)
                return not house.at_venue()

            await house.until(later, f"closed after {kind}")
            await house.flat()
            assert watch.most == 1, kind
            await house.agree()


# --- filled there ---


async def test_it_fills_at_the_broker_and_the_touch_here_is_left_to_it() -> None:
    async with one_house() as house:
        await opened(house)
        house.nq = "19996.00"
        await house.ticks(19996.0)
        await house.flat()
        exits = [order for order in await house.made() if order.purpose == "exit"]
        assert [(order.reason, order.status) for order in exits] == [(PROTECTIVE_STOP, OrderStatus.FILLED)]
        await house.agree()


async def test_a_touch_that_the_broker_does_not_act_on_is_taken_over_after_five_seconds() -> None:
    async with one_house() as house:
        watch = await opened(house)
        house.resting()[0].silent = True
        house.nq = "19995.00"
        await house.ticks(19996.0, 19995.0, 19995.0, 19995.0)
        assert len(house.resting()) == 1
        await house.ticks(19995.0, 19995.0, 19995.0)
        await house.flat()
        assert watch.most == 1
        await house.agree()


async def test_one_that_ended_there_is_placed_again_with_the_next_bar_and_told_once() -> None:
    for state in (State.CANCELLED, State.REJECTED, State.EXPIRED):
        async with one_house() as house:
            await house.go(timeframe="2t")
            await house.ticks(UP, UP)
            await house.rests()
            [stop] = house.resting()
            house.exchange().end(stop, state)
            await house.until(lambda house=house: not house.ours(), "it is seen")  # type: ignore[misc]  # bound now, for the loop
            await house.ticks(IDLE)
            assert house.resting() == []
            await house.ticks(IDLE)
            await house.rests(at="19996.25")
            told = [seen.denial for seen in house.of(DenialSeen) if seen.denial.reason == PROTECTIVE_STOP]
            assert [denial.code for denial in told] == [DenialCode.CLOSE_FAILED], state


async def test_one_that_is_refused_again_and_again_is_told_once_and_the_level_here_holds() -> None:
    async with one_house() as house:
        await house.go()
        house.simulation.tastytrade_faults.next("order", Fault(Kind.REJECT, text="no stops today"), times=50, skip=1)
        await house.ticks(UP)
        await house.until(lambda: house.at_venue() == 1 and not house.ours(), "open, the stop refused")
        for _ in range(4):
            await house.ticks(IDLE)
            await house.until(lambda: not house.ours(), "refused again")
        told = [seen.denial for seen in house.of(DenialSeen) if seen.denial.reason == PROTECTIVE_STOP]
        assert len(told) == 1
        assert "no stops today" in told[0].text
        house.simulation.tastytrade_faults.clear()
        house.nq = "19995.00"
        await house.ticks(19995.0)
        await house.flat()


# --- Schwab ---


async def test_schwab_is_sent_no_sale_while_the_stop_holds_the_shares() -> None:
    async with one_house() as house:
        watch = Watch(house.exchange(SCHWAB))
        await house.go(symbol="SPY", quantities=TEN, stop_loss="1pts")
        await house.ticks(500.1, symbol="SPY")
        await house.rests(SCHWAB, "SPY", of=10)
        await house.ticks(500.3, symbol="SPY")
        await house.flat()
        states = {order.state for order in house.exchange(SCHWAB).orders.values()}
        assert State.REJECTED not in states
        assert watch.most == 1
        await house.ticks(500.1, symbol="SPY")
        await house.rests(SCHWAB, "SPY", of=10)
        await house.ticks(500.2, symbol="SPY")
        await house.rests(SCHWAB, "SPY", at="500.99", of=10)
        assert house.at_venue(SCHWAB) == -10
        await house.agree()


# --- stop, start, crash, adoption ---


async def test_it_fills_while_the_server_is_down_and_nothing_is_to_run() -> None:
    async with simulated() as (simulation, clock):
        store, market = MemoryStore(), Market()
        async with stop_house(simulation, clock, store, market) as first:
            await opened(first)
            await first.manager.stop("scripted", actor="test")
            await first.agree()
        simulation.push("/NQ", "19990.00")
        async with stop_house(simulation, clock, store, market) as second:
            second.nq = "19990.00"
            await second.agree_to_start()
            await second.flat()
            await second.agree()


async def test_stop_trading_leaves_it_at_the_broker_and_the_next_start_takes_it_over() -> None:
    async with one_house() as house:
        watch = await opened(house)
        [theirs] = house.resting()
        await house.manager.stop("scripted", actor="test")
        await house.agree()
        assert [order.id for order in house.resting()] == [theirs.id]
        await house.again()
        await house.ticks(IDLE, IDLE)
        assert [order.id for order in house.resting()] == [theirs.id]
        await house.ticks(OUT)
        await house.flat()
        assert watch.most == 1
        await house.agree()


async def test_it_fills_while_the_strategy_is_stopped() -> None:
    async with one_house() as house:
        await opened(house)
        await house.manager.stop("scripted", actor="test")
        house.nq = "19990.00"
        house.push()
        await house.flat()
        await house.again()
        await house.ticks(19990.0, IDLE)
        await house.flat()
        await house.agree()


async def test_stop_trading_in_the_middle_of_an_exit_carries_it_out() -> None:
    async with one_house() as house:
        watch = await opened(house)
        house.simulation.tastytrade_faults.next("cancel", Kind.STUCK)
        await house.ticks(OUT)
        [stop] = house.exchange().live_orders()
        await house.manager.stop("scripted", actor="test")
        house.exchange().end(stop, State.CANCELLED)
        await house.flat()
        assert watch.most == 1
        await house.agree()


async def test_stop_trading_in_the_middle_of_a_reversal_opens_nothing() -> None:
    async with one_house() as house:
        await opened(house)
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)
        await house.ticks(DOWN)
        await house.until(lambda: [one.ticket.kind for one in house.exchange().live_orders()] == [OrderKind.MARKET], "the exit works")
        await house.manager.stop("scripted", actor="test")
        [exit_] = house.exchange().live_orders()
        house.exchange().fill_now(exit_)
        await house.flat()
        await house.again()
        await house.ticks(IDLE, IDLE)
        await house.flat()


async def test_an_exit_that_fails_leaves_the_position_with_its_stop() -> None:
    async with one_house() as house:
        await house.go(timeframe="2t")
        await house.ticks(UP, UP)
        await house.rests()
        house.simulation.tastytrade_faults.next("order", Fault(Kind.REJECT, text="not now"))
        await house.ticks(OUT, OUT)
        await house.rests(at="19996.25")
        assert house.at_venue() == 1
        assert [seen.denial.code for seen in house.of(DenialSeen)] == [DenialCode.CLOSE_FAILED]


@pytest.mark.parametrize("meanwhile", ["rests", "fills", "is cancelled"])
async def test_a_process_that_dies_finds_it_again(meanwhile: str) -> None:
    async with simulated() as (simulation, clock):
        store, market = MemoryStore(), Market()
        async with stop_house(simulation, clock, store, market) as first:
            watch = await opened(first)
            [stop] = first.resting()
        if meanwhile == "fills":
            simulation.push("/NQ", "19990.00")
        if meanwhile == "is cancelled":
            simulation.tastytrade.exchange.end(stop, State.CANCELLED)
        async with stop_house(simulation, clock, store, market) as second:
            if meanwhile == "fills":
                second.nq = "19990.00"
                await second.ticks(19990.0)
                await second.flat()
                await second.ticks(IDLE)
                await second.flat()
            else:
                await second.until(lambda: second.manager.status() and second.manager.status()[0].state == "running", "it runs")
                if meanwhile == "is cancelled":
                    await second.until(lambda: not second.ours(), "it is seen")
                await second.ticks(IDLE)
                await second.rests(at="19996.25")
            assert watch.most == 1
            await second.agree()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_new_timeframe_takes_it_over(restarted: bool) -> None:
    async with simulated() as (simulation, clock):
        store, market = MemoryStore(), Market()
        async with stop_house(simulation, clock, store, market) as first:
            watch = await opened(first)
            [theirs] = first.resting()
            if not restarted:
                await first.go(timeframe="2t")
                await first.ticks(IDLE, IDLE, IDLE)
                assert [order.id for order in first.resting()] == [theirs.id]
                await first.go(timeframe="1t")
                await first.ticks(IDLE, OUT)
                await first.flat()
            else:
                await first.configure(quantities=ONE, stop_loss="4pts", timeframe="2t")
        async with stop_house(simulation, clock, store, market) as second:
            await second.until(lambda: [one.state for one in second.manager.status()] == ["running"], "it runs")
            if restarted:
                await second.ticks(IDLE, IDLE)
                assert [order.id for order in second.resting()] == [theirs.id]
                await second.ticks(OUT, OUT)
            await second.flat()
            assert watch.most == 1
            await second.agree()


@pytest.mark.parametrize("kind", [Kind.DROP_BEFORE, Kind.DROP_AFTER])
async def test_one_of_unknown_fate_becomes_one(kind: Kind) -> None:
    async with one_house() as house:
        await house.go()
        watch = Watch(house.exchange())
        house.simulation.tastytrade_faults.next(SUBMIT, kind, skip=1)
        await house.ticks(UP)
        await house.rests(at="19996.25")
        assert watch.most == 1
        await house.ticks(OUT)
        await house.flat()
        await house.agree()


async def test_an_exit_does_not_wait_for_one_that_never_arrived_to_be_sent_again() -> None:
    async with one_house() as house:
        await house.go()
        house.simulation.tastytrade_faults.next(SUBMIT, Kind.DROP_BEFORE, skip=1)
        house.simulation.tastytrade_faults.next(f"GET /accounts/{ACCOUNT}/orders*", Kind.STATUS, times=6)
        await house.ticks(UP)
        await house.until(lambda: [order.status for order in house.ours()] == [OrderStatus.SUBMIT_UNKNOWN], "in doubt")
        await house.ticks(OUT)
        await house.flat()
        assert [order.ticket.kind for order in house.exchange().orders.values()] == [OrderKind.MARKET, OrderKind.MARKET]
        await house.agree()


async def test_an_adopted_position_gets_one() -> None:
    async with simulated() as (simulation, clock):
        async with stop_house(simulation, clock, MemoryStore(), Market()) as first:
            await first.go(stop_loss=None)
            await first.ticks(UP)
            await first.until(lambda: first.at_venue() == 1, "long")
            await first.agree()
        async with stop_house(simulation, clock, MemoryStore(), Market()) as second:
            await second.manager.keeper(TASTY).declare_external("/NQ")
            await second.go()
            await second.ticks(IDLE)
            await second.manager.keeper(TASTY)._store.put_external(TASTY, "/NQ", Decimal(0))
            await second.manager.adopt(TASTY, "/NQ", "scripted", actor="test")
            await second.ticks(IDLE)
            await second.rests(at="19996.25")
            await second.agree()


async def test_a_position_closed_at_the_broker_is_adopted_and_its_stop_goes() -> None:
    async with one_house() as house:
        await opened(house)
        listed = house.exchange().find(house.resting()[0].ticket.symbol)
        assert listed is not None
        account = house.exchange().accounts[ACCOUNT]
        account.seen.positions.clear()
        account.truth.positions.clear()
        await house.until(lambda: house.manager.keeper(TASTY).report().differences, "the difference is seen")
        await house.manager.adopt(TASTY, "/NQ", "scripted", actor="test")
        await house.flat()
        await house.ticks(IDLE, IDLE)
        await house.flat()
        await house.agree()
