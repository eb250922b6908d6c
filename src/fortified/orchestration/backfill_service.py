"""BackfillService: bars of the past for strategies that begin.

Owns where warm-up bars come from: the stored history first, the data source when that is short. Live entries wait meanwhile in the streams.
What cannot be shown to reach them without a hole is not given, and how much is missing is said. Knows no indicators.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from fortified.domain.calendar import Calendar, get_calendar
from fortified.domain.errors import DataError
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe
from fortified.orchestration.warmup_splice import Seam, Splice
from fortified.ports import BaseDataSource, Clock, HistoryStore, StreamRef

ANSWER_S = 10.0
"""How long a source may take over its history."""
SPARE = 64
"""Bars asked for beyond those needed: some began in the middle, and some close while the source answers."""


class Warmup(msgspec.Struct, frozen=True):
    """Bars for a strategy that begins, oldest first, without a hole up to the stream. ``got`` of them count; ``text`` says why they are
    fewer than ``needed``, and is empty when they are not."""

    needed: int
    bars: Sequence[Bar] = ()
    text: str = ""

    @property
    def got(self) -> int:
        """Bars that count: those whose beginning was seen."""
        return sum(map(_counts, self.bars))


class Answer(msgspec.Struct, frozen=True):
    """What a source has of the past: closed bars in order, each once and numbered below 0; ``fault`` says why there are none."""

    bars: Sequence[Bar] = ()
    fault: str = ""


class BackfillService:
    """Fetches, stores and splices warm-up bars."""

    def __init__(self, history: HistoryStore, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def warm_up(
        self, instrument: Instrument, timeframe: Timeframe, count: int, source: BaseDataSource, seam: Callable[[], Awaitable[Seam]]
    ) -> Warmup:
        """At least ``count`` bars that count, where there are so many. ``seam`` is read anew after ``source`` has answered, so that what
        closed meanwhile is in the store or comes by the stream. A source that fails, hangs or talks nonsense is told of in the text.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if count <= 0:
            await seam()
            return Warmup(count)
        ref, splice = StreamRef(instrument.symbol, timeframe.name), Splice(timeframe, get_calendar(instrument.calendar))
        found = await self._spliced(ref, splice, count, await seam(), ())
        if _enough(found, count):
            return Warmup(count, _last(found, count))
        answer = await self._ask(instrument, timeframe, count + SPARE, source)
        found = await self._spliced(ref, splice, count, await seam(), answer.bars)
        if _enough(found, count):
            return Warmup(count, _last(found, count))
        short = Warmup(count, found)
        return msgspec.structs.replace(short, text=f"warm-up: {short.got} of {count} bars; {answer.fault or _no_more(source, answer)}")

    async def _spliced(self, ref: StreamRef, splice: Splice, count: int, seam: Seam, fetched: Sequence[Bar]) -> list[Bar]:
        """The bars that reach the stream without a hole; those of them that the store lacks go there."""
        end_ns = seam.ts_open if seam.last is None else seam.last.ts_open + 1
        rows = splice.rows(await self._history.bars(ref, end_ns=end_ns, limit=count + SPARE), fetched, seam)
        tail = splice.tail(rows, seam)
        new = [row.bar for row in tail if row.stored is None]
        if new and new[0] is tail[0].bar and len(tail) < len(rows):  # a later start must see the hole before it too
            new[0] = msgspec.structs.replace(new[0], flags=new[0].flags | BarFlag.GAP)
        await self._history.add(ref, new)
        return [row.bar for row in tail]

    async def _ask(self, instrument: Instrument, timeframe: Timeframe, count: int, source: BaseDataSource) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_S):
                given = await source.history(instrument, timeframe, count)
            return Answer(in_order(given, instrument, timeframe, self._clock.now_ns()))
        except TimeoutError:
            return Answer(fault=f"{source.name} did not give its history within {ANSWER_S:g} s")
        except Exception as error:  # a source may be the user's: it may raise whatever it likes
            return Answer(fault=f"{source.name} did not give its history: {type(error).__name__}: {error}")


def in_order(given: Sequence[Bar], instrument: Instrument, timeframe: Timeframe, now_ns: int) -> Sequence[Bar]:
    """A source's bars oldest first, each once, without the one that is still open at ``now_ns``, numbered … −2, −1: the numbers of a
    history are not those of our ticks.

    Raises:
        DataError: they are not bars of this symbol and timeframe, or one is impossible.
    """
    for bar in given:
        _look_at(bar, instrument.symbol, timeframe)
    known: dict[tuple[int, ...], Bar] = {}
    for bar in sorted(given, key=lambda bar: (bar.ts_open, bar.ts_close, bar.seq, bar.ticks, bar.volume)):
        known[(bar.ts_open, bar.ts_close, bar.seq) if timeframe.is_tick else (bar.ts_open,)] = bar
    calendar = get_calendar(instrument.calendar)
    bars = [bar for bar in known.values() if not _is_open(bar, timeframe, calendar, now_ns)]
    return [msgspec.structs.replace(bar, seq=number) for number, bar in enumerate(bars, -len(bars))]


def _look_at(bar: Bar, symbol: str, timeframe: Timeframe) -> None:
    if (bar.symbol, bar.timeframe) != (symbol, timeframe.name):
        raise DataError(f"{bar.symbol} {bar.timeframe} was given for {symbol} {timeframe.name}; its history must give what it is asked for")
    prices = (bar.open, bar.high, bar.low, bar.close)
    if bar.ts_close < bar.ts_open or not all(map(math.isfinite, prices)) or bar.low != min(prices) or bar.high != max(prices):
        raise DataError(f"the bar of {bar.ts_open} ns is impossible: it closes at {bar.ts_close} ns, with prices {prices}")


def _is_open(bar: Bar, timeframe: Timeframe, calendar: Calendar, now_ns: int) -> bool:
    """Whether more trades may come into the bar."""
    if not timeframe.is_tick:
        return bar.ts_close > now_ns
    session = None if bar.complete or bar.ticks >= timeframe.length else calendar.session_at(bar.ts_open)
    return session is not None and session.close_ns > now_ns


def _counts(bar: Bar) -> bool:
    return not bar.flags & BarFlag.PARTIAL_START


def _enough(bars: Sequence[Bar], count: int) -> bool:
    return sum(map(_counts, bars)) >= count


def _last(bars: Sequence[Bar], count: int) -> Sequence[Bar]:
    """The shortest end of ``bars`` in which ``count`` count."""
    places = [place for place, bar in enumerate(bars) if _counts(bar)]
    return bars[places[-count] :]


def _no_more(source: BaseDataSource, answer: Answer) -> str:
    if not answer.bars:
        return f"no more are stored, and {source.name} has no history"
    return f"{source.name} has {len(answer.bars)}, and no more of them and of the stored ones follow one another up to the stream"
