"""What the HTTP layer asks of the trading system, and what it is configured with.

Owns the seam between routes and orchestration. Knows no route and no implementation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from pydantic import SecretStr

from fortified.backtests_port import Backtests
from fortified.domain.account import Mode
from fortified.domain.signal import Target
from fortified.domain.ticker import TickerConfig
from fortified.orchestration.account_keeper import AccountReport
from fortified.orchestration.events import HealthReport, Listeners, ManualOutcome, RunnerStatus, StrategyInfo
from fortified.orchestration.reconciliation import Difference
from fortified.ports import Clock, Store, StreamRef
from fortified.ports.venue_access import VenueAccess
from fortified.registry import Plugin, Problem, Registry


class Keeper(Protocol):
    """The part of an AccountKeeper that the routes use. Raises VenueError, StoreUnavailable."""

    async def declare_external(self, what: str) -> Difference: ...

    def look(self) -> None: ...

    def report(self) -> AccountReport: ...


class TradingFacade(Protocol):
    """The part of the TradingManager that the routes use. Raises ConfigError, NotFound, Refused, StoreUnavailable."""

    @property
    def listeners(self) -> Listeners: ...

    @property
    def store(self) -> Store: ...

    async def start(self, strategy: str, mode: Mode, *, actor: str) -> Sequence[RunnerStatus]: ...

    async def stop(self, strategy: str, *, actor: str) -> Sequence[RunnerStatus]: ...

    def status(self, strategy: str | None = None) -> Sequence[RunnerStatus]: ...

    async def manual(self, symbol: str, target: Target, *, strategy: str | None, command_id: str, actor: str) -> ManualOutcome: ...

    async def put_ticker(self, config: TickerConfig) -> TickerConfig: ...

    async def delete_ticker(self, strategy: str, symbol: str) -> None: ...

    def strategies(self) -> Sequence[StrategyInfo]: ...

    def mark(self, symbol: str) -> Decimal | None: ...

    def health(self) -> HealthReport: ...

    def chart_timeframes(self) -> Sequence[StreamRef]: ...

    def accounts(self) -> Sequence[AccountReport]: ...

    def keeper(self, account: str) -> Keeper: ...

    async def adopt(self, account: str, what: str, strategy: str, *, actor: str) -> Difference: ...


class Plugins(Protocol):
    """What was found beyond the built-ins when the server started."""

    @property
    def plugins(self) -> Sequence[Plugin]: ...

    @property
    def problems(self) -> Sequence[Problem]: ...


@dataclass(frozen=True, kw_only=True)
class ApiContext:
    """All that the application is built from. ``cors_origins`` are full origins (scheme, host, port); ``schwab_callback`` is the path that
    Schwab sends browsers to after a log-in.
    """

    manager: TradingFacade
    backtests: Backtests
    clock: Clock
    jwt_secret: SecretStr
    access_minutes: int
    refresh_days: int
    version: str
    access: VenueAccess
    schwab_callback: str = "/api/brokers/schwab/callback"
    cors_origins: tuple[str, ...] = ()
    plugins: Plugins = field(default_factory=Registry)
