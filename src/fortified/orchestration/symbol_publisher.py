"""All timeframes of one symbol, from its events to the bus.

Owns the aggregators of the symbol and the place of every entry in its total order. An entry's id is a pure function of the ticks: the
update of tick ``seq`` has n = 4·seq + 1, a bar whose closing leaves tick ``seq`` behind it has n = 4·seq + 3; the milliseconds are the
running maximum of the venue's stamps. So publishing again after a crash gives the same entries, and streams of all timeframes merge by id.
"""

import msgspec

from fortified.aggregation.base import BaseAggregator, update_of
from fortified.domain.errors import InvariantError
from fortified.domain.market import Bar, BarFlag, Gap, Quote, SourceEvent, Tick, Watermark
from fortified.orchestration.events import Listeners
from fortified.ports import ORIGIN, Checkpoint, EntryId, MarketBus, StreamRef

NS_PER_MS = 1_000_000


class Lane(msgspec.Struct):
    """One timeframe's way to the bus. ``done`` is the last tick it took in; earlier ones, fed again after a crash, are passed over."""

    ref: StreamRef
    aggregator: BaseAggregator
    last_update: EntryId = ORIGIN
    last_bar: EntryId = ORIGIN
    bar_seq: int = -1
    done: int = -1

    @property
    def last(self) -> EntryId:
        """The entry before the next one, in the merged order of both streams: each entry names it, so that a reader sees a hole."""
        return max(self.last_update, self.last_bar)


