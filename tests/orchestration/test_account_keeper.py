"""The keeper of an account, against a broker that says what a test wrote down. Time passes only while it waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, cast

import msgspec
import pytest
from tests.builders import LIVE, OPEN, SECOND, order
from tests.faults.virtual_time import LoopClock, run_virtually

from fortified.domain.account import AccountId
from fortified.domain.errors import AmbiguousOrder, AuthExpired, InvariantError, StoreUnavailable, VenueUnavailable
from fortified.domain.order import Order, OrderEvent, OrderStatus
from fortified.domain.position import Position
from fortified.domain.signal import OrderSide
from fortified.domain.venue import AccountStanding, Balances, VenueOrder, VenuePosition, WakeUp
from fortified.orchestration.account_keeper import AccountKeeper, Pace
from fortified.ports import Ledger, VenueBroker
from fortified.storage.memory import MemoryAccounts

S = OrderStatus
ONE = Decimal(1)


class Venue(VenueBroker):
    """Says what it is told to say. ``fails`` are errors of the next reads."""

    name: ClassVar[str] = "venue"

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.held: list[VenuePosition] = []
        self.known: dict[str, VenueOrder] = {}
        self.said = AccountStanding("****0001")
        self.asked: list[str] = []
        self.canceled: str | None = None
        self.hints: asyncio.Queue[WakeUp] = asyncio.Queue()

    @property
    def account(self) -> AccountId:
        return LIVE

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.fails:
            raise self.fails.pop(0)

    async def connect(self) -> None:
        self._answer("connect")

    async def close(self) -> None: ...

    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        raise NotImplementedError

    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        self._answer("cancel")
        self.canceled = order.venue_order_id
        return ()

    async def restore(self, working: Sequence[Order]) -> None: ...

    async def replace_order(self, order: Order, limit_price: Decimal | None, stop_price: Decimal | None) -> Sequence[OrderEvent]:
        raise NotImplementedError

    async def find(self, order: Order) -> VenueOrder | None:
        self._answer("find")
        return self.known.get(order.order_id)

    async def orders(self, since_ns: int) -> Sequence[VenueOrder]:
        return ()

    async def positions(self) -> Sequence[VenuePosition]:
        self._answer("positions")
        self.held = [msgspec.structs.replace(one, ts_updated=one.ts_updated + 1) for one in self.held]  # the time of the read
        return self.held

    async def balances(self) -> Balances:
        return Balances(net_liquidation=ONE)

    async def standing(self) -> AccountStanding:
        self._answer("standing")
        return self.said

    async def wake_ups(self) -> AsyncIterator[WakeUp]:
        while True:
            yield await self.hints.get()


class Orders:
    """The orders of runners, as a list."""

    def __init__(self) -> None:
        self.list: list[Order] = []
        self.reported: list[str] = []
        self.absent_ones: list[str] = []
        self.alarm: str | Exception = ""
        self.refreshed = 0

    def watched(self, account: AccountId, ended_after: int) -> Sequence[Order]:
        return list(self.list)

    def symbols(self, account: AccountId) -> Iterable[str]:
        return ["/NQ"]

    async def report(self, order: Order, seen: VenueOrder) -> str:
        self.reported.append(order.order_id)
        if isinstance(self.alarm, Exception):
            raise self.alarm
        return self.alarm

    async def absent(self, order: Order) -> None:
        self.absent_ones.append(order.order_id)

    async def refresh(self, account: AccountId) -> None:
        self.refreshed += 1


class Books:
    """The part of a ledger that a keeper reads."""

    def __init__(self) -> None:
        self.held: list[Position] = []

    async def positions(self) -> Sequence[Position]:
        return self.held


class Log:
    def __init__(self) -> None:
        self.events: list[str] = []

    def info(self, event: str, **values: object) -> None:
        self.events.append(event)

    debug = warning = info


class Room:
    """A keeper that runs, and all around it."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.venue, self.orders, self.books, self.log, self.store = Venue(), Orders(), Books(), Log(), MemoryAccounts()
        self.clock = LoopClock(asyncio.get_running_loop(), OPEN)
        ledger = cast("Ledger", self.books)
        self.keeper = AccountKeeper(self.venue, self.orders, ledger, self.store, self.clock, self.log, pace=pace or Pace())

    async def after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def held(self, quantity: int, symbol: str = "/NQZ26") -> None:
        self.venue.held = [VenuePosition(symbol, Decimal(quantity), Decimal(100))]

    def booked(self, quantity: int) -> None:
        self.books.held = [Position(LIVE, "ema", "/NQ", Decimal(20), Decimal(quantity), Decimal(quantity * 100))]


def ours(order_id: str = "o1", status: OrderStatus = S.ACCEPTED, **fields: Any) -> Order:
    return order(order_id=order_id, account=LIVE, status=status, **({"venue_order_id": "v1"} | fields))


