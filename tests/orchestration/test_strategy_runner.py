"""The runner: positions stay within the configured quantity, reversals are two fills, and what was is not forgotten."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import cast

import msgspec
import pytest
from tests.builders import HOUR, MINUTE, NQ, OPEN, PAPER, SECOND, bar, tick, update
from tests.engine.desk import Scripted
from tests.orchestration.stage import ListSource, Run, wave

from fortified.domain.errors import StoreUnavailable
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Fill, Order, OrderStatus, Purpose
from fortified.domain.position import Position
from fortified.domain.signal import Target
from fortified.domain.trade import Trade
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Command, DenialCode
from fortified.engine.risk import RiskLimits
from fortified.orchestration import replay
from fortified.orchestration.events import RunnerStatus, SystemEvent
from fortified.ports import BusEvent, BusReader, EntryId, Ledger, LedgerUnit, TradeQuery
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "READ_TIMEOUT_MS", 1)


class Script:
    """A reader of entries that a test wrote down."""

    def __init__(self) -> None:
        self.entries: list[BusEvent] = []
        self.last = 0

    def add(self, payload: Bar | BarUpdate, *, gap: bool = False) -> None:
        self.last += 1
        self.entries.append(BusEvent(EntryId(self.last, 1), payload, gap))

    async def read(self, timeout_ms: int) -> Sequence[BusEvent]:
        taken, self.entries = self.entries, []
        return taken

    def pending(self) -> int:
        return 0

    async def close(self) -> None:
        return


class Play:
    """A runner that is shown entries one by one. Bars that close at 1, -1 and 0 make it wish for long, short and flat."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        timeframe: str = "1",
        fills: FillModel | None = None,
        ledger: Ledger | None = None,
        limits: RiskLimits | None = None,
    ) -> None:
        self.store = store or MemoryStore()
        self.run = Run(
            self.store,
            ListSource([]),
            timeframe=timeframe,
            fills=fills,
            strategy=Scripted,
            parameters={},
            warmup=0,
            instrument=NQ,
            ledger=ledger,
            limits=limits,
        )
        self.script = Script()
        self.heard: list[SystemEvent] = []
        self.run.listeners.add(self.heard.append)

    async def show(self, *payloads: Bar | BarUpdate) -> None:
        for payload in payloads:
            self.script.add(payload)
        await self.run.runner.run_once(cast("BusReader", self.script), 0)

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def position(self) -> Position:
        found = self.run.positions.position(PAPER, "scripted", "/NQ")
        assert found is not None
        return found


def minute(number: int, close: float) -> Bar:
    return bar(number, close)


def after(number: int, price: float, *, later: int = 1) -> BarUpdate:
    """A tick behind minute ``number``."""
    return update(10 * number + 9 + later, price, ts=OPEN + (number + 1) * MINUTE + later * SECOND)


async def test_a_reversal_at_next_closes_and_opens_at_the_same_tick() -> None:
    play = Play()
    await play.show(minute(0, 1.0), after(0, 100.0), minute(1, -1.0), after(1, 105.25), after(1, 106.0, later=2))
    assert [(fill.purpose, fill.price, fill.seq) for fill in play.of(Fill)] == [
        (Purpose.ENTRY, Decimal("100.0"), 10),
        (Purpose.EXIT, Decimal("105.25"), 20),
        (Purpose.ENTRY, Decimal("105.25"), 20),
    ]
    [trade] = play.of(Trade)
    assert (trade.gross_pnl, trade.fees, trade.bars_held) == (2 * Decimal("5.25") * 20, 10, 1)
    assert play.position.quantity == -2


async def test_a_reversal_at_last_closes_and_opens_at_the_price_of_the_decision() -> None:
    play = Play(fills=FillModel("last"))
    await play.show(minute(0, 1.0), minute(1, -1.0))
    assert [(fill.price, fill.seq) for fill in play.of(Fill)] == [(1, 9), (-1, 19), (-1, 19)]
    assert play.position.quantity == -2


async def test_an_order_goes_through_its_states_in_order_and_is_durable_before_it_is_sent() -> None:
    play = Play()
    sent: list[OrderStatus] = []
    [broker] = play.run.brokers
    place = broker.place_order

    async def spying(order: Order) -> object:
        stored = await play.store.ledger.order(order.order_id)
        assert stored is not None
        sent.append(stored.status)
        return await place(order)

    broker.place_order = spying  # type: ignore[method-assign, assignment]  # a spy
    await play.show(minute(0, 1.0), after(0, 100.0))
    assert sent == [OrderStatus.INITIALIZED]
    assert [order.status for order in play.of(Order)] == [OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.FILLED]


@pytest.mark.parametrize("model", [FillModel(), FillModel("last"), FillModel(latency_ns=3 * SECOND, slippage_ticks=2)])
async def test_the_position_never_exceeds_the_quantity_and_the_ledger_agrees(model: FillModel) -> None:
    run = Run(MemoryStore(), ListSource(wave(400)), fills=model)
    quantities: list[Decimal] = []
    run.listeners.add(lambda event: quantities.append(event.quantity) if isinstance(event, Position) else None)
    result = await run.to_the_end()
    assert set(quantities) == {-2, 0, 2}
    assert all(0 in pair for pair in pairwise(quantities))  # never from long to short in one fill
    trades, total = await run.store.ledger.trades(TradeQuery(limit=None))
    assert total == len(trades) == result.stats.trades
    [position] = await run.store.ledger.positions()
    assert position.realized_pnl - position.fees == sum(trade.net_pnl for trade in trades)
    cash = sum((-fill.price * fill.quantity * fill.side.sign * 20 - fill.fee for fill in result.fills), Decimal(0))
    assert result.stats.net_pnl == cash


