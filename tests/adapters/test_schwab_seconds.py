"""Bars of one second made of level one, their minutes held against the venue's, and bars of the past."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import SECOND, ns

from fortified.adapters.schwab.feed import SymbolFeed
from fortified.adapters.schwab.history import DAY, MINUTE, to_bars
from fortified.adapters.schwab.level_one import LevelOne
from fortified.adapters.schwab.minutes import Minute, Minutes, read_minute
from fortified.adapters.schwab.seconds import DEFAULT_GRACE_NS, SecondBars
from fortified.adapters.schwab.wire import Candle
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Bar, BarFlag, Gap, Quote, SourceEvent, Watermark
from fortified.domain.timeframe import Timeframe

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "samples" / "schwab"
samples = pytest.mark.skipif(not SHARED.is_dir(), reason="the brokers' samples are not here")
SPY = get_instrument("SPY")
OPEN = ns("2025-03-04 14:30:00")
"""9:30 in New York."""


def ms(seconds: float) -> int:
    return OPEN // 10**6 + round(seconds * 1000)


def at(seconds: float) -> int:
    return OPEN + round(seconds * SECOND)


def whole(seconds: float, price: float = 500.0, volume: float = 1000.0, **fields: Any) -> dict[str, Any]:
    """The first row of a symbol."""
    first = {
        "key": "SPY",
        "delayed": False,
        "1": 499.99,
        "2": 500.01,
        "3": price,
        "4": 200,
        "5": 100,
        "8": volume,
        "10": 501.0,
        "11": 499.0,
    }
    return first | {"34": ms(seconds), "35": ms(seconds)} | fields


def trade(seconds: float, price: float | None = None, volume: float | None = None, **fields: Any) -> dict[str, Any]:
    """A change: the values that did not change are not in it."""
    row: dict[str, Any] = {"key": "SPY", "35": ms(seconds)} | fields
    return row | ({} if price is None else {"3": price}) | ({} if volume is None else {"8": volume})


class Feed:
    """Seconds of SPY, told rows at the times of their trades."""

    def __init__(self, after: int | None = None, *, now: float = -60.0) -> None:
        self.seconds = SecondBars("SPY", get_calendar("NYSE"), after, LevelOne())
        self.now = now

    def tell(self, *rows: dict[str, Any]) -> list[Bar | Gap]:
        return [made for row in rows for made in self.seconds.on_row(row, at(self.now))]

    def wait(self, seconds: float) -> Sequence[Bar]:
        return self.seconds.on_time(at(seconds))


def values(bar: Bar | Gap) -> tuple[float, ...]:
    assert isinstance(bar, Bar)
    return bar.open, bar.high, bar.low, bar.close, bar.volume


# --- level one ---


def test_a_row_changes_only_what_it_tells() -> None:
    state = LevelOne()
    assert state.merge({"1": 10.0, "2": 10.5, "3": 10.2, "35": 5})
    assert state.merge({"2": 10.6})
    assert (state.bid, state.ask, state.last, state.trade_ms) == (10.0, 10.6, 10.2, 5)
    assert not state.merge({"2": 10.6, "99": 1})


@pytest.mark.parametrize("value", [None, " ", "NaN", float("nan"), float("inf"), True, [1]])
def test_what_is_no_number_tells_nothing(value: object) -> None:
    state = LevelOne(last=10.0, trade_ms=5)
    assert not state.merge({"3": value, "35": value})
    assert (state.last, state.trade_ms) == (10.0, 5)


@samples
def test_real_rows_are_merged() -> None:
    row = json.loads((SHARED / "sdstream_level_one_equities.json").read_bytes())["data"][0]["content"][0]
    state = LevelOne()
    assert state.merge(row)
    assert (state.bid, state.ask, state.last, state.bid_size, state.volume) == (217.86, 217.95, 217.93, 200.0, 33292396.0)


# --- seconds ---


def test_the_first_row_is_where_things_stand_and_no_trade() -> None:
    feed = Feed()
    assert feed.tell(whole(-1)) == []
    assert feed.wait(100) == ()


def test_a_second_holds_the_trades_of_its_stamps_and_the_growth_of_the_volume() -> None:
    feed = Feed()
    told = feed.tell(whole(-1), trade(0.1, 500.5, 1100), trade(0.5, 500.2, 1150), trade(0.9, None, 1160), trade(1.0, 500.3, 1260))
    (bar,) = told
    assert values(bar) == (500.5, 500.5, 500.2, 500.2, 160.0)
    assert isinstance(bar, Bar)
    assert (bar.ts_open, bar.ts_close, bar.timeframe, bar.ticks) == (OPEN, OPEN + SECOND, "1s", 3)
    assert bar.seq == OPEN // SECOND
    assert bar.flags == BarFlag.SYNTHESIZED | BarFlag.APPROXIMATE_TICKS
    assert bar.vwap == pytest.approx((100 * 500.5 + 60 * 500.2) / 160)


def test_time_closes_a_second_that_nothing_follows() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(0.1, 500.5, 1100))
    assert feed.wait(1 + DEFAULT_GRACE_NS / SECOND - 0.001) == ()
    assert [values(bar) for bar in feed.wait(1 + DEFAULT_GRACE_NS / SECOND)] == [(500.5, 500.5, 500.5, 500.5, 100.0)]
    assert feed.wait(100) == ()


def test_a_quote_or_a_repetition_makes_no_trade() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(0.1, 500.5, 1100), {"1": 500.4, "34": ms(0.2)}, trade(0.1, 500.5, 1100))
    (bar,) = feed.wait(10)
    assert (bar.ticks, bar.volume) == (1, 100.0)


def test_a_trade_that_is_told_late_adds_its_volume_and_not_its_price() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(1.1, 500.5, 1100), trade(0.9, 400.0, 1150))
    (bar,) = feed.wait(10)
    assert values(bar) == (500.5, 500.5, 500.5, 500.5, 150.0)
    assert feed.seconds.late == 1


def test_a_volume_that_shrinks_is_never_a_trade() -> None:
    feed = Feed()
    feed.tell(whole(-1, volume=9_000_000), {"8": 0}, trade(0.2, 500.5, 300))
    (bar,) = feed.wait(10)
    assert bar.volume == 300.0


def test_a_new_high_of_the_day_that_no_row_showed_is_in_the_bar() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(0.1, 500.5, 1100), trade(0.3, 500.6, 1200, **{"10": 502.0, "11": 498.5}), {"10": 502.5})
    (bar,) = feed.wait(10)
    assert (bar.open, bar.high, bar.low, bar.close) == (500.5, 502.5, 498.5, 500.6)


def test_who_comes_in_the_middle_of_a_session_says_so_once() -> None:
    feed = Feed(now=30)
    feed.tell(whole(29), trade(31, 500.5, 1100))
    (first,) = feed.tell(trade(32, 500.6, 1200))
    (second,) = feed.wait(60)
    assert isinstance(first, Bar)
    assert first.flags & BarFlag.PARTIAL_START
    assert not second.flags & BarFlag.PARTIAL_START


def test_a_new_connection_before_which_nothing_was_traded_leaves_no_gap() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(0.1, 500.5, 1100))
    feed.seconds.lost()
    assert feed.tell(whole(0.1, 500.5, 1100)) == []
    assert [values(bar)[-1] for bar in feed.tell(trade(5, 500.7, 1150))] == [100.0]


def test_trades_missed_between_connections_are_a_gap_and_not_a_bar() -> None:
    feed = Feed()
    feed.tell(whole(-1), trade(0.1, 500.5, 1100))
    feed.seconds.lost()
    (gap,) = feed.tell(whole(7, 505.0, 6100))
    assert isinstance(gap, Gap)
    assert "5000 shares" in gap.reason
    feed.tell(trade(8, 505.1, 6200))
    (bar,) = feed.wait(20)
    assert values(bar) == (505.1, 505.1, 505.1, 505.1, 100.0)


def test_a_restart_goes_on_behind_what_was_known_with_a_gap_if_anything_was_traded() -> None:
    after = (OPEN + 10 * SECOND) // SECOND
    quiet, missed = Feed(after), Feed(after)
    assert quiet.tell(whole(10.9)) == []
    assert isinstance(missed.tell(whole(11.0))[0], Gap)
    feed = Feed(after)
    feed.tell(whole(10.9), trade(10.95, 500.5, 1100))
    assert feed.wait(60) == ()
    assert feed.seconds.late == 1


TRADES = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 500), st.integers(49_000, 51_000)), max_size=40)


@given(TRADES)
def test_bars_grow_in_time_and_hold_all_volume_that_was_not_told_too_late(trades: list[tuple[int, int, int]]) -> None:
    feed = Feed()
    feed.tell(whole(-1, volume=1000))
    volume, made = 1000, []
    for stamp, size, price in trades:
        volume += size
        made += feed.tell(trade(stamp / 1000, price / 100, volume))
    made += feed.wait(60)
    bars = [bar for bar in made if isinstance(bar, Bar)]
    assert [bar.seq for bar in bars] == sorted({bar.seq for bar in bars})
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    total = sum(bar.volume for bar in bars)
    assert total == volume - 1000 or (feed.seconds.late > 0 and total <= volume - 1000)


# --- minutes ---


@samples
@pytest.mark.parametrize(
    ("name", "minute"),
    [
        ("sdstream_chart_equity", Minute(1765307100000 * 10**6, 221.133, 221.18, 221.02, 221.02, 11730.0)),
        ("schwabpy_chart_equity_msft", Minute(1715903940000 * 10**6, 421.65, 421.79, 421.65, 421.755, 26.0)),
    ],
)
def test_minutes_are_read_in_the_order_of_the_wire(name: str, minute: Minute) -> None:
    row = json.loads((SHARED / f"{name}.json").read_bytes())["data"][0]["content"][0]
    assert read_minute(row) == minute


@pytest.mark.parametrize("row", [{}, {"2": 1, "3": 1, "4": 1, "5": 1, "6": 1}, {"2": "a", "3": 1, "4": 1, "5": 1, "6": 1, "7": 1}])
def test_a_minute_that_is_not_whole_is_none(row: dict[str, Any]) -> None:
    assert read_minute(row) is None


def second(number: int, price: float, volume: float) -> Bar:
    ts = at(number)
    return Bar("SPY", "1s", ts, ts + SECOND, price, price + 0.1, price - 0.1, price, volume, 1, price, ts // SECOND)


def test_minutes_that_agree_differ_or_were_not_seen_whole() -> None:
    minutes = Minutes("SPY")
    minutes.begin(at(-1))
    for number, price in ((0, 500.0), (30, 501.0), (59, 500.5), (60, 500.0)):
        minutes.add(second(number, price, 100.0))
    assert minutes.compare(Minute(at(0), 500.0, 501.1, 499.9, 500.5, 302.0)) is None
    difference = minutes.compare(Minute(at(60), 500.0, 500.3, 499.9, 500.0, 150.0))
    assert difference is not None
    assert difference.fields == ("high", "volume")
    unseen = minutes.compare(Minute(at(120), 1.0, 1.0, 1.0, 1.0, 1.0))
    assert unseen is not None
    assert unseen.ours is None
    assert minutes.compare(Minute(at(-60), 1.0, 1.0, 1.0, 1.0, 1.0)) is None
    assert (minutes.compared, minutes.different) == (3, 2)


# --- the feed of a symbol ---


def test_a_feed_tells_quotes_bars_and_how_far_all_is_known() -> None:
    feed = SymbolFeed(SPY, None, LevelOne())
    told: list[SourceEvent] = list(feed.on_level_one(whole(-1), at(-1)))
    assert told == [Quote("SPY", at(-1), at(-1), 499.99, 500.01, 200.0, 100.0)]
    assert feed.on_level_one(trade(0.1, 500.5, 1100), at(0.2)) == []
    assert feed.on_time(at(2), at(2)) == [Watermark("SPY", at(0))]
    bar, mark = feed.on_time(at(2.6), at(2.6))
    assert isinstance(bar, Bar)
    assert mark == Watermark("SPY", at(1))


def test_nothing_is_known_beyond_what_the_server_was_heard_to_say() -> None:
    feed = SymbolFeed(SPY, None, LevelOne())
    feed.on_level_one(whole(-1), at(-1))
    assert feed.on_time(at(30), at(2)) == [Watermark("SPY", at(0))]
    assert feed.on_time(at(60), None) == []
    feed.lost()
    assert feed.on_time(at(60), at(60)) == []


def test_a_feed_holds_its_minutes_against_the_venues() -> None:
    feed = SymbolFeed(SPY, None, LevelOne())
    feed.on_level_one(whole(-1), at(-1))
    feed.on_level_one(trade(0.1, 500.5, 1100), at(0.2))
    feed.on_time(at(10), at(10))
    feed.on_minute({"key": "SPY", "2": 500.5, "3": 500.5, "4": 500.5, "5": 500.5, "6": 100.0, "7": ms(0)})
    feed.on_minute({"key": "SPY", "2": 500.5, "3": 509.0, "4": 500.5, "5": 500.5, "6": 100.0, "7": ms(0)})
    assert (feed.minutes.compared, feed.minutes.different) == (2, 1)


# --- the past ---


def candles(*stamps: float) -> list[Candle]:
    return [Candle(500.0, 501.0, 499.0, 500.5, 100.0, ms(stamp)) for stamp in stamps]


def test_minutes_of_the_past_become_bars_that_stand_before_those_of_the_stream() -> None:
    made = to_bars(SPY, MINUTE, Timeframe.parse("5"), candles(*range(0, 660, 60)), at(660))
    assert [(bar.ts_open, bar.ts_close, bar.volume) for bar in made] == [(at(0), at(300), 500.0), (at(300), at(600), 500.0)]
    assert [bar.seq for bar in made] == [at(300) // SECOND - 1, at(600) // SECOND - 1]


def test_the_minute_that_is_not_over_and_those_outside_of_the_session_are_left_out() -> None:
    made = to_bars(SPY, MINUTE, MINUTE, candles(-60, 0, 60, 120), at(179))
    assert [bar.ts_open for bar in made] == [at(0), at(60)]


def test_a_day_of_the_past_gets_the_hours_of_its_session() -> None:
    yesterday = ns("2025-03-03 06:00:00") // 10**6
    today = ns("2025-03-04 06:00:00") // 10**6
    days = [Candle(500.0, 501.0, 499.0, 500.5, 1e6, stamp) for stamp in (yesterday, today)]
    (bar,) = to_bars(SPY, DAY, DAY, days, at(60))
    assert (bar.ts_open, bar.ts_close) == (ns("2025-03-03 14:30:00"), ns("2025-03-03 21:00:00"))
