"""Time series of the past: whole or not, by which name, and what bars they make."""

import asyncio
import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NQ, NQ_24_7

from fortified.adapters.tastytrade.candles import candle_period, candle_symbol, normalised, time_bars, time_to_ask
from fortified.adapters.tastytrade.dxlink import ChannelPlan, DxLink, Subscription
from fortified.adapters.tastytrade.dxlink_events import Batch, Candle, trades_of
from fortified.adapters.tastytrade.dxlink_history import History, Snapshot
from fortified.adapters.tastytrade.outbox import Outbox
from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.adapters.tastytrade.quote_tokens import QuoteTokens
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import VenueUnavailable
from fortified.domain.market import BarFlag, Watermark
from fortified.domain.timeframe import Timeframe

DATA = Path(__file__).parents[3] / "shared" / "data"
MINUTE, HOUR, DAY = 60 * 10**9, 3600 * 10**9, 24 * 3600 * 10**9
NOW = 1_790_000_000 * 10**9 // DAY * DAY


class Row(msgspec.Struct):
    symbol: str
    index: int
    flags: int
    value: float = 0.0


def gathered(*rows: tuple[int, int], limit: int = 100) -> Snapshot[Row]:
    snapshot = Snapshot[Row](limit)
    for index, flags in rows:
        snapshot.add(Row("X", index, flags))
    return snapshot


# --- snapshots ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "done", "cut", "indices"),
    [
        ([(3, 4), (2, 0), (1, 0)], False, False, [1, 2, 3]),
        ([(3, 4), (2, 0), (0, 10)], True, False, [2, 3]),
        ([(3, 4), (2, 8)], True, False, [2, 3]),
        ([(3, 4), (2, 16)], True, True, [2, 3]),
        ([(0, 14)], True, False, []),
        ([(3, 12)], True, False, [3]),
        ([(3, 4), (2, 9)], False, False, [2, 3]),  # a transaction that is under way
        ([(3, 4), (2, 9), (4, 0)], True, False, [2, 3, 4]),
        ([(9, 0), (3, 4), (2, 8)], True, False, [2, 3]),  # what came before is none of it
        ([(3, 4), (2, 0), (5, 4), (4, 8)], True, False, [4, 5]),  # it began anew
        ([(3, 4), (2, 0), (3, 2), (1, 8)], True, False, [1, 2]),
    ],
)
def test_flags_say_when_a_snapshot_is_whole(rows: list[tuple[int, int]], done: bool, cut: bool, indices: list[int]) -> None:
    snapshot = gathered(*rows)
    assert (snapshot.is_done, snapshot.is_cut, [row.index for row in snapshot.rows]) == (done, cut, indices)


def test_a_snapshot_that_is_too_long_keeps_the_newest() -> None:
    snapshot = gathered((5, 4), (4, 0), (3, 0), limit=3)
    assert (snapshot.is_done, snapshot.is_cut) == (True, True)


@pytest.mark.anyio
async def test_requests_for_one_series_follow_one_another_and_are_ended() -> None:
    said, added = list[tuple[str, Subscription]](), asyncio.Event()

    def add(one: Subscription) -> None:
        said.append(("add", one))
        added.set()

    history = History(add, lambda one: said.append(("remove", one)), normalised)
    first = asyncio.create_task(history.fetch("Candle", "X{=m}", 1_000_000_000, 10))
    second = asyncio.create_task(history.fetch("Candle", "X{=1m}", 2_000_000_000, 10))
    for task in (first, second):
        await added.wait()
        added.clear()
        history.on_rows("Candle", [Row("X{=1m}", 7, 4), Row("Y{=m}", 8, 4), Row("X{=m}", 6, 8)])
        await asyncio.wait([task])
    assert [row.index for row in (await first).rows] == [6, 7]
    assert [(what, one.fromTime) for what, one in said] == [("add", 1000), ("remove", 1000), ("add", 2000), ("remove", 2000)]
    assert (await second).is_done


