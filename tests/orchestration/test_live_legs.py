"""One signal on /NQ, traded at TastyTrade and mirrored as QQQ at Schwab: each leg on its own way, none ahead of its own exit."""

from decimal import Decimal
from typing import Any

import pytest
from tests.engine.desk import Scripted
from tests.orchestration.house import Market
from tests.orchestration.live_house import simulated
from tests.orchestration.stop_house import DOWN, IDLE, ONE, OUT, SCHWAB, SCRIPT, TASTY, TEN, UP, StopHouse, Watch, one_house, stop_house

from fortified.domain.order import OrderStatus
from fortified.domain.signal import Target
from fortified.engine.inputs import DenialCode
from fortified.orchestration.events import DenialSeen
from fortified.ports import TradeQuery
from fortified.simulators.faults import Fault, Kind
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
LONG, SHORT = (Decimal(1), Decimal(10)), (Decimal(-1), Decimal(-10))
PLACE = "POST /trader/v1/accounts/*/orders"


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "script", SCRIPT)


async def begin(house: StopHouse, **fields: Any) -> None:
    """Both legs are long."""
    values: dict[str, Any] = {"quantities": ONE | TEN, "symbols": {"schwab": "QQQ"}, "stop_loss": None}
    await house.go(**(values | fields))
    await house.ticks(UP)
    await hold(house, *LONG)


async def hold(house: StopHouse, tasty: Decimal, schwab: Decimal) -> None:
    """Wait until the ledger and both brokers have come there."""
    expected = {venue: quantity for venue, quantity in (("tastytrade", tasty), ("schwab", schwab)) if quantity}

    async def there() -> bool:
        return await house.held() == expected and (house.at_venue(TASTY), house.at_venue(SCHWAB)) == (tasty, schwab)

    await house.wait(there, f"{tasty} at TastyTrade, {schwab} at Schwab")


async def follow(house: StopHouse) -> None:
    """Wait until the leg at Schwab is out, and short as well, unless it was told that both sides did not agree in that moment."""

    async def there() -> bool:
        frozen = DenialCode.LEG_FROZEN in [seen.denial.code for seen in house.of(DenialSeen) if seen.denial.account == SCHWAB]
        over = await house.working_at_all() == [] and house.at_venue(TASTY) == -1
        return over and (house.at_venue(SCHWAB) == -10 or (frozen and house.at_venue(SCHWAB) == 0))

    await house.wait(there, "it follows")


@pytest.mark.parametrize("kind", [Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.STATUS])
async def test_a_reversal_goes_on_where_the_broker_answers_and_follows_where_it_did_not(kind: Kind) -> None:
    async with one_house() as house:
        await begin(house)
        watch = Watch(house.exchange(SCHWAB))
        house.simulation.schwab_faults.next(PLACE, kind)
        house.simulation.schwab_faults.always("GET *", Kind.STATUS)  # nor does it answer who asks what became of it
        await house.ticks(DOWN)
        await house.until(lambda: house.at_venue(TASTY) == -1, "the other leg has turned around")
        await house.ticks(IDLE, IDLE)
        assert [order.status for order in house.ours(SCHWAB, "QQQ")] == [OrderStatus.SUBMIT_UNKNOWN]
        house.simulation.schwab_faults.clear()
        await follow(house)
        assert watch.most == 1
        assert watch.positions <= {Decimal(10), Decimal(0), Decimal(-10)}
        await house.agree()


@pytest.mark.parametrize("kind", [Kind.SLOW_BEFORE, Kind.SLOW_AFTER])
async def test_a_broker_that_does_not_answer_holds_the_other_leg_up_neither_with_its_stop_nor_with_its_exit(kind: Kind) -> None:
    async with one_house() as house:
        house.simulation.schwab_faults.next(PLACE, Fault(kind, seconds=1.5))
        await house.go(quantities=ONE | TEN, symbols={"schwab": "QQQ"})
        await house.ticks(UP)
        await house.rests(at="19996.25")
        await house.ticks(OUT)
        await house.until(lambda: house.at_venue(TASTY) == 0, "one leg is closed")
        [order] = house.ours(SCHWAB, "QQQ")
        assert order.status is OrderStatus.INITIALIZED or order.venue_order_id is not None
        await house.flat()
        assert sum(order.ticket.buy for order in house.exchange(SCHWAB).orders.values()) == 1
        await house.agree()


