"""The composition root: the only reader of the run mode.

Owns how clock, Redis, stores, sources, brokers and managers are put together for a server. Nothing else builds them.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import structlog
from pydantic import SecretStr

from fortified.adapters.paper import PaperBroker
from fortified.adapters.paper_requests import WouldSend
from fortified.adapters.synthetic import SyntheticDataSource
from fortified.bootstrap_logins import Logins, tastytrade_accounts
from fortified.bootstrap_venues import SCHWAB, TASTYTRADE, Venues, open_venues, tastytrade_keys
from fortified.clock import SystemClock
from fortified.demo import seed_demo
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.timeframe import Timeframe
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.risk import RiskLimits
from fortified.orchestration.account_keeper import Pace
from fortified.orchestration.runner_log import RunnerLog
from fortified.orchestration.trading_manager import TradingManager
from fortified.ports import BaseBroker, BaseDataSource, TokenStore, VenueBroker
from fortified.ports.venue_access import VenueAccess
from fortified.registry import DOCUMENTED, Registry
from fortified.settings import Settings
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.store import RedisStore
from fortified.storage.tokens import MemoryTokens, RedisTokens
from fortified.strategies.base import Logger
from fortified.trade_backup import TradeBackup

WATCH_S = 0.25
SIMULATED_PACE = Pace(orders_s=0.5, positions_s=2.0, confirm_s=0.25, absent_s=0.25, absent_reads=3, late_fills_s=30.0)


def product_version() -> str:
    """The version of the installed product."""
    try:
        return version("fortified")
    except PackageNotFoundError:
        return "0.1.0"


class ServerSurroundings:
    """What a server gives its TradingManager."""

    def __init__(self, settings: Settings, clock: SystemClock, venues: Venues) -> None:
        self.live_allowed = settings.allow_live or settings.simulated
        self.demo = settings.demo
        self.freshness_ns = int(settings.stale_after_seconds * 1e9)
        self.limits = RiskLimits()
        self.documented = DOCUMENTED
        self.chart_timeframes = _timeframes("CHART_TIMEFRAMES", settings.chart_timeframes)
        self._fills = FillModel(settings.paper_fill, settings.paper_slippage_ticks, settings.paper_latency_ms * 1_000_000)
        self._fees = {SCHWAB: FeeModel.parse(settings.schwab_fee), TASTYTRADE: FeeModel.parse(settings.tastytrade_fee)}
        self._venues = venues
        self._invented = self.demo or settings.simulated
        self.pace = SIMULATED_PACE if settings.simulated else Pace()
        self._demo = SyntheticDataSource(clock, seed=settings.fortified_demo_seed) if self.demo else None

    def instrument(self, symbol: str) -> Instrument:
        found = get_instrument(symbol)
        # Invented markets never close, so that a newcomer sees them move on a Sunday too.
        return msgspec.structs.replace(found, calendar="24/7") if self._invented else found

    def source(self, symbol: str) -> BaseDataSource | None:
        return self._demo or self._venues.source_of(self.instrument(symbol))

    def sources(self) -> Sequence[BaseDataSource]:
        return [source for source in (self._demo, self._venues.source) if source is not None]

    def broker(self, venue: str, instrument: Instrument) -> BaseBroker:
        return PaperBroker(venue, instrument, fills=self._fills, fees=self._fees[venue], log=_log_request)

    def live_venues(self) -> Sequence[str]:
        return tuple(sorted(self._venues.live))

    def live_broker(self, venue: str) -> VenueBroker | None:
        return self._venues.live.get(venue)

    async def live_refusals(self, symbol: str) -> Sequence[str]:
        """What the market data of ``symbol`` has against live trading."""
        return await self._venues.refusals()

    def fees(self, venue: str) -> FeeModel:
        return self._fees[venue]

    def log(self, name: str) -> RunnerLog:
        return structlog.get_logger(name)  # type: ignore[no-any-return]  # structlog types its loggers as Any

    def strategy_log(self, name: str) -> Logger:
        return logging.getLogger(f"strategy.{name}")


def _timeframes(key: str, names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(Timeframe.parse(name).name for name in names)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def _log_request(request: WouldSend) -> None:
    structlog.get_logger("paper").info(
        "would send", venue=request.venue, order=request.order_id, method=request.method, url=request.url, body=request.body
    )


@asynccontextmanager
async def redis_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of the Redis to use, kept alive while the block lasts: the owner's own, or the embedded one."""
    external = settings.external_redis_url
    if external is not None:
        yield external
        return
    embedded = EmbeddedRedis(settings.data_dir)
    await asyncio.to_thread(embedded.start)
    watch = asyncio.create_task(_keep_running(embedded))
    try:
        yield embedded.url
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await asyncio.to_thread(embedded.stop)


async def _keep_running(embedded: EmbeddedRedis) -> None:
    while True:
        await asyncio.sleep(WATCH_S)
        try:
            if await asyncio.to_thread(embedded.ensure_running):
                structlog.get_logger("redis").warning("the embedded Redis had died and was started again")
        except ConfigError as error:
            structlog.get_logger("redis").error("the embedded Redis cannot be started", reason=str(error))


