"""Live trading through the real adapters against the simulated brokers: one signal, both of them, and the ledger in step."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from tests.orchestration.house import Market
from tests.orchestration.live_house import LiveHouse, simulated

from fortified.domain.account import AccountId, Mode
from fortified.domain.errors import Refused
from fortified.domain.order import OrderStatus, OrderType
from fortified.engine.inputs import DenialCode
from fortified.orchestration.events import DenialSeen
from fortified.ports import TradeQuery
from fortified.simulators.faults import Fault, Kind
from fortified.simulators.server import Simulation
from fortified.simulators.tastytrade.venue import ACCOUNT
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
TASTY, SCHWAB = AccountId("live:tastytrade"), AccountId("live:schwab")
SUBMIT = f"POST /accounts/{ACCOUNT}/orders"
ONE_EACH = {"tastytrade": Decimal(1), "schwab": Decimal(10)}


@asynccontextmanager
async def house() -> AsyncIterator[LiveHouse]:
    async with simulated() as (simulation, clock):
        made = LiveHouse(simulation, clock, MemoryStore(), Market())
        made.push()
        async with made.live():
            yield made


def holds(house: LiveHouse, expected: dict[str, Decimal]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await house.held() == expected

    return look


async def agree(house: LiveHouse) -> None:
    """Both sides are read anew, and nothing differs."""
    for keeper in house.manager.keepers():
        await keeper.look_at_orders()
        await keeper.compare()
        await keeper.compare()
        assert keeper.report().differences == ()


def at_broker(simulation: Simulation) -> list[tuple[str, str]]:
    """Every order that TastyTrade ever had: its external identifier and status."""
    return [(order.ticket.details["external-identifier"], str(order.state)) for order in simulation.tastytrade.exchange.orders.values()]


async def test_one_signal_trades_at_both_brokers_and_the_ledger_follows() -> None:
    async with house() as made:
        await made.go_live()
        await made.ticks(1.0)
        await made.wait(holds(made, ONE_EACH), "long at both")
        await agree(made)
        await made.ticks(-1.0)
        await made.wait(holds(made, {"tastytrade": Decimal(-1), "schwab": Decimal(-10)}), "short at both")
        await made.ticks(0.0)
        await made.wait(holds(made, {}), "flat at both")
        await agree(made)


@pytest.mark.parametrize("kind", [Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.STATUS, Kind.STATUS_AFTER, Kind.GARBLED, Kind.CUT_ANSWER])
async def test_an_entry_of_unknown_fate_becomes_exactly_one_order(kind: Kind) -> None:
    async with house() as made:
        await made.go_live()
        made.simulation.tastytrade_faults.next(SUBMIT, kind)
        await made.ticks(1.0)
        await made.wait(holds(made, ONE_EACH), "long at both")
        assert len(at_broker(made.simulation)) == 1
        await agree(made)


async def test_live_is_refused_until_both_sides_agree_and_a_person_may_say_what_is_external() -> None:
    async with simulated() as (simulation, clock):
        first = LiveHouse(simulation, clock, MemoryStore(), Market())
        first.push()
        async with first.live():
            await first.go_live()
            await first.ticks(1.0)
            await first.wait(holds(first, ONE_EACH), "long at both")
        second = LiveHouse(simulation, clock, MemoryStore(), Market())  # its ledger knows nothing of that
        async with second.live():
            with pytest.raises(Refused, match=r"/NQ: the ledger holds 0, the broker 1; adopt one of them"):
                await second.go_live()
            for account, what in ((TASTY, "/NQ"), (SCHWAB, "QQQ")):
                await second.manager.keeper(account).declare_external(what)
            await second.go_live()
            assert await second.held() == {}
            await second.ticks(0.0)
            await agree(second)


async def test_a_position_closed_elsewhere_freezes_the_leg_until_a_person_adopts_it() -> None:
    async with house() as made:
        await made.go_live()
        await made.ticks(1.0)
        await made.wait(holds(made, ONE_EACH), "long at both")
        made.simulation.tastytrade.exchange.accounts[ACCOUNT].seen.positions.clear()

        async def frozen() -> bool:
            return bool(made.manager.keeper(TASTY).report().differences)

        await made.wait(frozen, "the difference is seen")
        [difference] = made.manager.keeper(TASTY).report().differences
        assert difference.text == "/NQ: the ledger holds 1, the broker 0"
        assert made.manager.keeper(TASTY).frozen("/NQ")
        await made.manager.adopt(TASTY, "/NQ", "scripted", actor="test")
        assert await made.held() == {"schwab": Decimal(10)}
        await agree(made)
        [trade], _ = await made.store.ledger.trades(TradeQuery(strategy="scripted", venue="tastytrade"))
        assert trade.exit_reason == "adopted"


async def test_a_stop_rests_at_the_broker_follows_the_level_and_goes_with_the_position() -> None:
    async with house() as made:
        await made.go_live(stop_loss="4pts", quantities={"tastytrade": Decimal(1)}, symbols={})

        def resting() -> list[tuple[OrderType, Decimal | None]]:
            runner = made.manager._preparation.desk.runner(TASTY, "scripted", "/NQ")
            assert runner is not None
            return [(one.type, one.stop_price) for one in runner._book.working(TASTY) if one.status is OrderStatus.ACCEPTED]

        async def placed() -> bool:
            return bool(resting())

        await made.ticks(1.0)
        await made.wait(holds(made, {"tastytrade": Decimal(1)}), "long")
        await made.wait(placed, "a stop rests")
        [(kind, price)] = resting()
        assert kind is OrderType.STOP
        assert price is not None
        assert Decimal(19_990) < price < Decimal(20_000)
        await made.ticks(0.0)
        await made.wait(holds(made, {}), "flat")
        assert resting() == []
        await agree(made)


@pytest.mark.parametrize(("policy", "left"), [("hold", {"tastytrade": Decimal(1)}), ("alert", {"tastytrade": Decimal(1)}), ("unwind", {})])
async def test_what_becomes_of_a_leg_when_the_other_is_refused(policy: str, left: dict[str, Decimal]) -> None:
    async with house() as made:
        await made.go_live(leg_failure=policy)
        made.simulation.schwab_faults.next("order", Fault(Kind.REJECT, text="not today"))
        await made.ticks(1.0)

        async def ended() -> bool:
            states = {order.account: order.status for order in reversed(await made.store.ledger.orders())}
            return states == {TASTY: OrderStatus.FILLED, SCHWAB: OrderStatus.REJECTED} and await made.held() == left

        await made.wait(ended, "as the policy says")
        told = [seen.denial.code for seen in made.of(DenialSeen)]
        assert (DenialCode.LEG_FAILED in told) is (policy != "hold")
        await agree(made)


async def test_a_process_that_dies_between_intent_and_answer_sends_nothing_twice() -> None:
    async with simulated() as (simulation, clock):
        store, market = MemoryStore(), Market()
        first = LiveHouse(simulation, clock, store, market)
        first.push()
        async with first.live():
            await first.go_live()
            simulation.tastytrade_faults.next(SUBMIT, Fault(Kind.SLOW_AFTER, seconds=30.0))
            market.add("/NQ", 1.0)

            async def intended() -> bool:
                return any(order.account == TASTY for order in await store.ledger.orders())

            await first.wait(intended, "the intent is durable")
        second = LiveHouse(simulation, clock, store, market)
        async with second.live():
            await second.wait(holds(second, ONE_EACH), "long at both")
            assert len(at_broker(simulation)) == 1
            assert [status.mode for status in second.manager.status()] == [Mode.LIVE]
            await agree(second)
