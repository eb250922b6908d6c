"""Which contract a symbol of ours is at TastyTrade.

Owns the instrument records, kept for an hour, and the spelling of symbols both ways. A contract is taken from the record that names it,
never derived; which one is the front is the venue's ``active-month``. Knows no orders.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec

from fortified.adapters.tastytrade.client import TastyTradeClient
from fortified.adapters.tastytrade.wire import Raw, text
from fortified.domain.errors import AuthExpired, ConfigError, DataError, RateLimited, Refused, VenueUnavailable
from fortified.domain.futures import FuturesSymbol, futures_root
from fortified.domain.futures_chain import front
from fortified.domain.futures_records import ContractRecord, record_of
from fortified.ports import Clock

_HOUR_NS, _DAY_NS = 3600 * 10**9, 24 * 3600 * 10**9


class _Listing(msgspec.Struct, frozen=True):
    ts_read: int
    records: tuple[ContractRecord, ...]


class Contracts:
    """Records by root. One request at a time reads them."""

    def __init__(self, client: TastyTradeClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._lock = asyncio.Lock()
        self._listings: dict[str, _Listing] = {}
        self._by_venue_symbol: dict[str, str] = {}
        self._streamer_symbols: dict[str, str] = {}

    async def of_root(self, root: str) -> Sequence[ContractRecord]:
        """The listed contracts of ``/NQ``, not older than an hour, or than a day while the venue does not answer.

        Raises:
            ConfigError: the venue has no contracts of that root.
            AuthExpired, RateLimited, VenueUnavailable
        """
        return await self._of_root(futures_root(root), _HOUR_NS)

    async def _of_root(self, code: str, max_age_ns: int) -> Sequence[ContractRecord]:
        async with self._lock:
            known, now = self._listings.get(code), self._clock.now_ns()
            if known is not None and now - known.ts_read < max_age_ns:
                return known.records
            try:
                records = _records(await self._client.futures(code))
            except (AuthExpired, RateLimited, VenueUnavailable):
                if known is None or now - known.ts_read >= _DAY_NS:
                    raise
                return known.records
            if not records:
                raise ConfigError(f"TastyTrade lists no contracts of /{code}. Choose a root that it trades.")
            self._listings[code] = _Listing(now, records)
            self._by_venue_symbol |= {record.symbol: record.contract.canonical() for record in records}
            return records

    async def record(self, symbol: str) -> ContractRecord:
        """The record of a contract ``/NQZ26``, or of the front one for a root: the active month. ``Refused`` when there is none."""
        wanted = FuturesSymbol.parse(symbol, self.today.year).without_exchange()
        # A contract keeps its spelling: an exit must not wait for fresh records. Which one is the front changes.
        records = await self._of_root(wanted.root, _DAY_NS if wanted.is_contract else _HOUR_NS)
        found = record_of(wanted if wanted.is_contract else front(wanted.root, self.today, records).symbol, records)
        if found is None:
            raise Refused([f"TastyTrade lists no contract {wanted.canonical()} that could be traded."])
        return found

    async def streamer_symbol(self, symbol: str) -> str:
        """The symbol of market data: ``/NQZ26:XCME`` for ``/NQZ26`` or for ``/NQ``, ``SPY`` for ``SPY``. ``ConfigError`` for none."""
        if symbol.startswith("/"):
            record = await self.record(symbol)
            return record.streamer_symbol or record.contract.streamer_symbol()
        if symbol not in self._streamer_symbols:
            raw = await self._client.equity(symbol)
            if raw is None:
                raise ConfigError(f"TastyTrade does not know {symbol}. Correct the symbol.")
            self._streamer_symbols[symbol] = text(raw, "streamer-symbol") or symbol
        return self._streamer_symbols[symbol]

    def canonical(self, venue_symbol: str, ts_traded: int | None) -> str:
        """Our spelling: ``/NQZ26`` for ``/NQZ6``. A year of one digit is told by the record, else by when it was traded."""
        known = self._by_venue_symbol.get(venue_symbol)
        if known is not None:
            return known
        year = (self.today if ts_traded is None else _day(ts_traded)).year
        try:
            return FuturesSymbol.parse(venue_symbol, year).without_exchange().canonical()
        except ConfigError:
            return venue_symbol  # shares and options are spelled as they are

    @property
    def today(self) -> date:
        return _day(self._clock.now_ns())


def _records(items: Sequence[Raw]) -> tuple[ContractRecord, ...]:
    found = []
    for item in items:
        try:
            found.append(ContractRecord.read(item))
        except DataError:
            continue  # a spread or an odd row: nobody can ask for it
    return tuple(found)


def _day(ts_ns: int) -> date:
    return datetime.fromtimestamp(ts_ns / 10**9, UTC).date()
