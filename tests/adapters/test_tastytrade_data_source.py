"""TastyTrade's market data over real sockets: every print once and in order, whatever the server and the line do."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from tests.adapters.dxlink_rig import NQ, Rig, changed, rig, seqs
from tests.builders import NQ_24_7

from fortified.adapters.tastytrade.tape import TapeCounts
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import AuthExpired, VenueUnavailable
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import Timeframe
from fortified.simulators.faults import Fault, Kind

pytestmark = pytest.mark.anyio

MINUTE = 60 * 10**9
LIVE = changed(from_session_open=False)
ALERT = changed(LIVE, timing={"accept_keepalive_s": 0.4, "step_s": 0.3}, silence_s=0.6)
"""Notices silence soon."""


async def stream(given: Rig, prices: Sequence[float]) -> None:
    """Print ``prices`` and wait for the last of them."""
    for price in prices:
        given.print(price)
    await given.until(lambda: bool(given.ticks) and given.prices[-1] == prices[-1])


async def lost(given: Rig) -> None:
    given.cut()
    await given.until(lambda: not given.source.health().connected)


def missing_prints(given: Rig) -> list[str]:
    """Gaps that say that prints were lost, rather than fetched late."""
    return [gap.reason for gap in given.gaps if "did not come" not in gap.reason and "could be over" not in gap.reason]


def counts(given: Rig) -> TapeCounts:
    return given.source.health().symbols[0].counts


# --- the ordinary course --------------------------------------------------------------------------------------------------------------


async def test_prints_become_ticks_with_their_quotes() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        given.print(20_000.25, 3.0, quote=(20_000.0, 20_000.25))
        await given.until_ticks(1)
        (tick,) = given.ticks
        assert (tick.symbol, tick.price, tick.size, tick.bid, tick.ask) == ("/NQ", 20_000.25, 3.0, 20_000.0, 20_000.25)
        assert tick.ts_recv >= tick.ts_event
        await given.until(lambda: any(quote.ask == 20_000.25 for quote in given.quotes))
        assert given.source.contract("/NQ") == NQ


async def test_two_runs_give_the_same_numbers() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0, 2.0, 3.0])
        async with rig() as other:
            other.venue.tapes = given.venue.tapes
            await other.subscribe()
            await other.until_ticks(3)
            assert seqs(other.ticks) == seqs(given.ticks)


async def test_a_first_start_begins_with_the_session() -> None:
    async with rig() as given:
        for number in range(2_500):
            given.print(float(number))
        await given.subscribe()
        await given.until_ticks(2_500)
        assert given.prices == [float(number) for number in range(2_500)]
        assert all(tick.ts_recv == tick.ts_event for tick in given.ticks)
        assert not given.gaps


async def test_watermarks_follow_what_was_delivered() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0])
        await given.until(lambda: bool(given.watermarks) and given.watermarks[-1].ts_event > given.ticks[-1].ts_event)
        stamps = [mark.ts_event for mark in given.watermarks]
        assert stamps == sorted(stamps)


async def test_an_end_of_the_subscription_reaches_the_venue() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await given.source.unsubscribe("/NQ")
        await given.until(lambda: not given.subscriptions())
        given.print(1.0)
        assert given.source.health().symbols == ()


async def test_symbols_are_kept_apart_also_in_one_frame() -> None:
    spy = Instrument("SPY", AssetClass.EQUITY, Decimal("0.01"), Decimal(1), "24/7")
    async with rig(LIVE) as given:
        await given.subscribe()
        await given.subscribe(instrument=spy)
        await given.until(lambda: given.subscriptions().count(("TimeAndSale", None)) == 2)
        given.venue.manners.aggregation_s = 0.05
        await lost(given)
        await given.until(lambda: given.subscriptions().count(("TimeAndSale", None)) == 2 and not given.is_behind())
        given.print(1.0)
        given.venue.print("SPY", 2.0)
        given.print(3.0)
        await given.until_ticks(3)
        by_symbol = {symbol: [tick.price for tick in given.ticks if tick.symbol == symbol] for symbol in ("/NQ", "SPY")}
        assert by_symbol == {"/NQ": [1.0, 3.0], "SPY": [2.0]}
        assert given.source.health().aggregation_s == 0.05


async def test_a_slow_reader_loses_nothing() -> None:
    async with rig(changed(LIVE, queued=2)) as given:
        await given.subscribe()
        for number in range(300):
            given.print(float(number))
            await asyncio.sleep(0)
        await given.until_ticks(300)
        assert given.prices == [float(number) for number in range(300)]


# --- the line -------------------------------------------------------------------------------------------------------------------------

COMMANDS = ("SETUP", "AUTH", "CHANNEL_REQUEST", "FEED_SETUP", "FEED_SUBSCRIPTION")
FRAMES = ("SETUP", "AUTH_STATE", "CHANNEL_OPENED", "FEED_CONFIG", "FEED_DATA")
POINTS = [f"command {name}" for name in COMMANDS] + [f"stream {name}" for name in FRAMES]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.ABORT, Kind.MISSING, Kind.FREEZE])
async def test_whatever_step_fails_every_print_is_there_in_the_end(point: str, kind: Kind) -> None:
    async with rig(ALERT) as given:
        given.venue.manners.keepalive_s = 0.4
        await given.subscribe()
        await stream(given, [1.0, 2.0])
        await lost(given)
        given.print(3.0)
        given.faults.next(point, kind)
        given.print(4.0)
        await given.until(lambda: bool(given.faults.happened))
        given.print(5.0)
        await given.until(lambda: given.prices[-1:] == [5.0] and given.source.health().connected)
        assert given.prices == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert not missing_prints(given)


async def test_a_first_connection_that_fails_is_told() -> None:
    async with rig(changed(LIVE, socket={"first_s": 1.5})) as given:
        given.faults.always("command SETUP", Kind.MISSING)
        with pytest.raises(VenueUnavailable, match="did not send SETUP"):
            await given.source.subscribe(NQ_24_7, None)
        given.faults.clear()
        await given.subscribe()  # and may be tried again
        await stream(given, [1.0])


async def test_a_frozen_server_is_left() -> None:
    async with rig(ALERT) as given:
        given.venue.manners.keepalive_s = 0.4
        await given.subscribe()
        given.faults.next("stream FEED_DATA", Kind.FREEZE)
        given.print(1.0)
        await given.until(lambda: given.source.health().reconnects == 1)
        await stream(given, [2.0])
        assert given.prices == [1.0, 2.0]


async def test_a_server_that_sends_no_data_in_a_session_is_left() -> None:
    async with rig(changed(LIVE, silence_s=0.3)) as given:
        await given.subscribe()
        await given.until(lambda: given.source.health().reconnects == 1)
        assert "no market data came" in given.source.health().reason


async def test_a_silent_client_is_let_go_and_ours_is_not() -> None:
    async with rig(changed(LIVE, timing={"keepalive_s": 0.3})) as given:
        await given.subscribe()
        first = given.venue.sessions[0]
        begun = given.clock.now_ns()
        await given.until(lambda: given.clock.now_ns() - begun > 900_000_000)
        assert given.venue.sessions == [first]
        assert given.source.health().reconnects == 0


async def test_prints_that_are_sent_again_are_known() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0, 2.0, 3.0])
        given.venue.manners.resent = 3
        await lost(given)
        await stream(given, [4.0])
        assert given.prices == [1.0, 2.0, 3.0, 4.0]
        assert counts(given).duplicates >= 3


async def test_a_restart_resumes_behind_the_last_number() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0, 2.0, 3.0])
        after = given.ticks[1].seq
        for price in (4.0, 5.0):
            given.print(price)
        async with rig(LIVE) as later:
            later.venue.tapes = given.venue.tapes
            await later.subscribe(after)
            await later.until_ticks(3)
            assert later.prices == [3.0, 4.0, 5.0]
            assert not later.gaps


async def test_what_the_venue_no_longer_has_is_a_gap() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0, 2.0])
        await lost(given)
        for price in (3.0, 4.0, 5.0):
            given.print(price)
        given.venue.manners.depth = 2
        await given.until_ticks(4)
        assert given.prices == [1.0, 2.0, 4.0, 5.0]
        assert [gap.reason for gap in given.gaps] == ["the venue's history is cut off"]


async def test_more_than_may_be_fetched_at_once_is_a_gap() -> None:
    async with rig(changed(most_prints=50)) as given:
        for number in range(200):
            given.print(float(number))
        given.venue.manners.rows_per_frame = 10
        await given.subscribe()
        await given.until(lambda: bool(given.ticks))
        assert given.prices == [float(number) for number in range(150, 200)]
        assert len(given.gaps) == 1


# --- what the server delivers ---------------------------------------------------------------------------------------------------------


async def test_fields_may_change_in_the_middle() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0])
        given.venue.manners.reversed = True
        await stream(given, [2.0])
        given.venue.manners.omitted = {"TimeAndSale": {"bidPrice", "index", "timeNanoPart", "eventFlags"}}
        await stream(given, [3.0])
        assert given.prices == [1.0, 2.0, 3.0]
        assert seqs(given.ticks) == sorted(set(seqs(given.ticks)))
        assert not given.gaps


async def test_data_without_its_fields_is_not_guessed_and_fetched_instead() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0])
        given.venue.manners.untold, given.venue.manners.omitted = True, {"TimeAndSale": {"bidPrice"}}
        given.print(2.0)
        await given.until(lambda: given.source.health().undecodable > 0)
        given.venue.manners.untold, given.venue.manners.omitted = False, {}
        await stream(given, [3.0])
        assert given.prices == [1.0, 2.0, 3.0]


async def test_objects_in_place_of_rows() -> None:
    async with rig(LIVE) as given:
        given.venue.manners.full = True
        await given.subscribe()
        await stream(given, [1.0, 2.0])
        assert given.prices == [1.0, 2.0]


async def test_prints_that_are_none_make_no_tick() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        given.venue.print(NQ, "NaN", "NaN")  # type: ignore[arg-type]  # as the wire has it
        given.print(1.0, validTick=False)
        given.print(2.0, 0.0)
        await stream(given, [3.0])
        assert given.prices == [3.0]
        assert counts(given).not_eligible == 3


async def test_amendments_change_no_tick_and_are_counted() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        first, second = given.print(1.0), given.print(2.0)
        given.venue.amend(first, "CORRECTION", price=1.5)
        given.venue.amend(second, "CANCEL")
        await stream(given, [3.0])
        assert given.prices == [1.0, 2.0, 3.0]
        assert (counts(given).corrections, counts(given).cancels) == (1, 1)


async def test_frames_may_be_larger_than_a_mebibyte() -> None:
    async with rig(changed(from_session_open=True)) as given:
        given.venue.manners.rows_per_frame = 100_000
        for number in range(20_000):
            given.print(float(number), exchangeSaleConditions="x" * 8)
        await given.subscribe()
        await given.until_ticks(20_000)
        assert given.prices[-1] == 19_999.0


async def print_until(given: Rig, condition: Callable[[], bool]) -> list[float]:
    """Print on, a little apart, until ``condition`` holds; the prices."""
    prices = list[float]()
    async with asyncio.timeout(10):
        while not condition():
            prices.append(1_000.0 + len(prices))
            given.print(prices[-1])
            await asyncio.sleep(0.005)
    return prices


async def test_frames_that_are_lost_are_missed_and_fetched() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await given.source.unsubscribe("/NQ")
        given.venue.tape(NQ).volume = 5_000.0
        await given.subscribe()
        before = await print_until(given, lambda: counts(given).ticks > 60)
        given.venue.manners.withheld = {"TimeAndSale"}
        lost_prices = [1.0, 2.0, 3.0]
        for price in lost_prices:
            given.print(price)
        given.venue.manners.withheld = set()
        after = await print_until(given, lambda: counts(given).recovered >= len(lost_prices))
        await given.until_ticks(len(before) + len(lost_prices) + len(after))
        assert sorted(given.prices) == sorted([*before, *lost_prices, *after])
        assert counts(given).late == len(lost_prices)
        assert seqs(given.ticks) == sorted(set(seqs(given.ticks)))


async def test_frames_that_are_lost_for_good_are_a_gap() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await print_until(given, lambda: counts(given).ticks > 60)
        given.venue.manners.withheld = {"TimeAndSale"}
        forgotten = given.print(1.0, 7.0)
        given.venue.manners.withheld = set()
        del given.venue.tape(NQ).prints[forgotten["index"]]
        await print_until(given, lambda: bool(given.gaps))
        assert [gap.reason for gap in given.gaps] == ["the day's volume says that 7 are missing"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_bad_line_costs_no_print(seed: int) -> None:
    """Frames are lost, sent twice or late, connections end and freeze by chance, while the market prints on."""
    async with rig(ALERT) as given:
        given.venue.manners.keepalive_s, given.venue.manners.resent = 0.4, 3
        given.server.faults._dice.seed(seed)
        await given.subscribe()
        given.faults.by_chance("stream FEED_DATA", [Kind.TWICE, Kind.CLOSE, Kind.ABORT, Kind.FREEZE], 0.02)
        given.faults.by_chance("command *", [Kind.CLOSE, Kind.ABORT], 0.05)
        begun = given.clock.now_ns()
        prices = await print_until(given, lambda: given.clock.now_ns() - begun > 2_000_000_000)
        given.faults.clear()
        given.print(1.0)
        await given.until(lambda: bool(given.prices) and given.prices[-1] == 1.0)
        assert given.source.health().reconnects > 0
        assert given.prices == [*prices, 1.0]
        assert not missing_prints(given)


async def test_without_prints_trades_take_their_place() -> None:
    async with rig(LIVE) as given:
        given.venue.manners.withheld = {"TimeAndSale"}
        given.print(0.5)
        await given.source.subscribe(NQ_24_7, None)
        await given.until(lambda: given.subscribed() and not given.is_behind())
        for price in (1.0, 2.0, 3.0):
            given.print(price)
            await asyncio.sleep(0.002)  # trades of one millisecond may be conflated
        await given.until_ticks(3)
        assert given.prices == [1.0, 2.0, 3.0]
        assert given.source.health().symbols[0].approximate_ticks
        assert any("ticks are made of trades" in gap.reason for gap in given.gaps)
        given.venue.manners.withheld = set()
        await stream(given, [4.0])
        assert not given.source.health().symbols[0].approximate_ticks


# --- authorization --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("close_channels", [False, True])
async def test_a_token_that_ends_is_replaced_and_nothing_is_lost(close_channels: bool) -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        await stream(given, [1.0])
        given.refused.update(given.tokens)
        given.venue.sessions[0].expire(close_channels=close_channels)
        given.print(2.0)
        await given.until(lambda: any(session.authorized for session in given.venue.sessions) and given.subscribed())
        await stream(given, [3.0])
        assert given.prices == [1.0, 2.0, 3.0]
        assert len(given.tokens) == 2 or close_channels


async def test_a_token_is_renewed_before_it_ends() -> None:
    async with rig(LIVE) as given:
        given.lifetime_ns = 10 * MINUTE + 200_000_000
        await given.subscribe()
        given.lifetime_ns = 60 * MINUTE
        await given.until(lambda: len(given.tokens) == 2)
        await stream(given, [1.0])
        assert given.source.health().reconnects == 0


async def test_a_token_that_is_refused_at_once_is_replaced() -> None:
    async with rig(LIVE) as given:
        given.refused.add("token1")
        await given.subscribe()
        await stream(given, [1.0])
        assert len(given.tokens) == 2


async def test_tokens_that_are_all_refused_are_told() -> None:
    async with rig(LIVE) as given:
        given.faults.always("command AUTH", Kind.DENY)
        with pytest.raises(AuthExpired, match="Connect TastyTrade again"):
            await given.source.subscribe(NQ_24_7, None)


async def test_delayed_data_is_told() -> None:
    async with rig(LIVE) as given:
        given.level = "demo"
        assert not given.source.is_delayed
        await given.subscribe()
        assert given.source.is_delayed
        assert given.source.health().delayed


# --- the past -------------------------------------------------------------------------------------------------------------------------


def bars_of(ticks: Sequence[Tick], timeframe: str) -> list[Bar]:
    aggregator = create_aggregator("/NQ", Timeframe.parse(timeframe), get_calendar("24/7"))
    return [bar for tick in ticks for bar in aggregator.on_tick(tick)]


def print_past(given: Rig, minutes: int, each: int = 4) -> None:
    """Prints of the last ``minutes``, and one of now."""
    now = given.clock.now_ns() // MINUTE * MINUTE
    for number in range(minutes * each):
        given.print(100.0 + number % 7, float(1 + number % 3), ts_ns=now - minutes * MINUTE + number * (MINUTE // each))
    given.print(100.0)


@pytest.mark.parametrize("timeframe", ["1", "5", "7t", "144t"])
async def test_bars_of_the_past_are_those_that_the_stream_would_have_made(timeframe: str) -> None:
    async with rig() as given:
        print_past(given, 180)
        await given.subscribe()
        await given.until_ticks(721)
        found = await given.source.history(NQ_24_7, Timeframe.parse(timeframe), 1_000)
        expected = bars_of(given.ticks, timeframe)
        values = [(bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in found]
        assert values[-len(expected) + 1 :] == [
            (bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in expected[1:]
        ]
        assert all(one.ts_close <= other.ts_open for one, other in itertools.pairwise(found))


async def test_bars_whose_beginning_was_not_asked_for_are_flagged() -> None:
    async with rig() as given:
        print_past(given, 600)
        given.venue.manners.depth = 7  # candles of half an hour: the oldest hour of four is cut
        await given.subscribe()
        found = await given.source.history(NQ_24_7, Timeframe.parse("4h"), 3)
        assert not [bar for bar in found[1:] if bar.flags & BarFlag.PARTIAL_START]


async def test_a_history_that_does_not_come_is_told() -> None:
    async with rig(changed(LIVE, history_step_s=0.1)) as given:
        await given.subscribe()
        given.venue.manners.withheld = {"Candle"}
        with pytest.raises(VenueUnavailable, match="did not come within"):
            await given.source.history(NQ_24_7, Timeframe.parse("1"), 10)


async def test_a_history_ends_with_the_connection() -> None:
    async with rig(LIVE) as given:
        await given.subscribe()
        given.faults.next("command FEED_SUBSCRIPTION", Fault(Kind.ABORT))
        with pytest.raises(VenueUnavailable, match="was lost"):
            await given.source.history(NQ_24_7, Timeframe.parse("1"), 10)
        await given.until(lambda: given.source.health().connected)


async def test_the_past_is_had_before_anything_is_subscribed_to() -> None:
    async with rig(LIVE) as given:
        await given.source.history(NQ_24_7, Timeframe.parse("1"), 10)
        assert given.source.health().connected
