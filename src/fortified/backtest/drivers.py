"""Three ways through the past, with one result.

Owns which events of the data reach the desk. ``walk_bars`` has only bars; ``walk_every_tick`` feeds each tick through the aggregator, for
strategies that want ticks; ``walk_rows`` has all bars ready and visits, between two of them, only the ticks at which something can happen.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np

from fortified.aggregation.base import BaseAggregator, update_of
from fortified.backtest.bars import Built
from fortified.backtest.columns import TickColumns
from fortified.backtest.desk import Desk
from fortified.domain.market import Bar, BarUpdate, Tick

Progress = Callable[[int], None]
EVERY = 4096


def walk_bars(desk: Desk, bars: Iterable[Bar], aggregator: BaseAggregator, progress: Progress) -> None:
    """Ready-made bars, through the aggregator."""
    for number, small in enumerate(bars):
        for bar in aggregator.on_bar(small):
            desk.on_bar(bar)
        if number % EVERY == 0:
            progress(number)


def walk_every_tick(desk: Desk, ticks: Iterable[Tick], aggregator: BaseAggregator, progress: Progress) -> None:
    """Every tick, in the order of effects of the live path."""
    name = aggregator.name
    for number, tick in enumerate(ticks):
        if (before := aggregator.before(tick)) is not None:
            desk.on_bar(before)
        if aggregator.add(tick):
            assert aggregator.open_bar is not None
            desk.on_update(update_of(tick.symbol, name, tick, aggregator.open_bar, aggregator.fill()))
        if (full := aggregator.after()) is not None:
            desk.on_bar(full)
        if number % EVERY == 0:
            progress(number)


class RowWalk:
    """Bars are ready; ticks are visited while an order rests or a goal waits, and skipped while all is quiet."""

    def __init__(self, desk: Desk, ticks: TickColumns, built: Built) -> None:
        self._desk, self._ticks, self._built = desk, ticks, built
        self._rows = None if built.accepted is None else np.flatnonzero(built.accepted)
        self._row = -1  # the last row that was passed
        self._seen = -1  # the rows before this one are in the extremes of the open position
        desk.before_orders = self._show_extremes

    def walk(self, progress: Progress) -> None:
        """To the end of the data."""
        config = self._desk.engine.config
        for number, bar in enumerate(self._built.bars.bars(config.instrument.symbol, config.timeframe)):
            self._visit(bar.seq)
            self._pass(bar.seq)
            self._desk.on_bar(bar)
            if number % EVERY == 0:
                progress(self._row)
        end = len(self._ticks.ts_ns) - 1
        self._visit(end)
        self._finish(end)
        progress(end + 1)

    def _visit(self, through: int) -> None:
        while not self._desk.is_quiet:
            row = self._next(self._row)
            if row is None or row > through:
                return
            self._show_extremes()
            self._pass(row)
            self._desk.on_update(self._update(row))

    def _pass(self, row: int) -> None:
        """Rows up to ``row`` are over; those of a flat time are in no position's extremes."""
        if not self._desk.ledger.quantity():
            self._seen = row + 1
        self._row = row

    def _finish(self, end: int) -> None:
        """Show the last price, so that what is closed at the end is closed there."""
        row = self._previous(end)
        if row is None or row <= self._row:
            return
        self._row = row - 1
        self._show_extremes()
        self._pass(row)
        self._desk.on_update(self._update(row))

    def _show_extremes(self) -> None:
        """The extremes of the rows that the open position has seen and the engine has not."""
        end = self._row + 1
        if not self._desk.ledger.quantity() or end <= self._seen:
            return
        prices = self._ticks.price[self._seen : end]
        if self._built.accepted is not None:
            prices = prices[self._built.accepted[self._seen : end]]
        if len(prices):
            self._desk.engine.stretch(float(prices.max()), float(prices.min()), self._desk.ledger.book)
        self._seen = end

    def _next(self, row: int) -> int | None:
        if self._rows is None:
            return row + 1 if row + 1 < len(self._ticks.ts_ns) else None
        place = int(np.searchsorted(self._rows, row, side="right"))
        return int(self._rows[place]) if place < len(self._rows) else None

    def _previous(self, row: int) -> int | None:
        if self._rows is None:
            return row if row >= 0 else None
        place = int(np.searchsorted(self._rows, row, side="right")) - 1
        return int(self._rows[place]) if place >= 0 else None

    def _update(self, row: int) -> BarUpdate:
        """The update of a row, as far as broker and engine look at it: the tick, not the open bar."""
        ticks, config = self._ticks, self._desk.engine.config
        ts, price = int(ticks.ts_ns[row]), float(ticks.price[row])
        bid = None if ticks.bid is None else _known(ticks.bid[row])
        ask = None if ticks.ask is None else _known(ticks.ask[row])
        return BarUpdate(
            *(config.instrument.symbol, config.timeframe, row, ts, ts, price, float(ticks.size[row]), bid, ask),
            *(ts, price, price, price, price, 0.0, 0, 0.0),
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
