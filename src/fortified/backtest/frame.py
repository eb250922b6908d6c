"""Ticks as a strategy sees them in ``on_tick``, with the open bar around each.

Owns that what a strategy does not look at is not made: a tick is three fields, and the rest is worked out for a whole bar of ticks when
the first of them is asked. Knows no signals.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.backtest.tape import Tape
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe

type Floats = NDArray[np.float64]


class Frame:
    """The ticks of one bar: places ``start`` to ``stop`` (exclusive). ``bar`` is None while it is not finished."""

    def __init__(self, symbol: str, timeframe: Timeframe, calendar: Calendar, tape: Tape, start: int, stop: int, bar: Bar | None) -> None:
        self.symbol, self.timeframe, self.tape, self.start, self.stop = symbol, timeframe.name, tape, start, stop
        self._shape, self._calendar, self.bar = timeframe, calendar, bar

    def ticks(self) -> "Iterator[LaneTick]":
        """The ticks, one after the other."""
        return map(LaneTick, range(self.start, self.stop), self.tape.price[self.start : self.stop].tolist(), repeat(self))

    @cached_property
    def stamps(self) -> list[int]:
        stamps: list[int] = self.tape.ts[self.start : self.stop].tolist()
        return stamps

    @cached_property
    def sizes(self) -> list[float]:
        sizes: list[float] = self.tape.size[self.start : self.stop].tolist()
        return sizes

    @cached_property
    def open(self) -> float:
        return float(self.tape.price[self.start])

    @cached_property
    def highs(self) -> list[float]:
        highs: list[float] = np.maximum.accumulate(self.tape.price[self.start : self.stop]).tolist()
        return highs

    @cached_property
    def lows(self) -> list[float]:
        lows: list[float] = np.minimum.accumulate(self.tape.price[self.start : self.stop]).tolist()
        return lows

    @cached_property
    def volumes(self) -> list[float]:
        volumes: list[float] = np.cumsum(self.tape.size[self.start : self.stop]).tolist()
        return volumes

    @cached_property
    def span(self) -> tuple[int, int]:
        """Start and end of the bar's time."""
        first = int(self.tape.ts[self.start])
        if self._shape.is_tick:
            return first, first
        if self.bar is not None:
            return self.bar.ts_open, self.bar.ts_close
        session = self._calendar.session_at(first)
        assert session is not None
        return self._calendar.bucket(session, self._shape.length_ns, first)

    def fill(self, place: int, ts_event: int) -> float:
        """Share of the bar that is done with this tick."""
        if self._shape.is_tick:
            return (place - self.start + 1) / self._shape.length
        begin, end = self.span
        return round((ts_event - begin) / (end - begin), 4)


class LaneTick(msgspec.Struct, frozen=True, gc=False):
    """A ``BarUpdate`` in all that can be read of it."""

    place: int
    price: float
    frame: Frame

    @property
    def ts_event(self) -> int:
        return self.frame.stamps[self.place - self.frame.start]

    @property
    def size(self) -> float:
        return self.frame.sizes[self.place - self.frame.start]

    @property
    def symbol(self) -> str:
        return self.frame.symbol

    @property
    def timeframe(self) -> str:
        return self.frame.timeframe

    @property
    def seq(self) -> int:
        return self.frame.tape.row(self.place)

    @property
    def ts_recv(self) -> int:
        return self.ts_event

    @property
    def bid(self) -> float | None:
        return self.frame.tape.quote(self.place)[0]

    @property
    def ask(self) -> float | None:
        return self.frame.tape.quote(self.place)[1]

    @property
    def ts_open(self) -> int:
        return self.frame.span[0]

    @property
    def open(self) -> float:
        return self.frame.open

    @property
    def high(self) -> float:
        return self.frame.highs[self.place - self.frame.start]

    @property
    def low(self) -> float:
        return self.frame.lows[self.place - self.frame.start]

    @property
    def close(self) -> float:
        return self.price

    @property
    def volume(self) -> float:
        return self.frame.volumes[self.place - self.frame.start]

    @property
    def ticks(self) -> int:
        return self.place - self.frame.start + 1

    @property
    def fill(self) -> float:
        return self.frame.fill(self.place, self.ts_event)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None
