"""The data source against the simulated Schwab: seconds out of level one over a real socket that breaks, freezes and is taken away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.adapters.schwab_desk import LIMIT_S, MONDAY, Desk, connection, desk, order

from fortified.adapters.schwab.data_source import SchwabDataSource
from fortified.adapters.schwab.level_one import SERVICE as LEVEL_ONE
from fortified.adapters.schwab.stream import StreamEvent, Subscribed
from fortified.adapters.wire_journal import WireJournal, read_journal
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Bar, BarFlag, Gap, Quote, SourceEvent, Watermark
from fortified.domain.timeframe import Timeframe
from fortified.simulators.faults import Kind

pytestmark = pytest.mark.anyio
SECOND = 10**9
SPY, QQQ = get_instrument("SPY"), get_instrument("QQQ")


class Tape:
    """What a source emits, read as it comes."""

    def __init__(self, at: Desk, source: SchwabDataSource) -> None:
        self.at, self.source = at, source
        self.seen: list[SourceEvent] = []
        self.subscribed = asyncio.Event()
        """The venue tells level one from now on."""
        self._events = source.events()
        at.connection.streamer.listen(self._hear)

    def _hear(self, event: StreamEvent) -> None:
        if isinstance(event, Subscribed) and event.service == LEVEL_ONE:
            self.subscribed.set()

    async def until[T: SourceEvent](self, kind: type[T], wanted: Callable[[T], bool] = lambda _: True) -> T:
        """The next event of that kind that is wanted."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                for event in await anext(self._events):
                    self.seen.append(event)
                    if isinstance(event, kind) and wanted(event):
                        return event

    async def quote(self, bid: float) -> None:
        """Until a quote is there: all that was said before it has been heard."""
        await self.until(Quote, lambda quote: quote.bid == bid)

    async def print_at(self, price: float, size: int, after_s: float, symbol: str = "SPY") -> None:
        """Let time pass, trade, and wait until it is heard."""
        self.at.clock.advance(after_s)
        bid = price - 0.01 - after_s / 10**4 - size / 10**6
        self.at.push(price, size, symbol, bid=f"{bid:.6f}", ask=f"{price + 0.01:.2f}")
        await self.quote(round(bid, 6))


@pytest.fixture
async def tape() -> AsyncIterator[Tape]:
    async with desk() as at:
        at.push(400, 100, "QQQ", bid="399.99", ask="400.01")
        source = at.connection.data_source()
        await source.subscribe(SPY, None)
        made = Tape(at, source)
        await made.until(Quote)
        yield made
        await source.close()


def bars(tape: Tape) -> list[tuple[float, ...]]:
    return [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in tape.seen if isinstance(bar, Bar)]


