"""Brokers: how we stand with them, logging in, and renewing that."""

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from fortified.api.account_schemas import AccessOut, BrokerOut, BrokerStatus, LoginPageOut
from fortified.api.deps import ManagerDep, ServicesDep, Trader, Viewer
from fortified.api.errors import Problem
from fortified.api.facade import TradingFacade
from fortified.domain.account import Mode, account_id, venue_of
from fortified.domain.errors import NotFound, Refused
from fortified.ports.venue_access import LoginPage

router = APIRouter(tags=["brokers"])

SCHWAB_CALLBACK = "/api/brokers/schwab/callback"
_TITLES = {"schwab": "Charles Schwab", "tastytrade": "TastyTrade", "paper": "Paper"}
_PAPER = BrokerOut(
    name="paper",
    title=_TITLES["paper"],
    status=BrokerStatus.READY,
    live=False,
    detail="Simulates fills for every broker; needs no authorization.",
)
_REFUSALS: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 409: {"model": Problem}, 502: {"model": Problem}}
_DONE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Fortified</title>'
    "<p>Logged in at Charles Schwab. {text} You may close this page.</p></html>"
)
Name = Annotated[str, Path(examples=["schwab"])]


class TokenIn(BaseModel):
    """What a log-in led to: the code, or the whole address of the page the browser ended on."""

    code: Annotated[str, Field(min_length=1, max_length=4096, examples=["AUTH_CODE"])]
    state: Annotated[str | None, Field(max_length=4096)] = None


def _check(name: str) -> None:
    if name not in _TITLES:
        raise NotFound(f"There is no broker {name!r}. Known: {', '.join(_TITLES)}.")
    if name == "paper":
        raise Refused(["Paper trading needs no authorization: start a strategy with live_mode=false."])


@router.get("/api/brokers", summary="List brokers")
async def list_brokers(_: Viewer, services: ServicesDep, manager: ManagerDep) -> list[BrokerOut]:
    """Connection, log-in with its end, standing, and what speaks against live orders, of each broker."""
    reports = {venue_of(report.account): report for report in manager.accounts()}
    now = services.context.clock.now_ns()
    states = await services.context.access.states()
    return [*(BrokerOut.of(_TITLES[state.venue], state, reports.get(state.venue), now) for state in states), _PAPER]


@router.get("/api/brokers/{name}/status", summary="State of a broker's connection", responses={404: {"model": Problem}})
async def broker_status(name: Name, caller: Viewer, services: ServicesDep, manager: ManagerDep) -> BrokerOut:
    found = next((broker for broker in await list_brokers(caller, services, manager) if broker.name == name), None)
    if found is None:
        raise NotFound(f"There is no broker {name!r}. Known: {', '.join(_TITLES)}.")
    return found


@router.get("/api/brokers/{name}/authorize", summary="Begin to log in", responses=_REFUSALS)
async def authorize_broker(name: Name, _: Trader, services: ServicesDep) -> LoginPageOut | AccessOut:
    """Schwab: the page to open. TastyTrade needs none: its refresh grant is tried."""
    _check(name)
    begun = await services.context.access.begin(name)
    return LoginPageOut(url=begun.url, expires_at=begun.ts_expires) if isinstance(begun, LoginPage) else AccessOut.of(begun)


@router.post("/api/brokers/{name}/token", summary="Finish a log-in with its code", responses=_REFUSALS)
async def exchange_broker_code(name: Name, body: TokenIn, _: Trader, services: ServicesDep, manager: ManagerDep) -> AccessOut:
    """A code is good for about 30 seconds and one use. A `state`, here or in the address, must be one that `authorize` gave."""
    _check(name)
    state = await services.context.access.finish(name, body.code, body.state)
    _look(manager, name)
    return AccessOut.of(state)


@router.post("/api/brokers/{name}/refresh", summary="Get new access now", responses=_REFUSALS)
async def refresh_broker(name: Name, _: Trader, services: ServicesDep) -> AccessOut:
    """Access is renewed by itself; this shows that it can be. It does not prolong Schwab's seven days."""
    _check(name)
    return AccessOut.of(await services.context.access.refresh(name))


@router.get(SCHWAB_CALLBACK, summary="Where Schwab sends the browser", responses=_REFUSALS, response_class=HTMLResponse)
async def schwab_callback(request: Request, services: ServicesDep, manager: ManagerDep) -> HTMLResponse:
    """Without a token, because the browser has none: the `state` that `authorize` gave says that the log-in was begun here."""
    state = await services.context.access.finish("schwab", f"?{request.url.query}", begun=True)
    _look(manager, "schwab")
    return HTMLResponse(_DONE.format(text=state.text))


def _look(manager: TradingFacade, name: str) -> None:
    """Have the account compared now, not when its next try is due."""
    with contextlib.suppress(NotFound):
        manager.keeper(account_id(Mode.LIVE, name)).look()
