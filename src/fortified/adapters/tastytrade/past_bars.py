"""Bars of the past, fetched over DXLink.

Owns what is asked for: candles for bars of time, prints since a session's open for bars of trades. How they become bars is in ``candles``.
"""

from collections.abc import Sequence
from typing import Final

from fortified.adapters.tastytrade.candles import candle_period, candle_symbol, tick_bars, time_bars, time_to_ask
from fortified.adapters.tastytrade.dxlink_events import Candle, Print
from fortified.adapters.tastytrade.dxlink_history import History, Snapshot
from fortified.adapters.tastytrade.tape import TapePolicy
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe

DAY_NS: Final = 24 * 3600 * 10**9
_WEEK_NS: Final = 7 * DAY_NS
_SESSIONS_BACK: Final = 3


class PastBars:
    """``most_rows`` are fetched at once."""

    def __init__(self, history: History, policy: TapePolicy, most_rows: int) -> None:
        self._history, self._policy, self._most_rows = history, policy, most_rows

    async def last(self, instrument: Instrument, streamer_symbol: str, timeframe: Timeframe, count: int, now_ns: int) -> Sequence[Bar]:
        """The last closed bars, at most ``count``, oldest first. Raises VenueUnavailable."""
        make = self._of_trades if timeframe.is_tick else self._of_time
        return (await make(instrument, streamer_symbol, timeframe, count, now_ns))[-count:]

    async def _of_time(self, instrument: Instrument, streamer_symbol: str, timeframe: Timeframe, count: int, now_ns: int) -> list[Bar]:
        calendar, period_s = get_calendar(instrument.calendar), candle_period(timeframe)
        start_ns = time_to_ask(calendar, timeframe, count, now_ns)
        found: Snapshot[Candle] = await self._history.fetch("Candle", candle_symbol(streamer_symbol, period_s), start_ns, self._most_rows)
        return time_bars(found.rows, instrument, timeframe, calendar, period_s, now_ns)

    async def _of_trades(self, instrument: Instrument, streamer_symbol: str, timeframe: Timeframe, count: int, now_ns: int) -> list[Bar]:
        calendar, bars = get_calendar(instrument.calendar), list[Bar]()
        sessions = list(calendar.sessions(now_ns - _WEEK_NS, now_ns))[-_SESSIONS_BACK:]
        for session in reversed(sessions):
            start_ns = max(session.open_ns, now_ns - DAY_NS) if len(sessions) == 1 else session.open_ns
            found: Snapshot[Print] = await self._history.fetch("TimeAndSale", streamer_symbol, start_ns, self._most_rows)
            if found.is_cut:  # not counted from a session's open: such bars fit to nothing
                break
            bars = tick_bars(found.rows, instrument, timeframe, calendar, self._policy, now_ns)
            if len(bars) >= count:
                break
        return bars
