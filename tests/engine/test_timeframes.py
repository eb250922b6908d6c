"""The other timeframes of a strategy: which bars it is shown, in which order, when they are enough, and that a restart changes nothing."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, NEXT_OPEN, NQ, OPEN, PAPER, SECOND, bar, update
from tests.engine.desk import LONG, codes

from fortified.aggregation.base import update_of
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig
from fortified.engine.engine import Engine, EngineState
from fortified.engine.inputs import BarClosed, BarUpdated, Decision, DenialCode, EngineInput, GapSeen, Leg, LegState
from fortified.engine.timeframes import Line, OtherTimeframes
from fortified.strategies.base import Answers, BaseStrategy, StrategyConfig, StrategyPosition

CALENDAR = get_calendar(NQ.calendar)
GAP, PARTIAL, FROM_BARS, SESSION_END = BarFlag.GAP, BarFlag.PARTIAL_START, BarFlag.FROM_BARS, BarFlag.SESSION_END
type Shown = list[Any]


class Reader(BaseStrategy):
    """Keeps what it is shown: timeframe, opening minute of the session, last tick; a tick by its number. Wishes to be long at 1."""

    name: ClassVar[str] = "reader"

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.shown: Shown = []

    def warmup_periods(self) -> int:
        return 0

    def on_other_bar(self, bar: Bar) -> None:
        self.shown.append([bar.timeframe, (bar.ts_open - OPEN) // SECOND, bar.seq])

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        self.on_other_bar(bar)
        return LONG if bar.close == 1.0 else None


class TickReader(Reader):
    name: ClassVar[str] = "tick_reader"

    def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Answers:
        self.shown.append(tick.seq)
        return None


class Stage:
    """A publisher of one timeframe and the engine of a strategy that reads others besides."""

    def __init__(self, own: str, wanted: Mapping[str, int], strategy: type[BaseStrategy] = Reader, warmup: int = 0) -> None:
        self.strategy, self.seq = strategy, -1
        legs = (Leg(PAPER, "/NQ", Decimal(2)),)
        self.config = EngineConfig(strategy="s", timeframe=own, instrument=NQ, legs=legs, warmup=warmup, timeframes=wanted)
        self.publisher = create_aggregator("/NQ", Timeframe.parse(own), CALENDAR)
        self.engine = self.fresh()

    def fresh(self, state: EngineState | None = None) -> Engine:
        engine = Engine(self.config, lambda: self.strategy(StrategyConfig("/NQ", self.config.timeframe), logging.getLogger("t")), CALENDAR)
        if state is not None:
            engine.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=EngineState))
        return engine

    def restart(self) -> None:
        self.engine = self.fresh(self.engine.snapshot())

    def process(self, event: EngineInput) -> Decision:
        return self.engine.process(event, {PAPER: LegState()})

    def tick(self, ts: int, price: float = 100.0) -> None:
        """A tick, as a live publisher hands it on."""
        self.seq += 1
        tick = Tick("/NQ", self.seq, ts, ts, price, 1.0)
        self.closed(self.publisher.before(tick))
        if self.publisher.add(tick) and self.publisher.open_bar is not None:
            self.process(BarUpdated(update_of("/NQ", self.publisher.name, tick, self.publisher.open_bar, 0.0)))
        self.closed(self.publisher.after())

    def closed(self, done: Bar | None) -> None:
        if done is not None:
            self.process(BarClosed(done))

    @property
    def shown(self) -> Shown:
        state = self.engine.snapshot().strategy["shown"]
        assert isinstance(state, list)
        return state

    @property
    def seen(self) -> dict[str, int]:
        assert self.engine.others is not None
        return {name: line.seen for name, line in self.engine.others.lines.items()}


def names(shown: Shown) -> Sequence[Any]:
    return [entry if isinstance(entry, int) else entry[0] for entry in shown]


# --- the order ---


def test_the_longer_come_first_and_the_own_bar_that_ends_with_them_last() -> None:
    stage = Stage("1", {"2": 0, "30s": 0, "1h": 0, "3": 0, "4t": 0, "2t": 0})
    for minute in range(60):
        stage.tick(OPEN + minute * MINUTE)
    before = len(stage.shown)
    stage.tick(OPEN + HOUR)
    # 60 minutes are over with the stamp of the tick, which begins the next bars of 2 and 4 ticks.
    assert stage.shown[before:] == [["1h", 0, 59], ["3", 57 * 60, 59], ["2", 58 * 60, 59], ["30s", 59 * 60, 59], ["1", 59 * 60, 59]]


def test_bars_of_ticks_end_with_their_tick_and_bars_of_time_before_the_next() -> None:
    stage = Stage("1h", {"1": 0, "4t": 0, "2t": 0}, TickReader)
    for number, second in enumerate((0, 10, 20, 30, 70)):
        stage.tick(OPEN + second * SECOND)
        assert stage.seq == number
    assert stage.shown == [0, ["2t", 0, 1], 1, 2, ["4t", 0, 3], ["2t", 20, 3], 3, ["1", 0, 3], 4]


def test_what_ended_long_before_the_own_bar_is_shown_before_it() -> None:
    stage = Stage("1h", {"1": 0, "15": 0})
    stage.tick(OPEN)
    stage.tick(OPEN + 90 * MINUTE)
    assert names(stage.shown) == ["15", "1", "1h"]


def test_a_short_bar_of_ticks_ends_with_the_session() -> None:
    stage = Stage("1h", {"4t": 0, "1d": 0})
    stage.tick(CLOSE - MINUTE)
    stage.tick(NEXT_OPEN)
    assert names(stage.shown) == ["4t", "1d", "1h"]
    own = Stage("4t", {"1h": 0})
    own.tick(CLOSE - MINUTE)
    own.tick(NEXT_OPEN)
    assert names(own.shown) == ["4t", "1h"]  # at the stamp of its last tick, the hour was not over


def test_ticks_that_are_late_or_out_of_session_or_repeated_build_nothing() -> None:
    stage = Stage("1", {"2t": 0})
    stage.tick(OPEN - MINUTE)
    stage.tick(OPEN + MINUTE)
    stage.tick(OPEN + MINUTE - 1)  # its minute is over
    stage.process(BarUpdated(update(1, ts=OPEN + MINUTE)))
    assert stage.shown == []
    stage.tick(OPEN + MINUTE)
    assert stage.shown == [["2t", 60, 3]]


# --- ready-made bars ---


def ready(number: int, length: int = 1, **fields: Any) -> BarClosed:
    ts = OPEN + number * length * MINUTE
    values: dict[str, Any] = {"ts_open": ts, "ts_close": ts + length * MINUTE, "seq": number, "flags": FROM_BARS}
    return BarClosed(bar(number, **(values | fields)))


def test_longer_bars_are_made_of_ready_made_ones() -> None:
    stage = Stage("1", {"2": 0, "4": 0})
    for number in range(4):
        stage.process(ready(number))
    assert names(stage.shown) == ["1", "2", "1", "1", "4", "2", "1"]
    stage.process(ready(9))
    stage.process(ready(20))  # nothing traded in between: the second half is over by then
    assert names(stage.shown[7:]) == ["2", "1", "4", "1"]


@pytest.mark.parametrize(("other", "told"), [("30s", "30s bars cannot be built"), ("3t", "3t bars cannot be built"), ("7", "7 bars")])
@pytest.mark.parametrize("gap_first", [False, True])
def test_what_cannot_be_made_of_them_is_refused(other: str, told: str, gap_first: bool) -> None:
    stage = Stage("5", {other: 1})
    if gap_first:
        stage.process(GapSeen(OPEN, "trimmed"))
    with pytest.raises(ConfigError, match=told):
        stage.process(ready(0, 5, timeframe="5"))


# --- how many were seen ---


def test_no_entry_before_enough_bars_of_each_and_the_denial_says_of_which() -> None:
    stage = Stage("1", {"2": 2, "4": 1})
    for number, text in ((0, "0 bars of 4 seen, 1 are needed; 0 bars of 2 seen, 2"), (1, "0 bars of 4 seen, 1 are needed; 1 bars of 2")):
        [denial] = stage.process(ready(number, close=1.0)).denials
        assert (denial.code, text in denial.text) == (DenialCode.WARMING_UP, True)
        assert not stage.engine.is_warm
    stage.process(ready(2))
    assert stage.process(ready(3, close=1.0)).orders != ()  # both end with this bar, and were shown before it


def test_too_few_of_the_own_are_told_first() -> None:
    stage = Stage("1", {"2": 2}, warmup=2)
    assert "0 bars seen, 2 are needed" in stage.process(ready(0, close=1.0)).denials[0].text.replace("1 bars seen", "0 bars seen")


def test_a_bar_that_began_in_the_middle_is_never_shown_nor_counted() -> None:
    stage = Stage("1", {"2": 1})
    assert stage.engine.others is not None
    stage.engine.others.begin("2", None, -1, whole=False)
    for minute in (0, 1, 2):
        stage.tick(OPEN + minute * MINUTE)
        stage.restart()
    assert (names(stage.shown), stage.seen) == (["1", "1"], {"2": 0})
    stage.tick(OPEN + 4 * MINUTE)
    assert stage.shown[2:] == [["1", 120, 2], ["2", 120, 2]]


def test_a_timeframe_that_is_new_to_a_state_begins_in_the_middle() -> None:
    old, stage = Stage("1", {}), Stage("1", {"2": 1})
    old.tick(OPEN)
    stage.engine = stage.fresh(old.engine.snapshot())
    stage.seq = 0
    for minute in (1, 2, 4):
        stage.tick(OPEN + minute * MINUTE)
    assert [entry for entry in stage.shown if entry[0] == "2"] == [["2", 120, 2]]


@pytest.mark.parametrize("restart", [False, True])
def test_behind_missing_entries_all_count_anew(restart: bool) -> None:
    stage = Stage("1", {"2": 1})
    for minute in range(4):
        stage.tick(OPEN + minute * MINUTE)
    assert stage.seen == {"2": 1}
    stage.process(GapSeen(OPEN + 3 * MINUTE, "trimmed"))
    if restart:
        stage.restart()
    assert (stage.seen, stage.shown) == ({"2": 0}, [])
    for minute in (4, 6, 8):  # the first ends the bar that has the hole, and the next one may have begun in it
        stage.tick(OPEN + minute * MINUTE)
    assert (stage.seen, stage.shown) == ({"2": 1}, [["2", 120, 3], ["1", 180, 3], ["1", 240, 4], ["1", 360, 5], ["2", 360, 5]])


def test_a_strategy_that_a_gap_began_anew_waits_for_the_others_again() -> None:
    """It has forgotten the bars that it was shown; those that end with the bar of the gap are shown to the new one."""
    stage = Stage("1", {"2": 1, "1h": 1})
    for number in range(61):
        stage.process(ready(number))
    assert stage.seen == {"1h": 1, "2": 30}
    stage.process(ready(61, flags=FROM_BARS | GAP))
    assert (stage.seen, names(stage.shown)) == ({"1h": 0, "2": 1}, ["2", "1"])
    assert codes(stage.process(ready(62, close=1.0))) == [DenialCode.WARMING_UP]
    assert not stage.engine.is_warm


def test_a_bar_that_began_with_the_hole_is_not_shown_and_one_with_the_hole_in_its_middle_is() -> None:
    def closed(first: int) -> Shown:
        stage = Stage("5", {"1h": 0})
        for minute in (*range(0, first, 5), first):
            stage.tick(OPEN + minute * MINUTE)
        stage.publisher.mark(GAP | PARTIAL)
        stage.tick(OPEN + (first + 5) * MINUTE)
        stage.tick(OPEN + 2 * HOUR)
        return [entry for entry in stage.shown if entry[0] == "1h"]

    assert closed(60) == []
    assert closed(65) == [["1h", 3600, 14]]


def test_the_bar_behind_one_with_a_hole_is_whole() -> None:
    stage = Stage("5", {"1h": 1})
    for minute in (0, 55, 57, 60, 65, 120, 125):
        if minute == 57:
            stage.publisher.mark(GAP)
        stage.tick(OPEN + minute * MINUTE)
    assert [entry[2] for entry in stage.shown if entry[0] == "1h"] == [2, 4]
    assert stage.seen == {"1h": 2}


def test_a_gap_in_the_past_is_not_bridged_by_what_was_shown_before_it() -> None:
    stage = Stage("1", {"2": 1})
    for past in (bar(1, timeframe="2"), bar(1), bar(2, flags=GAP)):
        stage.engine.warm(past)
    assert (stage.seen, names(stage.shown)) == ({"2": 0}, ["1"])


# --- warm-up and splice ---


def lines(**wanted: int) -> OtherTimeframes:
    return OtherTimeframes("/NQ", "1", {name.removeprefix("of_"): bars for name, bars in wanted.items()}, CALENDAR)


def past(number: int) -> Bar:
    ts = OPEN + 2 * number * MINUTE
    return bar(number, timeframe="2", ts_open=ts, ts_close=ts + 2 * MINUTE, seq=2 * number + 1)


def test_the_past_is_spliced_to_the_bar_that_is_open_and_nothing_counts_twice() -> None:
    publisher = create_aggregator("/NQ", Timeframe.parse("2"), CALENDAR)
    for seq in range(3):
        publisher.on_tick(Tick("/NQ", seq, OPEN + seq * MINUTE, OPEN + seq * MINUTE, 100.0 + seq, 1.0))
    others = lines(of_2=1)
    others.begin("2", publisher.open_bar, 2, whole=True)
    assert others.warm(past(0))
    shown = [one for seq in range(5) for one in others.of_update(update(seq, 100.0 + seq, ts=OPEN + seq * MINUTE))]
    assert [(one.ts_open, one.ticks, one.open, one.close, one.flags) for one in shown] == [(OPEN + 2 * MINUTE, 2, 102.0, 103.0, 0)]
    assert others.lines["2"].seen == 2


def test_what_an_earlier_strategy_was_shown_does_not_count_for_the_next() -> None:
    others = lines(of_2=3)
    others.restore({"2": Line(seen=7, done=900, flags=int(GAP))})
    others.begin("2", None, 950, whole=True)
    assert others.warm(past(500))
    assert not others.is_warm
    assert others.missing == "1 bars of 2 seen, 3 are needed"
    assert (others.lines["2"].flags, others.lines["2"].done) == (0, 1001)


# --- restarts ---

GAPS = st.sampled_from([0, 1, SECOND, 20 * SECOND, MINUTE, 7 * MINUTE, HOUR, 23 * HOUR, -1, -90 * SECOND])


@settings(max_examples=250, deadline=None)
@given(
    own=st.sampled_from(["1t", "3t", "30s", "1", "15", "1h", "1d"]),
    wanted=st.dictionaries(st.sampled_from(["2t", "5t", "10s", "2", "10", "4h"]), st.integers(0, 3), min_size=1, max_size=4),
    start=st.sampled_from([OPEN, CLOSE - 3 * MINUTE]),
    steps=st.lists(st.tuples(GAPS, st.sampled_from(["", "", "", "", "gap", "flag", "time"])), min_size=5, max_size=60),
    strategy=st.sampled_from([Reader, TickReader]),
)
def test_a_restart_behind_every_event_changes_nothing(
    own: str, wanted: dict[str, int], start: int, steps: list[tuple[int, str]], strategy: type[BaseStrategy]
) -> None:
    plain, restarted = Stage(own, wanted, strategy), Stage(own, wanted, strategy)
    for stage in (plain, restarted):
        ts = start
        for passed, special in steps:
            ts += passed
            if special == "gap":
                stage.process(GapSeen(ts, "trimmed"))
            elif special == "flag":
                stage.publisher.mark(GAP)
            elif special == "time":
                stage.closed(stage.publisher.on_time(ts + 2 * MINUTE))  # a timer of the live publisher
            stage.tick(ts)
            if stage is restarted:
                stage.restart()
    assert restarted.shown == plain.shown
    assert restarted.seen == plain.seen
    assert restarted.engine.snapshot() == plain.engine.snapshot()
