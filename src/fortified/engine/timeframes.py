"""The other timeframes of a strategy's symbol, built from the very events that the strategy itself is given.

Owns their open bars and how many of each were seen. Because they are made of the engine's own inputs, they come in one order in live,
paper, replay and backtest alike: longer ones first, and before a bar of the strategy's own timeframe that ends with them. Knows no streams.
"""

from collections.abc import Iterator, Mapping

import msgspec

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar, BarFlag, BarUpdate, Tick
from fortified.domain.timeframe import Timeframe


class Line(msgspec.Struct):
    """One timeframe's memory. ``seen`` counts bars since the last hole; ``done`` is the last tick that was taken in."""

    seen: int = 0
    done: int = -1
    open_bar: OpenBar | None = None
    last_closed: Bar | None = None
    flags: int = 0
    """Of the next bar, while none is open."""
    gap_after: int | None = None
    """The tick behind which data is missing."""


class OtherTimeframes:
    """Builds the bars of ``wanted`` (timeframe → closed bars before the first entry) for one symbol."""

    def __init__(self, symbol: str, own: str, wanted: Mapping[str, int], calendar: Calendar) -> None:
        self._symbol, self._own, self._calendar = symbol, Timeframe.parse(own), calendar
        self._wanted = {name: wanted[name] for name in sorted(wanted, key=_rank)}
        self.lines = {name: Line() for name in self._wanted}
        self._aggregators: dict[str, BaseAggregator] = {}

    @property
    def is_warm(self) -> bool:
        return all(self.lines[name].seen >= bars for name, bars in self._wanted.items())

    @property
    def missing(self) -> str:
        """What is still to be seen, in words."""
        short = [(name, self.lines[name].seen, bars) for name, bars in self._wanted.items() if self.lines[name].seen < bars]
        return "; ".join(f"{seen} bars of {name} seen, {bars} are needed" for name, seen, bars in short)

    # --- events ---

    def of_update(self, update: BarUpdate) -> Iterator[Bar]:
        """The bars that a tick closes: first those that were over before it, then those that it completes."""
        tick = Tick(update.symbol, update.seq, update.ts_event, update.ts_recv, update.price, update.size, update.bid, update.ask)
        found = [(line, aggregator) for line, aggregator in self._all(None) if tick.seq > line.done]
        for _, aggregator in found:
            yield from self._closed(aggregator.before(tick))
        for line, aggregator in found:
            aggregator.add(tick)
            line.done = tick.seq
        for _, aggregator in found:
            yield from self._closed(aggregator.after())

    def of_bar(self, bar: Bar) -> Iterator[Bar]:
        """The bars that end with a bar of the strategy's own timeframe; a ready-made one is what they are built from."""
        made = bool(bar.flags & BarFlag.FROM_BARS)
        found = self._all(self._own if made else None)
        if bar.flags & BarFlag.GAP:
            self._note_gap(bar)
        for line, aggregator in found:
            if made and bar.seq > line.done:
                line.done = bar.seq
                for closed in aggregator.on_bar(bar):
                    yield from self._closed(closed)
            yield from self._closed(aggregator.on_time(bar.ts_close + aggregator.grace_ns))

    def warm(self, bar: Bar) -> bool:
        """Count a bar in; False when it began in the middle and is not to be shown."""
        line = self.lines[bar.timeframe]
        line.last_closed, line.done = bar, max(line.done, bar.seq)
        if bar.flags & BarFlag.GAP:
            line.seen = 0
        if bar.flags & BarFlag.PARTIAL_START:
            return False
        line.seen += 1
        return True

    # --- memory ---

    def begin(self, name: str, open_bar: OpenBar | None, done: int, *, whole: bool) -> None:
        """Go on in the middle of the bar that a publisher holds after tick ``done``; ``whole``: none of its ticks is missing."""
        line = self.lines[name]
        flags = 0 if whole else int(BarFlag.PARTIAL_START)
        self.lines[name] = Line(done=max(line.done, done), open_bar=open_bar, last_closed=line.last_closed, flags=flags)
        self._aggregators.pop(name, None)

    def recount(self) -> None:
        """The strategy begins anew, and what it was shown is forgotten."""
        for line in self.lines.values():
            line.seen = 0

    def mark_gap(self) -> None:
        """Data is missing behind the last event."""
        self.lines = self.snapshot()
        for line in self.lines.values():
            if line.open_bar is None:
                line.flags |= int(BarFlag.GAP)
            else:
                line.open_bar = msgspec.structs.replace(line.open_bar, flags=line.open_bar.flags | int(BarFlag.GAP))
                line.gap_after = line.open_bar.seq
        self._aggregators = {}  # made anew from the lines

    def snapshot(self) -> dict[str, Line]:
        """The memory as plain data."""
        for name, aggregator in self._aggregators.items():
            held, line = aggregator.open_bar, self.lines[name]
            line.open_bar, line.flags = None if held is None else msgspec.structs.replace(held), aggregator.pending_flags
        return {name: msgspec.structs.replace(line) for name, line in self.lines.items()}

    def restore(self, lines: Mapping[str, Line]) -> None:
        """Go back to what ``snapshot`` gave; a timeframe it does not know begins anew."""
        unknown = Line(flags=int(BarFlag.PARTIAL_START))  # what came before is not in it
        self.lines = {name: msgspec.structs.replace(lines.get(name, unknown)) for name in self._wanted}
        self._aggregators = {}

    def _note_gap(self, own: Bar) -> None:
        """Data is missing in ``own``, so in the bars that are open too; where its beginning is missing, so is theirs that began with it."""
        for aggregator in self._aggregators.values():
            held = aggregator.open_bar
            if held is not None:
                held.flags |= int(BarFlag.GAP)  # not by mark(): what is missing lies before the last tick
                held.flags |= own.flags & BarFlag.PARTIAL_START if held.ts_open >= own.ts_open else 0

    def _closed(self, bar: Bar | None) -> Iterator[Bar]:
        if bar is not None and self.warm(bar):
            yield bar

    def _all(self, source: Timeframe | None) -> list[tuple[Line, BaseAggregator]]:
        """Memory and aggregator of each, made when the first event shows what they are built from."""
        if len(self._aggregators) < len(self.lines):
            for name in self.lines:
                if name not in self._aggregators:
                    self._aggregators[name] = self._aggregator(name, source)
            self._aggregators = {name: self._aggregators[name] for name in self.lines}
        return list(zip(self.lines.values(), self._aggregators.values(), strict=True))

    def _aggregator(self, name: str, source: Timeframe | None) -> BaseAggregator:
        line, aggregator = self.lines[name], create_aggregator(self._symbol, Timeframe.parse(name), self._calendar, source=source)
        aggregator.restore(None if line.open_bar is None else msgspec.structs.replace(line.open_bar), line.last_closed)
        if line.flags:
            aggregator.mark(BarFlag(line.flags))
        if line.open_bar is not None and line.open_bar.seq == line.gap_after:
            aggregator.mark(BarFlag.GAP)
        return aggregator


def _rank(name: str) -> tuple[bool, int]:
    """Bars of ticks first, because they end with a tick and not behind it; then the longest."""
    timeframe = Timeframe.parse(name)
    return not timeframe.is_tick, -timeframe.length