def word(status: OrderStatus | None = S.ACCEPTED) -> VenueOrder:
    return VenueOrder("v1", "/NQ", OrderSide.BUY, Decimal(2), status, "word", OPEN, OPEN)


def in_room(test: Callable[[Room], Awaitable[None]], prepare: Callable[[Room], None] = lambda _: None) -> None:
    """Run ``test`` with a keeper that keeps."""

    async def main() -> None:
        room = Room()
        prepare(room)
        task = asyncio.create_task(room.keeper.run())
        try:
            await test(room)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    run_virtually(main())


def _two_on_both_sides(room: Room) -> None:
    room.held(2)
    room.booked(2)


# --- the beginning


def test_an_account_is_ready_after_two_equal_looks_at_it() -> None:
    async def test(room: Room) -> None:
        assert "not compared" in room.keeper.frozen("/NQ")
        assert "not compared" in room.keeper.refusals(["/NQ"])[0]
        await room.keeper.settled()
        assert room.venue.asked.count("positions") == 2
        assert (room.keeper.frozen("/NQ"), room.keeper.refusals(["/NQ"]), room.keeper.report().ready) == ("", [], True)

    in_room(test, _two_on_both_sides)


@pytest.mark.parametrize("error", [VenueUnavailable("no answer"), AuthExpired("log in"), StoreUnavailable("away")])
def test_errors_at_the_beginning_are_waited_out(error: Exception) -> None:
    async def test(room: Room) -> None:
        await room.after(0.1)
        assert str(error) in room.keeper.frozen("/NQ")
        await room.keeper.settled()
        assert room.keeper.frozen("/NQ") == ""

    in_room(test, lambda room: room.venue.fails.extend([error] * 3))


def test_an_obstacle_of_the_account_refuses_trading() -> None:
    async def test(room: Room) -> None:
        room.venue.said = AccountStanding("****0001", obstacles=("The account is closed.",))
        await room.keeper.settled()
        assert room.keeper.refusals(["/NQ"]) == ["live:tastytrade: The account is closed."]

    in_room(test)


def test_an_account_that_may_only_close_freezes_its_legs_also_later() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.venue.said = AccountStanding("****0001", closing_only=True)
        await room.after(130)
        assert room.keeper.frozen("/NQ") == "live:tastytrade may only close positions"
        assert room.orders.refreshed

    in_room(test)


# --- positions


def test_a_difference_counts_when_a_second_look_confirms_it_and_goes_when_they_agree() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.held(3)
        await room.keeper.compare()
        assert room.keeper.frozen("/NQ") == ""
        await room.keeper.compare()
        assert room.keeper.frozen("/NQ") == "/NQ: the ledger holds 2, the broker 3; adopt one of them"
        assert room.keeper.frozen("SPY") == ""
        assert room.keeper.report().frozen == {"/NQ": "/NQ: the ledger holds 2, the broker 3"}
        room.booked(3)
        await room.keeper.compare()
        assert room.keeper.frozen("/NQ") == ""
        assert room.orders.refreshed >= 2

    in_room(test, _two_on_both_sides)


def test_a_difference_is_seen_within_a_minute_and_at_once_when_the_stream_hints() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.held(1)
        await room.after(70)
        assert "the broker 1" in room.keeper.frozen("/NQ")
        room.held(0)
        room.venue.hints.put_nowait(WakeUp("position"))
        await room.after(1)
        assert room.keeper.frozen("/NQ") == ""

    in_room(test)


def test_a_read_that_fails_concludes_nothing() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.held(1)
        room.venue.fails = [VenueUnavailable("no answer")] * 3
        room.keeper.look()
        await room.after(1)
        assert room.keeper.frozen("/NQ") == "live:tastytrade is out of sight: positions cannot be read: no answer"
        await room.after(10)
        assert "the broker 1" in room.keeper.frozen("/NQ")

    in_room(test)


def test_what_is_foreign_freezes_nothing_but_is_not_traded_unasked() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        assert room.keeper.frozen("SPY") == ""
        assert [one.what for one in room.keeper.report().foreign] == ["SPY"]
        assert "adopt one of them" in room.keeper.refusals(["SPY"])[0]
        found = await room.keeper.declare_external("SPY")
        assert (found.venue, room.keeper.refusals(["SPY"])) == (Decimal(7), [])

    in_room(test, lambda room: room.held(7, "SPY"))


# --- orders


def test_orders_that_work_are_looked_at_all_the_time_and_else_seldom() -> None:
    async def test(room: Room) -> None:
        await room.after(120)
        idle = room.venue.asked.count("find")
        room.orders.list, room.venue.known = [ours()], {"o1": word()}
        room.keeper.look()
        await room.after(20)
        assert (idle, room.venue.asked.count("find") >= 9) == (0, True)

    in_room(test)


