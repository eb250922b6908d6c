"""The events that a strategy under check is shown, from any bar on and up to any row.

Owns where bars come from and how a cut leaves nothing behind it. Knows nothing of strategies. A row is a tick, or a bar where the strategy
wants no ticks.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fortified.adapters.replay_rows import BarRows, TickRows
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.aggregation.base import update_of
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.bars import build_bars
from fortified.backtest.columns import BarColumns
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.timeframe import Timeframe

CHUNK = 65_536

Event = Bar | BarUpdate
Events = Iterable[tuple[int, Event]]
"""Events with the row that brought them."""
Columns = Mapping[str, NDArray[np.generic]]


class Feed(Protocol):
    """Events of one symbol and timeframe."""

    @property
    def rows(self) -> int: ...
    @property
    def bars(self) -> list[Bar]:
        """All closed bars."""
        ...

    def events(self, stop: int | None = None, first_bar: int = 0) -> Iterator[tuple[int, Event]]:
        """What follows bar ``first_bar`` − 1, from the rows before ``stop`` (all of them by default)."""
        ...

    def columns(self, stop: int | None = None) -> Columns:
        """The rows before ``stop`` as arrays, from which ``of_columns`` makes the feed again."""
        ...


class BarFeed:
    """Closed bars only."""

    def __init__(self, bars: list[Bar]) -> None:
        self.bars = bars

    @property
    def rows(self) -> int:
        return len(self.bars)

    def events(self, stop: int | None = None, first_bar: int = 0) -> Iterator[tuple[int, Event]]:
        return enumerate(self.bars[first_bar:stop], first_bar)

    def columns(self, stop: int | None = None) -> Columns:
        columns = BarColumns.of(self.bars[:stop])
        return {name: getattr(columns, name) for name in columns.__struct_fields__}


class TickFeed:
    """Ticks, and the bars they close, in the order of the live path."""

    def __init__(self, symbol: str, timeframe: Timeframe, calendar: Calendar, ticks: TickTable) -> None:
        self._symbol, self._timeframe, self._calendar, self._ticks = symbol, timeframe, calendar, ticks

    @property
    def rows(self) -> int:
        return len(self._ticks)

    @cached_property
    def bars(self) -> list[Bar]:
        return build_bars(self._ticks, self._timeframe, self._calendar).bars.bars(self._symbol, self._timeframe.name)

    def events(self, stop: int | None = None, first_bar: int = 0) -> Iterator[tuple[int, Event]]:
        aggregator, start = create_aggregator(self._symbol, self._timeframe, self._calendar), 0
        if first_bar:
            last = self.bars[first_bar - 1]
            aggregator.restore(None, last)
            start = last.seq + 1
        ticks = self._until(stop)
        rows, end, name = TickRows(self._symbol, ticks), len(ticks), self._timeframe.name
        for begin in range(start, end, CHUNK):
            for tick in rows.events(begin, min(begin + CHUNK, end)):
                if (before := aggregator.before(tick)) is not None:
                    yield tick.seq, before
                if aggregator.add(tick):
                    assert aggregator.open_bar is not None
                    yield tick.seq, update_of(tick.symbol, name, tick, aggregator.open_bar, aggregator.fill())
                if (full := aggregator.after()) is not None:
                    yield tick.seq, full

    def columns(self, stop: int | None = None) -> Columns:
        ticks = self._until(stop)
        found = {"ts_ns": ticks.ts_ns, "price": ticks.price, "size": ticks.size, "bid": ticks.bid, "ask": ticks.ask}
        return {name: column for name, column in found.items() if column is not None}

    def _until(self, stop: int | None) -> TickTable:
        ticks, rows = self._ticks, slice(stop)
        bid, ask = (None if column is None else column[rows] for column in (ticks.bid, ticks.ask))
        return TickTable(ticks.ts_ns[rows], ticks.price[rows], ticks.size[rows], bid, ask, ticks.report)


def bars_of_ticks(symbol: str, timeframe: Timeframe, calendar: Calendar, ticks: TickTable) -> BarFeed:
    """The bars that the ticks close."""
    return BarFeed(TickFeed(symbol, timeframe, calendar, ticks).bars)


def bars_of_bars(symbol: str, timeframe: Timeframe, calendar: Calendar, table: BarTable) -> BarFeed:
    """Ready-made bars, or the longer ones they make."""
    aggregator = create_aggregator(symbol, timeframe, calendar, source=table.timeframe)
    return BarFeed([bar for small in BarRows(symbol, table).events(0, len(table)) for bar in aggregator.on_bar(small)])


def of_columns(symbol: str, timeframe: Timeframe, calendar: Calendar, columns: Columns) -> Feed:
    """The feed whose ``columns`` were taken."""
    if "ts_ns" not in columns:
        return BarFeed(BarColumns(**columns).bars(symbol, timeframe.name))  # type: ignore[arg-type]  # as ``columns`` wrote them
    quotes = {name: columns.get(name) for name in ("bid", "ask")}
    return TickFeed(
        *(symbol, timeframe, calendar),
        TickTable(columns["ts_ns"], columns["price"], columns["size"], **quotes, report=FileReport(0)),  # type: ignore[arg-type]  # likewise
    )