@asynccontextmanager
async def open_store(settings: Settings, **options: Any) -> AsyncIterator[RedisStore]:
    """The store of this deployment."""
    async with redis_url(settings) as url, _store(settings, url, **options) as store:
        yield store


@asynccontextmanager
async def _store(settings: Settings, url: str, **options: Any) -> AsyncIterator[RedisStore]:
    own = {"prefix": settings.key_prefix, "bars_maxlen": settings.bars_stream_maxlen, "ticks_maxlen": settings.ticks_stream_maxlen}
    store = await RedisStore.connect(url, **{**own, **options})
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[TokenStore]:
    """The stored tokens of this deployment's venues."""
    async with redis_url(settings) as url:
        with _tokens(settings, url) as tokens:
            yield tokens


@contextlib.contextmanager
def _tokens(settings: Settings, url: str) -> Iterator[TokenStore]:
    tokens = RedisTokens.connect(url, settings.data_dir / "venue_tokens.key", prefix=settings.key_prefix)
    try:
        yield tokens
    finally:
        tokens.close()


def discover_plugins(settings: Settings) -> Registry:
    """The strategies of a server, and other plugins. The log tells which were found, and which cannot be used and why."""
    registry, log = Registry.discover(settings.plugins_dir), structlog.get_logger("plugins")
    for plugin in registry.plugins:
        log.info("plugin", kind=plugin.kind, name=plugin.name, file=plugin.place)
    for problem in registry.problems:
        log.error("a plugin cannot be used", file=problem.place, line=problem.line, reason=problem.text)
    return registry


@dataclass(frozen=True)
class Running:
    """A server's trading system and its log-ins."""

    manager: TradingManager
    access: VenueAccess


@asynccontextmanager
async def server(settings: Settings, registry: Registry, announce: Callable[[str], None]) -> AsyncIterator[Running]:
    """A whole running server, without its HTTP side. ``announce`` is told what a person should read once."""
    clock = SystemClock()
    async with (
        redis_url(settings) as url,
        _store(settings, url) as store,
        _venues(settings, url, clock) as venues,
    ):
        manager = TradingManager(store, registry, ServerSurroundings(settings, clock, venues), clock)
        venues.claimed = manager.claimed
        backup = TradeBackup(settings.data_dir / "paper_trades") if settings.paper_trades_backup else None
        if backup is not None:
            manager.listeners.add(backup.on_event)
        if settings.demo:
            await seed_demo(manager)
        _announce(settings, venues, announce)
        logins = _logins(settings, venues, clock)
        watch = asyncio.create_task(logins.watch())
        try:
            async with manager.running():
                yield Running(manager, logins)
        finally:
            watch.cancel()


@asynccontextmanager
async def _venues(settings: Settings, url: str, clock: SystemClock) -> AsyncIterator[Venues]:
    """The venues with their stored tokens; without any, no key for tokens is made."""
    if not settings.has_broker:
        async with open_venues(settings, clock, product_version(), MemoryTokens()) as venues:
            yield venues
        return
    with _tokens(settings, url) as tokens:
        async with open_venues(settings, clock, product_version(), tokens) as venues:
            yield venues


def _logins(settings: Settings, venues: Venues, clock: SystemClock) -> Logins:
    async def check() -> tuple[str, ...]:
        return await tastytrade_accounts(tastytrade_keys(settings), clock, product_version())

    return Logins(clock, schwab=venues.schwab, tastytrade=check, missing=venues.missing)


def _announce(settings: Settings, venues: Venues, announce: Callable[[str], None]) -> None:
    if settings.demo:
        announce("demo market: prices are synthetic. Configure a broker, or start with --no-demo.")
    if settings.simulated:
        announce("simulated brokers: live mode is allowed, no real money is there. Start them with: ./fortified simulate all")
        structlog.get_logger("venues").warning("live orders go to simulated brokers: no real money is there")
    elif settings.has_broker:
        for venue, text in sorted(venues.missing.items()):
            structlog.get_logger("venues").warning("a broker is not connected", venue=venue, reason=text)


def jwt_secret(settings: Settings) -> SecretStr:
    """The secret that signs tokens: the owner's, or one generated into the data directory. There is no default.

    Raises:
        ConfigError: the owner's secret is too short, or the data directory cannot be written.
    """
    if settings.jwt_secret is not None:
        if len(settings.jwt_secret.get_secret_value()) < 32:
            raise ConfigError("JWT_SECRET is shorter than 32 characters; use a longer one, or unset it to have one generated")
        return settings.jwt_secret
    path = settings.data_dir / "jwt_secret"
    try:
        return SecretStr(_read_or_create(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); set FORTIFIED_DATA_DIR to a directory of yours") from None


def _read_or_create(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(48), encoding="ascii")
        try:
            path.hardlink_to(partial)  # appears whole or not at all, and never over another
        finally:
            partial.unlink()
    return path.read_text(encoding="ascii")
