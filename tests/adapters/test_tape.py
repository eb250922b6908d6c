"""From prints to ticks: what counts, in which order, under which number, and what is said of what is missing."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.adapters.tastytrade.dxlink_events import CANCEL, CORRECTION, NEW, REMOVE, LastTrade, Print, index_of, ts_of_index
from fortified.adapters.tastytrade.tape import Mode, Tape, TapePolicy
from fortified.adapters.tastytrade.tape_ids import PrintIds, ts_of_seq
from fortified.adapters.tastytrade.tape_volume import VolumeCheck
from fortified.domain.market import Gap, SourceEvent, Tick, Watermark

SECOND, MS = 10**9, 10**6
NOW_MS = 1_790_000_000_000
NOW = NOW_MS * MS


def printed(number: int, price: float = 100.0, size: float = 1.0, ms: int | None = None, **fields: Any) -> Print:
    """Print ``number``: one each millisecond, unless ``ms`` says otherwise."""
    time_ms = NOW_MS + (number if ms is None else ms)
    index = index_of(time_ms, number)
    assert index is not None
    values = {"bid": None, "ask": None, "flags": 0, "valid": True, "spread_leg": False, "extended": False, "type": NEW}
    return Print("X", index, time_ms * MS, price, size, **(values | fields))


def traded(number: int, volume: float, day: int = 1, price: float = 100.0, **fields: Any) -> LastTrade:
    like = printed(number)
    return LastTrade("X", like.index, like.ts_event, price, 1.0, day, volume, fields.get("extended", False))


def tape(after: int | None = None, policy: TapePolicy | None = None, *, apart: bool = False, caught_up: bool = True) -> Tape:
    made = Tape("/X", after, NOW, NOW, policy or TapePolicy(), apart=apart)
    made.begin()
    if caught_up:
        made.catch_up([])
    return made


def ticks(events: Sequence[SourceEvent]) -> list[Tick]:
    return [event for event in events if isinstance(event, Tick)]


def watermarks(events: Sequence[SourceEvent]) -> list[int]:
    return [event.ts_event for event in events if isinstance(event, Watermark)]


def gaps(events: Sequence[SourceEvent]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Gap)]


# --- what counts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"valid": False}, False),
        ({"size": 0.0}, False),
        ({"size": math.nan}, False),
        ({"price": math.nan}, False),
        ({"price": math.inf}, False),
        ({"price": -37.63}, True),
        ({"size": 0.5}, True),
        ({"type": CANCEL}, False),
        ({"type": CORRECTION}, True),
        ({"type": "SOMETHING_NEW"}, True),
        ({"flags": REMOVE}, False),
        ({"spread_leg": True}, True),
        ({"extended": True}, True),
    ],
)
def test_one_eligible_print_is_one_tick(fields: dict[str, Any], counts: bool) -> None:
    assert len(tape().on_prints([printed(1, **fields)], NOW)) == counts


def test_spread_legs_are_a_matter_of_policy() -> None:
    assert tape(policy=TapePolicy(spread_legs=False)).on_prints([printed(1, spread_leg=True)], NOW) == []


def test_a_tick_has_both_stamps_and_the_quote_of_its_print() -> None:
    (tick,) = ticks(tape().on_prints([printed(1, 100.25, 3.0, bid=100.0, ask=100.25)], NOW + 5))
    assert (tick.symbol, tick.price, tick.size, tick.bid, tick.ask) == ("/X", 100.25, 3.0, 100.0, 100.25)
    assert (tick.ts_event, tick.ts_recv) == (NOW + MS, NOW + 5)


def test_what_was_fetched_came_when_it_was_printed() -> None:
    (tick,) = ticks(tape(caught_up=False).catch_up([printed(1)]))
    assert tick.ts_recv == tick.ts_event  # else every bar of the past would be over with its first tick


# --- numbers --------------------------------------------------------------------------------------------------------------------------


def test_the_same_print_has_the_same_number_in_every_run() -> None:
    prints = [printed(number) for number in range(5)]
    one, other = ticks(tape().on_prints(prints, NOW)), ticks(tape().on_prints(prints[3:], NOW + SECOND))
    assert [tick.seq for tick in one[3:]] == [tick.seq for tick in other]
    assert ts_of_seq(one[0].seq) == NOW


def test_numbers_fit_into_the_ids_of_streams_until_2053() -> None:
    index = index_of(2_650_000_000_999, 2**22 - 1)
    assert index is not None
    assert 0 < 4 * PrintIds(None).number(index) + 3 < 2**64
    assert ts_of_index(index) == 2_650_000_000_999 * MS


def test_the_index_of_a_real_print() -> None:
    assert index_of(1685328315116, 53166) == 7238429996434378670


def test_late_prints_count_and_numbers_still_grow() -> None:
    late = printed(2)
    made = tape()
    events = ticks(made.on_prints([printed(1), printed(3), late, printed(4)], NOW))
    assert [tick.ts_event for tick in events] == [NOW + MS, NOW + 3 * MS, NOW + 2 * MS, NOW + 4 * MS]
    assert [tick.seq for tick in events] == sorted({tick.seq for tick in events})
    assert made.counts.late == 1
    assert made.on_prints([late], NOW) == []


SESSIONS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(0, 3), st.integers(0, 10)), max_size=8)


@given(st.integers(1, 60), SESSIONS)
def test_whatever_is_resent_cut_and_fetched_each_print_is_one_tick(count: int, sessions: list[tuple[int, int, int, int]]) -> None:
    """Connections end anywhere; each new one sends some prints again, holds some, and what was missed is fetched with a margin."""
    prints = [printed(number, ms=number // 3) for number in range(count)]
    made, events, at = tape(), list[SourceEvent](), 0
    for missed, resent, held, live in [*sessions, (count, 0, 0, 0)]:
        start, behind = made.begin(), at
        live_from = at + missed
        events += made.on_prints(prints[max(0, behind - resent) : behind], NOW)
        events += made.on_prints(prints[live_from : live_from + held], NOW)
        events += made.catch_up([one for one in prints[: live_from + held] if one.ts_event >= start])
        events += made.on_prints(prints[live_from + held : live_from + held + live], NOW)
        at = live_from + held + live
    assert not gaps(events)
    assert [tick.ts_event for tick in ticks(events)] == [one.ts_event for one in prints]
    assert [tick.seq for tick in ticks(events)] == [tick.seq for tick in ticks(tape().on_prints(prints, NOW))]


def test_a_restart_goes_on_behind_the_last_number() -> None:
    prints = [printed(number) for number in range(6)]
    before = ticks(tape().on_prints(prints[:3], NOW))
    made = tape(before[-1].seq, caught_up=False)
    assert made.begin() < prints[2].ts_event
    assert made.on_prints([prints[5]], NOW) == []  # held: those before it come first
    events = made.catch_up(prints[1:5])
    assert [tick.ts_event for tick in ticks(events)] == [one.ts_event for one in prints[3:]]
    assert not gaps(events)


@pytest.mark.parametrize("past", [None, [], [printed(4)]])
def test_a_history_that_does_not_reach_back_to_the_last_print_is_a_gap(past: list[Print] | None) -> None:
    before = ticks(tape().on_prints([printed(1)], NOW))
    events = tape(before[-1].seq, caught_up=False).catch_up(past)
    assert isinstance(events[0], Gap)
    assert len(ticks(events)) == len(past or [])


def test_a_history_that_was_cut_is_a_gap() -> None:
    assert gaps(tape(caught_up=False).catch_up([printed(1)], "cut")) == ["cut"]


@pytest.mark.parametrize("after", [0, 12_345, 2**61])
def test_numbers_of_another_source_keep_only_their_order(after: int) -> None:
    made = tape(after, caught_up=False)
    assert made.begin() == NOW
    events = made.catch_up([printed(1), printed(2)])
    assert gaps(events)
    assert [tick.seq > after for tick in ticks(events)] == [True, True]


def test_what_is_too_old_to_tell_is_taken_for_known() -> None:
    made = tape()
    made.on_prints([printed(number) for number in range(200_000)], NOW)
    assert made.on_prints([printed(0)], NOW) == []
    assert made.counts.ticks == 200_000


def test_nothing_is_called_complete_while_prints_are_held() -> None:
    made = tape()
    assert watermarks(made.on_time(NOW + SECOND)) == [NOW + SECOND]
    made.begin()
    assert made.on_time(NOW + 2 * SECOND) == []
    assert gaps(made.catch_up([printed(1)])) == []
    assert watermarks(made.on_time(NOW + 3 * SECOND)) == [NOW + 3 * SECOND]


@pytest.mark.parametrize(("frozen_s", "told"), [(0.5, False), (30.0, True)])
def test_prints_that_a_frozen_line_held_back_are_a_gap_once_their_bars_may_be_over(frozen_s: float, told: bool) -> None:
    made = tape()
    made.on_prints([printed(0)], NOW)
    made.on_time(NOW + round(frozen_s * SECOND))
    made.begin()
    assert bool(gaps(made.catch_up([printed(0), printed(1)]))) == told


def test_after_doubt_prints_are_fetched_soon_and_not_without_end() -> None:
    made = tape()
    made.on_prints([printed(0)], NOW)
    assert made.repair_from(NOW) is None
    made.doubt()
    assert made.repair_from(NOW) is not None
    made.catch_up([printed(0), printed(1)])
    made.doubt()
    assert made.repair_from(NOW + SECOND // 2) is None
    assert made.repair_from(NOW + SECOND) is not None


# --- amendments -----------------------------------------------------------------------------------------------------------------------


def test_amendments_of_known_prints_are_counted_and_make_no_tick() -> None:
    made = tape()
    made.on_prints([printed(1), printed(2)], NOW)
    assert made.on_prints([printed(1, 99.0, type=CORRECTION), printed(2, type=CANCEL)], NOW) == []
    assert (made.counts.corrections, made.counts.cancels, made.counts.ticks) == (1, 1, 2)


def test_in_a_history_a_corrected_print_stands_for_its_original() -> None:
    events = tape(caught_up=False).catch_up([printed(1), printed(2, 99.0, type=CORRECTION), printed(3, type=CANCEL), printed(4)])
    assert [tick.price for tick in ticks(events)] == [100.0, 99.0, 100.0]


# --- fall-back to trades --------------------------------------------------------------------------------------------------------------


def test_trades_that_move_without_prints_take_their_place_loudly() -> None:
    made = tape()
    assert made.on_trades([traded(1, 10.0)], NOW) == []  # a snapshot: nothing moved yet
    assert made.on_trades([traded(2, 11.0), traded(3, 12.0)], NOW) == []
    assert not ticks(made.on_time(NOW + 4 * SECOND))
    events = made.on_time(NOW + 5 * SECOND)
    assert gaps(events) == ["no prints come: ticks are made of trades, which may be conflated"]
    assert [tick.ts_event for tick in ticks(events)] == [NOW + 2 * MS, NOW + 3 * MS]  # kept meanwhile
    assert made.is_approximate
    assert len(ticks(made.on_trades([traded(4, 13.0)], NOW))) == 1
    assert made.on_trades([traded(4, 13.0)], NOW) == []  # the same one again


def test_prints_that_come_after_all_take_the_place_of_trades() -> None:
    made = tape()
    made.on_trades([traded(1, 10.0)], NOW)
    made.on_trades([traded(2, 11.0)], NOW)
    made.on_time(NOW + 5 * SECOND)
    events = made.on_prints([printed(2), printed(3)], NOW)
    assert gaps(events)
    assert [tick.ts_event for tick in ticks(events)] == [NOW + 3 * MS]  # print 2 was the trade
    assert made.mode is Mode.PRINTS


def test_trades_that_prints_explain_move_nothing() -> None:
    made = tape()
    made.on_trades([traded(1, 10.0)], NOW)
    made.on_prints([printed(2)], NOW)
    made.on_trades([traded(2, 11.0)], NOW)
    assert not gaps(made.on_time(NOW + 3600 * SECOND))
    assert made.mode is Mode.PRINTS


def test_prints_that_end_while_trades_move_are_given_up_later() -> None:
    made = tape()
    made.on_prints([printed(1)], NOW)
    made.on_trades([traded(1, 10.0)], NOW)
    made.on_trades([traded(5, 11.0)], NOW)
    assert not gaps(made.on_time(NOW + 14 * SECOND))
    assert gaps(made.on_time(NOW + 15 * SECOND))


# --- lost prints ----------------------------------------------------------------------------------------------------------------------


class Checked:
    """A volume check of a market that prints one each second."""

    def __init__(self) -> None:
        self.check, self.volume, self.second = VolumeCheck(5 * SECOND), 100.0, 0
        self.check.on_volume(1, self.volume, NOW)

    def run(self, seconds: int, lost: frozenset[int] = frozenset(), *, trade_first: bool = True) -> list[float]:
        found = []
        for _ in range(seconds):
            self.second += 1
            self.volume += 2.0
            now = NOW + self.second * SECOND
            if trade_first:
                self.check.on_volume(1, self.volume, now)
            if self.second not in lost:
                self.check.on_print(2.0)
            if not trade_first:
                self.check.on_volume(1, self.volume, now)
            missing = self.check.on_time(now)
            if missing:
                found.append(missing)
        return found


@pytest.mark.parametrize("trade_first", [True, False])
def test_nothing_is_missing_whoever_is_ahead(trade_first: bool) -> None:
    assert Checked().run(100, trade_first=trade_first) == []


def test_lost_prints_are_missed_within_two_windows() -> None:
    checked = Checked()
    assert checked.run(20) == []
    assert checked.run(12, lost=frozenset({23, 24})) == [4.0]


def test_what_was_accepted_is_not_missed_again() -> None:
    checked = Checked()
    checked.run(20)
    assert checked.run(15, lost=frozenset({23}))
    checked.check.accept()
    assert checked.run(30) == []


def test_what_comes_late_is_not_missed() -> None:
    checked = Checked()
    checked.run(20)
    assert checked.run(12, lost=frozenset({23}))
    checked.check.on_print(2.0)
    assert checked.run(30) == []


def test_a_new_day_begins_anew() -> None:
    checked = Checked()
    checked.run(20)
    checked.check.on_volume(2, 5.0, NOW + 21 * SECOND)
    checked.check.on_print(5.0)
    assert checked.check.on_time(NOW + 40 * SECOND) == 0.0


def test_lost_prints_are_fetched_and_what_stays_lost_is_a_gap() -> None:
    made, volume, now = tape(), 0.0, NOW
    events = list[SourceEvent]()
    fetched = 0
    for number in range(1, 60):
        now, volume = NOW + number * SECOND, volume + 1.0
        moment = number * 1000
        events += made.on_trades([traded(moment, volume)], now)
        if number != 20:
            events += made.on_prints([printed(number, ms=moment)], now)
        events += made.on_time(now)
        if made.repair_from(now) is not None:
            fetched += 1
            events += made.catch_up([printed(19, ms=19_000)])  # the venue does not have it either
    assert fetched == 1
    assert gaps(events) == ["the day's volume says that 1 are missing"]
    assert made.counts.lost_volume == 1.0


def test_lost_prints_that_are_fetched_are_ticks_and_came_too_late_for_bars_of_time() -> None:
    made, volume, events = tape(), 0.0, list[SourceEvent]()
    for number in range(1, 60):
        now, volume, moment = NOW + number * SECOND, volume + 1.0, number * 1000
        events += made.on_trades([traded(moment, volume)], now)
        if number != 20:
            events += made.on_prints([printed(number, ms=moment)], now)
        events += made.on_time(now)
        if made.repair_from(now) is not None:
            events += made.catch_up([printed(one, ms=one * 1000) for one in range(15, number + 1)])
    assert gaps(events) == ["prints were fetched when bars of their time could be over"]
    assert len(ticks(events)) == 59
    assert made.counts.recovered == 1


def test_prints_outside_of_regular_hours_have_a_volume_of_their_own() -> None:
    made, volume = tape(apart=True), 0.0
    for number in range(1, 40):
        now, moment = NOW + number * SECOND, number * 1000
        volume += 1.0
        made.on_trades([traded(moment, volume)], now)
        made.on_trades([traded(moment, 7.0 * number, extended=True)], now)
        made.on_prints([printed(number, ms=moment), printed(number, size=7.0, ms=moment + 1, extended=True)], now)
        assert not gaps(made.on_time(now))
        assert made.repair_from(now) is None
