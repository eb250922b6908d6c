"""What a broker's instrument record says about a futures contract.

Owns which of its fields count and how they are read. Records are those of one day: whoever keeps them refreshes them daily. Knows no
rules of the calendar and no network.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Self

import msgspec

from fortified.domain.errors import ConfigError, DataError
from fortified.domain.futures import FuturesSymbol


class ContractRecord(msgspec.Struct, frozen=True, rename="kebab"):
    """One contract in the words of TastyTrade's ``/instruments/futures``; what the record does not say is None or the default.

    ``active_month`` is the contract that the broker holds for the front. From ``closing_only_date`` on it takes no new position.
    """

    symbol: str
    streamer_symbol: str | None = None
    exchange: str | None = None
    expiration_date: date | None = None
    last_trade_date: date | None = None
    first_notice_date: date | None = None
    closing_only_date: date | None = None
    active_month: bool = False
    next_active_month: bool = False
    is_closing_only: bool = False
    is_tradeable: bool = True
    roll_target_symbol: str | None = None
    tick_size: Decimal | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """The record in decoded JSON. A field that is missing, or is not what it should be, counts as not given.

        ``DataError`` when it does not say which contract it is.
        """
        given = {}
        for field in msgspec.structs.fields(cls):
            try:
                given[field.name] = msgspec.convert(raw[field.encode_name], field.type, strict=False)
            except (KeyError, msgspec.ValidationError):
                continue
        try:
            record = cls(**given)
            named = record.contract.is_contract
        except (TypeError, ConfigError):
            named = False
        if not named:
            raise DataError(f"An instrument record names no futures contract: symbol {raw.get('symbol')!r}. Leave the record out.")
        return record

    @property
    def contract(self) -> FuturesSymbol:
        """The contract, without its exchange. A year of one digit is told by the streamer's symbol or the last trading day."""
        last = self.last_trading_day
        text = self.streamer_symbol or self.symbol
        return FuturesSymbol.parse(text, last.year if last else None).without_exchange()

    @property
    def roll_target(self) -> FuturesSymbol | None:
        """The contract that the broker lets follow it; None when it names none."""
        try:
            return FuturesSymbol.parse(self.roll_target_symbol or "", self.contract.year).without_exchange()
        except ConfigError:
            return None

    @property
    def last_trading_day(self) -> date | None:
        """The last trading day, None when the record has none."""
        return self.last_trade_date or self.expiration_date

    def takes_entries(self, day: date) -> bool:
        """Whether the broker takes new positions in it on ``day``."""
        open_still = self.closing_only_date is None or day < self.closing_only_date
        trades_still = self.last_trading_day is None or day <= self.last_trading_day
        return self.is_tradeable and not self.is_closing_only and open_still and trades_still


def record_of(contract: FuturesSymbol, records: Iterable[ContractRecord]) -> ContractRecord | None:
    """The record of ``contract``, None when there is none."""
    wanted = contract.without_exchange()
    return next((record for record in records if record.contract == wanted), None)
