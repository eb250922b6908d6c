"""Bars of time: which tick belongs to which bar, and when a bar is over."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, MS, NEXT_OPEN, NS, OPEN, SECOND, feed, ns, tick, ticks_at

from fortified.aggregation.time_bar import TimeBarAggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe

CME = get_calendar("CME_INDEX")


def bars_of(name: str, calendar: str = "CME_INDEX") -> TimeBarAggregator:
    return TimeBarAggregator("/NQ", Timeframe.parse(name), get_calendar(calendar))


def test_a_tick_on_the_boundary_opens_the_new_bar() -> None:
    [bar] = feed(bars_of("1"), ticks_at(OPEN, OPEN + MINUTE - NS, OPEN + MINUTE))
    assert (bar.ts_open, bar.ts_close, bar.ticks, bar.close) == (OPEN, OPEN + MINUTE, 2, 20_001.0)


def test_open_high_low_close_volume_vwap() -> None:
    minute = bars_of("1")
    feed(minute, [tick(0, OPEN, 10.0, 1.0), tick(1, OPEN, 14.0, 2.0), tick(2, OPEN + 1, 9.0, 1.0), tick(3, OPEN + 2, 11.0, 4.0)])
    bar = minute.finish()
    assert bar is not None
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ticks, bar.seq) == (10.0, 14.0, 9.0, 11.0, 8.0, 4, 3)
    assert bar.vwap == pytest.approx((10 + 28 + 9 + 44) / 8)
    assert not bar.complete


def test_an_empty_interval_makes_no_bar() -> None:
    bars = feed(bars_of("1"), ticks_at(OPEN, OPEN + 5 * MINUTE, OPEN + 6 * MINUTE))
    assert [bar.ts_open for bar in bars] == [OPEN, OPEN + 5 * MINUTE]


def test_buckets_are_anchored_at_the_open_of_the_session_and_its_last_bar_is_short() -> None:
    """17:00 in Chicago → 17, 21, 01, 05, 09 and 13 to 16 o'clock, in winter and in summer."""
    for opening in (OPEN, ns("2025-07-07 22:00")):
        hours = [opening + hour * HOUR for hour in range(23)]
        bars = feed(bars_of("4h"), ticks_at(*hours, opening + 24 * HOUR))
        assert [(bar.ts_open - opening) // HOUR for bar in bars] == [0, 4, 8, 12, 16, 20]
        assert [(bar.ts_close - bar.ts_open) // HOUR for bar in bars] == [4, 4, 4, 4, 4, 3]
        assert [bool(bar.flags & BarFlag.SESSION_END) for bar in bars] == [False] * 5 + [True]
        assert all(bar.complete for bar in bars)


def test_a_session_that_ends_early_cuts_its_last_bar() -> None:
    """The day after Thanksgiving ends at 12:15 in Chicago."""
    last = ns("2025-11-28 18:14")
    bars = feed(bars_of("1h"), ticks_at(last, ns("2025-11-30 23:00")))
    assert [(bar.ts_open, bar.ts_close) for bar in bars] == [(ns("2025-11-28 18:00"), ns("2025-11-28 18:15"))]


def test_a_day_is_the_trading_day_from_its_open_to_its_close() -> None:
    [bar] = feed(bars_of("1d"), ticks_at(OPEN + HOUR, CLOSE - NS, NEXT_OPEN))
    assert (bar.ts_open, bar.ts_close, bar.ticks, bar.flags) == (OPEN, CLOSE, 2, 0)  # what a day asks for is for the next


def test_a_day_of_two_sessions_ends_with_the_second() -> None:
    """Grains pause from 07:45 to 08:30 in Chicago; the market is closed after 13:20."""
    night, noon = ns("2025-03-04 02:00"), ns("2025-03-04 18:00")
    [bar] = feed(bars_of("1d", "CME_GRAINS"), ticks_at(night, noon, ns("2025-03-05 02:00")))
    assert (bar.ts_close, bar.ticks, bar.flags) == (ns("2025-03-04 19:20"), 2, 0)


def test_a_print_in_the_pause_between_two_sessions_is_counted_not_taken() -> None:
    day = bars_of("1d", "CME_GRAINS")
    feed(day, ticks_at(ns("2025-03-04 02:00"), ns("2025-03-04 14:00")))
    assert day.out_of_session == 1


def test_a_late_tick_is_counted_and_the_published_bar_stays() -> None:
    minute = bars_of("1")
    [published] = feed(minute, ticks_at(OPEN, OPEN + MINUTE))
    assert not minute.add(tick(2, OPEN + 30 * SECOND, 99_999.0))
    assert minute.late == 1
    assert published.high == 20_000.0
    assert feed(minute, [tick(3, OPEN + 2 * MINUTE)])[0].high == 20_001.0


def test_a_tick_between_sessions_is_counted_and_starts_nothing() -> None:
    minute = bars_of("1")
    assert feed(minute, ticks_at(CLOSE, CLOSE + 30 * MINUTE)) == []
    assert (minute.open_bar, minute.out_of_session, minute.late) == (None, 2, 0)


def test_open_and_close_are_decided_by_the_stamps_not_by_arrival() -> None:
    minute = bars_of("1")
    stamps = (OPEN + 10, OPEN + 30, OPEN + 5, OPEN + 20, OPEN + 5, OPEN + 30)
    feed(minute, [tick(seq, ts, float(100 + seq)) for seq, ts in enumerate(stamps)])
    bar = minute.finish()
    assert bar is not None
    assert (bar.open, bar.close) == (102.0, 105.0)  # first of the two earliest, last of the two latest


def test_a_bar_closes_when_the_receive_time_is_past_its_grace() -> None:
    minute = bars_of("1")
    end = OPEN + MINUTE
    feed(minute, [tick(0, OPEN)])
    assert feed(minute, [tick(1, end - MS, recv=end + 200 * MS - NS)]) == []
    [bar] = feed(minute, [tick(2, end - MS, recv=end + 200 * MS)])
    assert (bar.ticks, minute.late) == (2, 1)


def test_a_timer_closes_a_quiet_bar_after_the_grace() -> None:
    minute = bars_of("1")
    feed(minute, [tick(0, OPEN)])
    assert minute.on_time(OPEN + MINUTE + 200 * MS - NS) is None
    bar = minute.on_time(OPEN + MINUTE + 200 * MS)
    assert bar is not None
    assert bar.ts_close == OPEN + MINUTE
    assert minute.on_time(OPEN + HOUR) is None


def test_fill_is_the_elapsed_share() -> None:
    minute = bars_of("1")
    assert minute.fill() == 0.0
    feed(minute, [tick(0, OPEN + 15 * SECOND)])
    assert minute.fill() == 0.25


def test_a_flag_waits_for_the_next_bar_when_none_is_open() -> None:
    minute = bars_of("1")
    minute.mark(BarFlag.GAP)
    feed(minute, ticks_at(OPEN))
    minute.mark(BarFlag.PARTIAL_START)
    [first, second] = feed(minute, ticks_at(OPEN + MINUTE, OPEN + 2 * MINUTE, first=1))
    assert first.flags == BarFlag.GAP | BarFlag.PARTIAL_START
    assert second.flags == BarFlag.NONE


@given(
    st.lists(st.integers(0, 50 * HOUR), max_size=60).map(sorted),
    st.sampled_from(["30s", "1", "7", "30", "1h", "4h", "1d"]),
    st.sampled_from(["CME_INDEX", "NYSE", "24/7"]),
)
def test_ticks_in_order_make_the_bars_of_the_definition(offsets: list[int], name: str, calendar: str) -> None:
    """Group by bucket, count nothing twice: the definition, written down without any state."""
    known, length = get_calendar(calendar), Timeframe.parse(name).length_ns
    ticks = ticks_at(*(OPEN + offset for offset in offsets))
    inside = [(session, one) for one in ticks if (session := known.session_at(one.ts_event)) is not None]
    expected = [
        (*bucket, first.price, last.price, last.seq - first.seq + 1)
        for bucket, members in groupby(inside, key=lambda pair: known.bucket(pair[0], length, pair[1].ts_event))
        for first, *_, last in [[one for _, one in [*members] * 2]]
    ]
    aggregator = bars_of(name, calendar)
    made: list[Bar | None] = [*feed(aggregator, ticks), aggregator.finish()]
    assert [(bar.ts_open, bar.ts_close, bar.open, bar.close, bar.ticks) for bar in made if bar is not None] == expected
    assert aggregator.late == 0
    assert aggregator.out_of_session == len(ticks) - len(inside)