async def test_trades_become_seconds_with_the_volume_of_the_day_s_growth(tape: Tape) -> None:
    await tape.print_at(500.5, 100, 1.0)
    await tape.print_at(500.2, 50, 0.2)
    await tape.print_at(500.9, 70, 1.0)
    tape.at.clock.advance(3)
    tape.at.later(10)
    await tape.until(Bar, lambda bar: bar.close == 500.9)
    assert bars(tape) == [(500.5, 500.5, 500.2, 500.2, 150.0), (500.9, 500.9, 500.9, 500.9, 70.0)]
    first = next(event for event in tape.seen if isinstance(event, Bar))
    assert (first.ts_open, first.seq, first.timeframe) == (MONDAY + SECOND, MONDAY // SECOND + 1, "1s")
    assert first.flags == BarFlag.SYNTHESIZED | BarFlag.APPROXIMATE_TICKS | BarFlag.PARTIAL_START


async def test_how_far_the_market_is_known_follows_what_is_heard(tape: Tape) -> None:
    await tape.print_at(500.5, 100, 1.0)
    tape.at.later(10)  # a heartbeat
    mark = await tape.until(Watermark, lambda mark: mark.ts_event >= MONDAY + 9 * SECOND)
    assert mark.ts_event <= MONDAY + 11 * SECOND


async def test_a_break_in_which_something_was_traded_is_a_gap(tape: Tape) -> None:
    await tape.print_at(500.5, 100, 1.0)
    tape.at.simulation.schwab_streamer.stop()
    tape.at.clock.advance(2)
    tape.at.push(501, 900)
    gap = await tape.until(Gap)
    assert "900 shares" in gap.reason
    await tape.print_at(501.5, 30, 2.0)
    tape.at.later(10)
    await tape.until(Bar, lambda bar: bar.close == 501.5)
    assert [values[-1] for values in bars(tape)] == [100.0, 30.0]


async def test_a_break_without_a_trade_is_none(tape: Tape) -> None:
    await tape.print_at(500.5, 100, 1.0)
    tape.subscribed.clear()
    tape.at.simulation.schwab_streamer.stop()
    await asyncio.wait_for(tape.subscribed.wait(), LIMIT_S)
    await tape.print_at(500.6, 30, 2.0)
    tape.at.later(10)
    await tape.until(Bar, lambda bar: bar.close == 500.6)
    assert not [event for event in tape.seen if isinstance(event, Gap)]


async def test_a_socket_that_freezes_is_left_for_another(tape: Tape) -> None:
    tape.at.faults.next("stream *", Kind.FREEZE)
    tape.at.push(501, 900)
    lost = asyncio.create_task(tape.at.hint("lost"))
    while not (await asyncio.wait({lost}, timeout=0.1))[0]:
        tape.at.clock.advance(60)
    assert "silent" in lost.result().text
    await tape.at.hint("reconnected")
    await tape.until(Gap)


@pytest.mark.parametrize("kind", [Kind.ABORT, Kind.CLOSE])
async def test_a_socket_that_is_cut_is_opened_again_and_all_is_subscribed_anew(tape: Tape, kind: Kind) -> None:
    tape.at.faults.next("stream *", kind)
    tape.at.push(501, 900)
    await tape.at.hint("lost")
    await tape.until(Gap)
    await tape.print_at(501.5, 30, 2.0)
    await tape.at.place(order())
    await tape.at.hint("order")


async def test_a_frame_that_was_lost_costs_a_print_and_no_volume(tape: Tape) -> None:
    tape.at.faults.next("stream LEVELONE*", Kind.MISSING)
    tape.at.clock.advance(1)
    tape.at.push(505, 40)
    await tape.print_at(500.5, 60, 0.1)
    tape.at.later(10)
    assert (await tape.until(Bar)).volume == 100.0


async def test_symbols_come_and_go_on_the_one_connection(tape: Tape) -> None:
    await tape.source.subscribe(QQQ, None)
    await tape.until(Quote, lambda quote: quote.symbol == "QQQ")
    await tape.source.unsubscribe("QQQ")
    await tape.source.subscribe(QQQ, None)
    await tape.source.unsubscribe("SPY")
    for price in (400.5, 400.6):
        await tape.print_at(price, 10, 1.0, "QQQ")
    tape.at.later(10)
    assert (await tape.until(Bar)).symbol == "QQQ"
    assert len(tape.at.simulation.schwab_streamer.sessions) == 1


async def test_a_restart_begins_behind_what_was_published(tape: Tape) -> None:
    await tape.at.broker.close()
    again = connection(tape.at.simulation, tape.at.clock)
    source = again.data_source()
    await source.subscribe(SPY, MONDAY // SECOND - 5)
    restarted = Tape(tape.at, source)
    await restarted.until(Gap)
    await restarted.print_at(505.5, 60, 1.0)
    tape.at.later(10)
    assert (await restarted.until(Bar)).seq > MONDAY // SECOND
    await again.close()


async def test_minutes_are_held_against_the_venue_s(tape: Tape) -> None:
    for number in range(4):
        await tape.print_at(500.5 + number / 10, 100, 30.0)
    tape.at.clock.advance(30)
    await tape.print_at(502.0, 100, 5.0)
    tape.at.later(10)
    await tape.until(Bar, lambda bar: bar.close == 502.0)
    compared, different = tape.source.minutes_compared
    assert compared >= 1
    assert different == 0


async def test_a_timeframe_that_counts_trades_is_refused_with_the_reason(tape: Tape) -> None:
    with pytest.raises(ConfigError, match="144t bars cannot be built from 1s bars"):
        create_aggregator("SPY", Timeframe.parse("144t"), get_calendar("NYSE"), source=tape.source.bar_timeframe("SPY"))


async def test_futures_are_for_another_venue(tape: Tape) -> None:
    with pytest.raises(ConfigError, match="TastyTrade"):
        await tape.source.subscribe(get_instrument("/NQ"), None)


async def test_bars_of_the_past_are_closed_in_order_and_as_many_as_asked(tape: Tape) -> None:
    for name, count in (("1", 200), ("5", 50), ("1h", 20), ("1d", 5)):
        past = await tape.source.history(SPY, Timeframe.parse(name), count)
        assert len(past) == count
        assert [bar.ts_open for bar in past] == sorted({bar.ts_open for bar in past})
        assert all(bar.ts_close <= tape.at.clock.now_ns() and bar.timeframe == name for bar in past)
        assert all(bar.seq < MONDAY // SECOND for bar in past)
    assert await tape.source.history(SPY, Timeframe.parse("10s"), 5) == ()


async def test_the_journal_of_a_session_holds_no_secret(tmp_path: Path) -> None:
    journal = WireJournal(tmp_path, "schwab", clock=_Clock())
    async with desk(journal=journal) as at:
        await at.place(order())
        await at.hint("order")
        token = await at.connection.keeper.token()
    journal.close()
    entries = list(read_journal(tmp_path, "schwab"))
    assert {entry.channel for entry in entries} == {"schwab oauth", "schwab rest", "schwab streamer"}
    assert any("LOGIN" in entry.text for entry in entries)
    written = "".join(f"{entry.url}{entry.text}{entry.headers}" for entry in entries)
    assert token not in written
    assert "simulated-secret" not in written
    assert at.simulation.schwab.customer_id not in written


class _Clock:
    def now_ns(self) -> int:
        return MONDAY
