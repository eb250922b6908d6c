"""The tape of one symbol: from prints of TimeAndSale to ticks.

Owns which prints count, the order of what was missed and what came meanwhile, what becomes of corrections, and the fall-back to trades,
which are snapshots that a server may conflate. Pure: times are arguments. Knows no connection.

A tick that was published cannot be amended, so corrections and cancels of known prints are counted and told, no more.
"""

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from fortified.adapters.tastytrade.dxlink_events import CANCEL, CORRECTION, REMOVE, LastTrade, Print, ts_of_index
from fortified.adapters.tastytrade.tape_ids import PrintIds, ts_of_seq
from fortified.adapters.tastytrade.tape_volume import VolumeCheck
from fortified.domain.market import BarFlag, Gap, SourceEvent, Tick, Watermark

_DAY_NS: Final = 24 * 3600 * 10**9
_OLDEST_NS: Final = 5 * _DAY_NS
"""What is older is not fetched: a long weekend is younger."""
_MS_NS: Final = 10**6
_MARGIN_NS: Final = 10**9
_REPAIR_NS: Final = 30 * 10**9
_AGAIN_NS: Final = 10**9
_MOST_HELD: Final = 500_000
_MOST_TRADES: Final = 10_000


class Mode(enum.StrEnum):
    """What ticks are made of."""

    PROBING = "probing"
    PRINTS = "prints"
    TRADES = "trades"


class TapePolicy(msgspec.Struct, frozen=True):
    """``spread_legs``: whether prints of spreads count where the venue calls them valid. ``probe_ns``: how long trades may move without a
    print until they stand in for prints. ``window_ns``: how often the day's volume is compared."""

    spread_legs: bool = True
    probe_ns: int = 5 * 10**9
    window_ns: int = 5 * 10**9


class TapeCounts(msgspec.Struct):
    """Since the start. ``late`` prints came behind later ones, and count as ticks; ``recovered`` ticks were fetched."""

    prints: int = 0
    ticks: int = 0
    duplicates: int = 0
    not_eligible: int = 0
    late: int = 0
    corrections: int = 0
    cancels: int = 0
    gaps: int = 0
    recovered: int = 0
    lost_volume: float = 0.0


