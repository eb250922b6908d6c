"""The open bar and what all aggregators share.

Owns the bar under construction, the cut at a session's end, and the counters of what was dropped. Knows nothing of streams or clocks: time
arrives as an argument, from the stamps of the events.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from fortified.domain.calendar import Calendar, Session
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarFlag, BarUpdate, Tick
from fortified.domain.timeframe import Timeframe

DEFAULT_GRACE_NS = 200_000_000


class OpenBar(msgspec.Struct, gc=False):
    """A bar under construction; mutable, and owned by its aggregator alone.

    ``ts_first``/``ts_last`` are the venue stamps that decided open and close; ``notional`` is Σ price × size; ``seq`` the last tick in it.
    ``ts_end`` is where a time bar's interval or the session ends, whichever is first.
    """

    ts_open: int
    ts_end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    notional: float
    ticks: int
    ts_first: int
    ts_last: int
    seq: int
    flags: int = 0

    def add(self, tick: Tick) -> None:
        """Take in one more tick. Late prints move high, low and volume; open and close go by (ts_event, seq)."""
        price = tick.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if tick.ts_event >= self.ts_last:
            self.close = price
            self.ts_last = tick.ts_event
        elif tick.ts_event < self.ts_first:
            self.open = price
            self.ts_first = tick.ts_event
        self.volume += tick.size
        self.notional += price * tick.size
        self.ticks += 1
        self.seq = tick.seq
        if tick.flags:
            self.flags |= tick.flags


def update_of(symbol: str, timeframe: str, tick: Tick, bar: OpenBar, fill: float) -> BarUpdate:
    """The update that ``tick`` made of ``bar``."""
    return BarUpdate(
        symbol,
        timeframe,
        tick.seq,
        tick.ts_event,
        tick.ts_recv,
        tick.price,
        tick.size,
        tick.bid,
        tick.ask,
        bar.ts_open,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.ticks,
        fill,
    )


class BaseAggregator(ABC):
    """Builds the bars of one symbol in one timeframe.

    For each tick the owner calls ``before`` (what the tick's stamps close), ``add``, and ``after`` (what it completes), in this order for
    all timeframes of the symbol, so that entries of all of them share one total order. ``on_tick`` does the three for a lone aggregator.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, calendar: Calendar, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.name = timeframe.name
        self.grace_ns = grace_ns
        self.open_bar: OpenBar | None = None
        self.late = 0
        self.out_of_session = 0
        self._calendar = calendar
        self._session: Session | None = None
        self._floor_ns = 0  # ticks before this belong to a bar that is published
        self._pending_flags = 0
        self._gap_after: int | None = None  # the tick behind which data is missing

    # --- what the owner calls ---

    def before(self, tick: Tick) -> Bar | None:
        """The bar that the stamps of ``tick`` prove to be over."""
        bar = self.open_bar
        if bar is not None and (tick.ts_event >= bar.ts_end or tick.ts_recv >= bar.ts_end + self.grace_ns):
            return self._close(bar)
        return None

    def on_time(self, now_ns: int) -> Bar | None:
        """The bar that is over at ``now_ns``; a timer calls this so that quiet bars are published on time."""
        bar = self.open_bar
        if bar is not None and now_ns >= bar.ts_end + self.grace_ns:
            return self._close(bar)
        return None

    @abstractmethod
    def add(self, tick: Tick) -> bool:
        """Take the tick into the open bar. False when it came too late or outside of any session; it is counted then."""

    @abstractmethod
    def after(self) -> Bar | None:
        """The bar that is complete by its count."""

    @abstractmethod
    def fill(self) -> float:
        """Share of the open bar that is done, 0 to 1."""

    def on_tick(self, tick: Tick) -> Sequence[Bar]:
        """The bars that ``tick`` closes, oldest first."""
        closed = [self.before(tick)]
        self.add(tick)
        closed.append(self.after())
        return [bar for bar in closed if bar is not None]

    def on_bar(self, bar: Bar) -> Sequence[Bar]:
        """The bars that a ready-made smaller bar closes.

        Raises:
            DataError: this timeframe cannot be built from bars.
        """
        raise DataError(
            f"{self.symbol}: a {self.name} timeframe needs ticks, but this source gives {bar.timeframe} bars; choose a time bar"
        )

    def finish(self) -> Bar | None:
        """The unfinished bar at the end of the data, ``complete=False``."""
        return None if self.open_bar is None else self._close(self.open_bar, complete=False)

    def mark(self, flag: BarFlag) -> None:
        """Flag the open bar, or the next one when none is open; behind a gap that the open bar ends with, the next one too."""
        if self.open_bar is not None:
            self.open_bar.flags |= int(flag)
            if flag & BarFlag.GAP:
                self._gap_after = self.open_bar.seq
        else:
            self._pending_flags |= int(flag)

    @property
    def pending_flags(self) -> int:
        """The flags of the next bar, marked while none is open."""
        return self._pending_flags

    def restore(self, open_bar: OpenBar | None, last_closed: Bar | None) -> None:
        """Go on where a publisher stopped."""
        self.open_bar = open_bar
        if last_closed is not None:
            self._floor_ns = self._floor_after(last_closed)
        if open_bar is not None:
            self._floor_ns = max(self._floor_ns, self._floor_of(open_bar))

    # --- for subclasses ---

    @abstractmethod
    def _floor_of(self, bar: OpenBar) -> int:
        """Ticks before this stamp are too late for the open bar."""

    @abstractmethod
    def _floor_after(self, bar: Bar) -> int:
        """Ticks before this stamp are too late once ``bar`` is published."""

    def _session_of(self, tick: Tick) -> Session | None:
        """The session of a tick that is neither late nor between sessions; those are counted."""
        if tick.ts_event < self._floor_ns:
            self.late += 1
            return None
        session = self._session
        if session is None or not session.open_ns <= tick.ts_event < session.close_ns:
            session = self._calendar.session_at(tick.ts_event)
            if session is None:
                self.out_of_session += 1
                return None
            self._session = session
        return session

    def _start(self, tick: Tick, ts_open: int, ts_end: int) -> None:
        price, size = tick.price, tick.size
        self.open_bar = OpenBar(
            ts_open,
            ts_end,
            price,
            price,
            price,
            price,
            size,
            price * size,
            1,
            tick.ts_event,
            tick.ts_event,
            tick.seq,
            self._pending_flags | tick.flags,
        )
        self._pending_flags = 0

    @abstractmethod
    def _close(self, bar: OpenBar, *, complete: bool = True) -> Bar:
        """End the open bar."""

    def _ends_session(self, ts_close: int) -> bool:
        """Whether nothing trades behind the bar. Every daily bar ends a session: what it asks for is for the next one, not too late."""
        if self.timeframe.is_daily:
            return False
        session = self._calendar.session_at(ts_close - 1)
        return session is not None and session.close_ns == ts_close

    def _bar(self, bar: OpenBar, ts_close: int, *, complete: bool, flags: int) -> Bar:
        self.open_bar = None
        if bar.seq == self._gap_after:
            self._pending_flags |= int(BarFlag.GAP | BarFlag.PARTIAL_START)
        vwap = bar.notional / bar.volume if bar.volume > 0 else bar.close
        closed = Bar(
            symbol=self.symbol,
            timeframe=self.name,
            ts_open=bar.ts_open,
            ts_close=ts_close,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            ticks=bar.ticks,
            vwap=vwap,
            seq=bar.seq,
            complete=complete,
            flags=flags,
        )
        self._floor_ns = self._floor_after(closed)
        return closed
