"""What the broker of a real venue has to keep besides: its word is read, parts and replacements add up, and what is unclear is found.

Owns the tests. A mishap that a stage cannot bring about is skipped.
"""

import unittest
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

import msgspec

from fortified.domain.errors import VenueError
from fortified.domain.order import OrderStatus, Purpose
from fortified.domain.signal import OrderSide
from fortified.orchestration.venue_reports import read
from fortified.testing.broker_contract import BrokerContract
from fortified.testing.broker_stage import ARRIVED, NOT_ARRIVED, Follower, Mishap, VenueStage

S = OrderStatus
ONE = Decimal(1)


class VenueContract(BrokerContract):
    """Tests for any ``VenueBroker``."""

    @abstractmethod
    def stage(self) -> AbstractAsyncContextManager[VenueStage]: ...

    @asynccontextmanager
    async def at_venue(self) -> AsyncIterator[tuple[Follower, VenueStage]]:
        async with self.stage() as stage:
            yield Follower(stage), stage

    # --- reading ---

    async def test_the_same_word_twice_changes_nothing(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new())
            await at.trade(0, ONE)
            order = await at.until(order, lambda one: one.filled_quantity == ONE)
            seen = await stage.broker.find(order)
            assert seen is not None
            assert seen == await stage.broker.find(order)
            assert not read(order, seen, seq=9, fee_of=lambda _: Decimal(0)).events

    async def test_parts_of_an_order_add_up_and_each_is_told_once(self) -> None:
        async with self.at_venue() as (at, _):
            order = await at.place(at.new(quantity=Decimal(3)))
            for filled in (1, 2, 3):
                await at.trade(filled, ONE)
                order = await at.until(order, lambda one, wanted=Decimal(filled): one.filled_quantity == wanted)  # type: ignore[misc]  # a default binds the loop's value
                assert order.status is (S.FILLED if filled == 3 else S.PARTIALLY_FILLED)
            assert len(set(order.fill_ids)) == len(at.fills[order.order_id]) == 3

    async def test_the_position_is_what_was_filled(self) -> None:
        async with self.at_venue() as (at, stage):
            entry = await at.place(at.new(OrderSide.SELL))
            await at.trade(0)
            await at.until(entry, lambda one: one.status is S.FILLED)
            [held] = [one for one in await stage.broker.positions() if one.quantity]
            assert held.quantity == -stage.quantity
            leave = await at.place(at.new(OrderSide.BUY, purpose=Purpose.EXIT))
            await at.trade(0)
            await at.until(leave, lambda one: one.status is S.FILLED)
            assert not [one for one in await stage.broker.positions() if one.quantity]

    async def test_an_account_has_money_and_a_masked_number(self) -> None:
        async with self.at_venue() as (_, stage):
            standing, balances = await stage.broker.standing(), await stage.broker.balances()
            assert standing.obstacles == ()
            assert sum(sign.isdigit() for sign in standing.account_number) <= 4
            assert balances.net_liquidation is not None

    async def test_orders_are_listed_while_they_work_and_when_they_have_ended(self) -> None:
        async with self.at_venue() as (at, stage):
            began = stage.now_ns() - 10**9  # venues tell whole seconds
            resting = await at.place(at.new(limit=stage.price - 4 * stage.tick))
            filled = await at.place(at.new(quantity=ONE))
            await at.trade(0)
            await at.until(filled, lambda one: one.status is S.FILLED)
            for _ in range(2):
                listed = [one.venue_order_id for one in await stage.broker.orders(began)]
                assert sorted(listed) == sorted([str(resting.venue_order_id), str(filled.venue_order_id)])

    async def test_two_orders_alike_are_two_orders(self) -> None:
        async with self.at_venue() as (at, stage):
            limit = stage.price - 4 * stage.tick
            first, second = [await at.place(at.new(limit=limit)) for _ in range(2)]
            assert first.venue_order_id != second.venue_order_id
            await at.cancel(first)
            await at.until(first, lambda one: one.status is S.CANCELED)
            assert (await at.until(second, lambda one: True)).status is S.ACCEPTED

    async def test_an_error_of_the_venue_is_not_absence(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
            _strike(stage, Mishap.UNREADABLE)
            for known in (order, msgspec.structs.replace(order, venue_order_id=None)):
                try:
                    found = await stage.broker.find(known)
                except VenueError:
                    continue
                raise AssertionError(f"a read that failed was taken for {found}")
            stage.mend()
            assert await stage.broker.find(order) is not None

    # --- changing ---

    async def test_a_replaced_order_is_one_order_with_another_price(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 40 * stage.tick))
            at.take(await stage.broker.replace_order(order, stage.price - 4 * stage.tick, None))
            order = await at.until(order, lambda one: one.status is S.ACCEPTED)
            await at.trade(-6)
            order = await at.until(order, lambda one: one.status is S.FILLED)
            assert order.filled_quantity == stage.quantity
            assert order.average_fill_price is not None
            assert order.average_fill_price > stage.price - 40 * stage.tick

    async def test_what_filled_before_a_replacement_counts(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick, quantity=Decimal(3)))
            await at.trade(-6, ONE)
            order = await at.until(order, lambda one: one.filled_quantity == ONE)
            at.take(await stage.broker.replace_order(order, stage.price - 8 * stage.tick, None))
            order = await at.until(order, lambda one: one.status in (S.ACCEPTED, S.PARTIALLY_FILLED))
            await at.trade(-12, stage.quantity)
            order = await at.until(order, lambda one: one.is_terminal)
            assert (order.status, order.filled_quantity) == (S.FILLED, Decimal(3))
            assert [one.quantity for one in await stage.broker.positions() if one.quantity] == [Decimal(3)]

    async def test_what_filled_before_a_replacement_and_was_not_read_counts(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick, quantity=Decimal(3)))
            await at.trade(-6, ONE)
            at.take(await stage.broker.replace_order(order, stage.price - 8 * stage.tick, None))
            await at.trade(-12, stage.quantity)
            order = await at.until(order, lambda one: one.is_terminal)
            assert (order.status, order.filled_quantity) == (S.FILLED, Decimal(3))

    async def test_a_cancel_of_what_is_partly_filled_keeps_the_part(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick, quantity=Decimal(3)))
            await at.trade(-6, ONE)
            await at.cancel(await at.until(order, lambda one: one.filled_quantity == ONE))
            order = await at.until(order, lambda one: one.is_terminal)
            assert (order.status, order.filled_quantity) == (S.CANCELED, ONE)

    async def test_a_fill_that_crosses_the_cancel_counts(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
            _strike(stage, Mishap.FILLED_FIRST)
            await at.cancel(order)
            order = await at.until(order, lambda one: one.is_terminal)
            assert (order.status, order.filled_quantity) == (S.FILLED, stage.quantity)

    async def test_a_cancel_that_comes_too_late_finds_the_fill(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
            await at.trade(-6)
            await at.cancel(order)
            assert (await at.until(order, lambda one: one.is_terminal)).status is S.FILLED

    async def test_a_rejection_behind_the_acceptance_has_its_reason(self) -> None:
        async with self.at_venue() as (at, stage):
            _strike(stage, Mishap.REJECTED_LATER)
            order = await at.until(await at.place(at.new()), lambda one: one.is_terminal)
            assert (order.status, order.filled_quantity, bool(order.text)) == (S.REJECTED, Decimal(0), True)

    # --- exactly one order ---

    async def test_an_order_that_arrived_without_a_clear_answer_is_found(self) -> None:
        for mishap in ARRIVED:
            async with self.at_venue() as (at, stage):
                _strike(stage, mishap)
                order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
                assert order.status in (S.SUBMIT_UNKNOWN, S.ACCEPTED), (mishap, order)
                order = await at.until(order, lambda one: one.status is S.ACCEPTED)
                assert (stage.taken(), bool(order.venue_order_id)) == (1, True), mishap

    async def test_an_order_that_never_arrived_is_absent_and_may_be_sent_again(self) -> None:
        for mishap in NOT_ARRIVED:
            async with self.at_venue() as (at, stage):
                _strike(stage, mishap)
                order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
                assert (order.status, stage.taken()) == (S.SUBMIT_UNKNOWN, 0), mishap
                assert await stage.broker.find(order) is None, mishap
                assert (await at.place(order)).status is S.ACCEPTED, mishap
                assert stage.taken() == 1, mishap

    # --- restarts ---

    async def test_a_new_process_finds_what_works_and_what_it_may_have_sent(self) -> None:
        for mishap in (None, *ARRIVED, *NOT_ARRIVED):
            async with self.at_venue() as (at, stage):
                if mishap is not None:
                    _strike(stage, mishap)
                order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
                await stage.reopen()
                await stage.broker.restore([order])
                if mishap in NOT_ARRIVED:
                    assert await stage.broker.find(order) is None, mishap
                    continue
                order = await at.until(order, lambda one: one.status is S.ACCEPTED)
                await at.trade(-6)
                assert (await at.until(order, lambda one: one.is_terminal)).filled_quantity == stage.quantity, mishap

    async def test_a_fill_while_nobody_was_connected_is_found(self) -> None:
        async with self.at_venue() as (at, stage):
            order = await at.place(at.new(limit=stage.price - 4 * stage.tick))
            await stage.broker.close()
            await at.trade(-6)
            await stage.reopen()
            assert (await at.until(order, lambda one: one.is_terminal)).status is S.FILLED

    # --- the stream ---

    async def test_a_fill_wakes_whoever_listens(self) -> None:
        async with self.at_venue() as (at, _):
            await at.wake_up("reconnected")
            order = await at.place(at.new())
            await at.trade(0)
            await at.wake_up("order")
            await at.until(order, lambda one: one.status is S.FILLED)

    async def test_a_frame_that_is_missing_hides_no_fill(self) -> None:
        await self._filled_in_spite_of(Mishap.FRAME_MISSING)

    async def test_a_frame_that_comes_twice_books_no_fill_twice(self) -> None:
        await self._filled_in_spite_of(Mishap.FRAME_TWICE)

    async def test_a_stream_that_is_cut_is_opened_again_and_says_so(self) -> None:
        async with self.at_venue() as (at, stage):
            await at.wake_up("reconnected")
            _strike(stage, Mishap.STREAM_CUT)
            order = await at.place(at.new())
            await at.trade(0)
            await at.wake_up("reconnected")
            assert (await at.until(order, lambda one: one.status is S.FILLED)).filled_quantity == stage.quantity

    async def _filled_in_spite_of(self, mishap: Mishap) -> None:
        async with self.at_venue() as (at, stage):
            await at.wake_up("reconnected")
            _strike(stage, mishap)
            order = await at.place(at.new())
            await at.trade(0)
            order = await at.until(order, lambda one: one.status is S.FILLED)
            assert (order.filled_quantity, len(order.fill_ids)) == (stage.quantity, len(set(order.fill_ids)))


def _strike(stage: VenueStage, mishap: Mishap) -> None:
    try:
        stage.strike(mishap)
    except NotImplementedError:
        raise unittest.SkipTest(f"this stage cannot bring it about that {mishap.value}") from None
