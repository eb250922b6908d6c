"""Three ways through the past, with one result.

Owns which events of the data reach the desk. ``walk_bars`` has only bars; ``walk_every_tick`` feeds each tick through the aggregator, for
strategies that want ticks; ``TapeWalk`` has all bars ready and visits, between two of them, only the ticks at which something can happen.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from fortified.aggregation.base import BaseAggregator, update_of
from fortified.backtest.desk import Desk
from fortified.backtest.scan import first_reaching
from fortified.backtest.tape import Tape
from fortified.domain.market import Bar, BarUpdate, Tick

Progress = Callable[[int], None]
EVERY = 4096


class Walker(Protocol):
    """Is shown events: a desk, or who only looks."""

    def on_update(self, update: BarUpdate) -> None: ...
    def on_bar(self, bar: Bar) -> None: ...


def walk_bars(desk: Walker, bars: Iterable[Bar], aggregator: BaseAggregator, progress: Progress) -> None:
    """Ready-made bars, through the aggregator."""
    for number, small in enumerate(bars):
        for bar in aggregator.on_bar(small):
            desk.on_bar(bar)
        if number % EVERY == 0:
            progress(number)


def walk_every_tick(desk: Walker, ticks: Iterable[Tick], aggregator: BaseAggregator, progress: Progress) -> None:
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


class TapeWalk:
    """Bars are ready; between two of them only those ticks are visited at which an order may fill or a level may be touched."""

    def __init__(self, desk: Desk, tape: Tape) -> None:
        self._desk, self._tape = desk, tape
        self._place = -1  # the last one that was passed
        self._seen = -1  # the places before this one are in the extremes of the open position
        self._tick = float(desk.engine.config.instrument.tick_size)
        desk.before_orders = self._show_passed

    def walk(self, progress: Progress) -> None:
        """To the end of the data."""
        config, tape = self._desk.engine.config, self._tape
        bars = tape.bars.bars(config.instrument.symbol, config.timeframe)
        for number, (bar, end) in enumerate(zip(bars, tape.ends.tolist(), strict=True)):
            self._visit(end)
            self._pass(end)
            self._desk.on_bar(bar)
            if number % EVERY == 0:
                progress(tape.row(end))
        last = len(tape) - 1
        self._visit(last)
        if self._place < last:  # so that what is closed at the end is closed at the last price
            self._show(last)

    def _visit(self, through: int) -> None:
        while (place := self._next(through)) <= through:
            self._show(place)

    def _next(self, through: int) -> int:
        """The next place where something may happen, or one behind ``through``."""
        if self._desk.is_quiet:
            return through + 1
        self._show_passed()  # a trailing stop follows what was passed
        watch = self._desk.watch(self._tick)
        if watch is None:
            return self._place + 1
        place = first_reaching(self._tape.price, self._place + 1, through + 1, watch)
        deadline = self._desk.engine.deadline
        return place if deadline is None else min(place, self._at(deadline, place))

    def _at(self, ts_ns: int, stop: int) -> int:
        """The first place behind the passed ones, and before ``stop``, that is stamped ``ts_ns`` or later; else ``stop``."""
        late = self._tape.ts[self._place + 1 : stop] >= ts_ns
        return self._place + 1 + int(late.argmax()) if late.any() else stop

    def _show(self, place: int) -> None:
        self._place = place - 1
        self._show_passed()
        self._pass(place)
        self._desk.on_update(self._update(place))

    def _pass(self, place: int) -> None:
        """Places up to this one are over; those of a flat time are in no position's extremes."""
        if not self._desk.ledger.quantity():
            self._seen = place + 1
        self._place = place

    def _show_passed(self) -> None:
        """What the open position has seen and the engine has not."""
        end = self._place + 1
        if not self._desk.ledger.quantity() or end <= self._seen:
            return
        prices = self._tape.price[self._seen : end]
        self._desk.engine.pass_over(float(prices.max()), float(prices.min()), self._desk.ledger.book)
        self._seen = end

    def _update(self, place: int) -> BarUpdate:
        """The update of a tick, as far as broker and engine look at it: not the open bar."""
        tape, config = self._tape, self._desk.engine.config
        ts, price = int(tape.ts[place]), float(tape.price[place])
        return BarUpdate(
            *(config.instrument.symbol, config.timeframe, tape.row(place), ts, ts, price, float(tape.size[place]), *tape.quote(place)),
            *(ts, price, price, price, price, 0.0, 0, 0.0),
        )
