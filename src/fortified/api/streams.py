"""Which stream a client means by a symbol and a timeframe.

Owns the spelling that is accepted (``NQ`` for ``/NQ`` where only that one is known) and the words of a refusal.
"""

from fortified.api.errors import ApiError
from fortified.api.facade import TradingFacade
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import normalise_symbol
from fortified.domain.timeframe import Timeframe
from fortified.ports import StreamRef


def parse_stream(manager: TradingFacade, symbol: str, timeframe: str) -> StreamRef:
    """The canonical stream, aggregated now or not; 404 with ``unknown_symbol`` or ``unknown_timeframe`` when it cannot be."""
    try:
        canonical = normalise_symbol(symbol)
    except ConfigError as error:
        raise ApiError(404, "unknown_symbol", str(error)) from None
    try:
        name = Timeframe.parse(timeframe).name
    except ConfigError as error:
        raise ApiError(404, "unknown_timeframe", str(error)) from None
    known = {ref.symbol for ref in manager.chart_timeframes()}
    if canonical not in known and f"/{canonical}" in known:
        canonical = f"/{canonical}"
    return StreamRef(canonical, name)


def resolve_stream(manager: TradingFacade, symbol: str, timeframe: str) -> StreamRef:
    """Like ``parse_stream``, for a stream that is being aggregated now."""
    ref = parse_stream(manager, symbol, timeframe)
    known = manager.chart_timeframes()
    if ref in known:
        return ref
    timeframes = sorted(other.timeframe for other in known if other.symbol == ref.symbol)
    if timeframes:
        detail = f"{ref.symbol} has no {ref.timeframe} bars now. It has: {', '.join(timeframes)}."
        raise ApiError(404, "unknown_timeframe", detail)
    symbols = ", ".join(sorted({other.symbol for other in known})) or "none; start a strategy first"
    raise ApiError(404, "unknown_symbol", f"{ref.symbol} is not being aggregated. Symbols now: {symbols}.")
