"""The server as one application: the trading system and its HTTP side, in one process.

Owns the order in which the two start and end, and the first administrator.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

from fortified import bootstrap
from fortified.api.app import create_app
from fortified.api.facade import ApiContext
from fortified.api.security import hash_password, required_email
from fortified.backtests_port import Backtests
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError, FortifiedError
from fortified.logs import configure_logging
from fortified.ports import HistoryStore, User, UserStore
from fortified.registry import Registry
from fortified.research.jobs.queue import WORKER, BacktestQueue, QueueOptions
from fortified.settings import Settings, load_settings

Announce = Callable[[str], None]
MINUTES_PER_DAY = 1440


def to_stderr(text: str) -> None:
    """Tell a person something once."""
    sys.stderr.write(f"fortified: {text}\n")


@asynccontextmanager
async def running_app(settings: Settings, announce: Announce = to_stderr) -> AsyncIterator[FastAPI]:
    """The HTTP application over a running trading system, which ends with the block."""
    secret = bootstrap.jwt_secret(settings)
    registry = await asyncio.to_thread(bootstrap.discover_plugins, settings)
    async with (
        bootstrap.server(settings, registry, announce) as running,
        backtests(settings, registry, running.manager.store.history) as queue,
    ):
        await ensure_admin(running.manager.store.users, settings, announce)
        app = create_app(
            ApiContext(
                manager=running.manager,
                backtests=queue,
                access=running.access,
                schwab_callback=urlsplit(settings.schwab_redirect_uri).path,
                clock=SystemClock(),
                jwt_secret=secret,
                access_minutes=settings.access_token_minutes,
                refresh_days=max(1, settings.jwt_expiration_minutes // MINUTES_PER_DAY),
                version=bootstrap.product_version(),
                cors_origins=settings.cors_origins,
                plugins=registry,
            )
        )
        try:
            yield app
        finally:
            app.state.services.hub.close()


@asynccontextmanager
async def backtests(settings: Settings, registry: Registry, history: HistoryStore) -> AsyncIterator[Backtests]:
    """The queue of backtests, whose workers end with the block.

    Raises:
        ConfigError: the owner's data directory does not exist.
    """
    if settings.backtest_data_dir is not None and not settings.backtest_files_dir.is_dir():
        raise ConfigError(f"BACKTEST_DATA_DIR: there is no directory {settings.backtest_files_dir}; make it, or unset it")
    options = QueueOptions(
        root=settings.backtests_dir,
        data_dir=settings.backtest_files_dir,
        workers=settings.backtest_workers,
        command=(*WORKER, str(settings.plugins_dir)),
    )
    async with BacktestQueue(options, registry, history, SystemClock()).running() as queue:
        yield queue


async def ensure_admin(users: UserStore, settings: Settings, announce: Announce) -> None:
    """Create the first administrator where there is no user: with the owner's password, or with a generated one that is told once."""
    if await users.users():
        return
    given = settings.fortified_admin_password
    password = given.get_secret_value() if given is not None else secrets.token_urlsafe(12)
    hashed = await asyncio.to_thread(hash_password, password)
    email = required_email(settings.fortified_admin_email)
    await users.put_user(User(email, hashed, "admin", 0, SystemClock().now_ns()))
    if given is None:
        announce(f"first administrator: {email}  password: {password}  (shown this once; change it: ./fortified user password)")
    else:
        announce(f"first administrator: {email}, password from FORTIFIED_ADMIN_PASSWORD")


class Application:
    """ASGI application for ``uvicorn main:app``: it builds everything when the server starts its lifespan, and ends it with it."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._app: FastAPI | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            settings = load_settings()
            configure_logging(settings.log_level, settings.log_form)
            self._app = await self._stack.enter_async_context(running_app(settings))
        except FortifiedError as error:
            to_stderr(f"ERROR: {error}")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})
