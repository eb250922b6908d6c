"""Ready-made bars of a source, handed on as they are."""

from collections.abc import Sequence

import msgspec

from fortified.aggregation.base import BaseAggregator, OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarFlag, Tick


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
        if bar.ts_open < self._floor_ns:
            self.late += 1
            return ()
        self._floor_ns = self._floor_after(bar)
        ends = BarFlag.SESSION_END if self._ends_session(bar.ts_close) else 0
        return (msgspec.structs.replace(bar, flags=bar.flags | BarFlag.FROM_BARS | ends),)

    def _floor_after(self, bar: Bar) -> int:
        return bar.ts_open + 1

    def _floor_of(self, bar: OpenBar) -> int:
        return bar.ts_open

    def _close(self, bar: OpenBar, *, complete: bool = True) -> Bar:
        raise DataError(f"{self.symbol}: a passthrough of {self.name} bars never holds an open bar")
