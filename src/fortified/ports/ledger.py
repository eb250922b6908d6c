"""The seam to the ledger: orders, fills, positions, trades, and the memory of runners."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.ports.bus import EntryId


class RunnerKey(msgspec.Struct, frozen=True, order=True):
    """Identity of a runner."""

    strategy: str
    symbol: str
    timeframe: str
    mode: str

    @property
    def group(self) -> str:
        """Name of its consumer group."""
        return f"{self.strategy}:{self.mode}"

    @property
    def consumer(self) -> str:
        """Stable, so that a restarted process finds its own pending entries."""
        return f"{self.strategy}/{self.symbol}:{self.timeframe}"

    def __str__(self) -> str:
        return f"{self.strategy}:{self.symbol}:{self.timeframe}:{self.mode}"


class LedgerUnit(msgspec.Struct):
    """All that one step of a runner changes; it becomes durable as a whole or not at all. Committing it again changes nothing.

    ``state`` is the runner's snapshot (opaque bytes), ``bars_acked``/``updates_acked`` the stream entries the snapshot covers.
    """

    runner: RunnerKey
    orders: list[Order] = msgspec.field(default_factory=list)
    fills: list[Fill] = msgspec.field(default_factory=list)
    positions: list[Position] = msgspec.field(default_factory=list)
    trades: list[Trade] = msgspec.field(default_factory=list)
    denials: list[Denial] = msgspec.field(default_factory=list)
    state: bytes | None = None
    bars_acked: list[EntryId] = msgspec.field(default_factory=list)
    updates_acked: list[EntryId] = msgspec.field(default_factory=list)


class RunnerRecord(msgspec.Struct, frozen=True):
    """What a restarted runner finds: its snapshot, its orders that were not terminal, the positions of its strategy and mode."""

    state: bytes | None
    orders: Sequence[Order]
    positions: Sequence[Position]


class TradeQuery(msgspec.Struct, frozen=True):
    """A filter over trades. None means any. Times are ns, ``end_ns`` exclusive, of the exit. ``mode`` is paper or live."""

    strategy: str | None = None
    symbol: str | None = None
    venue: str | None = None
    mode: str | None = None
    side: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    descending: bool = True
    offset: int = 0
    limit: int | None = 50


class Ledger(Protocol):
    """Orders, fills, positions and trades."""

    async def commit(self, unit: LedgerUnit) -> None:
        """Make ``unit`` durable atomically. Raises StoreUnavailable when that is not known to have happened; commit it again."""
        ...

    async def load(self, runner: RunnerKey) -> RunnerRecord: ...

    async def orders(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 200) -> Sequence[Order]:
        """Newest first."""
        ...

    async def order(self, order_id: str) -> Order | None: ...

    async def fills(self, *, strategy: str | None = None, symbol: str | None = None, limit: int = 500) -> Sequence[Fill]:
        """Newest first."""
        ...

    async def positions(self, *, strategy: str | None = None) -> Sequence[Position]: ...

    async def trades(self, query: TradeQuery) -> tuple[Sequence[Trade], int]:
        """A page of trades and the count of all that match."""
        ...

    async def denials(self, *, strategy: str | None = None, limit: int = 200) -> Sequence[tuple[RunnerKey, Denial]]: ...

    async def clear(self, *, strategy: str | None = None) -> int:
        """Delete runner states, positions, orders, fills and trades (of one strategy, or all). Returns how many keys went."""
        ...
