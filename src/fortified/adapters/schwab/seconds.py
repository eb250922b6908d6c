"""Bars of one second, made of what level one shows; and their minutes, held against those the venue publishes.

Owns the making of a bar: a trade belongs to the second of its stamp, its price is the last one shown, its volume is how much the day's
volume grew since the state before. Prints between two states are not seen: counts are lower bounds, and an extreme between them is only
seen when it is a new high or low of the day. Time arrives as an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from fortified.adapters.schwab.level_one import LevelOne
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar, BarFlag, Gap
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe

ONE_SECOND: Final = Timeframe("time", 1)
DEFAULT_GRACE_NS: Final = 1_500_000_000
"""How long after its end a second waits for trades that are told late."""
_MS_PER_SECOND: Final = 1_000
_MADE: Final = BarFlag.SYNTHESIZED | BarFlag.APPROXIMATE_TICKS


class OpenSecond(msgspec.Struct, gc=False):
    second: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    notional: float = 0.0
    ticks: int = 0


class SecondBars:
    """The one-second bars of one symbol. ``seq`` of a bar is its second since the UTC epoch, so it is the same in every run.

    ``after`` is the last ``seq`` that is known already: nothing at or before it is made again.
    """

    def __init__(self, symbol: str, calendar: Calendar, after: int | None, state: LevelOne, *, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        self.state = state
        self.late = 0
        """Trades told after their second was published; their volume is in the second that was open."""
        self._symbol = symbol
        self._calendar = calendar
        self._grace_ns = grace_ns
        self._done = -1 if after is None else after
        self._open: OpenSecond | None = None
        self._volume: float | None = None
        self._trade_ms = 0 if after is None else after * _MS_PER_SECOND + _MS_PER_SECOND - 1
        self._resuming = after is not None
        self._watched_ns: int | None = None

    def on_row(self, row: Mapping[str, Any], now_ns: int) -> Sequence[Bar | Gap]:
        """The bars that a row of level one closes; before them a ``Gap`` where trades are known to have been missed."""
        state = self.state
        high, low = state.high, state.low
        state.merge(row)
        if state.volume is None or state.last is None or state.trade_ms is None:
            return ()
        if self._volume is None or self._resuming:
            return self._begin(state.volume, state.trade_ms, now_ns)
        grown, newer = state.volume - self._volume, state.trade_ms > self._trade_ms
        self._volume = state.volume  # it shrinks with a new day, and with a trade that is cancelled
        closed: Sequence[Bar] = ()
        if grown > 0.0 or newer:
            closed = self._take(state.last, max(grown, 0.0), state.trade_ms)
            self._trade_ms = max(self._trade_ms, state.trade_ms)
        self._widen(high, low)
        return closed

    def _widen(self, high: float | None, low: float | None) -> None:
        """A new high or low of the day (they were ``high`` and ``low``) was traded since the state before, shown or not."""
        bar, state = self._open, self.state
        if bar is None:
            return
        if high and state.high is not None and state.high > high:
            bar.high = max(bar.high, state.high)
        if low and state.low and state.low < low:
            bar.low = min(bar.low, state.low)

    def on_time(self, now_ns: int) -> Sequence[Bar]:
        """The bar that is over at ``now_ns``."""
        bar = self._open
        if bar is None or now_ns < (bar.second + 1) * NS_PER_SECOND + self._grace_ns:
            return ()
        return (self._close(bar),)

    def lost(self) -> None:
        """The connection broke: what is told next may be behind trades that were not."""
        self._resuming = True

    def _begin(self, volume: float, trade_ms: int, now_ns: int) -> Sequence[Gap]:
        """The first state of a connection: what was before it is no trade of now."""
        missed = trade_ms > self._trade_ms if self._volume is None else volume != self._volume
        resumed, self._resuming = self._resuming, False
        if self._watched_ns is None:
            self._watched_ns = now_ns
        unseen = "" if self._volume is None else f" ({max(volume - self._volume, 0.0):.0f} shares)"
        self._volume, self._trade_ms = volume, max(self._trade_ms, trade_ms)
        if not (resumed and missed):
            return ()
        reason = f"Schwab does not repeat the trades{unseen} between the last known one and the new connection"
        return (Gap(self._symbol, trade_ms * 1_000_000, reason),)

    def _take(self, price: float, volume: float, trade_ms: int) -> Sequence[Bar]:
        second = trade_ms // _MS_PER_SECOND
        bar = self._open
        closed: Sequence[Bar] = ()
        if bar is not None and second > bar.second:
            closed, bar = (self._close(bar),), None
        if second <= self._done or (bar is not None and second < bar.second):
            self.late += 1
            if bar is not None:
                bar.volume += volume
                bar.notional += volume * price
            return closed
        if bar is None:
            bar = self._open = OpenSecond(second, price, price, price, price)
        bar.high, bar.low, bar.close = max(bar.high, price), min(bar.low, price), price
        bar.volume += volume
        bar.notional += volume * price
        bar.ticks += 1
        return closed

    def _close(self, bar: OpenSecond) -> Bar:
        self._open, self._done = None, bar.second
        ts_open = bar.second * NS_PER_SECOND
        return Bar(
            symbol=self._symbol,
            timeframe=ONE_SECOND.name,
            ts_open=ts_open,
            ts_close=ts_open + NS_PER_SECOND,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            ticks=bar.ticks,
            vwap=bar.notional / bar.volume if bar.volume > 0.0 else bar.close,
            seq=bar.second,
            flags=_MADE | self._beginning(ts_open),
        )

    def _beginning(self, ts_open: int) -> BarFlag:
        """The first bar of a subscription that came in the middle of a session says so to the longer bars it is part of."""
        watched, self._watched_ns = self._watched_ns, 0
        if not watched:
            return BarFlag.NONE
        session = self._calendar.session_at(ts_open)
        return BarFlag.NONE if session is not None and session.open_ns >= watched else BarFlag.PARTIAL_START
