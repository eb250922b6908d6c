"""Bars of N trades: the count, and its restart at the break of a session."""

from itertools import batched, groupby

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MS, NEXT_OPEN, NS, OPEN, SECOND, feed, restarted, tick, ticks_at

from fortified.aggregation.tick_bar import TickBarAggregator
from fortified.domain.calendar import Session, get_calendar
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import Timeframe


def bars_of(length: int, calendar: str = "CME_INDEX") -> TickBarAggregator:
    return TickBarAggregator("/NQ", Timeframe("tick", length), get_calendar(calendar))


def test_one_print_is_one_tick_whatever_its_size() -> None:
    bars = feed(bars_of(2), [tick(seq, OPEN + seq, size=1000.0 * seq) for seq in range(5)])
    assert [(bar.ticks, bar.volume, bar.ts_open, bar.ts_close, bar.complete) for bar in bars] == [
        (2, 1000.0, OPEN, OPEN + 1, True),
        (2, 5000.0, OPEN + 2, OPEN + 3, True),
    ]


def test_fill_is_the_share_of_the_count() -> None:
    aggregator = bars_of(144)
    feed(aggregator, ticks_at(*[OPEN] * 90))
    assert aggregator.fill() == 0.625


def test_the_session_break_ends_the_bar_and_the_count_begins_anew() -> None:
    bars = feed(bars_of(3), ticks_at(CLOSE - 2, CLOSE - 1, NEXT_OPEN, NEXT_OPEN + 1, NEXT_OPEN + 2))
    assert [(bar.ticks, bar.complete, bool(bar.flags & BarFlag.SESSION_END)) for bar in bars] == [(2, False, True), (3, True, False)]
    assert bars[0].ts_close == CLOSE - 1


def test_a_market_that_never_closes_has_no_break() -> None:
    bars = feed(bars_of(3, "24/7"), ticks_at(CLOSE - 2, CLOSE - 1, NEXT_OPEN))
    assert [(bar.ticks, bar.complete) for bar in bars] == [(3, True)]


def test_a_quiet_short_bar_is_published_by_the_timer_after_the_session() -> None:
    aggregator = bars_of(3)
    feed(aggregator, ticks_at(CLOSE - SECOND))
    assert aggregator.on_time(CLOSE + 200 * MS - NS) is None
    bar = aggregator.on_time(CLOSE + 200 * MS)
    assert bar is not None
    assert (bar.complete, bar.ts_close) == (False, CLOSE - SECOND)
    assert feed(aggregator, [tick(1, CLOSE - NS)]) == []
    assert (aggregator.late, aggregator.open_bar) == (1, None)


def test_a_tick_of_the_session_before_is_late() -> None:
    aggregator = bars_of(3)
    feed(aggregator, ticks_at(CLOSE - 2, NEXT_OPEN))
    assert not aggregator.add(tick(2, CLOSE - 1))
    assert aggregator.late == 1
    assert aggregator.open_bar is not None
    assert aggregator.open_bar.ticks == 1


@pytest.mark.parametrize("before", [0, 3])
def test_it_is_late_after_a_restart_too(before: int) -> None:
    """With and without a bar that filled exactly at the end of the session before."""
    old = bars_of(3)
    closed = feed(old, [*ticks_at(*[CLOSE - 5] * before), tick(8, NEXT_OPEN)])
    fresh = restarted(old, lambda: bars_of(3), closed[-1] if closed else None)
    assert not old.add(tick(9, CLOSE - 1))
    assert not fresh.add(tick(9, CLOSE - 1))


def test_a_tick_earlier_in_the_session_counts_and_is_no_close() -> None:
    [bar] = feed(bars_of(3), [tick(0, OPEN + 9, 10.0), tick(1, OPEN + 4, 20.0), tick(2, OPEN + 8, 30.0)])
    assert (bar.open, bar.high, bar.close, bar.ts_close, bar.seq) == (20.0, 30.0, 10.0, OPEN + 9, 2)


@given(st.lists(st.integers(0, 50 * HOUR), max_size=60).map(sorted), st.integers(1, 7), st.sampled_from(["CME_INDEX", "NYSE", "24/7"]))
def test_ticks_in_order_make_the_bars_of_the_definition(offsets: list[int], length: int, calendar: str) -> None:
    """Per session, chunks of N, the last one shorter."""
    known = get_calendar(calendar)
    ticks = ticks_at(*(OPEN + offset for offset in offsets))

    def session_of(one: Tick) -> Session | None:
        return known.session_at(one.ts_event)

    inside = [one for one in ticks if session_of(one) is not None]
    chunks = [chunk for _, members in groupby(inside, key=session_of) for chunk in batched(members, length)]
    aggregator = bars_of(length, calendar)
    made: list[Bar | None] = [*feed(aggregator, ticks), aggregator.finish()]
    assert [(bar.ts_open, bar.ts_close, bar.open, bar.close, bar.ticks, bar.complete) for bar in made if bar is not None] == [
        (chunk[0].ts_event, chunk[-1].ts_event, chunk[0].price, chunk[-1].price, len(chunk), len(chunk) == length) for chunk in chunks
    ]


def test_the_flags_of_a_tick_are_those_of_its_bar() -> None:
    prints = [msgspec.structs.replace(tick(seq, OPEN + seq), flags=BarFlag.APPROXIMATE_TICKS.value * (seq == 1)) for seq in range(4)]
    assert [bar.flags for bar in feed(bars_of(2), prints)] == [BarFlag.APPROXIMATE_TICKS, 0]
