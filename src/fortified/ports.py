"""What the orchestration needs from the outside, as protocols and base classes.

Owns the seams: data sources, brokers, the market bus, the ledger, the stores, the clock. Adapters and storage implement them;
nothing here does I/O. Plugin authors subclass ``BaseDataSource`` and ``BaseBroker``.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarUpdate, SourceEvent, Tick
from fortified.domain.order import Fill, Order, OrderEvent
from fortified.domain.position import Position
from fortified.domain.ticker import TickerConfig
from fortified.domain.timeframe import Timeframe
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial


class Clock(Protocol):
    """The time of the process: the system's, or the events' in a replay."""

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        ...


# --- market data in -------------------------------------------------------------------------------------------------------------------


class BaseDataSource(ABC):
    """A venue's market data, or a file's.

    A source numbers its events per symbol with ``seq``; the same event has the
    same ``seq`` in every run, so that ``subscribe(after=…)`` resumes with the first event behind it, nothing lost, nothing doubled.
    A source that cannot go back emits a ``Gap`` first.
    """

    name: ClassVar[str]
    patient: ClassVar[bool] = False
    """Whether its events may wait for slow consumers without being lost: files and synthetic markets."""

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        """The timeframe of the ready-made bars this source gives for ``symbol``; None when it gives ticks."""
        return None

    @abstractmethod
    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        """Begin the events of ``instrument``; ``after`` is the last ``seq`` already processed, None for a first start."""

    @abstractmethod
    async def unsubscribe(self, symbol: str) -> None:
        """End the events of ``symbol``."""

    @abstractmethod
    def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        """Batches of events in feed order. One tick is never held back to fill a batch."""

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        """The last closed bars before what ``subscribe`` would deliver, oldest first, at most ``count``; empty where there are none."""
        return ()

    async def close(self) -> None:
        """Release what the source holds. ``events`` ends."""
        return


# --- orders out -----------------------------------------------------------------------------------------------------------------------


class BaseBroker(ABC):
    """A venue that trades. It books nothing: it emits order events, and the ledger follows them.

    ``place_order`` returns the first events of the order; later ones come from ``on_market`` (simulated venues, driven by the market)
    or ``order_events`` (real ones).
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def account(self) -> AccountId:
        """The account all orders of this broker belong to."""

    @abstractmethod
    async def place_order(self, order: Order) -> Sequence[OrderEvent]:
        """Send ``order``, whose intent is durable. A venue's no is an event, not an exception."""

    @abstractmethod
    async def cancel_order(self, order: Order, ts_event: int) -> Sequence[OrderEvent]:
        """Ask for a cancel at ``ts_event`` (ns)."""

    @abstractmethod
    async def restore(self, working: Sequence[Order]) -> None:
        """Take over the orders that were working when the process ended. A simulated venue is shown the last market event before."""

    def on_market(self, event: BarUpdate | Bar) -> Sequence[OrderEvent]:
        """Events the market causes at a simulated venue; a real one has none."""
        return ()

    def order_events(self) -> AsyncIterator[OrderEvent] | None:
        """Events a real venue sends by itself; None for a simulated one."""
        return None


# --- the market bus -------------------------------------------------------------------------------------------------------------------


class EntryId(msgspec.Struct, frozen=True, order=True):
    """Place of an entry in the total order of a symbol: venue milliseconds, then a number that grows with every tick."""

    ms: int
    n: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"

    @classmethod
    def parse(cls, text: str) -> "EntryId":
        ms, _, n = text.partition("-")
        return cls(int(ms), int(n))


ORIGIN = EntryId(0, 0)


