"""Bars of the past from Schwab's price history.

Owns which spans are asked for, and how minutes and days become bars of any timeframe. The smallest bar there is a minute.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from fortified.adapters.schwab.client import SchwabClient
from fortified.adapters.schwab.wire import Candle
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import CONTINUOUS, Calendar, get_calendar
from fortified.domain.errors import VenueUnavailable
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe

MINUTE: Final = Timeframe("time", 60)
DAY: Final = Timeframe("time", 86_400)
_DAY_NS: Final = 86_400 * NS_PER_SECOND
_CHUNK_NS: Final = 10 * _DAY_NS
"""How much is asked for at once."""
_NIGHT_NS: Final = 6 * 3_600 * NS_PER_SECOND
"""Six o'clock UTC: no share trades then, so no bar is cut in two."""
_MINUTES_REACH_NS: Final = 45 * _DAY_NS
"""How far back the venue has minutes."""
_DAYS_REACH_NS: Final = 20 * 366 * _DAY_NS


async def fetch_history(client: SchwabClient, instrument: Instrument, timeframe: Timeframe, count: int, now_ns: int) -> Sequence[Bar]:
    """The last closed bars at ``now_ns``, at most ``count``, oldest first; none of a timeframe that minutes do not make.

    Raises what reads raise.
    """
    if count <= 0 or timeframe.is_tick or timeframe.length_ns % MINUTE.length_ns:
        return ()
    if timeframe.is_daily:
        span = min((count * 7 // 5 + 10) * _DAY_NS, _DAYS_REACH_NS)
        told = (await client.days(instrument.symbol, now_ns - span, now_ns)).candles
        return to_bars(instrument, DAY, timeframe, told, now_ns)[-count:]
    found: dict[int, Candle] = {}
    bars: Sequence[Bar] = ()
    end = now_ns
    while len(bars) < count and now_ns - end < _MINUTES_REACH_NS:
        start = (end - _CHUNK_NS) // _DAY_NS * _DAY_NS + _NIGHT_NS
        try:
            told = (await client.minutes(instrument.symbol, start, end, extended=instrument.calendar != "NYSE")).candles
        except VenueUnavailable:
            if not found:
                raise
            break  # older than what the venue has
        if not told:
            break
        found |= {candle.datetime: candle for candle in told}
        bars = to_bars(instrument, MINUTE, timeframe, [found[stamp] for stamp in sorted(found)], now_ns)
        end = start
    return bars[-count:]


def to_bars(instrument: Instrument, source: Timeframe, timeframe: Timeframe, candles: Iterable[Candle], now_ns: int) -> list[Bar]:
    """``candles`` of ``source`` as closed bars of ``timeframe``.

    ``seq`` of a bar is the last second it may hold, so that it stands with the bars of the stream, which are numbered by seconds.
    """
    calendar = get_calendar(instrument.calendar)
    aggregator = create_aggregator(instrument.symbol, timeframe, calendar, source=source, grace_ns=0)
    made = [bar for candle in candles for bar in aggregator.on_bar(_bar(instrument.symbol, source, candle))]
    last = aggregator.on_time(now_ns) if not timeframe.is_daily and source != timeframe else None
    whole = [*made, last] if last is not None else made
    return [bar for bar in whole if bar.ts_close <= now_ns and _in_session(calendar, bar)]


def _bar(symbol: str, source: Timeframe, candle: Candle) -> Bar:
    ts_open = candle.datetime * 1_000_000
    ts_close = ts_open + source.length_ns
    return Bar(
        symbol=symbol,
        timeframe=source.name,
        ts_open=ts_open,
        ts_close=ts_close,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        ticks=1,
        vwap=(candle.high + candle.low + candle.close) / 3,
        seq=ts_close // NS_PER_SECOND - 1,
    )


def _in_session(calendar: Calendar, bar: Bar) -> bool:
    return calendar.name == CONTINUOUS or calendar.session_at(bar.ts_open) is not None
