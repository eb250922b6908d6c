"""Bars of the past from TastyTrade: candles for bars of time, prints for bars of trades.

Owns how candles are named, how far back to ask, and how both become our bars: the aggregators of the live path cut them, so that they fit
to what follows. Knows no connection.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fortified.adapters.tastytrade.dxlink_events import Candle, Print
from fortified.adapters.tastytrade.tape import Tape, TapePolicy
from fortified.aggregation.tick_bar import TickBarAggregator
from fortified.aggregation.time_bar import TimeBarAggregator
from fortified.domain.calendar import Calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe

_PERIODS: Final = (1800, 900, 600, 300, 180, 120, 60, 30, 15, 10, 5, 1)
"""Seconds of the candles we ask for: sessions open on the half hour, so these are cut alike here and there."""
_DAY_NS: Final = 24 * 3600 * NS_PER_SECOND
_THIN: Final = 1.5
"""So many times the trading time is asked for, because intervals without a trade make no candle."""
_OLDEST_DAYS: Final = 1500
_NAME = re.compile(r"(?P<base>[^{]*)\{(?P<attributes>.*)\}")
_PERIOD = re.compile(r"=1(?=[a-z])")


def candle_period(timeframe: Timeframe) -> int:
    """Seconds of the longest candles that bars of ``timeframe`` can be made of."""
    return next(period for period in _PERIODS if timeframe.length % period == 0)


def candle_symbol(streamer_symbol: str, period_s: int) -> str:
    """The series of candles, in the spelling that the server gives back."""
    unit, count = ("m", period_s // 60) if period_s % 60 == 0 else ("s", period_s)
    return normalised(f"{streamer_symbol}{{={count}{unit}}}")


def normalised(symbol: str) -> str:
    """The name of a series without what may be spelled in several ways: ``{=1m}`` is ``{=m}``, attributes have no order."""
    match = _NAME.fullmatch(symbol)
    if match is None:
        return symbol
    attributes = sorted(_PERIOD.sub("=", part.strip()) for part in match["attributes"].split(","))
    return f"{match['base']}{{{','.join(attributes)}}}"


def time_to_ask(calendar: Calendar, timeframe: Timeframe, count: int, now_ns: int) -> int:
    """The time (ns) from which ``count`` bars of time should have closed until ``now_ns``."""
    wanted = math.ceil(count * timeframe.length_ns * _THIN) if not timeframe.is_daily else (count + 1) * _DAY_NS
    days = 1
    while days < _OLDEST_DAYS:
        start = now_ns - days * _DAY_NS
        sessions = calendar.sessions(start, now_ns)
        traded = sum(min(one.close_ns, now_ns) - max(one.open_ns, start) for one in sessions)
        if timeframe.is_daily:
            traded = days * _DAY_NS * 2 // 3
        if traded >= wanted:
            return start
        days *= 2
    return now_ns - _OLDEST_DAYS * _DAY_NS


def time_bars(
    candles: Iterable[Candle], instrument: Instrument, timeframe: Timeframe, calendar: Calendar, period_s: int, now_ns: int
) -> list[Bar]:
    """The closed bars that ``candles``, oldest first, make. Candles outside of the sessions are left out."""
    aggregator = TimeBarAggregator(instrument.symbol, timeframe, calendar, grace_ns=0)
    length_ns, name, bars = period_s * NS_PER_SECOND, Timeframe("time", period_s).name, list[Bar]()
    for candle in candles:
        session = calendar.session_at(candle.ts_open)
        prices = candle.open, candle.high, candle.low, candle.close
        if session is None or not all(map(math.isfinite, prices)):
            continue
        ts_close = min(candle.ts_open + length_ns, session.close_ns)
        if ts_close > now_ns:
            break
        if not bars and aggregator.open_bar is None and calendar.bucket(session, timeframe.length_ns, candle.ts_open)[0] != candle.ts_open:
            aggregator.mark(BarFlag.PARTIAL_START)
        volume = candle.volume if math.isfinite(candle.volume) else 0.0
        bar = Bar(
            symbol=instrument.symbol,
            timeframe=name,
            ts_open=candle.ts_open,
            ts_close=ts_close,
            open=candle.open,
            high=max(prices),
            low=min(prices),
            close=candle.close,
            volume=volume,
            ticks=int(candle.count) if math.isfinite(candle.count) else 0,
            vwap=candle.vwap if math.isfinite(candle.vwap) else candle.close,
            seq=len(bars),
            flags=int(BarFlag.FROM_BARS),
        )
        bars.extend(aggregator.on_bar(bar))
    last = aggregator.on_time(now_ns)
    return bars if last is None else [*bars, last]


def tick_bars(
    prints: Sequence[Print], instrument: Instrument, timeframe: Timeframe, calendar: Calendar, policy: TapePolicy, now_ns: int
) -> list[Bar]:
    """The closed bars of trades that ``prints``, oldest first from a session's open on, make."""
    tape = Tape(instrument.symbol, None, 0, now_ns, policy, apart=False)
    aggregator, bars = TickBarAggregator(instrument.symbol, timeframe, calendar, grace_ns=0), list[Bar]()
    for event in tape.catch_up(prints):
        if isinstance(event, Tick):
            bars.extend(aggregator.on_tick(event))
    last = aggregator.on_time(now_ns)
    return bars if last is None else [*bars, last]
