"""What observers of a running system may hear, and how they listen.

Observers see a log of facts; they never touch the state of those who emit them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Fill, Order
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.ports import RunnerKey


class RunnerStatus(msgspec.Struct, frozen=True):
    """A runner as seen from outside. Times are ns; ``state`` is warming, running, halted or stopped."""

    strategy: str
    symbol: str
    timeframe: str
    mode: str
    state: str
    warmup_needed: int
    warmup_got: int
    bars_seen: int
    accounts: tuple[str, ...]
    ts_last_bar: int | None = None
    ts_last_update: int | None = None
    lag_ms: float | None = None
    last_price: float | None = None
    last_signal: str | None = None
    ts_last_signal: int | None = None
    working_orders: int = 0
    source: str = ""
    demo: bool = False
    trade_enabled: bool = True
    reason: str = ""


class DenialSeen(msgspec.Struct, frozen=True):
    """A denial, with the runner it happened in."""

    runner: RunnerKey
    denial: Denial


class ManualOutcome(msgspec.Struct, frozen=True):
    """What a manual trigger led to. ``duplicate``: the same command id was carried out before."""

    command_id: str
    runners: tuple[str, ...]
    orders: tuple[Order, ...]
    denials: tuple[Denial, ...]
    duplicate: bool = False


class StrategyInfo(msgspec.Struct, frozen=True):
    """A strategy as offered to users. ``parameters`` is a JSON schema; ``available`` is false for documented ones not built yet."""

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    available: bool = True


class FeedHealth(msgspec.Struct, frozen=True):
    """One symbol's feed. ``age_s`` is None before the first event."""

    symbol: str
    source: str
    timeframes: tuple[str, ...]
    ts_last_event: int | None
    age_s: float | None
    ticks: int
    late: int
    out_of_session: int
    demo: bool = False


class HealthReport(msgspec.Struct, frozen=True):
    """The state of the system in numbers."""

    feeds: tuple[FeedHealth, ...]
    runners: int
    halted: int
    demo: bool
    live_allowed: bool


SystemEvent = Bar | BarUpdate | RunnerStatus | Order | Fill | Position | Trade | DenialSeen
Listener = Callable[[SystemEvent], None]


class Listeners:
    """Synchronous fan-out. A listener must return at once; one that raises is a bug of its own and is not caught here."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> None:
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: Listener) -> None:
        self._listeners = tuple(known for known in self._listeners if known is not listener)

    def emit(self, event: SystemEvent) -> None:
        for listener in self._listeners:
            listener(event)