class StreamRef(msgspec.Struct, frozen=True, order=True):
    """The pair of streams of one symbol and timeframe: closed bars and partial updates."""

    symbol: str
    timeframe: str


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a publisher stopped: the open bar after its last tick (None: no tick in it yet), and the last entries of both streams."""

    open_bar: OpenBar | None
    last_update: EntryId
    last_bar: EntryId
    last_closed: Bar | None


class BusEvent(msgspec.Struct, frozen=True, gc=False):
    """One entry of the merged order that a consumer reads. ``gap`` is true when entries before it were trimmed unread."""

    entry: EntryId
    payload: Bar | BarUpdate
    gap: bool = False


class BusReader(Protocol):
    """A consumer of the streams of one ``StreamRef``: entries of both, merged by id, each delivered until it is acknowledged."""

    async def read(self, timeout_ms: int) -> Sequence[BusEvent]:
        """The next entries: first those delivered before a crash and never acknowledged, then new ones. Empty after ``timeout_ms``.

        Returns as soon as there is one entry. Raises StoreUnavailable; reading again goes on where it stopped.
        """
        ...

    async def close(self) -> None: ...


class MarketBus(Protocol):
    """Publication and consumption of bars and partial updates.

    ``previous`` is the entry before this one in the merged order of the pair of streams; a reader whose last entry differs has missed some.
    ``publish_*`` return at once; one writer flushes once per turn of the event loop, in order. Publishing an entry again, with the same id,
    changes nothing. While the store is away, up to a limit is kept and sent again; ``drain`` waits until there is room.
    """

    def publish_update(self, ref: StreamRef, entry: EntryId, previous: EntryId, tick: Tick, bar: OpenBar, fill: float) -> None: ...

    def publish_bar(self, ref: StreamRef, entry: EntryId, previous: EntryId, bar: Bar) -> None:
        """To the stream and to the history."""
        ...

    async def drain(self) -> None:
        """Wait while too much is unconfirmed (back-pressure). Returns at once when there is room."""
        ...

    async def flush(self) -> None:
        """Wait until all that was published is confirmed by the store."""
        ...

    async def checkpoint(self, ref: StreamRef) -> Checkpoint | None:
        """Where the publication of ``ref`` stopped; None when it never began."""
        ...

    async def reader(self, ref: StreamRef, group: str, consumer: str, start: EntryId | None) -> BusReader:
        """Join ``group`` on both streams of ``ref``. A new group begins behind ``start`` (None: with what comes from now on)."""
        ...


class HistoryStore(Protocol):
    """Closed bars by symbol and timeframe, bounded, oldest first."""

    async def bars(
        self, ref: StreamRef, *, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
    ) -> Sequence[Bar]:
        """Bars with ``start_ns ≤ ts_open < end_ns``; the newest ``limit`` of them."""
        ...

    async def add(self, ref: StreamRef, bars: Sequence[Bar]) -> None:
        """Store bars; a bar that is there already is kept as it is."""
        ...


# --- the ledger -----------------------------------------------------------------------------------------------------------------------


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


# --- configuration and desired state --------------------------------------------------------------------------------------------------


class DesiredRun(msgspec.Struct, frozen=True):
    """A strategy that should be running. ``mode`` is paper or live."""

    strategy: str
    mode: str
    started_by: str = ""
    ts_started: int = 0


class ConfigStore(Protocol):
    """Ticker configurations and what should run."""

    async def tickers(self, strategy: str | None = None) -> Sequence[TickerConfig]: ...

    async def put_ticker(self, config: TickerConfig) -> None: ...

    async def delete_ticker(self, strategy: str, symbol: str) -> bool: ...

    async def seed(self, configs: Sequence[TickerConfig], run: DesiredRun) -> None:
        """Configurations and what should run of them, all at once or not at all."""
        ...

    async def desired(self) -> Sequence[DesiredRun]: ...

    async def put_desired(self, run: DesiredRun) -> None: ...

    async def delete_desired(self, strategy: str) -> bool: ...


class User(msgspec.Struct, frozen=True):
    """A person who may log in. ``role`` is viewer, trader or admin; ``token_version`` grows to end all sessions."""

    email: str
    password_hash: str
    role: str = "admin"
    token_version: int = 0
    ts_created: int = 0


class UserStore(Protocol):
    """Users and their refresh tokens."""

    async def user(self, email: str) -> User | None: ...

    async def users(self) -> Sequence[User]: ...

    async def put_user(self, user: User) -> None: ...

    async def delete_user(self, email: str) -> bool: ...

    async def put_refresh(self, token_id: str, email: str, ttl_s: int) -> None: ...

    async def take_refresh(self, token_id: str) -> str | None:
        """The e-mail of an unused refresh token, which is used by this; None when unknown, used or expired."""
        ...


class Lease(Protocol):
    """The right to publish a symbol, or to own a run, while this process lives."""

    async def acquire(self, name: str) -> None:
        """Raises ConfigError naming the holder when another living process has it."""
        ...

    async def release(self, name: str) -> None: ...


class Store(Protocol):
    """All stores of one deployment (or of one replay, under its own prefix)."""

    @property
    def bus(self) -> MarketBus: ...
    @property
    def history(self) -> HistoryStore: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def config(self) -> ConfigStore: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def lease(self) -> Lease: ...

    async def ping(self) -> Mapping[str, Any]:
        """Round trip and server facts. Raises StoreUnavailable."""
        ...

    async def erase(self) -> None:
        """Delete every key of this store's prefix; refused for the empty prefix."""
        ...

    async def close(self) -> None: ...