async def test_nothing_fills_at_or_before_its_decision() -> None:
    run = Run(MemoryStore(), ListSource(wave(300)))
    result = await run.to_the_end(flatten=False)
    for fill in result.fills:
        order = await run.store.ledger.order(fill.order_id)
        assert order is not None
        assert (fill.seq > order.seq, fill.ts_event >= order.ts_created) == (True, True)


async def test_a_hole_in_the_stream_warms_up_again() -> None:
    play = Play()
    play.run.runner.engine.config = msgspec.structs.replace(play.run.runner.engine.config, warmup=1)
    await play.show(minute(0, 5.0))
    play.script.add(minute(3, 1.0), gap=True)
    await play.show()
    [(_, denial)] = await play.store.ledger.denials()
    assert denial.code is DenialCode.WARMING_UP


async def test_a_command_is_carried_out_and_a_repetition_is_not() -> None:
    play = Play(fills=FillModel("last"))
    await play.show(minute(0, 5.0))
    orders, denials = await play.run.runner.command(Command("c1", Target.LONG, "manual_long", OPEN + MINUTE))
    assert ([order.reason for order in orders], denials, play.position.quantity) == (["manual_long"], [], 2)
    again = Play(play.store, fills=FillModel("last"))
    await again.run.runner.recover()
    orders, denials = await again.run.runner.command(Command("c1", Target.LONG, "manual_long", OPEN + MINUTE))
    assert (orders, [denial.code for denial in denials]) == ([], [DenialCode.DUPLICATE_INTENT])


async def test_a_store_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def no_pause(seconds: float) -> None:
        pauses.append(seconds)

    store = MemoryStore()
    play = Play(store, ledger=cast("Ledger", Away(store.ledger, 3)))
    monkeypatch.setattr(asyncio, "sleep", no_pause)
    await play.show(minute(0, 1.0), after(0, 100.0))
    assert pauses == [0.05, 0.1, 0.2]
    assert play.position.quantity == 2
    assert [fill.quantity for fill in await store.ledger.fills()] == [2]


class Away:
    """A ledger that does the work of its first commits and loses the answer."""

    def __init__(self, ledger: Ledger, times: int) -> None:
        self._ledger, self._times = ledger, times
        self.load, self.order = ledger.load, ledger.order

    async def commit(self, unit: LedgerUnit) -> None:
        await self._ledger.commit(unit)
        self._times -= 1
        if self._times >= 0:
            raise StoreUnavailable("no answer")


async def test_a_position_survives_a_change_of_the_timeframe() -> None:
    """Stop with 2 long in the 1-minute bars, configure 5 minutes, start: the strategy still holds 2."""
    old = Play(fills=FillModel("last"))
    await old.show(minute(0, 1.0))
    assert old.position.quantity == 2
    new = Play(old.store, timeframe="5", fills=FillModel("last"))
    await new.run.runner.recover()
    assert new.run.runner.open_quantity() == 2


async def test_the_daily_loss_ends_with_the_trading_day() -> None:
    play = Play(fills=FillModel("last"), limits=RiskLimits(daily_loss=Decimal(10)))
    await play.show(minute(0, 1.0), minute(1, 0.0), minute(2, 1.0))
    assert [denial.code for _, denial in await play.store.ledger.denials()] == [DenialCode.DAILY_LOSS]
    await play.show(minute(3 * 24 * 60, 1.0))
    assert play.position.quantity == 2


async def test_with_bars_alone_the_excursion_of_a_reversal_has_its_first_bar() -> None:
    from_bars = [
        msgspec.structs.replace(bar(number, close, open=100.0, high=120.0, low=90.0), flags=32)
        for number, close in enumerate((1.0, -1.0, 5.0, 0.0, 5.0))
    ]
    play = Play()
    await play.show(*from_bars[:3])
    assert play.run.runner.engine.extremes(PAPER) == (120, 90)


async def test_what_a_runner_says_of_itself() -> None:
    play = Play()
    await play.show(minute(0, 1.0), after(0, 100.5))
    blank = RunnerStatus("scripted", "/NQ", "1", "paper", "running", 0, 0, 0, (PAPER,))
    status = play.run.runner.describe(blank, OPEN + HOUR)
    assert (status.bars_seen, status.last_price, status.last_signal, status.working_orders) == (1, 100.5, "LONG up", 0)
    assert status.lag_ms == (HOUR - MINUTE - SECOND) / 1e6


def test_the_wave_is_made_of_ticks_in_order() -> None:
    assert [one.seq for one in wave(5)] == [0, 1, 2, 3, 4]
    assert wave(1)[0] == tick(0, OPEN, 20_000.0)
