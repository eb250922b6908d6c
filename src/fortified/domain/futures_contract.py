"""One contract of a root: its days and its spellings.

Owns how a contract is made of the rules of the calendar and of the broker's record, whose days go before the rules. Does not know which
contract is the front: that is for ``futures_chain``.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.futures import MONTH_CODES, FuturesSymbol
from fortified.domain.futures_days import business_day_before, months_later
from fortified.domain.futures_records import ContractRecord, record_of
from fortified.domain.futures_tables import CONTRACT_RULES
from fortified.domain.instrument_tables import FUTURES

type Records = Sequence[ContractRecord]

_ROLL_DAYS_WITHOUT_RULES: Final = 5


class Contract(msgspec.Struct, frozen=True):
    """One delivery month of a root.

    ``roll_day`` is the first trading day on which the next contract is the front and this one takes no new position.
    ``first_notice_day`` is None when it would not be before the last trading day.
    """

    symbol: FuturesSymbol
    last_trading_day: date
    first_notice_day: date | None
    roll_day: date
    streamer_symbol: str

    @property
    def name(self) -> str:
        """The canonical symbol without exchange: ``/NQZ26``."""
        return self.symbol.canonical()

    @property
    def venue_symbol(self) -> str:
        """As TastyTrade's orders spell it: ``/NQZ6``."""
        return self.symbol.venue_symbol()

    @property
    def last_day_to_hold(self) -> date:
        """The last day on which a position may be open: the business day before first notice, else the last trading day."""
        return self.last_trading_day if self.first_notice_day is None else business_day_before(self.first_notice_day)

    def trades_on(self, day: date) -> bool:
        """Whether ``day`` is not after the last trading day."""
        return day <= self.last_trading_day


def read_symbol(text: str, day: date) -> FuturesSymbol:
    """``text`` without its exchange; a year of one digit is the one nearest to ``day``. ``ConfigError`` for another exchange's."""
    symbol = FuturesSymbol.parse(text, day.year)
    home = FUTURES[symbol.root][3] if symbol.root in FUTURES else symbol.exchange
    if symbol.exchange not in {None, home}:
        raise ConfigError(
            f"{text} does not exist: /{symbol.root} trades at {home}. Write it as {symbol.without_exchange().canonical()}:{home}."
        )
    return symbol.without_exchange()


def contract_of(symbol: FuturesSymbol, records: Records = ()) -> Contract:
    """The contract ``symbol`` with its days, whether it has ended or not. Days that the broker's record gives go before the rules.

    A month that is not listed has days too: what is held, or recorded, exists. ``ConfigError`` for a root, which is no contract, and for
    a contract of a root without rules and record.
    """
    if symbol.month is None or symbol.year is None:
        raise ConfigError(f"{symbol.canonical()} is no contract. Add month and year: {symbol.canonical()}Z26.")
    record, rules = record_of(symbol, records), CONTRACT_RULES.get(symbol.root)
    if rules is None:
        return _by_record(symbol, record)
    last = (record and record.last_trading_day) or rules.last_trading_day(symbol.year, symbol.month)
    notice = (record and record.first_notice_date) or rules.first_notice_day(symbol.year, symbol.month)
    return _contract(symbol, record, last, notice, rules.roll_day(last, _before(notice, last)))


def check_listed(symbol: FuturesSymbol, records: Records = ()) -> None:
    """``ConfigError``, with the next month that is listed, when the exchange lists no contract of that month and no record has it."""
    rules = CONTRACT_RULES.get(symbol.root)
    if rules is None or code_of(symbol) in rules.months or record_of(symbol, records) is not None:
        return
    first = date(symbol.year or 1, symbol.month or 1, 1)
    found = next(month for month in months_from(symbol.root, first) if code_of(month) in rules.months)
    raise ConfigError(
        f"{symbol.canonical()} does not exist: /{symbol.root} has the months {rules.months}. The next is {found.canonical()}."
    )


def _by_record(symbol: FuturesSymbol, record: ContractRecord | None) -> Contract:
    if record is None or record.last_trading_day is None:
        raise ConfigError(f"When {symbol.canonical()} ends is not known. {no_rules(symbol.root)}")
    last, notice = record.last_trading_day, record.first_notice_date
    roll = business_day_before(_before(notice, last) or last, _ROLL_DAYS_WITHOUT_RULES)
    return _contract(symbol, record, last, notice, roll)


def _contract(symbol: FuturesSymbol, record: ContractRecord | None, last: date, notice: date | None, roll: date) -> Contract:
    if record is not None and record.closing_only_date is not None:
        roll = min(roll, record.closing_only_date)
    bare = symbol.without_exchange()
    streamer = record.streamer_symbol if record is not None else None
    return Contract(bare, last, _before(notice, last), roll, streamer or bare.streamer_symbol())


def _before(notice: date | None, last: date) -> date | None:
    return notice if notice is not None and notice <= last else None


def months_from(root: str, day: date) -> Iterator[FuturesSymbol]:
    """Every delivery month from that of ``day`` on; no contract trades beyond its own."""
    for later in itertools.count():
        first = months_later(day.replace(day=1), later)
        yield FuturesSymbol(root, first.month, first.year)


def code_of(symbol: FuturesSymbol) -> str:
    """The code of its delivery month."""
    return MONTH_CODES[(symbol.month or 0) - 1]


def no_rules(root: str) -> str:
    """What to say of a root without rules."""
    return f"There are no rules for the contracts of /{root}. Known roots: {', '.join(sorted(CONTRACT_RULES))}."
