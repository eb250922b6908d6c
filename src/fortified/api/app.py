"""The application: services put together, routes, middleware, error answers.

Owns the composition of the HTTP layer. Whoever calls ``create_app`` starts and stops the trading system in ``lifespan``.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware

from fortified.api import docs, errors
from fortified.api.accounts import Accounts
from fortified.api.deps import Services
from fortified.api.errors import Problem
from fortified.api.facade import ApiContext
from fortified.api.hub import WebSocketManager
from fortified.api.metrics import Metrics
from fortified.api.middleware import HttpBoundary
from fortified.api.routes import accounts, auth, backtests, brokers, charts, health, plugins, sockets, strategies, tickers, trades, trading
from fortified.api.security import Passwords, Tickets, Tokens
from fortified.api.throttle import LoginThrottle

type Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_DESCRIPTION = """
Automated trading: configure tickers, start strategies, follow orders, positions and trades.

Log in at `POST /api/login`, then send `Authorization: Bearer <access_token>`. Times are ISO-8601 UTC, decimals are strings, errors are
problem details with a stable `code`.

WebSockets `/api/ws/strategies` and `/api/ws/charts`: the first message is `{"type": "auth", "token": "…"}` (or connect with `?ticket=` of
`POST /api/ws/ticket`). Charts then take `{"type": "subscribe", "streams": [{"symbol": "/NQ", "timeframe": "144t"}]}` and answer with
`subscribed`, a `snapshot`, then `bar` and `partial` messages with sequence numbers; `resume` goes on behind one.
"""
_TAGS = [
    {"name": "auth", "description": "Sessions and users."},
    {"name": "strategies", "description": "What can be traded by rule."},
    {"name": "tickers", "description": "Which strategy trades what, and how much of it where."},
    {"name": "trading", "description": "Starting, stopping, status, positions, orders, manual triggers."},
    {"name": "trades", "description": "Closed trades and their statistics."},
    {"name": "charts", "description": "Bars."},
    {"name": "backtests", "description": "Runs over the past, in processes of their own."},
    {"name": "brokers", "description": "Connections to brokers."},
    {"name": "accounts", "description": "Live accounts: the ledger beside the broker."},
    {"name": "health", "description": "State of the system."},
]
_SECONDS_PER_MINUTE, _SECONDS_PER_DAY = 60, 86_400


def _services(context: ApiContext) -> Services:
    tokens = Tokens(
        context.jwt_secret,
        context.clock,
        access_seconds=context.access_minutes * _SECONDS_PER_MINUTE,
        refresh_seconds=context.refresh_days * _SECONDS_PER_DAY,
    )
    hub = WebSocketManager(context.manager.listeners, context.manager.mark)
    return Services(
        context=context,
        accounts=Accounts(context.manager.store.users, tokens, Passwords(), context.clock),
        throttle=LoginThrottle(),
        tickets=Tickets(context.clock),
        hub=hub,
        metrics=Metrics(context.manager, lambda: hub.clients, lambda: hub.dropped),
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(context: ApiContext, lifespan: Lifespan | None = None) -> FastAPI:
    """The ASGI application over ``context``. ``lifespan`` runs around it; the WebSocket hub is closed before it ends."""
    services = _services(context)

    @asynccontextmanager
    async def around(app: FastAPI) -> AsyncIterator[None]:
        if lifespan is None:
            yield
            services.hub.close()
            return
        async with lifespan(app):
            yield
            services.hub.close()

    app = FastAPI(
        title="Fortified",
        version=context.version,
        summary="Automated trading with many strategies and brokers.",
        description=_DESCRIPTION,
        openapi_url=docs.OPENAPI_URL,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=around,
        generate_unique_id_function=_operation_id,
        responses={"4XX": {"model": Problem, "description": "Problem details"}},
        # Nothing is exported unless the owner sets it up: no exporter is made from the environment.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    errors.install(app)
    for module in (auth, strategies, plugins, tickers, trading, trades, charts, backtests, brokers, accounts, health, sockets, docs):
        app.include_router(module.router)
    if context.schwab_callback not in ("", "/", brokers.SCHWAB_CALLBACK):
        app.add_api_route(context.schwab_callback, brokers.schwab_callback, name="registered_callback", include_in_schema=False)
    if context.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(context.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(HttpBoundary, metrics=services.metrics)
    return app