async def test_stop_trading_calls_an_entry_off_whose_answer_is_late() -> None:
    async with one_house() as house:
        house.simulation.tastytrade_faults.next("POST */orders", Fault(Kind.SLOW_AFTER, seconds=1.0))
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)
        await house.go()
        await house.ticks(UP)
        await house.manager.stop("scripted", actor="test")
        await house.flat()
        assert [order.status for order in await house.made()] == [OrderStatus.CANCELED]


async def test_the_next_wish_waits_for_a_leg_in_doubt_and_is_the_one_that_counts() -> None:
    async with one_house() as house:
        await begin(house)
        house.simulation.schwab_faults.next(PLACE, Kind.DROP_BEFORE)
        house.simulation.schwab_faults.always("GET *", Kind.STATUS)
        await house.ticks(DOWN)
        await house.until(lambda: house.at_venue(TASTY) == -1, "the other leg has turned around")
        await house.ticks(UP)
        await house.until(lambda: house.at_venue(TASTY) == 1, "and back")
        house.simulation.schwab_faults.clear()
        await hold(house, *LONG)
        await house.agree()


async def test_an_entry_that_never_arrived_is_not_sent_again_against_a_newer_wish() -> None:
    async with one_house() as house:
        values: dict[str, Any] = {"quantities": ONE | TEN, "symbols": {"schwab": "QQQ"}, "stop_loss": None}
        await house.go(**values)
        house.simulation.schwab_faults.next(PLACE, Kind.DROP_BEFORE)
        house.simulation.schwab_faults.always("GET *", Kind.STATUS)
        await house.ticks(UP)
        await house.until(lambda: house.at_venue(TASTY) == 1, "one leg is open")
        await house.ticks(OUT)
        await house.until(lambda: house.at_venue(TASTY) == 0, "and closed")
        house.simulation.schwab_faults.clear()
        await house.flat()
        assert house.exchange(SCHWAB).orders == {}


async def test_an_exit_has_the_size_of_what_was_filled_when_the_rest_of_the_entry_is_over() -> None:
    async with one_house() as house:
        house.simulation.tastytrade_faults.next("order", Kind.SILENT)
        await house.go(quantities={"tastytrade": Decimal(3)} | TEN, symbols={"schwab": "QQQ"}, stop_loss=None)
        await house.ticks(UP)
        await house.until(lambda: house.at_venue(SCHWAB) == 10, "one leg is open")
        [entry] = house.exchange().live_orders()
        house.exchange().fill_now(entry, quantity=Decimal(1))
        await house.ticks(OUT)
        await house.until(lambda: house.at_venue(SCHWAB) == 0, "one leg is closed")
        assert house.exchange().live_orders() == [entry]
        house.exchange().fill_now(entry, quantity=Decimal(2))
        await house.flat()
        assert [order.ticket.quantity for order in house.exchange().orders.values()] == [3, 3]
        await house.agree()


async def test_a_leg_that_was_refused_comes_along_with_the_next_signal() -> None:
    async with one_house() as house:
        house.simulation.schwab_faults.next("order", Fault(Kind.REJECT, text="not today"))
        await house.go(quantities=ONE | TEN, symbols={"schwab": "QQQ"}, stop_loss=None)
        await house.ticks(UP)
        await hold(house, Decimal(1), Decimal(0))
        await house.ticks(IDLE, DOWN)
        await hold(house, *SHORT)
        await house.agree()


