"""Bars from ready-made bars: handed on, or merged into longer ones; and what the factory refuses."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, OPEN, bar, feed, tick

from fortified.aggregation.factory import create_aggregator
from fortified.aggregation.passthrough import BarPassthroughAggregator
from fortified.aggregation.tick_bar import TickBarAggregator
from fortified.aggregation.time_bar import TimeBarAggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe

CME = get_calendar("CME_INDEX")
parse = Timeframe.parse


def from_bars(name: str, source: str = "1") -> TimeBarAggregator | BarPassthroughAggregator:
    made = create_aggregator("/NQ", parse(name), CME, source=parse(source))
    assert isinstance(made, TimeBarAggregator | BarPassthroughAggregator)
    return made


def test_a_bar_of_the_same_timeframe_is_handed_on_with_its_origin() -> None:
    [made] = from_bars("1").on_bar(bar(3, flags=BarFlag.SYNTHESIZED))
    assert made == bar(3, flags=BarFlag.SYNTHESIZED | BarFlag.FROM_BARS)


def test_a_repeated_or_older_bar_is_dropped_and_counted() -> None:
    same = from_bars("1")
    same.on_bar(bar(3))
    assert [*same.on_bar(bar(3)), *same.on_bar(bar(2))] == []
    assert same.late == 2


def test_the_last_bar_of_a_session_says_so() -> None:
    last = bar((CLOSE - OPEN) // MINUTE - 1)
    assert last.ts_close == CLOSE
    [made] = from_bars("1").on_bar(last)
    assert made.flags & BarFlag.SESSION_END


def test_five_minutes_close_with_the_fifth() -> None:
    five = from_bars("5")
    made = [closed for number in range(7) for closed in five.on_bar(bar(number, float(number), high=100.0 + number))]
    assert [(one.ts_open, one.ts_close, one.open, one.high, one.close, one.volume, one.ticks, one.seq) for one in made] == [
        (OPEN, OPEN + 5 * MINUTE, 0.0, 104.0, 4.0, 50.0, 50, 49)
    ]
    assert made[0].flags & BarFlag.FROM_BARS


def test_a_missing_last_minute_is_closed_by_the_next_one() -> None:
    five = from_bars("5")
    made = [closed for number in (0, 3, 9, 10) for closed in five.on_bar(bar(number))]
    assert [(one.ts_open - OPEN, one.ticks) for one in made] == [(0, 20), (5 * MINUTE, 10)]


def test_a_gap_of_one_bar_is_a_gap_of_all() -> None:
    five = from_bars("5")
    made = [closed for number in range(5) for closed in five.on_bar(bar(number, flags=BarFlag.GAP if number == 2 else 0))]
    assert made[0].flags & BarFlag.GAP


@given(st.lists(st.integers(0, 30 * HOUR // 1000), max_size=80).map(sorted), st.sampled_from(["5", "30", "4h"]))
def test_they_equal_the_bars_from_ticks(offsets: list[int], name: str) -> None:
    ticks = [tick(seq, OPEN + 1000 * offset, 100.0 + seq % 7, float(1 + seq % 3)) for seq, offset in enumerate(offsets)]
    minutes, direct = TimeBarAggregator("/NQ", parse("1"), CME), TimeBarAggregator("/NQ", parse(name), CME)
    small = [*feed(minutes, ticks), minutes.finish()]
    merged = from_bars(name)
    made = [closed for one in small if one is not None for closed in merged.on_bar(one)]
    last = merged.finish()
    expected = [*feed(direct, ticks), direct.finish()]
    assert [plain(one) for one in [*made, last] if one is not None] == [plain(one) for one in expected if one is not None]


def plain(one: Bar) -> Bar:
    """Without what may differ: where it came from, the rounding of the average, whether the data ended exactly with it."""
    flags = one.flags & ~(BarFlag.FROM_BARS | BarFlag.SESSION_END)
    return msgspec.structs.replace(one, vwap=round(one.vwap, 6), flags=flags, complete=True)


@pytest.mark.parametrize(("name", "source"), [("144t", "1"), ("1", "5"), ("7", "5"), ("144t", "72t"), ("5", "144t"), ("30s", "1")])
def test_what_cannot_be_built_is_refused(name: str, source: str) -> None:
    with pytest.raises(ConfigError, match=f"{parse(name).name} bars cannot be built from {parse(source).name} bars"):
        create_aggregator("/NQ", parse(name), CME, source=parse(source))


def test_the_factory_chooses() -> None:
    assert type(create_aggregator("/NQ", parse("144t"), CME)) is TickBarAggregator
    assert type(create_aggregator("/NQ", parse("5"), CME)) is TimeBarAggregator
    assert type(create_aggregator("/NQ", parse("5"), CME, source=parse("1"))) is TimeBarAggregator
    assert type(create_aggregator("/NQ", parse("144t"), CME, source=parse("144t"))) is BarPassthroughAggregator


def test_a_source_that_sends_what_it_did_not_declare_is_refused() -> None:
    with pytest.raises(DataError, match="yet it sent a tick"):
        from_bars("1").add(tick(0, OPEN))
    with pytest.raises(DataError, match="expected 1 bars, got 5"):
        from_bars("1").on_bar(bar(0, timeframe="5"))
    with pytest.raises(DataError, match="needs ticks"):
        create_aggregator("/NQ", parse("144t"), CME).on_bar(bar(0))
    with pytest.raises(DataError, match="longer 1h bars"):
        TimeBarAggregator("/NQ", parse("5"), CME).on_bar(bar(0, timeframe="1h"))
