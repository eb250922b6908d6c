"""What routes depend on: the services of this application, the caller and the caller's role.

Owns the way from a request to these. Knows no route.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from fortified.api.accounts import Accounts
from fortified.api.errors import ApiError, unauthenticated
from fortified.api.facade import ApiContext, TradingFacade
from fortified.api.hub import WebSocketManager
from fortified.api.metrics import Metrics
from fortified.api.security import Claims, Role, Tickets
from fortified.api.throttle import LoginThrottle
from fortified.ports import Store

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="The access_token of POST /api/login.")


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of one application; kept in its state."""

    context: ApiContext
    accounts: Accounts
    throttle: LoginThrottle
    tickets: Tickets
    hub: WebSocketManager
    metrics: Metrics


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that serves ``connection``."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


def _manager(services: ServicesDep) -> TradingFacade:
    return services.context.manager


def _store(services: ServicesDep) -> Store:
    return services.context.manager.store


ManagerDep = Annotated[TradingFacade, Depends(_manager)]
StoreDep = Annotated[Store, Depends(_store)]


async def _caller(services: ServicesDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Claims:
    if credentials is None:
        raise unauthenticated("Send the header 'Authorization: Bearer <access_token>'. POST /api/login gives the token.")
    return await services.accounts.claims(credentials.credentials)


def _needs(role: Role) -> Callable[..., Awaitable[Claims]]:
    async def check(caller: Annotated[Claims, Depends(_caller)]) -> Claims:
        if not caller.role.covers(role):
            raise ApiError(403, "forbidden", f"This needs the role {role}; you have {caller.role}.")
        return caller

    return check


Viewer = Annotated[Claims, Depends(_needs(Role.VIEWER))]
Trader = Annotated[Claims, Depends(_needs(Role.TRADER))]
Admin = Annotated[Claims, Depends(_needs(Role.ADMIN))]
