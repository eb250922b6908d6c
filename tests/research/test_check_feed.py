"""What a strategy under check is shown: a part of the feed is that part of the whole, wherever it begins or ends."""

import numpy as np
import pytest

from fortified.adapters.tables import FileReport, TickTable
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.research.check.feed import Feed, TickFeed, bars_of_ticks, of_columns
from fortified.research.check.lookahead import cut_rows
from fortified.research.check.recording import Answer

SECOND = 1_000_000_000
SUNDAY_OPEN = 1_772_402_400 * SECOND  # 2026-03-01 17:00 in Chicago


def ticks(count: int, step_ns: int) -> TickTable:
    dice = np.random.default_rng(6)
    stamps = SUNDAY_OPEN + np.cumsum(dice.integers(0, step_ns, count))
    stamps[::97] -= step_ns  # late ones
    price = 5_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count))
    return TickTable(stamps, price, np.ones(count), None, None, FileReport(count))


@pytest.mark.parametrize("timeframe", ["7t", "1", "1h"])
def test_a_feed_from_a_bar_on_or_up_to_a_row_is_a_part_of_the_whole(timeframe: str) -> None:
    place = "/ES", Timeframe.parse(timeframe), get_calendar("CME_INDEX")
    feed = TickFeed(*place, ticks(3_000, 120 * SECOND))
    whole = list(feed.events())
    bars = [event for _, event in whole if isinstance(event, Bar)]
    assert len(bars) > 20
    assert feed.bars == bars
    for first in (1, len(bars) // 2, len(bars) - 1):
        assert list(feed.events(first_bar=first)) == [(row, event) for row, event in whole if event.seq > bars[first - 1].seq]
    for stop in (1, 1_234, 3_000):
        assert list(feed.events(stop)) == [(row, event) for row, event in whole if row < stop]


def test_a_feed_is_the_same_in_another_process() -> None:
    place, table = ("/ES", Timeframe.parse("7t"), get_calendar("CME_INDEX")), ticks(500, 120 * SECOND)
    feeds: tuple[Feed, ...] = (TickFeed(*place, table), bars_of_ticks(*place, table))
    for feed in feeds:
        assert list(of_columns(*place, feed.columns()).events()) == list(feed.events())
        assert list(of_columns(*place, feed.columns(40)).events()) == list(feed.events(40))


def test_cuts_are_behind_answers_and_everywhere() -> None:
    answers = [Answer(row, row, row, 0, "bar") for row in (10, 11, 12, 500, 900)]
    stops = cut_rows(answers, 1_000, 20)
    assert stops == sorted(set(stops))
    assert {11, 12, 13, 501, 901} < set(stops)
    assert len(stops) == 20
    assert max(np.diff([0, *stops, 1_000])) < 80
    assert cut_rows([], 3, 20) == [1, 2]
    assert cut_rows(answers, 1_000, 1) == [500]
