"""The publisher of a symbol: which entries it makes, in which order, and that a restart makes the same ones."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, MS, NEXT_OPEN, OPEN, SECOND, bar, tick, ticks_at

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import InvariantError
from fortified.domain.market import Bar, BarFlag, BarUpdate, Gap, Quote, SourceEvent, Tick, Watermark
from fortified.domain.timeframe import Timeframe
from fortified.orchestration.events import Listeners
from fortified.orchestration.symbol_publisher import SymbolPublisher, seq_of
from fortified.ports import ORIGIN, Checkpoint, EntryId, StreamRef

Entry = tuple[EntryId, EntryId, Bar | tuple[Tick, OpenBar, float]]
CALENDAR = get_calendar("CME_INDEX")

MISSED = BarFlag.GAP | BarFlag.PARTIAL_START


class Tape:
    """A bus that keeps what it is given; the streams of a pair never go back and take each id once."""

    def __init__(self) -> None:
        self.entries: dict[StreamRef, list[Entry]] = {}

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None:
        self._take(ref, (entry, previous, (tick, msgspec.structs.replace(bar), fill)))

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        self._take(ref, (entry, previous, bar))

    def _take(self, ref: StreamRef, row: Entry) -> None:
        rows = self.entries.setdefault(ref, [])
        assert row[1] == (rows[-1][0] if rows else ORIGIN), "an entry names the one before it"
        assert row[0] > row[1], "ids grow"
        rows.append(row)

    def checkpoint(self, ref: StreamRef) -> Checkpoint | None:
        rows = self.entries.get(ref, [])
        bars = [row for row in rows if isinstance(row[2], Bar)]
        updates = [row for row in rows if not isinstance(row[2], Bar)]
        if not rows:
            return None
        last_update, last_bar = (updates[-1][0] if updates else ORIGIN), (bars[-1][0] if bars else ORIGIN)
        held = updates[-1][2] if updates else None
        open_bar = held[1] if isinstance(held, tuple) and last_update > last_bar else None
        closed = bars[-1][2] if bars else None
        assert closed is None or isinstance(closed, Bar)
        return Checkpoint(msgspec.structs.replace(open_bar) if open_bar is not None else None, last_update, last_bar, closed)

    def cut(self, ref: StreamRef, count: int) -> "Tape":
        """As it was after its first ``count`` entries."""
        shorter = Tape()
        shorter.entries = {ref: self.entries[ref][:count]}
        return shorter

    def bars(self, timeframe: str) -> list[Bar]:
        return [row[2] for row in self.entries.get(StreamRef("/NQ", timeframe), []) if isinstance(row[2], Bar)]


def aggregator(name: str, source: str | None = None) -> BaseAggregator:
    return create_aggregator("/NQ", Timeframe.parse(name), CALENDAR, source=None if source is None else Timeframe.parse(source))


def begin(tape: Tape, *names: str, source: str | None = None) -> tuple[SymbolPublisher, int]:
    """A publisher on ``tape``, and the first ``seq`` its source has to send."""
    publisher = SymbolPublisher("/NQ", tape, Listeners())  # type: ignore[arg-type]  # the part of a bus that a publisher uses
    for name in names:
        publisher.add(aggregator(name, source), tape.checkpoint(StreamRef("/NQ", name)))
    after = publisher.start()
    return publisher, 0 if after is None else after + 1


def publish(publisher: SymbolPublisher, events: Sequence[SourceEvent]) -> None:
    for event in events:
        publisher.on_event(event)


wild = st.lists(
    st.tuples(st.sampled_from((0, 0, 1, MS, SECOND, 25 * SECOND, MINUTE)), st.sampled_from((0, 0, 0, 1, 3 * SECOND)), st.integers(0, 9)),
    max_size=30,
)


def around_the_break(steps: list[tuple[int, int, int]]) -> list[Tick]:
    now, ticks = CLOSE - 2 * MINUTE, []
    for seq, (forward, back, price) in enumerate(steps):
        now = NEXT_OPEN if now > CLOSE - 2 * MINUTE and now + forward >= CLOSE > now else now + forward
        ticks.append(tick(seq, now - back, 100.0 + price, recv=now))
    return ticks


@pytest.mark.parametrize("names", [("1",), ("1", "30s", "1h"), ("3t",), ("1", "3t", "7t")])
@given(steps=wild)
@example(steps=[(MINUTE, 0, 0), (MINUTE, 0, 0), (0, 1, 0)])
def test_a_restart_at_every_tick_makes_the_same_entries(names: tuple[str, ...], steps: list[tuple[int, int, int]]) -> None:
    ticks = around_the_break(steps)
    whole, broken = Tape(), Tape()
    publish(begin(whole, *names)[0], ticks)
    for end in range(1, len(ticks) + 1):
        publisher, first = begin(broken, *names)
        publish(publisher, ticks[first:end])
    assert broken.entries == whole.entries


@pytest.mark.parametrize("name", ["1", "3t"])
def test_a_crash_between_any_two_entries_loses_and_doubles_none(name: str) -> None:
    ticks = ticks_at(*(OPEN + seq * 13 * SECOND for seq in range(20)), NEXT_OPEN, NEXT_OPEN + SECOND)
    whole, ref = Tape(), StreamRef("/NQ", name)
    publish(begin(whole, name)[0], ticks)
    for count in range(len(whole.entries[ref])):
        tape = whole.cut(ref, count)
        publisher, first = begin(tape, name)
        publish(publisher, ticks[first:])
        assert tape.entries == whole.entries


def test_it_does_not_with_bars_from_bars_either() -> None:
    """The last minute of the first five has no trades, so the sixth minute ends them."""
    small = [bar(number, float(number)) for number in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11)]
    whole, ref = Tape(), StreamRef("/NQ", "5")
    publish(begin(whole, "5", source="1")[0], small)
    assert [one.ticks for one in whole.bars("5")] == [40, 50]
    for count in range(len(whole.entries[ref])):
        tape = whole.cut(ref, count)
        publisher, first = begin(tape, "5", source="1")
        publish(publisher, [one for one in small if one.seq >= first])
        assert tape.entries == whole.entries


def test_ids_are_of_the_ticks_and_put_all_timeframes_into_one_order() -> None:
    tape = Tape()
    publish(begin(tape, "2t", "1")[0], ticks_at(OPEN, OPEN + MINUTE, OPEN + 61 * SECOND))
    ms = OPEN // MS
    merged = sorted((entry, ref.timeframe, isinstance(what, Bar)) for ref, rows in tape.entries.items() for entry, _, what in rows)
    assert [(entry.ms - ms, entry.n, timeframe, closed) for entry, timeframe, closed in merged] == [
        (0, 1, "1", False),
        (0, 1, "2t", False),
        (0, 3, "1", True),  # closed by the tick behind it, so it stands before that tick's update
        (60_000, 5, "1", False),
        (60_000, 5, "2t", False),
        (60_000, 7, "2t", True),
        (61_000, 9, "1", False),
        (61_000, 9, "2t", False),
    ]
    assert [seq_of(entry) for entry, _, _ in merged] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert seq_of(ORIGIN) == -1


def test_ids_never_go_back_when_the_stamps_do() -> None:
    tape = Tape()
    publish(begin(tape, "100t")[0], ticks_at(OPEN + SECOND, OPEN, OPEN + SECOND))
    assert [(entry.ms - OPEN // MS, entry.n) for entry, _, _ in tape.entries[StreamRef("/NQ", "100t")]] == [(1000, 1), (1000, 5), (1000, 9)]


def test_a_timer_and_a_tick_give_a_bar_the_same_entry() -> None:
    by_tick, by_timer = Tape(), Tape()
    first, second = tick(0, OPEN), tick(1, OPEN + 5 * MINUTE)
    publish(begin(by_tick, "1")[0], [first, second])
    publish(begin(by_timer, "1")[0], [first, Watermark("/NQ", OPEN + 2 * MINUTE), second])
    assert by_timer.entries == by_tick.entries


def test_timeframes_come_and_go_without_touching_the_others() -> None:
    ticks = ticks_at(*(OPEN + seq * 7 * SECOND for seq in range(60)))
    alone, shared = Tape(), Tape()
    publish(begin(alone, "1")[0], ticks)
    publisher, _ = begin(shared, "1")
    publish(publisher, ticks[:15])
    publisher.join(aggregator("4t"), None)
    publish(publisher, ticks[15:40])
    assert not publisher.remove("4t")
    publish(publisher, ticks[40:])
    assert shared.bars("1") == alone.bars("1")
    assert [(one.seq, bool(one.flags & BarFlag.PARTIAL_START)) for one in shared.bars("4t")] == [
        (seq, seq == 18) for seq in range(18, 40, 4)
    ]
    assert publisher.remove("1")


def test_one_that_comes_back_says_what_it_missed() -> None:
    tape, ticks = Tape(), ticks_at(*(OPEN + seq * SECOND for seq in range(30)))
    publisher, _ = begin(tape, "1", "4t")
    publish(publisher, ticks[:10])
    publisher.remove("4t")
    publish(publisher, ticks[10:13])
    publisher.join(aggregator("4t"), tape.checkpoint(StreamRef("/NQ", "4t")))
    publish(publisher, ticks[13:])
    assert [(one.seq, one.flags) for one in tape.bars("4t")][:4] == [(3, 0), (7, 0), (16, MISSED), (20, 0)]


def test_one_that_comes_back_at_once_missed_nothing() -> None:
    tape, whole, ticks = Tape(), Tape(), ticks_at(*(OPEN + seq * SECOND for seq in range(30)))
    publish(begin(whole, "1", "4t")[0], ticks)
    publisher, _ = begin(tape, "1", "4t")
    publish(publisher, ticks[:10])
    publisher.remove("4t")
    publisher.join(aggregator("4t"), tape.checkpoint(StreamRef("/NQ", "4t")))
    publish(publisher, ticks[10:])
    assert tape.entries == whole.entries


def test_one_that_joins_a_publisher_without_a_tick_yet_does_not_go_back() -> None:
    """A new timeframe is alone at first, so its source begins where it likes; then an older timeframe comes back."""
    tape = Tape()
    publish(begin(tape, "1")[0], ticks_at(OPEN, OPEN + SECOND))
    publisher, _ = begin(tape, "4t")
    publisher.join(aggregator("1"), tape.checkpoint(StreamRef("/NQ", "1")))
    publish(publisher, ticks_at(OPEN + HOUR, OPEN + HOUR + MINUTE, first=5000))
    assert [(one.ts_open, one.flags) for one in tape.bars("1")] == [(OPEN + HOUR, MISSED)]


def test_a_new_timeframe_beside_old_ones_begins_in_the_middle_and_says_so() -> None:
    tape, ticks = Tape(), ticks_at(*(OPEN + seq * SECOND for seq in range(20)))
    publish(begin(tape, "4t")[0], ticks[:10])
    publisher, first = begin(tape, "4t", "3t")
    publish(publisher, ticks[first:])
    assert first == 10
    assert [one.flags for one in tape.bars("3t")] == [BarFlag.PARTIAL_START, 0, 0]


def test_the_one_that_is_behind_decides_where_the_source_resumes() -> None:
    """The store confirmed more of one timeframe than of the other before the crash."""
    ticks = ticks_at(*(OPEN + seq * SECOND for seq in range(30)))
    whole = Tape()
    publish(begin(whole, "4t", "3t")[0], ticks)
    tape = whole.cut(StreamRef("/NQ", "4t"), 20)
    tape.entries |= whole.cut(StreamRef("/NQ", "3t"), 9).entries
    publisher, first = begin(tape, "4t", "3t")
    publish(publisher, ticks[first:])
    assert tape.entries == whole.entries


def test_a_quote_is_given_to_the_ticks_that_have_none() -> None:
    tape = Tape()
    quote = Quote("/NQ", OPEN, OPEN, 99.75, 100.25)
    publish(begin(tape, "9t")[0], [quote, tick(0, OPEN), tick(1, OPEN, bid=1.0, ask=2.0)])
    sent = [what[0] for _, _, what in tape.entries[StreamRef("/NQ", "9t")] if isinstance(what, tuple)]
    assert [(one.bid, one.ask) for one in sent] == [(99.75, 100.25), (1.0, 2.0)]


def test_a_gap_flags_the_open_bar_of_every_timeframe() -> None:
    tape = Tape()
    publisher, _ = begin(tape, "2t", "1")
    publish(publisher, [tick(0, OPEN), Gap("/NQ", OPEN, "cut"), tick(1, OPEN + SECOND), tick(2, OPEN + MINUTE), tick(3, OPEN + 2 * MINUTE)])
    assert [one.flags for one in tape.bars("2t")] == [BarFlag.GAP, 0]
    assert [one.flags for one in tape.bars("1")] == [BarFlag.GAP, 0]


def test_what_is_dropped_is_counted_and_published_nowhere() -> None:
    tape = Tape()
    publisher, _ = begin(tape, "1")
    publish(publisher, [tick(0, OPEN), tick(1, OPEN + MINUTE), tick(2, OPEN + 1), tick(3, CLOSE + MINUTE)])
    assert (publisher.ticks, publisher.late, publisher.out_of_session) == (4, 1, 1)
    assert publisher.seq == 3
    assert publisher.frontier("1") == 1


def test_listeners_hear_what_is_published() -> None:
    heard: list[object] = []
    tape = Tape()
    publisher, _ = begin(tape, "2t")
    publisher._listeners.add(heard.append)
    publish(publisher, ticks_at(OPEN, OPEN + 1))
    assert [type(one) for one in heard] == [BarUpdate, BarUpdate, Bar]
    assert heard[-1] == tape.bars("2t")[0]


def test_a_publisher_without_a_timeframe_cannot_start() -> None:
    with pytest.raises(InvariantError, match="no timeframe"):
        begin(Tape())
