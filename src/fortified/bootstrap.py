"""The composition root: the only reader of the run mode.

Owns how clock, Redis, stores, sources, brokers and managers are put together for a server. Nothing else builds them.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import structlog
from pydantic import SecretStr

from fortified.adapters.paper import PaperBroker
from fortified.adapters.paper_requests import WouldSend
from fortified.adapters.synthetic import SyntheticDataSource
from fortified.clock import SystemClock
from fortified.demo import seed_demo
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.timeframe import Timeframe
from fortified.engine.fees import FeeModel
from fortified.engine.fills import FillModel
from fortified.engine.risk import RiskLimits
from fortified.orchestration.account_keeper import Pace
from fortified.orchestration.strategy_runner import RunnerLog
from fortified.orchestration.trading_manager import TradingManager
from fortified.ports import BaseBroker, BaseDataSource, VenueBroker
from fortified.registry import DOCUMENTED, Registry
from fortified.settings import Settings
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.store import RedisStore
from fortified.strategies.base import Logger
from fortified.trade_backup import TradeBackup

WATCH_S = 0.25


def product_version() -> str:
    """The version of the installed product."""
    try:
        return version("fortified")
    except PackageNotFoundError:
        return "0.1.0"


class ServerSurroundings:
    """What a server gives its TradingManager."""

    def __init__(self, settings: Settings, clock: SystemClock) -> None:
        self.live_allowed = settings.allow_live
        self.demo = settings.fortified_demo and not settings.has_broker
        self.freshness_ns = int(settings.stale_after_seconds * 1e9)
        self.limits = RiskLimits()
        self.documented = DOCUMENTED
        self.chart_timeframes = _timeframes("CHART_TIMEFRAMES", settings.chart_timeframes)
        self._fills = FillModel(settings.paper_fill, settings.paper_slippage_ticks, settings.paper_latency_ms * 1_000_000)
        self._fees = {"schwab": FeeModel.parse(settings.schwab_fee), "tastytrade": FeeModel.parse(settings.tastytrade_fee)}
        self._live: dict[str, VenueBroker] = {}
        self.pace = Pace()
        self._demo = SyntheticDataSource(clock, seed=settings.fortified_demo_seed) if self.demo else None

    def instrument(self, symbol: str) -> Instrument:
        found = get_instrument(symbol)
        # The demo market never closes, so that a newcomer sees it move on a Sunday too.
        return msgspec.structs.replace(found, calendar="24/7") if self.demo else found

    def source(self, symbol: str) -> BaseDataSource | None:
        return self._demo

    def sources(self) -> Sequence[BaseDataSource]:
        return [self._demo] if self._demo is not None else []

    def broker(self, venue: str, instrument: Instrument) -> BaseBroker:
        return PaperBroker(venue, instrument, fills=self._fills, fees=self._fees[venue], log=_log_request)

    def live_venues(self) -> Sequence[str]:
        return tuple(sorted(self._live))

    def live_broker(self, venue: str) -> VenueBroker | None:
        return self._live.get(venue)

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
    async with redis_url(settings) as url:
        store = await RedisStore.connect(
            url, **{"bars_maxlen": settings.bars_stream_maxlen, "ticks_maxlen": settings.ticks_stream_maxlen, **options}
        )
        try:
            yield store
        finally:
            await store.close()


def discover_plugins(settings: Settings) -> Registry:
    """The strategies of a server, and other plugins. The log tells which were found, and which cannot be used and why."""
    registry, log = Registry.discover(settings.plugins_dir), structlog.get_logger("plugins")
    for plugin in registry.plugins:
        log.info("plugin", kind=plugin.kind, name=plugin.name, file=plugin.place)
    for problem in registry.problems:
        log.error("a plugin cannot be used", file=problem.place, line=problem.line, reason=problem.text)
    return registry


@asynccontextmanager
async def server(settings: Settings, registry: Registry, announce: Callable[[str], None]) -> AsyncIterator[TradingManager]:
    """A whole running server, without its HTTP side. ``announce`` is told what a person should read once."""
    clock = SystemClock()
    async with open_store(settings) as store:
        manager = TradingManager(store, registry, ServerSurroundings(settings, clock), clock)
        backup = TradeBackup(settings.data_dir / "paper_trades") if settings.paper_trades_backup else None
        if backup is not None:
            manager.listeners.add(backup.on_event)
        if settings.fortified_demo and not settings.has_broker:
            await seed_demo(manager)
            announce("demo market: prices are synthetic. Configure a broker, or start with --no-demo.")
        async with manager.running():
            yield manager


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