@pytest.mark.anyio
async def test_a_request_that_nobody_answers_ends() -> None:
    said = list[Subscription]()
    history = History(said.append, said.append, normalised, step_s=0.01)
    with pytest.raises(VenueUnavailable, match="did not come"):
        await history.fetch("Candle", "X{=m}", 0, 10)
    assert len(said) == 2  # it is taken back too


# --- candles --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AAPL{=1m}", "AAPL{=m}"),
        ("AAPL{=m}", "AAPL{=m}"),
        ("AAPL{=15m}", "AAPL{=15m}"),
        ("AAPL{=1d,tho=true,a=s}", "AAPL{=d,a=s,tho=true}"),
        ("/ESZ26:XCME{=144t}", "/ESZ26:XCME{=144t}"),
        ("AAPL", "AAPL"),
    ],
)
def test_series_are_told_apart_by_what_they_mean(text: str, name: str) -> None:
    assert normalised(text) == name


@pytest.mark.parametrize(
    ("timeframe", "symbol"),
    [
        ("1", "X{=m}"),
        ("5", "X{=5m}"),
        ("7", "X{=m}"),
        ("30", "X{=30m}"),
        ("1h", "X{=30m}"),
        ("4h", "X{=30m}"),
        ("1d", "X{=30m}"),
        ("1s", "X{=s}"),
        ("90s", "X{=30s}"),
    ],
)
def test_candles_are_asked_for_that_are_cut_alike_everywhere(timeframe: str, symbol: str) -> None:
    assert candle_symbol("X", candle_period(Timeframe.parse(timeframe))) == symbol


@given(st.sampled_from(["1", "5", "30", "4h", "1d"]), st.integers(1, 300), st.sampled_from(["CME_INDEX", "NYSE", "24/7"]))
def test_enough_time_is_asked_for(timeframe: str, count: int, name: str) -> None:
    calendar, wanted = get_calendar(name), Timeframe.parse(timeframe)
    start = time_to_ask(calendar, wanted, count, NOW)
    sessions = list(calendar.sessions(start, NOW))
    if wanted.is_daily:
        assert name == "24/7" or len({session.trading_day for session in sessions}) > count
    else:
        traded = sum(min(session.close_ns, NOW) - max(session.open_ns, start) for session in sessions)
        assert traded >= count * wanted.length_ns


def candle(ts_open: int, price: float, **fields: Any) -> Candle:
    values = {"flags": 0, "count": 2.0, "open": price, "high": price + 1, "low": price - 1, "close": price, "volume": 5.0, "vwap": price}
    return Candle("X", ts_open, ts_open, **(values | fields))


