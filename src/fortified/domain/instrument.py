"""Instruments: what one unit of a symbol costs, moves by and when it trades.

Owns the spelling of symbols and how prices are rounded; the rows are in ``instrument_tables``. Does not know orders,
venues or which contract is active.
"""

import enum
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec

from fortified.domain.errors import ConfigError, DataError
from fortified.domain.futures import futures_root
from fortified.domain.instrument_tables import FUTURES

_EQUITY = re.compile(r"\$?[A-Z][A-Z0-9]{0,5}(?:/[A-Z]{1,2})?")
_CLASS_SHARE = re.compile(r"([A-Z]{1,5})[.\-]([A-Z])")
_CENT: Final = Decimal("0.01")


class AssetClass(enum.StrEnum):
    FUTURE = "future"
    EQUITY = "equity"


class Instrument(msgspec.Struct, frozen=True):
    """``tick_size`` is the smallest price step; ``multiplier`` is the money in ``currency`` per 1.0 of price and unit.

    ``ConfigError`` when either is not above zero. Profit is never rounded here: it stays exact until it is displayed.
    """

    symbol: str
    asset_class: AssetClass
    tick_size: Decimal
    multiplier: Decimal
    calendar: str
    currency: str = "USD"
    exchange: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        for what, value in (("tick size", self.tick_size), ("multiplier", self.multiplier)):
            if not (value.is_finite() and value > 0):
                raise ConfigError(f"The {what} of {self.symbol} is {value}: give a number above zero.")

    def price(self, value: float | Decimal) -> Decimal:
        """``value`` as the shortest decimal that reads back to the same float; not rounded to a tick.

        ``DataError`` when it is not finite.
        """
        exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
        if not exact.is_finite():
            raise DataError(f"{value} is not a price of {self.symbol}: drop the row or repair the feed.")
        return exact

    def round_price(self, price: Decimal) -> Decimal:
        """The nearest price on a tick, half to even; negative prices are prices."""
        steps = (price / self.tick_size).to_integral_value(ROUND_HALF_EVEN)
        return steps * self.tick_size

    def on_tick(self, price: Decimal) -> bool:
        """Whether ``price`` is a whole number of ticks."""
        return price % self.tick_size == 0


def normalise_symbol(text: str) -> str:
    """Trimmed upper case: ``/NQ``, ``/NQZ26:XCME``, ``SPY``, ``BRK/B`` (also from ``BRK.B``), ``$SPX``.

    ``ConfigError`` when it can be no symbol.
    """
    symbol = text.strip().upper()
    if symbol.startswith("/"):
        futures_root(symbol)
        return symbol
    symbol = _CLASS_SHARE.sub(r"\1/\2", symbol)
    if _EQUITY.fullmatch(symbol) is None:
        raise ConfigError(f"{text!r} is not a symbol. Write a future as /NQ, a share as SPY or BRK/B, an index as $SPX.")
    return symbol


def get_instrument(symbol: str, overrides: Mapping[str, Instrument] | None = None) -> Instrument:
    """The instrument of ``symbol``; a contract has the row of its root under its own symbol.

    ``overrides`` (by symbol, or ``/ROOT`` for all contracts of a root) go before the table. ``ConfigError`` for a
    future whose root neither holds.
    """
    symbol = normalise_symbol(symbol)
    given = overrides or {}
    if symbol in given:
        return msgspec.structs.replace(given[symbol], symbol=symbol)
    if not symbol.startswith("/"):
        return Instrument(symbol, AssetClass.EQUITY, _CENT, Decimal(1), "NYSE")
    root = futures_root(symbol)
    if f"/{root}" in given:
        return msgspec.structs.replace(given[f"/{root}"], symbol=symbol)
    if root not in FUTURES:
        raise ConfigError(
            f"The future {symbol} is not known: no row for root {root}. "
            f"Give the tick size and multiplier of /{root} in the instruments of the configuration."
        )
    tick_size, multiplier, calendar, exchange, name = FUTURES[root]
    return Instrument(symbol, AssetClass.FUTURE, Decimal(tick_size), Decimal(multiplier), calendar, exchange=exchange, name=name)