class SymbolPublisher:
    """Publishes bars and partial updates of one symbol. Synchronous: the bus buffers."""

    def __init__(self, symbol: str, bus: MarketBus, listeners: Listeners) -> None:
        self.symbol = symbol
        self.ticks = 0
        self.ts_last_event: int | None = None
        self._bus = bus
        self._listeners = listeners
        self._lanes: tuple[Lane, ...] = ()
        self._ms = 0
        self._seq = -1
        self._quote: Quote | None = None

    # --- timeframes ---

    def add(self, aggregator: BaseAggregator, checkpoint: Checkpoint | None) -> None:
        """Begin a timeframe, where ``checkpoint`` says its publication stopped."""
        lane = Lane(StreamRef(self.symbol, aggregator.name), aggregator)
        if checkpoint is not None:
            lane.last_update, lane.last_bar = checkpoint.last_update, checkpoint.last_bar
            lane.done = max(seq_of(checkpoint.last_update), seq_of(checkpoint.last_bar))
            aggregator.restore(checkpoint.open_bar, checkpoint.last_closed)
        self._lanes = tuple(sorted((*self._lanes, lane), key=lambda known: known.ref))

    def start(self) -> int | None:
        """The tick behind which the source resumes, so that no timeframe misses one; None when none was ever published.

        A timeframe that is new beside others that are not begins in the middle, and says so.
        """
        if not self._lanes:
            raise InvariantError(f"{self.symbol} has no timeframe to publish")
        begun = [lane for lane in self._lanes if lane.done >= 0]
        if not begun:
            return None
        earliest = min(begun, key=lambda lane: lane.done)
        self._seq = earliest.done
        self._ms = max(earliest.last_update, earliest.last_bar).ms
        for lane in self._lanes:
            if lane.done < 0:
                lane.aggregator.mark(BarFlag.PARTIAL_START)
            elif full := lane.aggregator.after():  # the crash came between the update that filled the bar and the bar
                self._publish_bar(lane, full, EntryId(lane.last_update.ms, 4 * lane.done + 3))
        return earliest.done

    def join(self, aggregator: BaseAggregator, checkpoint: Checkpoint | None) -> None:
        """Begin a timeframe while the symbol runs; what it missed before is flagged."""
        self.add(aggregator, checkpoint)
        lane = next(lane for lane in self._lanes if lane.aggregator is aggregator)
        if lane.done != self._seq:
            aggregator.open_bar = None
            aggregator.mark(BarFlag.PARTIAL_START if lane.last == ORIGIN else BarFlag.PARTIAL_START | BarFlag.GAP)
            lane.done = max(lane.done, self._seq)

    def remove(self, timeframe: str) -> bool:
        """End a timeframe; the others go on. True when none is left."""
        self._lanes = tuple(lane for lane in self._lanes if lane.ref.timeframe != timeframe)
        return not self._lanes

    @property
    def refs(self) -> tuple[StreamRef, ...]:
        return tuple(lane.ref for lane in self._lanes)

    @property
    def late(self) -> int:
        return sum(lane.aggregator.late for lane in self._lanes)

    @property
    def out_of_session(self) -> int:
        return max((lane.aggregator.out_of_session for lane in self._lanes), default=0)

    @property
    def seq(self) -> int:
        """The last tick that was taken in."""
        return self._seq

    def frontier(self, timeframe: str) -> int:
        """The last tick that made an update or a bar of ``timeframe``."""
        return max((max(seq_of(lane.last_update), lane.bar_seq) for lane in self._lanes if lane.ref.timeframe == timeframe), default=-1)

    # --- events ---

    def on_event(self, event: SourceEvent) -> None:
        """Take in one event of the source."""
        if isinstance(event, Tick):
            self._on_tick(event)
        elif isinstance(event, Bar):
            self._on_bar(event)
        elif isinstance(event, Watermark):
            self._on_time(event.ts_event)
        elif isinstance(event, Quote):
            self._quote = event
        elif isinstance(event, Gap):
            for lane in self._lanes:
                lane.aggregator.mark(BarFlag.GAP)

    def _on_tick(self, tick: Tick) -> None:
        quote = self._quote
        if quote is not None and tick.bid is None and tick.ask is None:
            tick = msgspec.structs.replace(tick, bid=quote.bid, ask=quote.ask)
        seq = tick.seq
        for lane in self._lanes:
            if seq > lane.done and (bar := lane.aggregator.before(tick)) is not None:
                self._publish_bar(lane, bar, self._after_last())
        self._ms = max(self._ms, tick.ts_event // NS_PER_MS)
        entry = EntryId(self._ms, 4 * seq + 1)
        for lane in self._lanes:
            if seq > lane.done and lane.aggregator.add(tick):
                self._publish_update(lane, tick, entry)
        self._seq = seq
        for lane in self._lanes:
            if seq > lane.done:
                lane.done = seq
                if (full := lane.aggregator.after()) is not None:
                    self._publish_bar(lane, full, self._after_last())
        self.ticks += 1
        self.ts_last_event = tick.ts_event

    def _on_bar(self, bar: Bar) -> None:
        before = self._after_last()
        self._ms, self._seq = max(self._ms, bar.ts_close // NS_PER_MS), bar.seq
        for lane in self._lanes:
            if bar.seq <= lane.done:
                continue
            lane.done = bar.seq
            for made in lane.aggregator.on_bar(bar):  # one that does not hold this bar was over before it
                self._publish_bar(lane, made, self._after_last() if made.seq == bar.seq else before)
        self.ticks += 1
        self.ts_last_event = bar.ts_close

    def _on_time(self, now_ns: int) -> None:
        for lane in self._lanes:
            if (bar := lane.aggregator.on_time(now_ns)) is not None:
                self._publish_bar(lane, bar, self._after_last())

    def _after_last(self) -> EntryId:
        """The place of a bar that closes with nothing after the last tick."""
        return EntryId(self._ms, 4 * self._seq + 3)

    # --- to the bus ---

    def _publish_update(self, lane: Lane, tick: Tick, entry: EntryId) -> None:
        bar = lane.aggregator.open_bar
        assert bar is not None
        fill = lane.aggregator.fill()
        self._bus.publish_update(lane.ref, entry, lane.last, tick, bar, fill)
        lane.last_update = entry
        if self._listeners:
            self._listeners.emit(update_of(lane.ref.symbol, lane.ref.timeframe, tick, bar, fill))

    def _publish_bar(self, lane: Lane, bar: Bar, entry: EntryId) -> None:
        self._bus.publish_bar(lane.ref, entry, lane.last, bar)
        lane.last_bar, lane.bar_seq = entry, bar.seq
        if self._listeners:
            self._listeners.emit(bar)


def seq_of(entry: EntryId) -> int:
    """The tick that an entry's id was made of; -1 for the origin."""
    return -1 if entry == ORIGIN else (entry.n - 1) // 4
