"""Fee models: what a fill costs.

Owns the arithmetic and the way fees are written in options.
"""

import re
from decimal import Decimal
from typing import Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument
from fortified.domain.order import ZERO

_SPELLING = re.compile(r"(?P<amount>\d+(\.\d+)?)\s*(?P<unit>/contract|/share|%)?")
_UNITS: dict[str, Literal["unit", "notional"]] = {"/contract": "unit", "/share": "unit", "%": "notional"}


class FeeModel(msgspec.Struct, frozen=True):
    """``per="unit"``: ``amount`` per contract or share, at least ``minimum`` per fill. ``per="notional"``: a share of the money moved."""

    amount: Decimal = ZERO
    per: Literal["unit", "notional"] = "unit"
    minimum: Decimal = ZERO

    def fee(self, quantity: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
        """Fee of one fill, ≥ 0, in the instrument's currency."""
        if self.per == "unit":
            return max(self.amount * quantity, self.minimum)
        return max(self.amount * abs(price) * quantity * instrument.multiplier, self.minimum)

    @classmethod
    def parse(cls, text: str) -> "FeeModel":
        """The model that ``text`` writes: ``0``, ``2.00/contract``, ``0.005/share``, ``0.1%``.

        Raises:
            ConfigError: it writes none.
        """
        match = _SPELLING.fullmatch(text.strip())
        amount = Decimal(match["amount"]) if match else ZERO
        if match is None or (match["unit"] is None and amount):
            raise ConfigError(f"fee {text!r} is not understood; write 0, 2.00/contract, 0.005/share or 0.1%")
        per = _UNITS.get(match["unit"] or "", "unit")
        return cls(amount / 100 if per == "notional" else amount, per)


NO_FEE = FeeModel()
