"""An aggregator that is replaced by a restored one at every tick makes the same bars as one that lives on."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, MS, NEXT_OPEN, NS, SECOND, restarted, tick, ticks_at

from fortified.aggregation.base import BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Bar, Tick
from fortified.domain.timeframe import Timeframe

STEPS = (0, 0, NS, MS, SECOND, 20 * SECOND, MINUTE, 25 * MINUTE, HOUR, 5 * HOUR)
BACK = (0, 0, 0, 0, NS, 2 * SECOND, 90 * SECOND, 2 * HOUR)
AROUND_THE_BREAK = (CLOSE - SECOND, CLOSE - NS, CLOSE + MINUTE, NEXT_OPEN, NEXT_OPEN + NS, NEXT_OPEN + SECOND)
LAGS = (0, 0, 50 * MS, 300 * MS, 2 * SECOND)


@st.composite
def wild_ticks(draw: st.DrawFn) -> list[Tick]:
    """Ticks around the break of a session: several in one ns, some running backwards, some received late."""
    now, received, ticks = CLOSE - 2 * HOUR, 0, []
    for seq in range(draw(st.integers(0, 40))):
        now += draw(st.sampled_from(STEPS))
        ts = now - draw(st.sampled_from(BACK))
        received = max(received, now + draw(st.sampled_from(LAGS)))
        ticks.append(tick(seq, ts, 100.0 + draw(st.integers(-8, 8)) / 4, float(draw(st.integers(1, 5))), received))
    return ticks


def both_ways(name: str, calendar: str, ticks: list[Tick]) -> tuple[list[Bar], list[Bar], BaseAggregator]:
    def create() -> BaseAggregator:
        return create_aggregator("/NQ", Timeframe.parse(name), get_calendar(calendar))

    living, mortal = create(), create()
    bars: list[Bar] = []
    again: list[Bar] = []
    for one in ticks:
        mortal = restarted(mortal, create, again[-1] if again else None)
        bars += living.on_tick(one)
        again += mortal.on_tick(one)
    return bars, again, living


@pytest.mark.parametrize("name", ["1", "30", "4h", "1d", "30s"])
@given(ticks=wild_ticks(), calendar=st.sampled_from(["CME_INDEX", "NYSE", "24/7"]))
def test_time_bars(name: str, ticks: list[Tick], calendar: str) -> None:
    bars, again, living = both_ways(name, calendar, ticks)
    assert again == bars
    held = living.open_bar.ticks if living.open_bar is not None else 0
    assert sum(bar.ticks for bar in bars) + held + living.late + living.out_of_session == len(ticks)
    assert all(before.ts_close <= after.ts_open for before, after in pairwise(bars))


@given(stamps=st.lists(st.sampled_from(AROUND_THE_BREAK), max_size=12), length=st.integers(1, 3))
def test_tick_bars(stamps: list[int], length: int) -> None:
    """Prints of both sessions in any order, with the break between them."""
    ticks = ticks_at(*stamps)
    bars, again, _ = both_ways(f"{length}t", "CME_INDEX", ticks)
    assert again == bars


@given(ticks=wild_ticks(), length=st.integers(1, 5))
def test_tick_bars_of_a_market_without_a_break(ticks: list[Tick], length: int) -> None:
    bars, again, living = both_ways(f"{length}t", "24/7", ticks)
    assert again == bars
    held = living.open_bar.ticks if living.open_bar is not None else 0
    assert sum(bar.ticks for bar in bars) + held == len(ticks)
