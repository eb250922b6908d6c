"""What runs, and that it does: start, stop, resume, and what a fault of one leaves of the others."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import pytest
from tests.builders import OPEN, SECOND
from tests.orchestration.house import NEXT, GatedLedger, House, Leases, Market, PatientMarket, until
from tests.orchestration.stage import CrashingLedger, wave

from fortified.domain.account import Mode
from fortified.domain.errors import ConfigError, InvariantError, NotFound, Refused, StoreUnavailable, VenueUnavailable
from fortified.domain.market import BarFlag
from fortified.domain.order import Fill, Order, OrderStatus, Purpose
from fortified.domain.signal import Target
from fortified.domain.trade import Trade
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.orchestration import aggregation_manager, trading_manager
from fortified.orchestration.events import ManualOutcome, RunnerStatus
from fortified.orchestration.trading_manager import CATCH_UP_WINDOW
from fortified.ports import StreamRef, TradeQuery
from fortified.storage.memory import MemoryLease, MemoryStore

pytestmark = pytest.mark.anyio

BOTH = {"schwab": Decimal(10), "tastytrade": Decimal(3)}


async def trigger(house: House, target: Target, name: str = "c1", *, strategy: str | None = None, symbol: str = "/NQ") -> ManualOutcome:
    return await house.manager.manual(symbol, target, strategy=strategy, command_id=name, actor="test")


async def bars(house: House, timeframe: str) -> list[tuple[int, BarFlag | int]]:
    """The last tick and the flags of each stored bar."""
    return [(bar.seq, bar.flags) for bar in await house.store.history.bars(StreamRef("/NQ", timeframe))]


# --- start, stop, status, resume ---


async def test_start_trade_stop() -> None:
    async with House().open() as house:
        [status] = await house.run()
        assert (status.state, status.accounts, status.source, status.reason) == ("running", ("paper:tastytrade",), "market", "")
        await house.ticks(5.0, 1.0, 5.0)
        assert (house.status().bars_seen, house.status().last_signal) == (3, "LONG up")
        [status] = await house.stop()
        assert (status.state, status.reason) == ("stopped", "stopped by test")
        await house.ticks(-1.0)
        assert await house.quantities() == {"tastytrade": 2}
        assert [one.state for one in house.of(RunnerStatus)] == ["running", "stopped"]
        assert await house.store.config.desired() == []


async def test_starting_what_runs_changes_nothing() -> None:
    async with House().open() as house:
        await house.run()
        await house.ticks(5.0)
        assert [status.bars_seen for status in await house.start()] == [1]
        assert len(house.of(RunnerStatus)) == 1


async def test_what_ran_runs_after_a_restart_and_what_was_stopped_does_not() -> None:
    async with House().open() as first:
        await first.run()
        await first.run("second")
        await first.ticks(5.0, 1.0)
        await first.stop("second")
    market = cast("Market", first.market)
    assert market.closed
    async with House(first.store, market=market).open() as second:
        assert [(status.strategy, status.state, status.bars_seen) for status in second.manager.status()] == [("scripted", "running", 2)]
        await second.ticks(-1.0)
        assert await second.quantities() == {"tastytrade": -2}
        assert await second.quantities("second") == {"tastytrade": 2}
    assert market.subscribed == [("/NQ", None), ("/NQ", 1)]


async def test_what_cannot_be_started_says_why() -> None:
    async with House().open() as house:
        with pytest.raises(NotFound, match="unknown strategy 'nobody'"):
            await house.start("nobody")
        with pytest.raises(NotFound, match="unknown strategy 'nobody'"):
            await house.stop("nobody")
        with pytest.raises(NotFound, match="'scripted' has no tickers"):
            await house.start()
        with pytest.raises(Refused, match="'planned' is not in this version"):
            await house.start("planned")
        await house.configure(quantities={"tastytrade": Decimal(0)})
        with pytest.raises(Refused, match="/NQ has no quantity at any broker"):
            await house.start()
        await house.configure(symbols={"tastytrade": "/ES"})
        with pytest.raises(Refused, match="another symbol at tastytrade"):
            await house.start()
        await house.configure()
        with pytest.raises(Refused, match="ALLOW_LIVE=true"):
            await house.manager.start("scripted", Mode.LIVE, actor="test")
        house.market = None
        with pytest.raises(Refused, match="no market data source for /NQ"):
            await house.start()
        assert (house.manager.status(), await house.store.config.desired(), house.heard) == ([], [], [])


async def test_one_ticker_that_cannot_start_does_not_keep_the_others_from_it() -> None:
    async with House().open() as house:
        await house.configure(symbol="/ES", quantities={})
        assert [(status.symbol, status.state) for status in await house.run()] == [("/NQ", "running")]


async def test_a_run_that_cannot_be_resumed_does_not_keep_the_server_from_starting() -> None:
    async with House().open() as first:
        await first.run()
        await first.run("second")
    await first.store.config.delete_ticker("scripted", "/NQ")
    async with House(first.store).open() as second:
        assert [status.strategy for status in second.manager.status()] == ["second"]


# --- several runners, one feed ---


async def test_two_strategies_on_one_symbol_with_timeframes_of_their_own() -> None:
    async with House().open() as house:
        await house.run()
        await house.run("second", timeframe="2t")
        await house.ticks(5.0, 1.0, -1.0, 5.0)
        assert (house.status().bars_seen, house.status("second").bars_seen) == (4, 2)
        assert (await house.quantities(), await house.quantities("second")) == ({"tastytrade": -2}, {"tastytrade": 2})
        assert cast("Market", house.market).subscribed == [("/NQ", None)]
        await house.stop()
        assert [feed.timeframes for feed in house.manager.health().feeds] == [("2t",)]


async def test_a_symbol_mirrored_at_two_venues_with_a_quantity_each() -> None:
    async with House(fills=NEXT).open() as house:
        await house.run(symbol="SPY", quantities=BOTH)
        await house.ticks(5.0, 1.0, -1.0, 5.0, symbol="SPY")
        assert await house.quantities(symbol="SPY") == {"schwab": -10, "tastytrade": -3}
        fills = [(fill.account, fill.purpose, fill.side.sign * fill.quantity, fill.seq) for fill in house.of(Fill)]
        assert sorted(fills) == [
            *[("paper:schwab", Purpose.ENTRY, -10, 3), ("paper:schwab", Purpose.ENTRY, 10, 2), ("paper:schwab", Purpose.EXIT, -10, 3)],
            *[("paper:tastytrade", Purpose.ENTRY, -3, 3), ("paper:tastytrade", Purpose.ENTRY, 3, 2)],
            ("paper:tastytrade", Purpose.EXIT, -3, 3),
        ]


async def test_chart_timeframes_begin_with_the_same_tick_as_the_runner() -> None:
    async with House(charts=("2t", "3t")).open() as house:
        cast("Market", house.market).add("/NQ", *[5.0] * 12)
        await house.run(timeframe="4t")
        await until(lambda: house.status().bars_seen == 3)
        assert [await bars(house, name) for name in ("2t", "3t", "4t")] == [
            [(seq, 0) for seq in range(length - 1, 12, length)] for length in (2, 3, 4)
        ]
        assert [ref.timeframe for ref in house.manager.chart_timeframes()] == ["2t", "3t", "4t"]
        await house.stop()
        cast("Market", house.market).add("/NQ", 5.0, 5.0)
        await until(lambda: cast("Market", house.market).given["/NQ"] == 14)
        assert await bars(house, "2t") == [(seq, 0) for seq in range(1, 14, 2)]


async def test_a_chart_timeframe_that_a_source_cannot_give_hinders_nobody() -> None:
    async with House(market=Market(bars="5"), charts=("1", "144t", "15")).open() as house:
        assert [status.state for status in await house.run(timeframe="5")] == ["running"]
        assert [ref.timeframe for ref in house.manager.chart_timeframes()] == ["15", "5"]


# --- changes of the configuration ---


async def test_a_changed_timeframe_keeps_the_position_and_ends_the_old_runner() -> None:
    async with House(fills=NEXT).open() as house:
        await house.run()
        await house.ticks(5.0, 1.0, 5.0)
        await trigger(house, Target.FLAT)
        assert len(await house.working()) == 1
        [status] = await house.run(timeframe="2t")
        assert (status.timeframe, status.state) == ("2t", "running")
        assert [feed.timeframes for feed in house.manager.health().feeds] == [("2t",)]
        assert await house.working() == []
        await house.ticks(5.0, 5.0, 5.0)
        assert await house.quantities() == {"tastytrade": 2}
        await house.ticks(5.0, -1.0, 5.0, 5.0)
        assert await house.quantities() == {"tastytrade": -2}


async def test_a_changed_quantity_takes_effect_at_the_next_start() -> None:
    async with House().open() as house:
        await house.run()
        await house.ticks(5.0, 1.0)
        await house.run(quantities={"tastytrade": Decimal(5)})
        assert await house.quantities() == {"tastytrade": 2}
        await house.ticks(-1.0)
        assert await house.quantities() == {"tastytrade": -5}


@pytest.mark.parametrize("changed", [{"trend_line_1": "SMA"}, {"period_1": 2, "trend_line_2": "WMA"}, {"period_2": 7}])
async def test_changed_parameters_make_a_new_strategy_warmed_by_the_past(changed: dict[str, Any]) -> None:
    """What another average remembered must not reach the new one: it decides as if it had always been there."""

    async def fills(*parameters: dict[str, Any]) -> Sequence[Fill]:
        async with House(charts=("1t",)).open() as house:
            prices = [one.price for one in wave(300)]
            await house.run("ema", parameters={"period_1": 1, "period_2": 3} | parameters[0])
            await house.ticks(*prices[:200])
            for again in parameters[1:]:
                [status] = await house.run("ema", parameters={"period_1": 1, "period_2": 3} | again)
                assert (status.state, status.warmup_got, status.bars_seen) == ("running", status.warmup_needed, 200)
            await trigger(house, Target.FLAT)
            seen = len(house.of(Fill))
            await house.ticks(*prices[200:])
            return [(fill.seq, fill.side, fill.price) for fill in house.of(Fill)[seen:]]  # type: ignore[misc]  # a shape of fills

    after = await fills({}, changed)
    assert len(after) > 20
    assert after[20:] == (await fills(changed))[-len(after[20:]) :]


async def test_a_ticker_that_runs_is_not_deleted() -> None:
    async with House().open() as house:
        with pytest.raises(ConfigError, match="unknown strategy"):
            await house.configure("nobody")
        with pytest.raises(NotFound, match="has no ticker /NQ"):
            await house.manager.delete_ticker("scripted", "/NQ")
        stored = await house.configure("planned", "/nq", "144T", quantities={"tastytrade": Decimal(1)})
        assert (stored.symbol, stored.timeframe) == ("/NQ", "144t")
        await house.run()
        with pytest.raises(Refused, match="stop it first"):
            await house.manager.delete_ticker("scripted", "/NQ")
        await house.stop()
        await house.manager.delete_ticker("scripted", "/NQ")
        assert house.manager.status("scripted") == []
        assert [config.strategy for config in await house.store.config.tickers()] == ["planned"]


async def test_a_ticker_cannot_be_deleted_while_it_is_being_started() -> None:
    async with House().open() as house:
        await house.configure()
        results = await asyncio.gather(house.start(), house.manager.delete_ticker("scripted", "/NQ"), return_exceptions=True)
        assert [type(result) for result in results] == [list, Refused]


# --- faults ---


async def test_a_strategy_that_raises_halts_its_runner_and_no_other() -> None:
    async with House().open() as house:
        await house.run("fragile")
        await house.run()
        await house.ticks(1.0, 13.0, -1.0)
        status = house.status("fragile")
        assert status.state == "halted"
        assert "strategy 'fragile' failed on the 1t bar of /NQ" in status.reason
        assert "house.py, line " in status.reason
        assert "ValueError: thirteen" in status.reason
        assert (house.manager.health().runners, house.manager.health().halted) == (2, 1)
        assert await house.quantities("fragile") == {"tastytrade": 2}
        assert await house.quantities() == {"tastytrade": -2}
        await house.start("fragile")
        await until(lambda: house.status("fragile").state == "halted")  # the same bar comes again


async def test_what_happened_before_a_strategy_raised_is_durable() -> None:
    """The order and the bar that the strategy fails on come in one batch."""
    async with House(market=Market(batch=3)).open() as house:
        await house.run("fragile")
        await house.ticks(5.0, 1.0, 13.0)
        assert house.status("fragile").state == "halted"
        [order] = await house.store.ledger.orders()
        assert (order.status, await house.quantities("fragile")) == (OrderStatus.FILLED, {"tastytrade": 2})


async def test_a_strategy_that_cannot_be_made_halts_its_runner_and_not_the_server() -> None:
    async with House().open() as first:
        await first.run()
        [status] = await first.run("fragile", parameters={"broken": 1})
        assert status.state == "halted"
        assert status.reason is not None
        assert status.reason.startswith("strategy 'fragile' failed on warmup_periods(), at ")
        assert status.reason.endswith("ZeroDivisionError: division by zero")
    async with House(first.store).open() as second:
        assert [(status.strategy, status.state) for status in second.manager.status()] == [("fragile", "halted"), ("scripted", "running")]


async def test_a_symbol_that_another_process_publishes_is_left_alone() -> None:
    store, leases = MemoryStore(), Leases("publisher:/NQ")
    store.lease = cast("MemoryLease", leases)
    house = House(store, charts=("1t",))
    async with house.open():
        await house.configure(symbol="/ES")
        await house.run()
        status = house.status()
        assert (status.state, status.reason) == ("halted", "publisher:/NQ is held by process 7 on elsewhere")
        assert (await house.state(), house.store.bus._pairs.get(StreamRef("/NQ", "1t"))) == (None, None)
        assert house.status(symbol="/ES").state == "running"
        assert leases.held == {"publisher:/ES"}
        leases.taken.clear()
        assert {status.state for status in await house.start()} == {"running"}
        assert [ref.symbol for ref in house.manager.chart_timeframes()] == ["/ES", "/NQ"]
    assert leases.held == set()


async def test_a_source_that_refuses_one_symbol_gives_the_others() -> None:
    house = House(charts=("2t",))
    market = cast("Market", house.market)
    market.refuses["/ES"] = VenueUnavailable("not today")
    async with house.open():
        await house.configure(symbol="/ES")
        await house.run()
        assert [(status.symbol, status.state, status.reason) for status in house.manager.status()] == [
            ("/ES", "halted", "not today"),
            ("/NQ", "running", ""),
        ]
        await house.ticks(1.0)
        assert await house.quantities() == {"tastytrade": 2}
        await house.start()
        await house.ticks(1.0, symbol="/ES")
        assert await house.quantities(symbol="/ES") == {"tastytrade": 2}
        assert [feed.timeframes for feed in house.manager.health().feeds] == [("1t", "2t"), ("1t", "2t")]


async def test_a_source_that_refuses_at_a_restart_does_not_keep_the_server_from_starting() -> None:
    async with House().open() as first:
        await first.configure(symbol="/ES")
        await first.run()
    second = House(first.store)
    cast("Market", second.market).refuses["/ES"] = VenueUnavailable("not today")
    async with second.open():
        assert [(status.symbol, status.state) for status in second.manager.status()] == [("/ES", "halted"), ("/NQ", "running")]


async def test_a_store_that_refuses_for_a_while_does_not_end_the_market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading_manager, "PUMP_RETRY_S", 0)
    house, refusals = House(), [StoreUnavailable("out of memory")]

    async def drain() -> None:
        if refusals:
            raise refusals.pop()

    house.store.bus.drain = drain  # type: ignore[method-assign]  # a store in trouble
    async with house.open():
        await house.run()
        await house.ticks(5.0, 1.0)
        assert refusals == []
        assert house.status().bars_seen == 2


async def test_a_store_that_is_gone_does_not_keep_a_server_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation_manager, "CLOSE_TIMEOUT_S", 0.01)
    house = House()
    async with house.open():
        await house.run()
        house.store.bus.flush = asyncio.Event().wait  # type: ignore[method-assign, assignment]  # never answers
    assert cast("Market", house.market).closed


# --- stop ---


async def test_stop_cancels_what_works_and_keeps_positions() -> None:
    async with House(fills=NEXT).open() as house:
        await house.run()
        await house.ticks(5.0, 1.0, 5.0)
        await trigger(house, Target.FLAT)
        assert house.status().working_orders == 1
        await house.stop()
        assert (await house.working(), await house.quantities()) == ([], {"tastytrade": 2})
        assert house.of(Order)[-1].status is OrderStatus.CANCELED
        await house.start()
        await house.ticks(5.0, 5.0)
        assert await house.quantities() == {"tastytrade": 2}


async def test_stop_leaves_nothing_that_follows_from_a_cancel() -> None:
    """The first order is in the way of a second wish; when it is canceled the second wish must not come true."""
    async with House(fills=FillModel(latency_ns=60 * SECOND)).open() as house:
        await house.run()
        await house.ticks(5.0, 1.0, -1.0)
        assert len(await house.working()) == 1
        await house.stop()
        assert (await house.working(), {order.status for order in await house.store.ledger.orders()}) == ([], {OrderStatus.CANCELED})


async def test_a_trigger_that_meets_a_stop_leaves_nothing_working() -> None:
    async with House(fills=NEXT).open() as house:
        house.store.ledger = cast("Any", GatedLedger(house.store))
        await house.run()
        await house.run("second")
        await house.ticks(5.0)
        stopped, outcome, _ = await asyncio.gather(house.stop(), trigger(house, Target.LONG), house.stop("second"))
        assert [status.state for status in stopped] == ["stopped"]
        assert outcome.denials[-1].code is DenialCode.HALTED
        assert await house.working() == []


# --- manual triggers ---


async def test_a_trigger_reaches_every_runner_of_the_symbol_or_one_strategy() -> None:
    async with House().open() as house:
        await house.run()
        await house.run("second", timeframe="2t", quantities=BOTH, symbol="SPY")
        await house.run("second", timeframe="2t")
        await house.ticks(5.0)
        outcome = await trigger(house, Target.LONG)
        assert outcome.runners == ("scripted:/NQ:1t:paper", "second:/NQ:2t:paper")
        assert [(order.strategy, order.reason) for order in outcome.orders] == [("scripted", "manual_long"), ("second", "manual_long")]
        outcome = await trigger(house, Target.FLAT, "c2", strategy="second")
        assert outcome.runners == ("second:/NQ:2t:paper",)
        assert (await house.quantities(), await house.quantities("second")) == ({"tastytrade": 2}, {"tastytrade": 0})


async def test_the_same_command_again_does_nothing() -> None:
    async with House().open() as house:
        await house.run()
        await house.ticks(5.0)
        first, again = await trigger(house, Target.LONG), await trigger(house, Target.LONG)
        assert (first.duplicate, again.duplicate, again.orders) == (False, True, ())
        assert [denial.code for denial in again.denials] == [DenialCode.DUPLICATE_INTENT]
        assert await house.quantities() == {"tastytrade": 2}


async def test_a_trigger_needs_a_runner_that_runs() -> None:
    async with House().open() as house:
        with pytest.raises(NotFound, match="no running runner of any strategy trades /NQ"):
            await trigger(house, Target.LONG)
        await house.run("fragile")
        [denial] = (await trigger(house, Target.LONG)).denials
        assert denial.code is DenialCode.STALE_DATA
        await house.ticks(13.0)
        with pytest.raises(NotFound, match="no running runner of strategy 'fragile'"):
            await trigger(house, Target.LONG, strategy="fragile")


async def test_a_reversal_by_hand_goes_to_its_end() -> None:
    async with House(fills=NEXT).open() as house:
        await house.run()
        await house.ticks(5.0, 1.0, 5.0)
        outcome = await trigger(house, Target.SHORT)
        assert [order.purpose for order in outcome.orders] == [Purpose.EXIT]
        await house.ticks(6.0)
        assert await house.quantities() == {"tastytrade": -2}
        assert [(fill.purpose, fill.seq, fill.reason) for fill in house.of(Fill)[1:]] == [
            (Purpose.EXIT, 3, "manual_short"),
            (Purpose.ENTRY, 3, "manual_short"),
        ]


async def test_a_contradiction_met_by_a_trigger_halts_the_runner() -> None:
    async with House().open() as house:
        await house.run()
        await house.ticks(5.0)

        def contradicts(*args: object) -> None:
            raise InvariantError("two plus two is five")

        house.manager._preparation._positions.apply = contradicts  # type: ignore[method-assign, assignment]  # what a bug would do
        with pytest.raises(InvariantError):
            await trigger(house, Target.LONG)
        assert (house.status().state, house.status().reason) == ("halted", "the ledger contradicts itself: two plus two is five")


# --- views ---


async def test_health_in_numbers() -> None:
    async with House().open() as house:
        assert (house.manager.health().feeds, house.manager.health().runners) == ((), 0)
        await house.run()
        await house.ticks(5.0, 5.0)
        house.now = OPEN + 3 * SECOND
        [feed] = house.manager.health().feeds
        assert (feed.symbol, feed.source, feed.timeframes, feed.ticks, feed.age_s) == ("/NQ", "market", ("1t",), 2, 2.0)
        assert (house.manager.health().runners, house.manager.health().demo) == (1, False)


async def test_the_mark_is_the_price_that_was_seen_last() -> None:
    async with House().open() as house:
        assert house.manager.mark("/NQ") is None
        await house.run()
        await house.ticks(5.0)
        await house.run("second")
        await house.stop()
        await house.ticks(7.25)
        assert house.manager.mark("/NQ") == Decimal("7.25")


async def test_strategies_that_are_planned_can_be_seen() -> None:
    infos = {info.name: info for info in House().manager.strategies()}
    assert [name for name, info in infos.items() if not info.available] == ["planned"]
    assert set(infos["ema"].parameters["properties"]) >= {"period_1", "trend_line_1"}


# --- recovery ---


async def lives(fills: FillModel, *ledgers: Any) -> tuple[object, ...]:
    """A market of 40 ticks traded by one process after the other, each with its ledger; what came out in the end."""
    store, market = MemoryStore(), Market(batch=3)
    ledger = store.ledger
    for life, crashing in enumerate((*ledgers, lambda ledger: ledger)):
        house = House(store, market=market, fills=fills)
        store.ledger = crashing(ledger)
        async with house.open():
            if not life:
                await house.run(quantities=BOTH, symbol="SPY")
                await house.ticks(*([5.0, 1.0, 5.0, -1.0, 0.0, 1.0, -1.0, 5.0] * 5), symbol="SPY")
        store.ledger = ledger
    async with House(store, market=market, fills=fills).open() as house:
        await until(lambda: house.status(symbol="SPY").bars_seen == 40 and house._is_done(house.status(symbol="SPY")))
    trades, _ = await ledger.trades(TradeQuery(limit=None))
    return await ledger.fills(), [trade.trade_id for trade in trades], await ledger.positions(), sorted(await ledger.orders(), key=repr)


@pytest.mark.parametrize("fills", [NEXT, FillModel("last")], ids=["next", "last"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_resumed_after_a_crash_at_every_commit(fills: FillModel, after: bool) -> None:
    counted: list[CrashingLedger] = []

    def counting(ledger: Any) -> Any:
        counted.append(CrashingLedger(ledger))
        return counted[-1]

    undisturbed = await lives(fills, counting)
    assert len(cast("list[Trade]", undisturbed[1])) > 10
    results = [await lives(fills, lambda ledger, n=n: CrashingLedger(ledger, n, after=after)) for n in range(counted[0].commits)]
    assert [n for n, result in enumerate(results) if result != undisturbed] == []


async def test_a_group_that_is_older_than_its_runner_doubles_nothing() -> None:
    """The process died between joining the streams and its first commit, or somebody cleared the ledger; the symbol went on."""
    async with House(charts=("1t",)).open() as first:
        await first.run()
        await first.ticks(5.0, 1.0, -1.0)
        await first.stop()
        await first.ticks(1.0, -1.0, 5.0)
        await until(lambda: cast("Market", first.market).given["/NQ"] == 6)
    await first.store.ledger.clear()
    async with House(first.store, market=first.market, charts=("1t",)).open() as second:
        await second.start()
        await second.ticks(1.0)
        assert (second.status().bars_seen, await second.quantities()) == (1, {"tastytrade": 2})
        assert [fill.seq for fill in second.of(Fill)] == [6]


async def test_a_start_beside_a_runner_at_work_does_not_turn_its_positions_back() -> None:
    """Starting one symbol reads the ledger while a fill of another one is on its way there."""
    async with House().open() as house:
        ledger = GatedLedger(house.store)
        house.store.ledger = cast("Any", ledger)
        await house.run()
        await house.ticks(1.0, 0.0)
        ledger.gate.clear()
        ledger.passes = 1  # the intent, and not the fill
        entry = asyncio.create_task(trigger(house, Target.LONG))
        await until(lambda: ledger.waiting == 1)
        await house.configure(symbol="/ES")
        start = asyncio.create_task(house.start())
        await until(lambda: ledger.waiting == 2)
        ledger.gate.set()
        await asyncio.gather(entry, start)
        await trigger(house, Target.FLAT, "c2")
        assert await house.quantities() == {"tastytrade": 0}
        assert [fill.purpose for fill in house.of(Fill)] == [Purpose.ENTRY, Purpose.EXIT] * 2


# --- back-pressure ---


async def test_a_patient_source_never_outruns_a_runner() -> None:
    market = PatientMarket(batch=256)
    house = House(market=market)
    ledger = GatedLedger(house.store)
    house.store.ledger = cast("Any", ledger)
    async with house.open():
        await house.run()
        ledger.gate.clear()
        market.add("/NQ", *[5.0] * 8_000)
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert CATCH_UP_WINDOW < market.given["/NQ"] <= CATCH_UP_WINDOW + 2 * 256
        ledger.gate.set()
        await house.ticks(1.0)
        assert house.status().bars_seen == 8_001
        assert await house.quantities() == {"tastytrade": 2}


async def test_a_patient_source_does_not_wait_for_a_runner_that_has_nothing_to_take_in() -> None:
    """The runner joined a symbol far on and died before its first tick; in its next life another symbol moves first."""
    market = PatientMarket(batch=64)
    async with House(market=market, charts=("1t",)).open() as first:
        await first.run()
        await first.ticks(*[5.0] * 3_000)
        await first.run("second")
    async with House(first.store, market=market, charts=("1t",)).open() as second:
        assert await second.state("second") is not None
        await second.run("second", symbol="SPY")
        await second.ticks(5.0, symbol="SPY")
        await second.ticks(1.0, symbol="SPY")
        assert await second.quantities("second", "SPY") == {"tastytrade": 2}
