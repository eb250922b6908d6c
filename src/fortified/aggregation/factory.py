"""Which aggregator builds a timeframe."""

from fortified.aggregation.base import DEFAULT_GRACE_NS, BaseAggregator
from fortified.aggregation.passthrough import BarPassthroughAggregator
from fortified.aggregation.tick_bar import TickBarAggregator
from fortified.aggregation.time_bar import TimeBarAggregator
from fortified.domain.calendar import Calendar
from fortified.domain.errors import ConfigError
from fortified.domain.timeframe import Timeframe


def create_aggregator(
    symbol: str, timeframe: Timeframe, calendar: Calendar, *, source: Timeframe | None = None, grace_ns: int = DEFAULT_GRACE_NS
) -> BaseAggregator:
    """The aggregator of ``timeframe`` for a source of ticks, or of ready-made bars of the timeframe ``source``.

    Raises:
        ConfigError: the bars of the source cannot make these.
    """
    if source == timeframe:
        return BarPassthroughAggregator(symbol, timeframe, calendar, grace_ns)
    if source is not None and (timeframe.is_tick or source.is_tick or timeframe.length_ns % source.length_ns):
        raise ConfigError(
            f"{symbol}: {timeframe.name} bars cannot be built from {source.name} bars; choose {source.name} or a multiple of it"
        )
    if timeframe.is_tick:
        return TickBarAggregator(symbol, timeframe, calendar, grace_ns)
    return TimeBarAggregator(symbol, timeframe, calendar, grace_ns)
