"""Brokers. Live ones are not connected in this version; what their routes will do is said by their answers."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from fortified.api.deps import Trader, Viewer
from fortified.api.errors import ApiError, Problem
from fortified.domain.errors import NotFound

router = APIRouter(tags=["brokers"])


class BrokerStatus(StrEnum):
    READY = "ready"
    NOT_CONNECTED = "not_connected"


class BrokerOut(BaseModel):
    """A broker; ``live`` says whether it can take real orders now."""

    name: str
    title: str
    status: BrokerStatus
    live: bool
    detail: str


class TokenIn(BaseModel):
    """What a broker's authorization gave."""

    code: Annotated[str, Field(min_length=1, max_length=4096, examples=["AUTH_CODE"])]
    state: Annotated[str | None, Field(max_length=4096)] = None


_UNCONNECTED = "Live orders are not offered in this version. Paper trading in its manner works without it."
_BROKERS = {
    broker.name: broker
    for broker in (
        BrokerOut(
            name="schwab",
            title="Charles Schwab",
            status=BrokerStatus.NOT_CONNECTED,
            live=False,
            detail=_UNCONNECTED,
        ),
        BrokerOut(name="tastytrade", title="tastytrade", status=BrokerStatus.NOT_CONNECTED, live=False, detail=_UNCONNECTED),
        BrokerOut(
            name="paper",
            title="Paper",
            status=BrokerStatus.READY,
            live=False,
            detail="Simulates fills for every broker; needs no authorization.",
        ),
    )
}
_NOT_YET: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 501: {"model": Problem}}
Name = Annotated[str, Path(examples=["schwab"])]


def _known(name: str) -> BrokerOut:
    if name not in _BROKERS:
        raise NotFound(f"There is no broker {name!r}. Known: {', '.join(_BROKERS)}.")
    return _BROKERS[name]


def _not_implemented(name: str) -> ApiError:
    title = _known(name).title
    detail = (
        "Paper trading needs no authorization: start a strategy with live_mode=false."
        if name == "paper"
        else f"{title} is not connected in this version. Paper trading works without it: start with live_mode=false."
    )
    return ApiError(501, "not_implemented", detail)


@router.get("/api/brokers", summary="List brokers")
async def list_brokers(_: Viewer) -> list[BrokerOut]:
    return list(_BROKERS.values())


@router.get("/api/brokers/{name}/status", summary="State of a broker's connection", responses=_NOT_YET)
async def broker_status(name: Name, _: Viewer) -> BrokerOut:
    if name == "paper":
        return _known(name)
    raise _not_implemented(name)


@router.get("/api/brokers/{name}/authorize", summary="Begin to authorize", responses=_NOT_YET)
async def authorize_broker(name: Name, _: Trader) -> BrokerOut:
    raise _not_implemented(name)


@router.post("/api/brokers/{name}/token", summary="Exchange an authorization code", responses=_NOT_YET)
async def exchange_broker_code(name: Name, body: TokenIn, _: Trader) -> BrokerOut:
    raise _not_implemented(name)


@router.post("/api/brokers/{name}/refresh", summary="Refresh a broker's tokens", responses=_NOT_YET)
async def refresh_broker(name: Name, _: Trader) -> BrokerOut:
    raise _not_implemented(name)


@router.get("/api/brokers/{name}/callback", summary="Where a broker sends the browser", responses=_NOT_YET)
async def broker_callback(name: Name) -> BrokerOut:
    """Without a token, because the broker's redirect carries none."""
    raise _not_implemented(name)
