"""Bars of N trades, counted from the session's open.

Owns when a tick bar is full. At a session's end the short bar is published as incomplete and the count restarts, so that a restart or a
backfill reproduces the same bars; calendar 24/7 has no such break.
"""

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.domain.market import Bar, BarFlag, Tick


class TickBarAggregator(BaseAggregator):
    """Tick bars: one eligible print is one tick, whatever its size."""

    def add(self, tick: Tick) -> bool:
        bar = self.open_bar
        if bar is not None and tick.ts_event >= self._floor_ns:
            bar.add(tick)
            return True
        session = self._session_of(tick)
        if session is None:
            return False
        self._floor_ns = session.open_ns
        self._start(tick, tick.ts_event, session.close_ns)
        return True

    def after(self) -> Bar | None:
        bar = self.open_bar
        return self._close(bar) if bar is not None and bar.ticks >= self.timeframe.length else None

    def fill(self) -> float:
        return 0.0 if self.open_bar is None else self.open_bar.ticks / self.timeframe.length

    def _floor_after(self, bar: Bar) -> int:
        session = self._calendar.session_at(bar.ts_open)
        if session is None:
            return bar.ts_close
        return session.close_ns if bar.flags & BarFlag.SESSION_END else session.open_ns

    def _floor_of(self, bar: OpenBar) -> int:
        session = self._calendar.session_at(bar.ts_open)
        return bar.ts_open if session is None else session.open_ns

    def _close(self, bar: OpenBar, *, complete: bool = True) -> Bar:
        full = bar.ticks >= self.timeframe.length
        flags = bar.flags | (BarFlag.SESSION_END if complete and not full else 0)
        return self._bar(bar, bar.ts_last, complete=full, flags=flags)
