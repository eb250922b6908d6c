"""Liveness, readiness and metrics. Open to everyone who reaches the port; they tell no secrets."""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from fortified.api.deps import ManagerDep, ServicesDep, StoreDep
from fortified.api.errors import Problem
from fortified.api.wire import Answer, OptionalTime, iso_time

router = APIRouter(tags=["health"])

_SECRET_WORDS = ("password", "secret", "token", "url", "path", "address", "user")


class FeedOut(Answer):
    """A symbol's feed; ``age_s`` is seconds since its last event."""

    symbol: str
    source: str
    timeframes: list[str]
    last_event_time: OptionalTime = Field(validation_alias="ts_last_event")
    age_s: float | None
    ticks: int
    late: int
    out_of_session: int
    demo: bool


class HealthOut(BaseModel):
    """``degraded``: a runner halted. ``redis`` holds the round trip and facts of the server."""

    status: Literal["ok", "degraded"]
    version: str
    time: str
    redis: dict[str, str | int | float | bool | None]
    feeds: list[FeedOut]
    runners: int
    halted: int
    demo: bool
    live_allowed: bool


class ReadyOut(BaseModel):
    status: Literal["ready"] = "ready"


def _facts(ping: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    return {
        name: value
        for name, value in ping.items()
        if isinstance(value, str | int | float | bool | None) and not any(word in name for word in _SECRET_WORDS)
    }


@router.get("/api/health", summary="State of the system", responses={503: {"model": Problem}})
async def health(services: ServicesDep, manager: ManagerDep, store: StoreDep) -> HealthOut:
    """503 when Redis does not answer."""
    report = manager.health()
    return HealthOut(
        status="degraded" if report.halted else "ok",
        version=services.context.version,
        time=iso_time(services.context.clock.now_ns()),
        redis={"ok": True, **_facts(await store.ping())},
        feeds=[FeedOut.model_validate(feed) for feed in report.feeds],
        runners=report.runners,
        halted=report.halted,
        demo=report.demo,
        live_allowed=report.live_allowed,
    )


@router.get("/api/health/ready", summary="Whether requests can be served", responses={503: {"model": Problem}})
async def ready(store: StoreDep) -> ReadyOut:
    await store.ping()
    return ReadyOut()


@router.get("/api/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(services: ServicesDep) -> Response:
    return Response(services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")
