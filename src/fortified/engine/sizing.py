"""How many units an entry is: a fixed number, or what a share of the equity buys.

Owns the arithmetic and the spelling. Whole units only; what the equity cannot pay for, with the fee, is not traded.
"""

import re
from decimal import Decimal
from typing import Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument
from fortified.domain.order import ZERO
from fortified.engine.fees import NO_FEE, FeeModel

_PERCENT = re.compile(r"(?=percent:|.*%)(?:percent:)?(?P<amount>\d+(\.\d+)?)%?")
FULL = Decimal(100)


class Sizing(msgspec.Struct, frozen=True):
    """``fixed``: the configured quantity. ``all_in`` and ``percent``: as many units as that share of the equity pays for."""

    method: Literal["fixed", "all_in", "percent"] = "fixed"
    percent: Decimal = FULL

    @property
    def by_cash(self) -> bool:
        return self.method != "fixed"

    def budget(self, equity: Decimal) -> Decimal:
        """The money to spend on an entry, ≥ 0."""
        return max(equity, ZERO) * self.percent / FULL

    @classmethod
    def parse(cls, text: str) -> "Sizing":
        """The sizing that ``text`` writes: ``fixed``, ``all_in``, ``25%`` (also ``percent:25``).

        Raises:
            ConfigError: it writes none, or a percentage that is not above 0 and at most 100.
        """
        word = text.strip()
        if word in ("fixed", "all_in"):
            return FIXED if word == "fixed" else cls("all_in")
        match = _PERCENT.fullmatch(word)
        percent = Decimal(match["amount"]) if match is not None else ZERO
        if not 0 < percent <= FULL:
            raise ConfigError(f"sizing {text!r} is not understood; write fixed, all_in, or a share of the equity above 0 such as 25%")
        return cls("percent", percent)


FIXED = Sizing()


def affordable(budget: Decimal, price: Decimal, instrument: Instrument, fees: FeeModel = NO_FEE) -> Decimal:
    """Whole units, ≥ 0, that ``budget`` pays for at ``price``, fee included: floor(budget / (|price| × multiplier + fee of a unit))."""
    unit = abs(price) * instrument.multiplier
    if not unit:
        return ZERO
    fee = fees.amount if fees.per == "unit" else fees.amount * unit
    return max(ZERO, min(budget // (unit + fee), (budget - fees.minimum) // unit))
