"""Ticker configurations: from what a user wrote to what can run.

Owns the rules a configuration has to obey before it is stored. The parameters are the strategy's own business; it validates them.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from fortified.domain.errors import ConfigError, NotFound
from fortified.domain.exits import ExitRules
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.order import ZERO
from fortified.domain.ticker import TickerConfig
from fortified.domain.timeframe import Timeframe
from fortified.engine.sizing import Sizing
from fortified.strategies.base import BaseStrategy, parse_params

VENUES = ("schwab", "tastytrade")
NO_FUTURES = frozenset({"schwab"})


class Strategies(Protocol):
    """The strategies that are known."""

    def get(self, name: str) -> type[BaseStrategy]: ...
    def names(self) -> list[str]: ...


class ConfigLoader:
    """Validates configurations and puts them into their canonical form."""

    def __init__(self, strategies: Strategies, documented: Mapping[str, str], instruments: Callable[[str], Instrument]) -> None:
        self._strategies = strategies
        self._documented = documented
        self._instruments = instruments

    def canonical(self, config: TickerConfig) -> TickerConfig:
        """``config`` in its canonical form.

        Raises:
            ConfigError: the strategy, symbol, timeframe, a quantity, a protective exit, the sizing or a parameter is not valid.
        """
        instrument = self._instruments(config.symbol)
        timeframe = Timeframe.parse(config.timeframe)
        parameters = self._parameters(config)
        symbols = {venue: self._instruments(symbol).symbol for venue, symbol in config.symbols.items()}
        for venue, quantity in config.quantities.items():
            _check_quantity(venue, quantity)
            _check_symbol(venue, quantity, self._instruments(symbols.get(venue, instrument.symbol)))
        return msgspec.structs.replace(
            with_canonical_rules(config),
            symbol=instrument.symbol,
            timeframe=timeframe.name,
            parameters=parameters,
            symbols=symbols,
            quantities=dict(sorted(config.quantities.items())),
        )

    def _parameters(self, config: TickerConfig) -> dict[str, Any]:
        try:
            strategy = self._strategies.get(config.strategy)
        except NotFound:
            if config.strategy in self._documented:
                return dict(config.parameters)
            known = ", ".join(sorted({*self._strategies.names(), *self._documented}))
            raise ConfigError(f"unknown strategy {config.strategy!r}; known are: {known}") from None
        parsed = parse_params(strategy, config.parameters)
        return msgspec.structs.asdict(parsed) if parsed.__struct_fields__ else dict(config.parameters)


def with_canonical_rules(config: TickerConfig) -> TickerConfig:
    """``config`` with its protective exits, sizing and cash in the one spelling that each has.

    Raises:
        ConfigError: one of them is not understood or out of its bounds; it is named.
    """
    sizing = Sizing.parse(config.sizing)
    if config.leg_failure not in ("hold", "alert", "unwind"):
        raise ConfigError(f"leg_failure {config.leg_failure!r} is unknown; choose hold, alert or unwind")
    if not config.cash.is_finite() or config.cash <= ZERO:
        raise ConfigError(f"cash {config.cash} is not possible; give an amount above 0")
    return msgspec.structs.replace(
        config,
        **ExitRules.of(config).texts(),
        sizing=f"{_plain(sizing.percent)}%" if sizing.method == "percent" else sizing.method,
        cash=_plain(config.cash),
    )


def _plain(number: Decimal) -> Decimal:
    """``number`` without needless zeros and without an exponent."""
    return Decimal(f"{number.normalize():f}")


def _check_quantity(venue: str, quantity: Decimal) -> None:
    if venue not in VENUES:
        raise ConfigError(f"unknown broker {venue!r} in {venue}_quantity; known are: {', '.join(VENUES)}")
    if not quantity.is_finite() or quantity < ZERO or quantity != quantity.to_integral_value():
        raise ConfigError(f"{venue}_quantity {quantity} is not possible; give a whole number of 0 or more")


def _check_symbol(venue: str, quantity: Decimal, instrument: Instrument) -> None:
    if quantity > ZERO and venue in NO_FUTURES and instrument.asset_class is AssetClass.FUTURE:
        raise ConfigError(
            f"{venue} takes no futures orders, so {instrument.symbol} cannot be traded there; "
            f"set {venue}_symbol to an equity or {venue}_quantity to 0"
        )
