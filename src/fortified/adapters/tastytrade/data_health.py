"""The state of TastyTrade's market data in numbers, for operators. Owns the shape only."""

from typing import Self

import msgspec

from fortified.adapters.tastytrade.tape import Tape, TapeCounts


class SymbolHealth(msgspec.Struct, frozen=True):
    """One symbol. ``mode`` is probing, prints or trades; with trades, ticks are approximate. ``ts_last`` is of the newest print."""

    symbol: str
    streamer_symbol: str
    mode: str
    approximate_ticks: bool
    behind: bool
    ts_last: int | None
    counts: TapeCounts

    @classmethod
    def of(cls, tape: Tape, streamer_symbol: str) -> Self:
        """The state of ``tape`` now."""
        counts = msgspec.structs.replace(tape.counts)
        return cls(tape.symbol, streamer_symbol, tape.mode.value, tape.is_approximate, tape.is_behind, tape.ts_last, counts)


class DataHealth(msgspec.Struct, frozen=True):
    """The connection. ``frame_age_s`` is since anything was heard, keep-alive included; ``data_age_s`` since data came.

    ``aggregation_s`` above 0: the venue conflates the tape, against our wish.
    """

    connected: bool
    delayed: bool
    reconnects: int
    reason: str
    frame_age_s: float | None
    data_age_s: float | None
    aggregation_s: float
    undecodable: int
    symbols: tuple[SymbolHealth, ...]