class Tape:
    """One symbol. ``after`` is the last ``seq`` that was processed; ``origin_ns`` where a first start begins.

    ``apart``: trades outside of regular hours have a volume of their own, as those of equities have.
    """

    def __init__(self, symbol: str, after: int | None, origin_ns: int, now_ns: int, policy: TapePolicy, *, apart: bool) -> None:
        self.symbol, self.mode, self.counts = symbol, Mode.PROBING, TapeCounts()
        self._policy, self._apart, self._origin_ns = policy, apart, origin_ns
        self._foreign = after is not None and not now_ns - _OLDEST_NS <= ts_of_seq(after) <= now_ns + _DAY_NS
        self._ids = PrintIds(after, foreign=self._foreign)
        self._volume = VolumeCheck(policy.window_ns)
        self._held: list[tuple[Sequence[Print], int]] | None = None
        self._held_prints = 0
        self._trade: LastTrade | None = None
        self._trades: list[tuple[LastTrade, int]] = []
        self._moving_since: int | None = None
        self._short = 0.0
        self._doubted = self._repairing = False
        self._ts_fetched = self._ts_complete = 0

    @property
    def is_approximate(self) -> bool:
        """Whether ticks are made of snapshots, so that their count is a lower bound."""
        return self.mode is Mode.TRADES

    @property
    def ts_last(self) -> int | None:
        """When the newest print was, ns; None before the first."""
        return None if self._ids.newest < 0 else ts_of_index(self._ids.newest)

    @property
    def is_behind(self) -> bool:
        """Whether prints are held until those before them were fetched."""
        return self._held is not None

    # --- what was missed ---

    def begin(self) -> int:
        """A connection is there. The time (ns) from which prints are to be fetched, then given to ``catch_up``."""
        self._trade, self._moving_since = None, None
        self._trades.clear()
        newest = self._ids.newest
        return self._hold(self._origin_ns if newest < 0 else ts_of_index(newest) - _MARGIN_NS)

    def doubt(self) -> None:
        """Prints may have been lost just now."""
        self._doubted = True

    def repair_from(self, now_ns: int) -> int | None:
        """When prints seem to be missing: the time from which they are to be fetched, as ``begin``."""
        if self.is_behind or self.mode is Mode.TRADES or now_ns - self._ts_fetched < _AGAIN_NS:
            return None
        if self._short and not self._repairing:
            self._repairing = True
        elif not self._doubted:
            return None
        self._doubted, self._ts_fetched = False, now_ns
        return self._hold(now_ns - _REPAIR_NS)

    def catch_up(self, past: Sequence[Print] | None, reason: str = "") -> list[SourceEvent]:
        """``past`` are the fetched prints, oldest first, None when none are to be had; ``reason`` says why, or why some are missing."""
        held, self._held = self._held or [], None
        events: list[SourceEvent] = []
        newest, known = self._ids.newest, self.counts.ticks
        if past is None or reason:
            events.append(self._gap(reason or "what was missed cannot be had"))
        elif self._foreign:
            events.append(self._gap("the numbers of the ticks before are of another source or of long ago"))
        elif newest >= 0 and not (past and past[0].index <= newest):
            events.append(self._gap("the venue's history does not reach back to the last print"))
        self._foreign = False
        if past:
            found: list[SourceEvent] = []
            self._take(past, None, found)
            self.counts.recovered += self.counts.ticks - known
            if found and not events and self._is_overdue(found):
                events.append(self._gap("prints were fetched when bars of their time could be over"))
            events += found
        for prints, ts_recv in held:
            self._take(prints, ts_recv, events)
        return events

    # --- what comes ---

    def on_prints(self, prints: Sequence[Print], ts_recv: int) -> list[SourceEvent]:
        """The ticks of live prints, which came at ``ts_recv`` (ns)."""
        events: list[SourceEvent] = []
        if self._held is None:
            self._take(prints, ts_recv, events)
            return events
        self._held.append((prints, ts_recv))
        self._held_prints += len(prints)
        return self.catch_up(None, "more came than can be held") if self._held_prints > _MOST_HELD else events

    def on_trades(self, trades: Sequence[LastTrade], now_ns: int) -> list[SourceEvent]:
        """Take in snapshots of the last trade: ticks only where there are no prints."""
        events: list[SourceEvent] = []
        for trade in trades:
            before, self._trade = self._trade, trade
            if not (self._apart and trade.extended):
                self._volume.on_volume(trade.day, trade.day_volume, now_ns)
            if before is None or not _moved(before, trade):
                continue
            if self._moving_since is None and trade.ts_event // _MS_NS * _MS_NS > ts_of_index(self._ids.newest):
                self._moving_since = now_ns  # no print explains it yet
            if self.mode is Mode.TRADES:
                events.append(self._tick_of(trade, now_ns))
            elif self.mode is Mode.PROBING and len(self._trades) < _MOST_TRADES:
                self._trades.append((trade, now_ns))
        return events

    def on_time(self, now_ns: int) -> list[SourceEvent]:
        """Look whether prints are missing or have never come, and tell what is complete."""
        if self.is_behind:
            return []
        events = [] if self.mode is Mode.TRADES else self._look(now_ns)
        self._ts_complete = now_ns
        return [*events, Watermark(self.symbol, now_ns)]

    def _look(self, now_ns: int) -> list[SourceEvent]:
        patience = self._policy.probe_ns * (1 if self.mode is Mode.PROBING else 3)
        if self._moving_since is not None and now_ns - self._moving_since >= patience:
            return self._fall_back()
        missing = self._volume.on_time(now_ns)
        if missing is None:
            return []
        if not missing:
            self._short, self._repairing = 0.0, False
        elif self._repairing:  # fetched, and still missing
            self.counts.lost_volume += missing
            self._short, self._repairing = 0.0, False
            self._volume.accept()
            return [self._gap(f"the day's volume says that {missing:g} are missing")]
        else:
            self._short = missing
        return []

    def _is_overdue(self, events: Sequence[SourceEvent]) -> bool:
        """Whether a tick is older than what was called complete, by more than a print may take to us."""
        return any(isinstance(event, Tick) and event.ts_event < self._ts_complete - _MARGIN_NS for event in events)

    # --- ---

    def _hold(self, start_ns: int) -> int:
        if self._held is None:
            self._held, self._held_prints = [], 0
        return start_ns

    def _take(self, prints: Sequence[Print], ts_recv: int | None, events: list[SourceEvent]) -> None:
        """Ticks of the prints that count. ``ts_recv`` None: fetched, so that nobody knows when they would have come."""
        if not prints:
            return
        if self.mode is not Mode.PRINTS:
            self._to_prints(events)
        self._moving_since = None
        ids, counts, volume, legs, apart = self._ids, self.counts, self._volume, self._policy.spread_legs, self._apart
        symbol = self.symbol
        counts.prints += len(prints)
        for one in prints:
            index, size, kind = one.index, one.size, one.type
            is_late = index <= ids.newest
            if kind == CANCEL or one.flags & REMOVE:
                self._cancel(index)
                continue
            if not ids.is_new(index, size):
                self._known(kind)
                continue
            if not (apart and one.extended) and size > 0:
                volume.on_print(size)
            price = one.price
            if not (one.valid and size > 0 and price - price == 0.0 and (legs or not one.spread_leg)):
                counts.not_eligible += 1
                continue
            counts.late += is_late
            counts.ticks += 1
            events.append(Tick(symbol, ids.number(index), one.ts_event, ts_recv or one.ts_event, price, size, one.bid, one.ask))

    def _cancel(self, index: int) -> None:
        size = self._ids.knows(index)
        if size is not None:
            self._volume.on_print(-size)
        self.counts.cancels += 1

    def _known(self, kind: str) -> None:
        if kind == CORRECTION:
            self.counts.corrections += 1
        else:
            self.counts.duplicates += 1

    def _to_prints(self, events: list[SourceEvent]) -> None:
        if self.mode is Mode.TRADES:
            events.append(self._gap("prints have come, and take the place of trades"))
        self.mode = Mode.PRINTS
        self._trades.clear()

    def _fall_back(self) -> list[SourceEvent]:
        self.mode = Mode.TRADES
        self._moving_since = None
        gap = [self._gap("no prints come: ticks are made of trades, which may be conflated")]
        ticks = [self._tick_of(trade, now_ns) for trade, now_ns in self._trades]
        self._trades.clear()
        return [*gap, *ticks]

    def _tick_of(self, trade: LastTrade, ts_recv: int) -> Tick:
        self.counts.ticks += 1
        self._ids.is_new(trade.index, trade.size)
        number, flags = self._ids.number(trade.index), int(BarFlag.APPROXIMATE_TICKS)
        return Tick(self.symbol, number, trade.ts_event, ts_recv, trade.price, trade.size, flags=flags)

    def _gap(self, reason: str) -> Gap:
        self.counts.gaps += 1
        newest = self._ids.newest
        return Gap(self.symbol, self._origin_ns if newest < 0 else ts_of_index(newest), reason)


def _moved(before: LastTrade, after: LastTrade) -> bool:
    return before.index != after.index or before.day != after.day or before.day_volume < after.day_volume
