"""Which contracts each root has, when they end, and when the next one is the front.

Owns one row of rules for every root of ``instrument_tables``. The months that become the front are those the large commodity indices
hold; the others are listed, but thin. Knows no broker, no day of today and no position.

The day of the roll is a convention, no exchange's rule:

- Equity index and crypto: the Monday of the week in which trading ends. CME changes the lead month of its index futures on that day since
  June 2022; before, it was the Thursday eight calendar days ahead of the expiry. Volume moves between the two.
- Energy and farm products: five business days ahead. TastyTrade's instrument records stop new positions about then.
- Currencies, metals and rates: three business days ahead, when most of the volume has moved. For what is delivered that leaves a day before
  the first position day, which is one business day before the first notice day.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import msgspec

from fortified.domain.futures_days import business_day_before, first_where, is_business_day
from fortified.domain.futures_rules import FirstNotice, LastTrade, first_notice_day, last_trading_day

_EVERY_MONTH: Final = "FGHJKMNQUVXZ"
_QUARTERS: Final = "HMUZ"
_EVEN_MONTHS: Final = "GJMQVZ"


class ContractRules(msgspec.Struct, frozen=True):
    """The rules of one product.

    ``traded``: the month codes that become the front; ``listed``: all there are, the same when empty. ``roll_days``: business days from
    the roll to the end of trading, or to the first notice day if that is earlier; None: the Monday of the week in which trading ends.
    ``first_notice``: None when nothing is delivered, or only after the end of trading.
    """

    traded: str
    last_trade: LastTrade
    roll_days: int | None
    first_notice: FirstNotice | None = None
    listed: str = ""

    @property
    def months(self) -> str:
        """The codes of all months that are listed."""
        return self.listed or self.traded

    def last_trading_day(self, year: int, month: int) -> date:
        """The last trading day of the contract of that delivery month."""
        return last_trading_day(self.last_trade, date(year, month, 1))

    def first_notice_day(self, year: int, month: int) -> date | None:
        """The first notice day of the contract of that delivery month; None when it has none before its last trading day."""
        return None if self.first_notice is None else first_notice_day(self.first_notice, date(year, month, 1))

    def roll_day(self, last_trading_day: date, first_notice_day: date | None) -> date:
        """The first day on which the contract that ends on these days is no longer the front."""
        if self.roll_days is None:
            return first_where(is_business_day, last_trading_day - timedelta(days=last_trading_day.weekday()))
        return business_day_before(min(last_trading_day, first_notice_day or last_trading_day), self.roll_days)

    @property
    def roll_words(self) -> str:
        """The rule of the roll in words."""
        if self.roll_days is None:
            return "Monday of the week in which trading ends"
        return f"{self.roll_days} business days before the {'last trading day' if self.first_notice is None else 'first notice day'}"


_NOTICE: Final = FirstNotice.LAST_OF_MONTH_BEFORE
_INDEX: Final = ContractRules(_QUARTERS, LastTrade.THIRD_FRIDAY, None)
_CRYPTO: Final = ContractRules(_EVERY_MONTH, LastTrade.LAST_FRIDAY, None)
_CRUDE: Final = ContractRules(_EVERY_MONTH, LastTrade.CRUDE, 5)
_CRUDE_MINI: Final = ContractRules(_EVERY_MONTH, LastTrade.BEFORE_CRUDE, 5)
_REFINED: Final = ContractRules(_EVERY_MONTH, LastTrade.LAST_OF_MONTH_BEFORE, 5)
_GOLD: Final = ContractRules("GJMQZ", LastTrade.THIRD_LAST, 3, _NOTICE, _EVERY_MONTH)
_SILVER: Final = ContractRules("HKNUZ", LastTrade.THIRD_LAST, 3, _NOTICE, _EVERY_MONTH)
_BOND: Final = ContractRules(_QUARTERS, LastTrade.EIGHTH_LAST, 3, _NOTICE)
_SHORT_NOTE: Final = ContractRules(_QUARTERS, LastTrade.LAST, 3, _NOTICE)
_CURRENCY: Final = ContractRules(_QUARTERS, LastTrade.TWO_BEFORE_THIRD_WEDNESDAY, 3, listed=_EVERY_MONTH)
_MICRO_CURRENCY: Final = ContractRules(_QUARTERS, LastTrade.TWO_BEFORE_THIRD_WEDNESDAY, 3)
_CORN: Final = ContractRules("HKNUZ", LastTrade.BEFORE_15TH, 5, _NOTICE)
_SOYBEANS: Final = ContractRules("FHKNX", LastTrade.BEFORE_15TH, 5, _NOTICE, "FHKNQUX")
_SOY_PRODUCT: Final = ContractRules("FHKNZ", LastTrade.BEFORE_15TH, 5, _NOTICE, "FHKNQUVZ")

CONTRACT_RULES: Final[Mapping[str, ContractRules]] = {
    **dict.fromkeys(("ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM", "EMD"), _INDEX),
    "NKD": ContractRules(_QUARTERS, LastTrade.BEFORE_SECOND_FRIDAY, None),
    **dict.fromkeys(("BTC", "MBT", "ETH", "MET"), _CRYPTO),
    "CL": _CRUDE,
    **dict.fromkeys(("MCL", "QM"), _CRUDE_MINI),
    "NG": ContractRules(_EVERY_MONTH, LastTrade.THIRD_LAST_OF_MONTH_BEFORE, 5),
    "QG": ContractRules(_EVERY_MONTH, LastTrade.FOURTH_LAST_OF_MONTH_BEFORE, 5),
    **dict.fromkeys(("RB", "HO"), _REFINED),
    "BZ": ContractRules(_EVERY_MONTH, LastTrade.BRENT, 5),
    "GC": _GOLD,
    "MGC": ContractRules("GJMQZ", LastTrade.THIRD_LAST, 3, _NOTICE, _EVEN_MONTHS),
    **dict.fromkeys(("SI", "SIL", "HG"), _SILVER),
    "MHG": ContractRules("HKNUZ", LastTrade.THIRD_LAST_OF_MONTH_BEFORE, 3, listed=_EVERY_MONTH),
    "PL": ContractRules("FJNV", LastTrade.THIRD_LAST, 3, _NOTICE, _EVERY_MONTH),
    "PA": ContractRules(_QUARTERS, LastTrade.THIRD_LAST, 3, _NOTICE, _EVERY_MONTH),
    **dict.fromkeys(("ZB", "UB", "ZN", "TN"), _BOND),
    **dict.fromkeys(("ZF", "ZT"), _SHORT_NOTE),
    **dict.fromkeys(("6A", "6B", "6E", "6J", "6S", "6N", "6M"), _CURRENCY),
    "6C": ContractRules(_QUARTERS, LastTrade.BEFORE_THIRD_WEDNESDAY, 3, listed=_EVERY_MONTH),
    **dict.fromkeys(("M6A", "M6B", "M6E"), _MICRO_CURRENCY),
    **dict.fromkeys(("ZC", "XC", "ZW", "XW", "KE"), _CORN),
    **dict.fromkeys(("ZS", "XK"), _SOYBEANS),
    **dict.fromkeys(("ZL", "ZM"), _SOY_PRODUCT),
    "LE": ContractRules(_EVEN_MONTHS, LastTrade.LAST, 5, FirstNotice.AFTER_FIRST_FRIDAY),
    "HE": ContractRules("GJMNQVZ", LastTrade.TENTH, 5, listed="GJKMNQVZ"),
    "GF": ContractRules("FHJKQUVX", LastTrade.LAST_THURSDAY, 5),
}
