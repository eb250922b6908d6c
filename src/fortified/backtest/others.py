"""The other timeframes of a strategy, over a tape whose ticks are not visited one by one.

Owns before which bar of the strategy's own timeframe each of their bars is due: where ``engine.timeframes`` would have shown it, had it
been given every tick.
"""

from collections.abc import Iterator, Mapping, Sequence

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


class _Ticks(msgspec.Struct, frozen=True, eq=False):
    ts_ns: np.ndarray
    price: np.ndarray
    size: np.ndarray
    bid: None = None
    ask: None = None


class GivenTimeframes(OtherTimeframes):
    """Shows bars that were built before: each with the bar of the strategy's own timeframe that it is due before."""

    def __init__(self, symbol: str, own: str, wanted: Mapping[str, int], calendar: Calendar, tape: Tape) -> None:
        super().__init__(symbol, own, wanted, calendar)
        self._due = self._placed(symbol, calendar, tape)
        self._number = 0

    def of_update(self, update: BarUpdate) -> Iterator[Bar]:
        return iter(())

    def of_bar(self, bar: Bar) -> Iterator[Bar]:
        number, self._number = self._number, self._number + 1
        for other in self._due.get(number, ()):
            yield from self._closed(other)

    def _placed(self, symbol: str, calendar: Calendar, tape: Tape) -> dict[int, Sequence[Bar]]:
        """By the number of the own bar: the others that are due before it, in the order of their ends."""
        due: dict[int, list[tuple[tuple[int, int], Bar]]] = {}
        for rank, name in enumerate(self.lines):
            for bar, place, number in _due(symbol, Timeframe.parse(name), calendar, tape):
                # One that ends with its last tick is there before the next tick closes another.
                behind = 0 if Timeframe.parse(name).is_tick and bar.complete else 1
                due.setdefault(number, []).append(((2 * place + behind, rank), bar))
        return {number: [bar for _, bar in sorted(found, key=_place)] for number, found in due.items()}


def _place(entry: tuple[tuple[int, int], Bar]) -> tuple[int, int]:
    return entry[0]


def _due(symbol: str, timeframe: Timeframe, calendar: Calendar, tape: Tape) -> Iterator[tuple[Bar, int, int]]:
    """Each bar with the place of its last tick and the number of the own bar that it is due before."""
    places, bars = _built(symbol, timeframe, calendar, tape)
    closes = tape.bars.ts_close
    numbers = np.searchsorted(tape.ends, places, side="left").tolist()
    for bar, place, first in zip(bars, places, numbers, strict=True):
        number = first
        if number < len(tape.ends) and tape.ends[number] == place and not (timeframe.is_tick and bar.complete):
            over = bar.ts_close if not timeframe.is_tick else _session_end(calendar, bar)
            number += int(closes[number] < over)  # it goes on behind the own bar, as far as one knows by then
        yield bar, place, number


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
