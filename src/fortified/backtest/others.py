"""The other timeframes of a strategy, over a tape whose ticks are not visited one by one.

Owns at which moment each of their bars is due: that at which ``engine.timeframes`` would have shown it, had it been given every tick. The
tape has to be in order of time.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from fortified.aggregation.base import BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import build_bars
from fortified.backtest.tape import Tape
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.domain.timeframe import Timeframe
from fortified.engine.timeframes import OtherTimeframes

BEFORE, AFTER, WITH_OWN = range(3)
"""A bar is over with the stamp of a tick, with its count, or with the own bar that ends behind a tick."""


class _Ticks(msgspec.Struct, frozen=True, eq=False):
    ts_ns: np.ndarray
    price: np.ndarray
    size: np.ndarray
    bid: None = None
    ask: None = None


class _Due(NamedTuple):
    """A bar, and when it is shown: the number of the tick, what about it, and the place among those of one moment."""

    seq: int
    phase: int
    rank: int
    bar: Bar | None = None


class GivenTimeframes(OtherTimeframes):
    """Shows bars that were built before, each once its moment has come."""

    def __init__(self, symbol: str, own: str, wanted: Mapping[str, int], calendar: Calendar, tape: Tape) -> None:
        super().__init__(symbol, own, wanted, calendar)
        found = [
            _Due(*moment, rank, bar)
            for rank, name in enumerate(self.lines)
            for bar, moment in _due(symbol, Timeframe.parse(name), calendar, tape)
        ]
        self._due = iter(sorted(found, key=lambda due: due[:3]))
        self._next = next(self._due, None)

    def of_update(self, update: BarUpdate) -> Iterator[Bar]:
        return self._until(update.seq, AFTER)

    def of_bar(self, bar: Bar) -> Iterator[Bar]:
        return self._until(bar.seq, WITH_OWN)

    def _until(self, seq: int, phase: int) -> Iterator[Bar]:
        while self._next is not None and self._next[:2] <= (seq, phase):
            due, self._next = self._next, next(self._due, None)
            yield from self._closed(due.bar)


class Shown:
    """Walks as a desk does, and keeps what ``others`` show before each closed bar."""

    def __init__(self, others: OtherTimeframes) -> None:
        self.before: list[list[Bar]] = []
        self._others, self._since = others, list[Bar]()

    def on_update(self, update: BarUpdate) -> None:
        self._since.extend(self._others.of_update(update))

    def on_bar(self, bar: Bar) -> None:
        self.before.append([*self._since, *self._others.of_bar(bar)])
        self._since = []


def _due(symbol: str, timeframe: Timeframe, calendar: Calendar, tape: Tape) -> Iterator[tuple[Bar, tuple[int, int]]]:
    """Each bar with its moment."""
    places, bars = _built(symbol, timeframe, calendar, tape)
    owns = np.searchsorted(tape.ends, places, side="left").tolist()
    for bar, place, own in zip(bars, places, owns, strict=True):
        if timeframe.is_tick and bar.complete:
            yield bar, (tape.row(place), AFTER)
            continue
        over = _session_end(calendar, bar) if timeframe.is_tick else bar.ts_close
        if own < len(tape.ends) and tape.ends[own] == place and tape.bars.ts_close[own] >= over:
            yield bar, (tape.row(place), WITH_OWN)
        else:
            yield bar, (tape.row(place + 1), BEFORE)


def _built(symbol: str, timeframe: Timeframe, calendar: Calendar, tape: Tape) -> tuple[list[int], list[Bar]]:
    """The bars of the tape, with the places of their last ticks."""
    built = build_bars(_Ticks(tape.ts, tape.price, tape.size), timeframe, calendar)
    places = built.bars.seq.tolist()
    columns = msgspec.structs.replace(built.bars, seq=tape.rows(built.bars.seq))
    bars = columns.bars(symbol, timeframe.name)
    last = _last(symbol, timeframe, calendar, tape, places[-1] + 1 if places else 0)
    return (places, bars) if last is None else ([*places, len(tape) - 1], [*bars, last])


def _last(symbol: str, timeframe: Timeframe, calendar: Calendar, tape: Tape, start: int) -> Bar | None:
    """The bar behind the built ones, where the last own bar shows that it is over."""
    if not len(tape.ends) or start >= len(tape) or tape.ends[-1] < len(tape) - 1:
        return None
    aggregator: BaseAggregator = create_aggregator(symbol, timeframe, calendar)
    for place in range(start, len(tape)):
        ts = int(tape.ts[place])
        aggregator.add(Tick(symbol, tape.row(place), ts, ts, float(tape.price[place]), float(tape.size[place])))
    return aggregator.on_time(int(tape.bars.ts_close[-1]) + aggregator.grace_ns)


def _session_end(calendar: Calendar, bar: Bar) -> int:
    session = calendar.session_at(bar.ts_open)
    assert session is not None
    return session.close_ns