async def test_a_leg_whose_exit_is_refused_keeps_its_position_and_opens_nothing() -> None:
    async with one_house() as house:
        await begin(house)
        house.simulation.schwab_faults.next("order", Fault(Kind.REJECT, text="not today"))
        await house.ticks(DOWN)
        await hold(house, Decimal(-1), Decimal(10))
        await house.ticks(IDLE)
        await house.agree()
        assert await house.working_at_all() == []
        await house.ticks(OUT)
        await house.flat()


@pytest.mark.parametrize("kind", [Kind.DROP_BEFORE, Kind.DROP_AFTER])
async def test_a_process_that_dies_in_the_middle_of_a_reversal_is_followed_by_one_that_ends_it(kind: Kind) -> None:
    async with simulated() as (simulation, clock):
        store, market = MemoryStore(), Market()
        async with stop_house(simulation, clock, store, market) as first:
            await begin(first)
            simulation.schwab_faults.next(PLACE, kind)
            simulation.schwab_faults.always("GET *", Kind.STATUS)
            await first.ticks(DOWN)
            await first.until(lambda: first.at_venue(TASTY) == -1, "one leg has turned around")
        simulation.schwab_faults.clear()
        watch = Watch(simulation.schwab.exchange)
        async with stop_house(simulation, clock, store, market) as second:
            await follow(second)
            assert watch.most <= 1
            await second.ticks(IDLE, OUT)
            await second.flat()
            await second.agree()


async def test_each_leg_is_booked_in_its_own_money() -> None:
    async with one_house() as house:
        await begin(house)
        house.nq, house.qqq = "20010.00", "501.00"
        house.push()
        await house.ticks(OUT)
        await house.flat()
        [nq], _ = await house.store.ledger.trades(TradeQuery(strategy="scripted", venue="tastytrade"))
        [qqq], _ = await house.store.ledger.trades(TradeQuery(strategy="scripted", venue="schwab"))
        assert [nq.multiplier, nq.entry_price, nq.exit_price] == [Decimal(20), Decimal("20000.25"), Decimal("20009.75")]
        assert [nq.gross_pnl, nq.fees, nq.net_pnl] == [Decimal(190), Decimal(4), Decimal(186)]
        assert [qqq.multiplier, qqq.entry_price, qqq.exit_price] == [Decimal(1), Decimal("500.01"), Decimal("500.99")]
        assert [qqq.gross_pnl, qqq.fees, qqq.net_pnl] == [Decimal("9.80"), Decimal(0), Decimal("9.80")]


async def test_a_person_moves_all_legs_and_a_bar_has_one_entry_for_all_of_them() -> None:
    async with one_house() as house:
        await house.go(quantities=ONE | TEN, symbols={"schwab": "QQQ"}, stop_loss=None, timeframe="5t")
        await house.ticks(IDLE)

        async def wish(target: Target, name: str) -> list[DenialCode]:
            outcome = await house.manager.manual("/NQ", target, strategy=None, command_id=name, actor="test")
            return [denial.code for denial in outcome.denials]

        assert await wish(Target.LONG, "c1") == []
        await hold(house, *LONG)
        assert await wish(Target.FLAT, "c2") == []
        await house.flat()
        assert await wish(Target.SHORT, "c3") == [DenialCode.ONE_TRADE_PER_BAR] * 2
        await house.ticks(IDLE, IDLE, IDLE, IDLE, IDLE)
        assert await wish(Target.SHORT, "c4") == []
        await hold(house, *SHORT)
        await house.agree()


async def test_a_level_of_the_signal_closes_every_leg_though_one_broker_is_away() -> None:
    async with one_house() as house:
        await begin(house, stop_loss="4pts")
        await house.rests(at="19996.25")
        house.simulation.schwab_faults.always(PLACE, Kind.STATUS)
        house.nq = "19990.00"
        house.push()
        await house.ticks(19990.0)
        await house.until(lambda: house.at_venue(TASTY) == 0, "the stop has filled")
        assert house.at_venue(SCHWAB) == 10
        house.simulation.schwab_faults.clear()
        await house.flat()
        await house.agree()
