"""What a run over files is asked to do, and the parts every such run is made of.

Owns the options of replays and backtests, and how instrument, engine and files follow from them. Knows nothing of Redis.
"""

import logging
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from fortified.domain.account import Mode, account_id
from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.domain.instrument import AssetClass, Instrument, get_instrument, normalise_symbol
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig, warmup_bars
from fortified.engine.engine import Engine
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Leg
from fortified.engine.sizing import FIXED, Sizing
from fortified.strategies.base import BaseStrategy, StrategyConfig, new_strategy, own_timeframes, own_warmup


class RunOptions(msgspec.Struct, frozen=True):
    """What a run is asked to do. ``warmup`` None: the strategy's own; ``speed`` None: as fast as it goes.

    ``cash`` is the equity at the start, which sizing by cash spends; data stamped before ``start_ns`` or from ``end_ns`` on is left out.
    """

    files: tuple[Path, ...]
    symbol: str
    timeframe: str
    strategy: str
    params: Mapping[str, Any]
    quantity: Decimal
    fills: FillModel
    fee: str
    warmup: int | None
    calendar: str | None
    tick_size: Decimal | None
    multiplier: Decimal | None
    flatten: bool
    speed: float | None
    bars_timeframe: str | None = None
    strict: bool = False
    exits: ExitRules = NO_EXITS
    sizing: Sizing = FIXED
    cash: Decimal = Decimal(100_000)
    start_ns: int | None = None
    end_ns: int | None = None


def resolve_instrument(symbol: str, calendar: str | None, tick_size: Decimal | None, multiplier: Decimal | None) -> Instrument:
    """The instrument of ``symbol``, with what the caller overrides.

    Raises:
        ConfigError: it is unknown and tick size and multiplier are not both given, or one of them is not above 0.
    """
    for name, value in (("tick size", tick_size), ("multiplier", multiplier)):
        if value is not None and not (value.is_finite() and value > 0):
            raise ConfigError(f"{name} {value} is not possible; give a number above 0")
    if calendar is not None:
        get_calendar(calendar)
    if tick_size is not None and multiplier is not None:
        name = normalise_symbol(symbol)
        kind = AssetClass.FUTURE if name.startswith("/") else AssetClass.EQUITY
        return Instrument(name, kind, tick_size, multiplier, calendar or "24/7")
    found = get_instrument(symbol)
    return msgspec.structs.replace(
        found,
        tick_size=tick_size or found.tick_size,
        multiplier=multiplier or found.multiplier,
        calendar=calendar or found.calendar,
    )


def build_engine(options: RunOptions, instrument: Instrument, timeframe: Timeframe, strategy: type[BaseStrategy]) -> Engine:
    """The engine of a run, with one account at the instrument's natural venue.

    Raises:
        ConfigError: a parameter of the strategy, its warm-up or the quantity is not possible. StrategyError: it cannot be made.
    """

    def create() -> BaseStrategy:
        return create_strategy(options, instrument, timeframe, strategy)

    if options.quantity <= 0 or options.quantity != options.quantity.to_integral_value():
        raise ConfigError(f"quantity {options.quantity} is not possible; give a whole number above 0")
    first = create()
    own = warmup_bars(own_warmup(first), options.exits)
    account = account_id(Mode.PAPER, natural_venue(instrument))
    return Engine(
        EngineConfig(
            strategy=strategy.name,
            timeframe=timeframe.name,
            instrument=instrument,
            legs=(Leg(account, instrument.symbol, options.quantity),),
            warmup=own if options.warmup is None else options.warmup,
            exits=options.exits,
            timeframes=own_timeframes(first),
            sizing=options.sizing,
            cash=options.cash,
        ),
        create,
        get_calendar(instrument.calendar),
    )


def create_strategy(options: RunOptions, instrument: Instrument, timeframe: Timeframe, strategy: type[BaseStrategy]) -> BaseStrategy:
    """A fresh strategy with the parameters of the options.

    Raises:
        ConfigError: a parameter is not possible. StrategyError: its ``__init__`` raised.
    """
    log = logging.getLogger(f"strategy.{strategy.name}")
    params = {name: _number(value) for name, value in options.params.items()} if strategy.Params is BaseStrategy.Params else options.params
    return new_strategy(strategy, StrategyConfig(instrument.symbol, timeframe.name, params), log)


def _number(value: Any) -> Any:
    """A parameter that no ``Params`` gives a type, as it would come in JSON: from the command line it is a text."""
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value


def natural_venue(instrument: Instrument) -> str:
    """Where an instrument is traded when nobody says: futures at TastyTrade, equities at Schwab."""
    return "tastytrade" if instrument.asset_class is AssetClass.FUTURE else "schwab"
