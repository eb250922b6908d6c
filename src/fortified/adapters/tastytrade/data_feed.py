"""What a subscription to market data consists of, and how the data source may be set.

Owns the shapes only.
"""

import asyncio

import msgspec

from fortified.adapters.tastytrade.dxlink_socket import SocketOptions
from fortified.adapters.tastytrade.tape import Tape, TapePolicy
from fortified.domain.calendar import Calendar
from fortified.domain.instrument import AssetClass, Instrument


class DataOptions(msgspec.Struct, frozen=True):
    """``from_session_open``: a first start begins with the open of the session, so that bars of trades are counted as in every other start.

    ``most_prints`` are fetched at once; ``silence_s`` without data, in a session, is a lost connection; ``queued`` batches may wait for who
    reads ``events`` before nothing more is read.
    """

    socket: SocketOptions = SocketOptions()
    tape: TapePolicy = TapePolicy()
    from_session_open: bool = True
    most_prints: int = 500_000
    history_step_s: float = 5.0
    silence_s: float = 120.0
    queued: int = 10_000


class Feed(msgspec.Struct):
    """One subscription: our instrument, the venue's name of it, and what became of its prints so far."""

    instrument: Instrument
    streamer_symbol: str
    calendar: Calendar
    tape: Tape
    fetching: asyncio.Task[None] | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of events that tell of trades."""
        return ("TimeAndSale", "Trade") if self.instrument.asset_class is AssetClass.FUTURE else ("TimeAndSale", "Trade", "TradeETH")
