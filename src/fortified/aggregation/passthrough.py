"""Ready-made bars of a source, handed on as they are, save that a daily bar which bears only a date gets the hours of its trading day."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarFlag, Tick

NS_PER_SECOND = 1_000_000_000
DAY_NS = 86_400 * NS_PER_SECOND


class BarPassthroughAggregator(BaseAggregator):
    """For sources that give bars of this very timeframe (a broker's one-second bars, a bar file)."""

    def add(self, tick: Tick) -> bool:
        raise DataError(f"{self.symbol}: this source was declared to give {self.name} bars, yet it sent a tick")

    def after(self) -> Bar | None:
        return None

    def fill(self) -> float:
        return 0.0

    def on_bar(self, bar: Bar) -> Sequence[Bar]:
        if bar.timeframe != self.name:
            raise DataError(f"{self.symbol}: expected {self.name} bars, got {bar.timeframe}")
        if self.timeframe.is_daily and bar.ts_close - bar.ts_open == DAY_NS:
            bar = self._dated(bar)
        if bar.ts_open < self._floor_ns:
            self.late += 1
            return ()
        self._floor_ns = self._floor_after(bar)
        ends = BarFlag.SESSION_END if self._ends_session(bar.ts_close) else 0
        marked, self._pending_flags = self._pending_flags, 0
        return (msgspec.structs.replace(bar, flags=bar.flags | marked | BarFlag.FROM_BARS | ends),)

    def _dated(self, bar: Bar) -> Bar:
        """``bar``, stamped 24 hours from a midnight, with the hours of that trading day; with none, it is over before the next opens."""
        session = self._calendar.session_at(bar.ts_open) or self._calendar.session_after(bar.ts_open)
        if session.open_ns == bar.ts_open or session.trading_day == datetime.fromtimestamp(bar.ts_open // NS_PER_SECOND, UTC).date():
            ts_open, ts_close = self._calendar.bucket(session, DAY_NS, bar.ts_open)
            return msgspec.structs.replace(bar, ts_open=ts_open, ts_close=ts_close)
        between = bar.ts_open < session.open_ns < bar.ts_close
        return msgspec.structs.replace(bar, ts_close=session.open_ns) if between else bar

    def _floor_after(self, bar: Bar) -> int:
        return bar.ts_open + 1

    def _floor_of(self, bar: OpenBar) -> int:
        return bar.ts_open

    def _close(self, bar: OpenBar, *, complete: bool = True) -> Bar:
        raise DataError(f"{self.symbol}: a passthrough of {self.name} bars never holds an open bar")
