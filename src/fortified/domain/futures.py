"""Symbols of futures: ``/NQ``, ``/NQZ6``, ``/NQZ26:XCME``.

Owns how a root, a delivery month and an exchange are read from and written to a symbol. Does not know which contract is
the front month: that is for ``futures_chain``.
"""

import re
from typing import Self

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.instrument_tables import FUTURES

MONTH_CODES = "FGHJKMNQUVXZ"

_SYMBOL = re.compile(rf"/([A-Z0-9]{{1,5}}?)(?:([{MONTH_CODES}])([0-9]{{1,2}}))?(?::([A-Z0-9]{{2,8}}))?")
_FIX = "Write a root as /NQ or a contract as /NQZ26 or /NQZ26:XCME."
_FIRST_YEAR_OF_TWO_DIGITS = 1970


class FuturesSymbol(msgspec.Struct, frozen=True):
    """A root (``month`` and ``year`` are None) or one contract: month 1..12, year of four digits."""

    root: str
    month: int | None = None
    year: int | None = None
    exchange: str | None = None

    @classmethod
    def parse(cls, text: str, reference_year: int | None = None) -> Self:
        """Read ``text``. A year of one digit is the year nearest to ``reference_year``, the later of two as near.

        ``ConfigError`` for anything else than a symbol of a future, and for a one-digit year without a reference.
        """
        root, code, digits, exchange = _parts(text)
        if code is None or digits is None:
            return cls(root, exchange=exchange)
        return cls(root, MONTH_CODES.index(code) + 1, _year(text, digits, reference_year), exchange)

    @property
    def is_contract(self) -> bool:
        """Whether the symbol names one delivery month."""
        return self.month is not None

    def canonical(self) -> str:
        """The one spelling: year of two digits, exchange when known."""
        text = f"/{self.root}{self._delivery(2)}"
        return f"{text}:{self.exchange}" if self.exchange else text

    def venue_symbol(self) -> str:
        """The spelling of TastyTrade's orders and positions: ``/NQZ6``, year of one digit, no exchange."""
        return f"/{self.root}{self._delivery(1)}"

    def streamer_symbol(self) -> str:
        """The spelling of dxFeed's market data: ``/NQZ26:XCME``. Where the broker's record gives one, that one counts.

        ``ConfigError`` when the exchange is neither in the symbol nor known by the root.
        """
        exchange = self.exchange or (FUTURES[self.root][3] if self.root in FUTURES else None)
        if exchange is None:
            raise ConfigError(f"The exchange of {self.canonical()} is not known. Write it behind the symbol: {self.canonical()}:XCME.")
        return f"/{self.root}{self._delivery(2)}:{exchange}"

    def without_exchange(self) -> Self:
        """The same root or contract, as it compares equal whatever feed or venue it came from."""
        return type(self)(self.root, self.month, self.year)

    def _delivery(self, digits: int) -> str:
        if self.month is None or self.year is None:
            return ""
        return f"{MONTH_CODES[self.month - 1]}{self.year % 10**digits:0{digits}d}"


def futures_root(text: str) -> str:
    """The root in ``text`` without its slash: ``NQ`` for ``/NQZ6``. ``ConfigError`` when it is no future."""
    return _parts(text)[0]


def _parts(text: str) -> tuple[str, str | None, str | None, str | None]:
    match = _SYMBOL.fullmatch(text.strip().upper())
    if match is None:
        raise ConfigError(f"{text!r} is not the symbol of a future. {_FIX}")
    return match[1], match[2], match[3], match[4]


def _year(text: str, digits: str, reference_year: int | None) -> int:
    if len(digits) == 2:
        year = 2000 + int(digits)
        return year if year < _FIRST_YEAR_OF_TWO_DIGITS + 100 else year - 100
    if reference_year is None:
        raise ConfigError(f"The year of {text!r} has one digit and could be of any decade. Write two: /NQZ26.")
    first = reference_year - 4
    return first + (int(digits) - first) % 10