def test_an_order_is_absent_after_three_clean_reads_and_errors_do_not_count() -> None:
    async def test(room: Room) -> None:
        room.orders.list = [ours(status=S.SUBMIT_UNKNOWN, venue_order_id=None)]
        room.keeper.look()
        await room.after(12)
        assert room.orders.absent_ones == []  # the process before may have been sending it until a moment ago
        room.venue.fails = [VenueUnavailable("no answer")] * 2
        await room.after(30)
        assert room.orders.absent_ones[0] == "o1"

    in_room(test)


def test_reads_while_an_order_is_being_sent_do_not_count() -> None:
    async def test(room: Room) -> None:
        for status in (S.INITIALIZED, S.SUBMITTED):
            room.orders.list = [ours(status=status, venue_order_id=None, ts_submitted=room.clock.now_ns())]
            room.keeper.look()
            await room.after(20)
        assert room.orders.absent_ones == []
        room.orders.list = [ours(status=S.SUBMIT_UNKNOWN, venue_order_id=None)]
        room.keeper.look()
        await room.after(0.5)
        assert room.orders.absent_ones == []
        await room.after(5)
        assert room.orders.absent_ones[0] == "o1"

    in_room(test)


def test_an_order_that_a_dead_process_was_sending_is_absent_in_the_end() -> None:
    async def test(room: Room) -> None:
        room.orders.list = [ours(status=S.SUBMITTED, venue_order_id=None, ts_submitted=OPEN)]
        await room.after(30)
        assert room.orders.absent_ones == []
        await room.after(60)
        assert room.orders.absent_ones[0] == "o1"

    in_room(test)


@pytest.mark.parametrize("status", [S.SUBMITTED, S.SUBMIT_UNKNOWN, S.INITIALIZED])
def test_an_order_that_is_found_at_last_is_not_absent(status: OrderStatus) -> None:
    async def test(room: Room) -> None:
        room.orders.list = [ours(status=status, venue_order_id=None)]
        room.keeper.look()
        await room.after(1.5)
        room.venue.known = {"o1": word()}
        await room.after(10)
        assert (room.orders.absent_ones, bool(room.orders.reported)) == ([], True)

    in_room(test)


def test_an_order_that_had_an_id_and_is_gone_calls_a_person() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.orders.list = [ours()]
        room.keeper.look()
        await room.after(1)
        assert room.keeper.frozen("/NQ") == "order v1 has vanished at the broker; look at it there"
        assert room.orders.absent_ones == []
        room.orders.list = []
        room.keeper.look()
        await room.after(1)
        assert room.keeper.frozen("/NQ") == ""

    in_room(test)


@pytest.mark.parametrize("error", [AmbiguousOrder("two could be it"), InvariantError("more than was ordered")])
def test_a_question_for_a_person_freezes_and_the_other_orders_are_looked_at(error: Exception) -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.orders.list = [ours("o1"), ours("o2")]
        room.venue.known = {"o1": word(), "o2": word()}
        room.orders.alarm = error
        room.keeper.look()
        await room.after(1)
        assert room.keeper.frozen("/NQ") == str(error)
        assert room.orders.reported == ["o1", "o2"]

    in_room(test)


def test_a_lost_cancel_is_asked_for_again_and_one_that_is_on_its_way_is_not() -> None:
    async def test(room: Room) -> None:
        room.orders.list = [ours(status=S.PENDING_CANCEL, ts_updated=OPEN, venue_order_id="replaced")]
        room.venue.known = {"o1": word(S.PENDING_CANCEL)}
        room.keeper.look()
        await room.after(30)
        assert room.venue.asked.count("cancel") == 0
        room.venue.known = {"o1": word(S.ACCEPTED)}
        await room.after(4)
        assert room.venue.asked.count("cancel") == 1
        await room.after(20)
        assert 3 <= room.venue.asked.count("cancel") <= 5
        assert room.venue.canceled == "v1"

    in_room(test)


def test_a_stream_that_was_lost_makes_it_look_at_everything() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        await room.after(5)
        room.venue.asked.clear()
        room.orders.list, room.venue.known = [ours()], {"o1": word()}
        room.venue.hints.put_nowait(WakeUp("lost", text="gone"))
        room.venue.hints.put_nowait(WakeUp("reconnected"))
        await room.after(1)
        assert {"find", "positions"} <= set(room.venue.asked)
        assert "the broker's stream" in room.log.events

    in_room(test)


def test_nothing_is_asked_more_often_than_its_pace() -> None:
    async def test(room: Room) -> None:
        await room.keeper.settled()
        room.venue.asked.clear()
        began = room.clock.now_ns()
        await room.after(600)
        minutes = (room.clock.now_ns() - began) / SECOND / 60
        assert room.venue.asked.count("positions") <= minutes + 1
        assert room.venue.asked.count("standing") <= minutes + 1

    in_room(test)
