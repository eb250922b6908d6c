"""Protective exits, sizing and cash of a ticker's configuration: in effect at the next start, and as they were after a restart."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.orchestration.house import LAST, NEXT, House

from fortified.domain.errors import ConfigError
from fortified.domain.order import Fill, Order, Purpose
from fortified.domain.signal import Target
from fortified.domain.ticker import TickerConfig
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.indicators.atr import ATR_PERIOD
from fortified.orchestration.events import DenialSeen

pytestmark = pytest.mark.anyio


def fills_of(house: House) -> list[tuple[str, Decimal, int]]:
    """Reason, price and tick of the fills that ``house`` heard of."""
    return [(fill.reason, fill.price, fill.seq) for fill in house.of(Fill)]


async def trigger(house: House, target: Target, name: str) -> None:
    await house.manager.manual("SPY", target, strategy=None, command_id=name, actor="test")


async def test_one_spelling_is_stored() -> None:
    async with House().open() as house:
        given: dict[str, Any] = {"stop_loss": "20.0 TICK", "take_profit": "1.50atr", "trailing": ".5 %", "sizing": "percent:25.00"}
        stored = await house.configure(**given, cash=Decimal("1E+5"))
        assert (stored.stop_loss, stored.take_profit, stored.trailing) == ("20ticks", "1.5atr", "0.5%")
        assert (stored.sizing, str(stored.cash)) == ("25%", "100000")
        assert await house.store.config.tickers("scripted") == [stored]
        assert await house.manager.put_ticker(stored) == stored


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stop_loss": "20"}, "stop_loss: distance '20'"),
        ({"trailing": "2000000000pts"}, "trailing: a distance of 2000000000 points is not possible"),
        ({"sizing": "0%"}, "sizing '0%'"),
        ({"cash": Decimal(0)}, "cash 0 is not possible"),
        ({"cash": Decimal("NaN")}, "cash NaN is not possible"),
    ],
)
async def test_what_is_not_understood_is_named_and_not_stored(fields: dict[str, Any], words: str) -> None:
    async with House().open() as house:
        with pytest.raises(ConfigError, match=words):
            await house.configure(**fields)
        assert await house.store.config.tickers() == []


@pytest.mark.parametrize(
    ("rules", "prices", "exit"),
    [
        ({"stop_loss": "4pts"}, (-2.75, -3.5, -5.0), ("stop_loss", Decimal("-3.5"), 2)),
        ({"take_profit": "8ticks"}, (2.75, 3.0, 9.0), ("take_profit", Decimal(3), 2)),
        ({"stop_loss": "9pts", "trailing": "3pts"}, (4.0, 1.25, 0.5, -9.0), ("trailing_stop", Decimal("0.5"), 3)),
    ],
)
async def test_a_touched_level_is_left_at_that_very_tick(
    rules: dict[str, str], prices: tuple[float, ...], exit: tuple[str, Decimal, int]
) -> None:
    async with House().open() as house:
        await house.run(**rules)
        await house.ticks(1.0, *prices)
        assert fills_of(house) == [("up", 1, 0), exit]
        assert await house.quantities() == {"tastytrade": 0}


@pytest.mark.parametrize("fills", [NEXT, LAST], ids=["next", "last"])
async def test_levels_armed_before_a_restart_count_behind_it(fills: FillModel) -> None:
    async with House(fills=fills).open() as first:
        await first.run(stop_loss="4pts", take_profit="9pts")
        await first.ticks(5.0, 1.0, 1.0)
        assert await first.quantities() == {"tastytrade": 2}
    async with House(first.store, market=first.market, fills=fills).open() as second:
        await second.ticks(2.0, -2.75, -3.25, -4.0, 15.0)
        assert fills_of(second) == [("stop_loss", Decimal("-3.25"), 5)]
    async with House(first.store, market=first.market, fills=fills).open() as third:
        await third.ticks(-5.0)
        assert fills_of(third) == []
    exits = [order for order in await first.store.ledger.orders() if order.purpose is Purpose.EXIT]
    assert [order.reason for order in exits] == ["stop_loss"]
    assert await third.quantities() == {"tastytrade": 0}


async def test_a_level_passed_while_the_process_was_away_is_left_at_the_first_tick_behind_it() -> None:
    async with House().open() as first:
        await first.run(stop_loss="4pts")
        await first.ticks(1.0)
    assert first.market is not None
    first.market.add("/NQ", -50.0, 1.0)
    async with House(first.store, market=first.market).open() as second:
        await second.ticks(5.0)
        assert fills_of(second) == [("stop_loss", -50, 1), ("up", 1, 2)]


async def test_changed_exits_wait_for_the_next_start_and_an_open_position_keeps_its_own() -> None:
    async with House().open() as house:
        await house.run(stop_loss="4pts")
        await house.ticks(1.0)
        await house.configure(stop_loss="2pts")
        await house.ticks(-1.5)
        assert await house.quantities() == {"tastytrade": 2}  # what runs does not know yet
        await house.start()
        await house.ticks(-1.5)
        assert await house.quantities() == {"tastytrade": 2}  # the level of this position was armed by its entry
        await house.ticks(-3.0, 1.0, -0.75, -1.25)
        assert fills_of(house)[1:] == [("stop_loss", -3, 3), ("up", 1, 4), ("stop_loss", Decimal("-1.25"), 6)]


@pytest.mark.parametrize("changed", [{"stop_loss": "4pts", "timeframe": "2t"}, {"stop_loss": "4pts"}], ids=["timeframe", "added"])
async def test_a_position_that_no_entry_armed_levels_for_gets_them_with_the_next_event(changed: dict[str, str]) -> None:
    """From its average price, which is 1."""
    async with House().open() as house:
        await house.run(stop_loss="4pts" if "timeframe" in changed else None)
        await house.ticks(1.0, 1.0)
        await house.run(**changed)
        await house.ticks(-2.5)
        assert await house.quantities() == {"tastytrade": 2}
        await house.ticks(-3.0)
        assert fills_of(house)[-1][:2] == ("stop_loss", Decimal(-3))


async def test_a_distance_in_average_true_ranges_has_a_warm_up() -> None:
    async with House(charts=("1t",)).open() as house:
        [status] = await house.run(stop_loss="2atr")
        assert status.warmup_needed == ATR_PERIOD
        await house.ticks(*[5.0, 6.0] * 6, 5.0, 1.0)
        assert [one.denial.code for one in house.of(DenialSeen)] == [DenialCode.WARMING_UP]
        await house.ticks(5.0, 1.0)
        assert await house.quantities() == {"tastytrade": 2}
        await house.configure(symbol="/ES", stop_loss="2pts")
        assert [status.warmup_needed for status in await house.start()] == [0, ATR_PERIOD]


async def test_an_entry_spends_a_share_of_what_the_account_has_after_a_restart_too() -> None:
    async with House().open() as first:
        await first.run(symbol="SPY", sizing="50%", cash=Decimal(10_000))
        await first.ticks(100.0, symbol="SPY")
        await trigger(first, Target.LONG, "in")
        assert await first.quantities(symbol="SPY") == {"tastytrade": 50}
        await first.ticks(110.0, symbol="SPY")
        await trigger(first, Target.FLAT, "out")
    async with House(first.store, market=first.market).open() as second:
        await second.ticks(100.0, symbol="SPY")
        await trigger(second, Target.SHORT, "in again")  # half of 10,500
        assert await second.quantities(symbol="SPY") == {"tastytrade": -52}
        assert [order.budget for order in second.of(Order)][-1] == 5_250


async def test_what_the_equity_cannot_buy_is_denied() -> None:
    async with House().open() as house:
        await house.run(symbol="SPY", sizing="all_in", cash=Decimal(99), quantities={"schwab": Decimal(7)})
        await house.ticks(100.0, symbol="SPY")
        await trigger(house, Target.LONG, "in")
        assert [(one.denial.code, one.denial.text) for one in house.of(DenialSeen)] == [
            (DenialCode.NO_CASH, "99 of money buys no unit at 100.0")
        ]


def test_a_configuration_that_was_stored_before_there_were_these_keys_means_what_it_meant() -> None:
    row = (
        b'{"strategy":"ema","symbol":"/NQ","timeframe":"1","trade_enabled":true,"quantities":{},"symbols":{},"parameters":{},"demo":false}'
    )
    assert msgspec.json.decode(row, type=TickerConfig) == TickerConfig("ema", "/NQ", "1")
