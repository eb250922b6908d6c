"""Warm-up bars: the stored ones first, the source's when those are too few, none twice, and never across a hole."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from tests.builders import CLOSE, MINUTE, NEXT_OPEN, NQ, NQ_24_7, OPEN, SECOND, bar
from tests.orchestration.stage import ListSource

from fortified.aggregation.base import OpenBar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe
from fortified.orchestration import backfill_service
from fortified.orchestration.backfill_service import BackfillService, Warmup
from fortified.orchestration.warmup_splice import Seam
from fortified.ports import ORIGIN, Checkpoint, StreamRef
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
REF, MINUTES = StreamRef("/NQ", "1"), Timeframe.parse("1")
HOLED = BarFlag.GAP | BarFlag.PARTIAL_START


class Past(ListSource):
    """A source with a history; ``failure`` is raised instead."""

    name = "past"

    def __init__(self, *bars: Bar, failure: Exception | None = None) -> None:
        super().__init__([])
        self.bars, self.failure = bars, failure
        self.asked: list[int] = []

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        self.asked.append(count)
        if self.failure is not None:
            raise self.failure
        return self.bars[-count:]


class Never(Past):
    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        await asyncio.Event().wait()
        raise AssertionError


class At:
    """A clock that stands."""

    def __init__(self, ts: int) -> None:
        self.ts = ts

    def now_ns(self) -> int:
        return self.ts


class Desk:
    """A service over a history, and the seam of its stream."""

    def __init__(self, *published: Bar, now: int = OPEN + 9_999 * MINUTE, timeframe: str = "1", instrument: Instrument = NQ_24_7) -> None:
        self.store = MemoryStore()
        self.timeframe, self.instrument = Timeframe.parse(timeframe), instrument
        self.ref = StreamRef("/NQ", self.timeframe.name)
        self.service = BackfillService(self.store.history, At(now))
        self.seam = Seam()
        self.publish(*published)

    def publish(self, *bars: Bar) -> None:
        for one in bars:
            self.store.history.publish(self.ref, one)
            self.seam = Seam(one)

    async def warm(self, count: int, source: Past, seam: Callable[[], Awaitable[Seam]] | None = None) -> Warmup:
        async def now() -> Seam:
            return self.seam

        return await self.service.warm_up(self.instrument, self.timeframe, count, source, seam or now)

    async def numbers(self, count: int, source: Past) -> list[int]:
        """Which minutes the strategy is shown."""
        return minutes(await self.warm(count, source))

    async def stored(self) -> list[Bar]:
        return list(await self.store.history.bars(self.ref))


def minutes(warmup: Warmup) -> list[int]:
    return [(one.ts_open - OPEN) // MINUTE for one in warmup.bars]


def bars(*numbers: int, **fields: Any) -> list[Bar]:
    return [bar(number, **fields) for number in numbers]


def past(*numbers: int, **fields: Any) -> Past:
    """A source whose bars have numbers of their own."""
    return Past(*(bar(number, seq=7_000 + number, **fields) for number in numbers))


# --- what is stored, what is asked for ---


async def test_stored_bars_that_reach_the_stream_are_enough() -> None:
    desk, source = Desk(*bars(*range(10))), past(*range(10))
    assert await desk.numbers(4, source) == [6, 7, 8, 9]
    assert (await desk.numbers(0, source), source.asked) == ([], [])


async def test_the_source_is_asked_when_the_store_is_short_and_its_bars_are_stored() -> None:
    desk, source = Desk(*bars(8, 9)), past(*range(10))
    assert await desk.numbers(6, source) == [4, 5, 6, 7, 8, 9]
    assert [one.seq < 0 for one in await desk.stored()] == [True] * 8 + [False] * 2
    source.bars = ()
    assert await desk.numbers(6, source) == [4, 5, 6, 7, 8, 9]
    assert len(source.asked) == 1


async def test_the_first_start_is_warmed_up_by_what_the_source_has() -> None:
    desk = Desk()
    assert await desk.numbers(6, past(*range(10))) == [4, 5, 6, 7, 8, 9]
    assert [one.flags for one in await desk.stored()] == [0] * 10


async def test_bars_that_the_stream_brings_are_left_out() -> None:
    desk = Desk(*bars(*range(200)))
    desk.seam = Seam(bar(6))
    assert await desk.numbers(3, past()) == [4, 5, 6]
    desk.seam = Seam(None, bar(5).ts_open)  # the first bar of the stream is still open
    assert await desk.numbers(3, past()) == [2, 3, 4]
    for seam in (Seam(bar(4)), Seam(None, bar(5).ts_open)):
        empty = Desk()
        empty.seam = seam
        assert await empty.numbers(3, past(*range(10))) == [2, 3, 4]
        assert (await empty.stored())[-1].ts_open == bar(4).ts_open


async def test_bars_that_close_while_the_source_answers_are_there_once() -> None:
    desk = Desk(*bars(5, 6))

    class Slow(Past):
        async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
            found = await super().history(instrument, timeframe, count)
            desk.publish(*bars(7, 8, 9))
            return found

    assert await desk.numbers(7, Slow(*bars(*range(8), seq=-1))) == [3, 4, 5, 6, 7, 8, 9]


# --- holes ---


async def test_old_bars_are_not_taken_for_those_before_the_stream() -> None:
    """Stored a week ago, nothing published since: where the source has no history, the strategy begins anew and it is said."""
    desk = Desk()
    await desk.warm(6, past(*range(10)))
    short = await desk.warm(6, past())
    assert (short.got, short.bars) == (0, [])
    assert short.text == "warm-up: 0 of 6 bars; no more are stored, and past has no history"
    assert await desk.numbers(6, past(*range(8, 14))) == [8, 9, 10, 11, 12, 13]
    assert await desk.numbers(6, past(*range(1_000, 1_003))) == [1_000, 1_001, 1_002]


async def test_a_hole_between_the_stored_and_the_fetched_bars_is_remembered() -> None:
    desk = Desk(*bars(1, 2, 3))
    desk.seam = Seam(None, bar(12).ts_open)  # the publisher's stream was lost, not the history
    assert await desk.numbers(9, past(7, 8, 9, 10, 11)) == [7, 8, 9, 10, 11]
    desk.publish(*bars(12, 13))
    found = await desk.warm(9, past())
    assert (minutes(found), found.got) == ([7, 8, 9, 10, 11, 12, 13], 7)
    assert found.text.startswith("warm-up: 7 of 9 bars; ")
    assert found.bars[0].flags == BarFlag.GAP


async def test_a_published_hole_is_filled_by_the_source_or_kept() -> None:
    desk = Desk(*bars(*range(5)), bar(8, flags=int(HOLED), close=1.0), *bars(9, 10))
    assert await desk.numbers(6, past()) == [8, 9, 10]
    assert (await desk.warm(6, past())).got == 2  # the first one began in the middle
    whole = await desk.warm(6, past(*range(3, 11)))
    assert minutes(whole) == [5, 6, 7, 8, 9, 10]
    assert [one.flags for one in whole.bars] == [0] * 6
    assert whole.bars[3].close == 20_000.0
    assert [one.flags for one in await desk.stored() if one.ts_open == bar(8).ts_open] == [HOLED]  # what was published never changes


async def test_a_bar_that_began_in_the_middle_is_passed_over_where_nothing_else_is_missing() -> None:
    desk = Desk(*bars(*range(5)), bar(5, flags=int(BarFlag.PARTIAL_START)), *bars(6, 7))
    found = await desk.warm(4, past())
    assert (minutes(found), found.got) == ([3, 4, 5, 6, 7], 4)


async def test_nothing_is_known_of_the_seam_between_a_backfill_and_a_later_beginning() -> None:
    """The source was subscribed to some minutes after it gave its history, and nobody saw them."""
    desk = Desk()
    await desk.warm(3, past(0, 1, 2))
    desk.publish(*bars(5, 6))
    assert await desk.numbers(4, past()) == [5, 6]
    assert await desk.numbers(4, past(*range(7))) == [3, 4, 5, 6]
    quiet = Desk()
    await quiet.warm(3, past(0, 1, 2))
    quiet.publish(*bars(3, 4))
    assert await quiet.numbers(4, past()) == [1, 2, 3, 4]


async def test_a_source_that_lags_does_not_reach_the_stream() -> None:
    desk = Desk(*bars(20, 21))
    assert await desk.numbers(6, past(*range(15))) == [20, 21]
    assert await desk.numbers(6, past(*range(20))) == [16, 17, 18, 19, 20, 21]


async def test_a_stream_whose_last_bar_nobody_has_is_not_reached() -> None:
    desk = Desk(*bars(*range(5)))
    desk.seam = Seam(bar(20))
    assert await desk.numbers(3, past(*range(15))) == []


async def test_a_gap_within_a_bar_is_one_though_its_neighbours_touch() -> None:
    desk = Desk(*bars(*range(5)), bar(5, flags=int(BarFlag.GAP)), bar(6))
    assert await desk.numbers(4, past()) == [5, 6]
    assert await desk.numbers(4, Past(*bars(*range(5)), bar(5, flags=int(BarFlag.GAP)), bar(6))) == [5, 6]
    quiet = Desk(bar(9))
    assert await quiet.numbers(4, Past(*bars(0, 1, 2), bar(5, flags=int(BarFlag.PARTIAL_START)), *bars(7, 9))) == [5, 7, 9]


async def test_a_night_is_no_hole() -> None:
    evening = [bar(0, ts_open=CLOSE - back * MINUTE, ts_close=CLOSE - (back - 1) * MINUTE, seq=-1) for back in (3, 2, 1)]
    morning = [bar(0, ts_open=NEXT_OPEN + back * MINUTE, ts_close=NEXT_OPEN + (back + 1) * MINUTE, seq=back) for back in (0, 1)]
    for instrument, count in ((NQ, 5), (NQ_24_7, 2)):
        desk = Desk(*morning, now=NEXT_OPEN + 9 * MINUTE, instrument=instrument)
        assert (await desk.warm(5, Past(*evening))).got == count


# --- what a source may do ---


@pytest.mark.parametrize(
    "given",
    [
        list(reversed(bars(*range(10)))),
        [*bars(*range(10)), *bars(3, 4, 5)],
        [*bars(*range(10)), bar(9, close=19_990.0, ticks=4)],  # once while it was open, once when it was closed
        bars(*range(10), seq=-1),
        [bar(number, seq=10**6 - number) for number in range(10)],
    ],
    ids=["newest first", "some twice", "an older version", "without numbers", "numbers that fall"],
)
async def test_any_order_and_numbering(given: list[Bar]) -> None:
    found = await Desk(bar(10)).warm(8, Past(*given))
    assert minutes(found) == list(range(3, 11))
    assert {one.close for one in found.bars} == {20_000.0}


async def test_the_bar_that_is_still_open_is_left_out() -> None:
    desk = Desk(now=bar(6).ts_close - 1)
    assert await desk.numbers(3, past(*range(7))) == [3, 4, 5]
    ticks = Desk(timeframe="10t", now=OPEN + 60 * MINUTE)
    short = [bar(0, timeframe="10t"), bar(1, timeframe="10t"), bar(2, timeframe="10t", ticks=4, complete=False)]
    assert await ticks.numbers(3, Past(*short)) == [0, 1]
    over = Desk(timeframe="10t", now=CLOSE, instrument=NQ)
    assert await over.numbers(3, Past(*short)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Past(failure=ValueError("boom")), "past did not give its history: ValueError: boom"),
        (Past(failure=TimeoutError()), "past did not give its history within 0.01 s"),
        (Never(), "past did not give its history within 0.01 s"),
        (past(1, 2, timeframe="5"), "/NQ 5 was given for /NQ 1"),
        (past(1, 2, symbol="SPY"), "SPY 1 was given for /NQ 1"),
        (past(1, 2, close=float("nan")), "is impossible"),
        (past(1, 2, high=19_000.0), "is impossible"),
        (past(1, 2, ts_close=OPEN), "is impossible"),
        (past(), "no more are stored, and past has no history"),
        (past(1, 2, 3), "past has 3, and no more of them and of the stored ones follow one another up to the stream"),
    ],
)
async def test_a_source_that_does_not_help_is_named(source: Past, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill_service, "ANSWER_S", 0.01)
    desk = Desk(*bars(8, 9))
    found = await desk.warm(6, source)
    assert minutes(found) == [8, 9]
    assert found.text.startswith("warm-up: 2 of 6 bars; ")
    assert said in found.text
    assert len(await desk.stored()) == 2


# --- bars of ticks ---


def tick_bar(number: int, stamp: int, **fields: Any) -> Bar:
    return bar(0, timeframe="2t", ts_open=OPEN + stamp * SECOND, ts_close=OPEN + stamp * SECOND, seq=2 * number + 1, ticks=2, **fields)


async def test_bars_of_ticks_that_share_a_stamp_are_different_bars() -> None:
    truth = [tick_bar(number, stamp, close=float(number)) for number, stamp in enumerate([1, 1, 1, 2, 3, 3, 4])]
    desk = Desk(*truth[4:], timeframe="2t")
    given = [msgspec.structs.replace(one, seq=one.seq + 900) for one in truth]
    found = await desk.warm(7, Past(*given))
    assert [one.close for one in found.bars] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


async def test_of_bars_of_ticks_that_share_a_stamp_those_up_to_the_seam_are_taken() -> None:
    truth = [tick_bar(number, stamp, close=float(number)) for number, stamp in enumerate([1, 2, 3, 3, 3])]
    desk = Desk(*truth, timeframe="2t")
    desk.seam = Seam(truth[3])
    assert [one.close for one in (await desk.warm(3, Past())).bars] == [1.0, 2.0, 3.0]


async def test_stamps_never_show_that_bars_of_ticks_follow_one_another() -> None:
    truth = [tick_bar(number, stamp, close=float(number)) for number, stamp in enumerate([1, 2, 3, 3, 4])]
    desk = Desk(timeframe="2t")
    await desk.warm(3, Past(*truth[:3]))
    desk.publish(*truth[3:])
    assert [one.close for one in (await desk.warm(5, Past())).bars] == [3.0, 4.0]


async def test_a_source_that_counts_from_elsewhere_is_of_no_use() -> None:
    def counted(number: int, shift: int) -> Bar:
        first = OPEN + (10 * number + shift) * SECOND
        return bar(0, timeframe="10t", ts_open=first, ts_close=first + 9 * SECOND, seq=10 * number + 9)

    desk = Desk(*(counted(number, 0) for number in (7, 8, 9)), timeframe="10t")
    found = await desk.warm(6, Past(*(counted(number, 4) for number in range(9))))
    assert [one.seq for one in found.bars] == [79, 89, 99]


# --- the seam ---


def test_the_seam_of_a_checkpoint() -> None:
    open_bar = OpenBar(OPEN, OPEN + MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, OPEN, OPEN, 0)
    assert Seam.of(None) == Seam()
    assert Seam.of(Checkpoint(open_bar, ORIGIN, ORIGIN, None)) == Seam(None, OPEN)
    assert Seam.of(Checkpoint(None, ORIGIN, ORIGIN, bar(3))) == Seam(bar(3))