def test_longer_bars_begin_with_the_session_and_the_last_one_is_short() -> None:
    calendar = get_calendar(NQ.calendar)
    session = calendar.session_after(NOW)
    candles = [candle(ts, 100.0) for ts in range(session.open_ns, session.close_ns, HOUR // 2)]
    outside = [candle(session.close_ns, 999.0)]
    bars = time_bars([*candles, *outside], NQ, Timeframe.parse("4h"), calendar, 1800, session.close_ns + HOUR)
    assert [bar.ts_open for bar in bars] == [session.open_ns + number * 4 * HOUR for number in range(6)]
    assert bars[-1].ts_close == session.close_ns
    assert bars[-1].flags & BarFlag.SESSION_END
    assert bars[0].volume == 40.0
    assert max(bar.high for bar in bars) == 101.0


def test_bars_that_are_not_over_and_rows_without_prices_are_left_out() -> None:
    calendar = get_calendar("24/7")
    rows = [candle(NOW, 1.0), candle(NOW + MINUTE, math.nan), candle(NOW + 2 * MINUTE, 2.0), candle(NOW + 3 * MINUTE, 3.0)]
    bars = time_bars(rows, NQ_24_7, Timeframe.parse("1"), calendar, 60, NOW + 3 * MINUTE + 1)
    assert [bar.close for bar in bars] == [1.0, 2.0]
    assert all(bar.flags & BarFlag.FROM_BARS for bar in bars)


def test_a_bar_whose_beginning_is_missing_is_flagged() -> None:
    rows = [candle(NOW + number * MINUTE, 1.0) for number in range(3, 12)]
    bars = time_bars(rows, NQ_24_7, Timeframe.parse("5"), get_calendar("24/7"), 60, NOW + HOUR)
    assert [bool(bar.flags & BarFlag.PARTIAL_START) for bar in bars] == [True, False, False]


# --- what else lies on the way --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_batches_leave_in_the_order_they_were_put_and_a_full_box_holds_up() -> None:
    box, seen = Outbox(2), list[int]()
    for number in range(2):
        box.put([Watermark("X", number)])
    box.put([])
    assert box.is_full
    waiting = asyncio.create_task(box.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    async for batch in box.all():
        seen += [event.ts_event for event in batch if isinstance(event, Watermark)]
        if len(seen) == 1:
            await waiting
            box.put([Watermark("X", 2)])
        if len(seen) == 3:
            box.close()
    assert seen == [0, 1, 2]


@pytest.mark.anyio
async def test_large_batches_leave_in_pieces() -> None:
    box, sizes, stamps = Outbox(2), list[int](), list[int]()
    box.put([Watermark("X", number) for number in range(1_300)])
    async for batch in box.all():
        sizes.append(len(batch))
        stamps += [event.ts_event for event in batch if isinstance(event, Watermark)]
        if len(stamps) == 1_300:
            box.close()
    assert max(sizes) <= 512
    assert stamps == list(range(1_300))


class Clock:
    now = 0

    def now_ns(self) -> int:
        return self.now


@pytest.mark.anyio
async def test_a_token_is_kept_until_shortly_before_its_end_or_its_refusal() -> None:
    clock, asked = Clock(), list[QuoteToken]()

    async def ask() -> QuoteToken:
        asked.append(QuoteToken(f"t{len(asked)}", "ws://x", "api", clock.now + DAY))
        return asked[-1]

    tokens = QuoteTokens(ask, clock)
    first = await tokens.get()
    assert await tokens.get() is first
    clock.now = DAY - 11 * MINUTE
    assert not tokens.is_due
    clock.now = DAY - 9 * MINUTE
    assert tokens.is_due
    second = await tokens.get()
    assert second.token == "t1"
    tokens.reject(first)  # an old one: the new one stays
    assert await tokens.get() is second
    tokens.reject(second)
    assert (await tokens.get()).token == "t2"


def test_a_real_hour_is_read_print_by_print() -> None:
    frames = DATA / "streams" / "derived_dxlink_ESH4_20231225.jsonl.gz"
    rows = DATA / "ticks" / "ESH4_20231225_trades.csv.gz"
    if not frames.is_file():
        pytest.skip("the data is not there")
    link = DxLink((ChannelPlan(3, "TICKER", 0.1, ("Trade",)),), "t", "v", 0.0)
    fields = {
        "Trade": ["eventType", "eventSymbol", "price", "dayVolume", "size", "time"],
        "Quote": ["eventType", "eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize"],
        "TimeAndSale": ["eventType", "eventSymbol", "time", "sequence", "price", "size"],
    }
    link.receive(orjson.dumps({"type": "FEED_CONFIG", "channel": 3, "eventFields": fields}), 0.0)
    read = list[tuple[int, float, float]]()
    with gzip.open(frames, "rt") as lines:
        for line in lines:
            for signal in link.receive(orjson.dumps(json.loads(line)["msg"]), 0.0):
                assert isinstance(signal, Batch)
                if signal.type == "Trade":
                    read += [(trade.ts_event // 10**6, trade.price, trade.size) for trade in trades_of(signal)]
    with gzip.open(rows, "rt") as lines:
        expected = [(int(row["ts_ns"]) // 10**6, float(row["price"]), float(row["size"])) for row in csv.DictReader(lines)]
    assert read == expected
