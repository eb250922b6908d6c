"""How many units an entry is: a fixed number, or what a share of the equity buys.

Owns the arithmetic and the spelling. Whole units only; what the equity cannot buy is not traded.
"""

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument

_PERCENT = re.compile(r"(?:percent:)?(?P<amount>\d+(\.\d+)?)%?")
FULL = Decimal(100)


class Sizing(msgspec.Struct, frozen=True):
    """``fixed``: the configured quantity. ``all_in`` and ``percent``: floor(equity × percent / (price × multiplier)) units."""

    method: Literal["fixed", "all_in", "percent"] = "fixed"
    percent: Decimal = FULL

    @property
    def by_cash(self) -> bool:
        return self.method != "fixed"

    def units(self, quantity: Decimal, equity: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
        """Whole units, ≥ 0, for an entry at about ``price``."""
        if not self.by_cash:
            return quantity
        unit = abs(price) * instrument.multiplier
        if equity <= 0 or not unit:
            return Decimal(0)
        return (equity * self.percent / FULL / unit).to_integral_value(ROUND_FLOOR)

    @classmethod
    def parse(cls, text: str) -> "Sizing":
        """The sizing that ``text`` writes: ``fixed``, ``all_in``, ``25%`` (also ``percent:25``).

        Raises:
            ConfigError: it writes none, or a percentage that is not above 0 and at most 100.
        """
        if text == "fixed":
            return FIXED
        if text == "all_in":
            return cls("all_in")
        match = _PERCENT.fullmatch(text.strip())
        percent = Decimal(match["amount"]) if match is not None else Decimal(0)
        if not 0 < percent <= FULL or text.strip().isdigit():
            raise ConfigError(f"sizing {text!r} is not understood; write fixed, all_in, or a share of the equity above 0 such as 25%")
        return cls("percent", percent)


FIXED = Sizing()
