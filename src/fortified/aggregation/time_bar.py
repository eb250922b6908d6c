"""Bars of time: [start, end) buckets anchored at the session's open.

Owns when a time bar begins and ends. An empty interval makes no bar.
"""

from collections.abc import Sequence

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import Timeframe


class TimeBarAggregator(BaseAggregator):
    """Time bars from ticks, or from smaller ready-made bars. The last bar of a session may be short."""

    def add(self, tick: Tick) -> bool:
        bar, session = self.open_bar, self._session
        if bar is None or session is None or not session.open_ns <= tick.ts_event < session.close_ns:
            session = self._session_of(tick)
            if session is None:
                return False
        if bar is None:
            self._start(tick, *self._calendar.bucket(session, self.timeframe.length_ns, tick.ts_event))
            return True
        if tick.ts_event < bar.ts_open:
            self.late += 1
            return False
        bar.add(tick)
        return True

    def after(self) -> Bar | None:
        return None

    def fill(self) -> float:
        bar = self.open_bar
        return 0.0 if bar is None else round((bar.ts_last - bar.ts_open) / (bar.ts_end - bar.ts_open), 4)

    def on_bar(self, bar: Bar) -> Sequence[Bar]:
        if Timeframe.parse(bar.timeframe).length_ns > self.timeframe.length_ns:
            raise DataError(f"{self.symbol}: {self.name} bars cannot be built from longer {bar.timeframe} bars")
        return [closed for closed in (self._before_bar(bar), self._merge(bar)) if closed is not None]

    def _before_bar(self, bar: Bar) -> Bar | None:
        open_bar = self.open_bar
        return self._close(open_bar) if open_bar is not None and bar.ts_open >= open_bar.ts_end else None

    def _merge(self, bar: Bar) -> Bar | None:
        """Take in a smaller bar; close when it reaches the end of the interval."""
        last = max(bar.ts_open, bar.ts_close - 1)
        opening = Tick(self.symbol, bar.seq, bar.ts_open, bar.ts_close, bar.open, 0.0)
        if not self.add(opening) or self.open_bar is None:
            return None
        merged = self.open_bar
        merged.high = max(merged.high, bar.high)
        merged.low = min(merged.low, bar.low)
        merged.close, merged.ts_last, merged.seq = bar.close, last, bar.seq
        merged.volume += bar.volume
        merged.notional += bar.vwap * bar.volume
        merged.ticks += bar.ticks - 1
        merged.flags |= int((bar.flags & ~BarFlag.SESSION_END) | BarFlag.FROM_BARS)
        return self._close(merged) if bar.ts_close >= merged.ts_end else None

    def _floor_after(self, bar: Bar) -> int:
        return bar.ts_close

    def _floor_of(self, bar: OpenBar) -> int:
        return bar.ts_open

    def _close(self, bar: OpenBar, *, complete: bool = True) -> Bar:
        flags = bar.flags | (BarFlag.SESSION_END if complete and self._ends_session(bar.ts_end) else 0)
        return self._bar(bar, bar.ts_end, complete=complete, flags=flags)
