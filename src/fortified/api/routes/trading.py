"""Starting and stopping, status, positions, orders, manual triggers."""

import re
import uuid
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from fortified.api.deps import ManagerDep, StoreDep, Trader, Viewer
from fortified.api.errors import Problem
from fortified.api.facade import TradingFacade
from fortified.api.schemas import DenialOut, ManualOut, OrderOut, PositionOut, RunnerOut, denial_out
from fortified.api.security import Claims
from fortified.domain.account import Mode
from fortified.domain.errors import ConfigError, NotFound, Refused
from fortified.domain.instrument import normalise_symbol
from fortified.domain.signal import Target

router = APIRouter(tags=["trading"])

_COMMAND_ID = re.compile(r"[\x21-\x7e]{1,128}")
_REFUSALS: dict[int | str, dict[str, object]] = {404: {"model": Problem}, 409: {"model": Problem}}


class RunnersOut(BaseModel):
    """Runners after what was asked for."""

    strategy: str | None
    runners: list[RunnerOut]


class Action(StrEnum):
    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


_TARGETS = {Action.LONG: Target.LONG, Action.SHORT: Target.SHORT, Action.FLAT: Target.FLAT}


class TriggerIn(BaseModel):
    """Where to be in a symbol, by hand."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"ticker": "SPY", "action": "long"}})

    ticker: Annotated[str, Field(min_length=1, max_length=32)]
    action: Action


class AnyTriggerIn(TriggerIn):
    """The same, for one strategy or for every one that trades the symbol."""

    strategy: Annotated[str | None, Field(max_length=64)] = None


class RunnerDenialOut(BaseModel):
    """A denial, and the runner it happened in."""

    strategy: str
    symbol: str
    timeframe: str
    mode: str
    denial: DenialOut


Strategy = Annotated[str, Query(min_length=1, max_length=64, examples=["ema"])]
OptionalStrategy = Annotated[str | None, Query(max_length=64, examples=["ema"])]
Symbol = Annotated[str | None, Query(max_length=32, examples=["/NQ"])]
Limit = Annotated[int, Query(ge=1, le=500)]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key again does nothing and gives the same answer."),
]


def _runners(manager: TradingFacade, strategy: str | None) -> RunnersOut:
    return RunnersOut(strategy=strategy, runners=[RunnerOut.model_validate(status) for status in manager.status(strategy)])


async def _start(manager: TradingFacade, caller: Claims, strategy: str, live_mode: bool) -> RunnersOut:
    statuses = await manager.start(strategy, Mode.LIVE if live_mode else Mode.PAPER, actor=caller.sub)
    return RunnersOut(strategy=strategy, runners=[RunnerOut.model_validate(status) for status in statuses])


@router.post("/api/start-trading", summary="Start a strategy", responses=_REFUSALS)
async def start_trading(caller: Trader, manager: ManagerDep, strategy: Strategy, live_mode: bool = False) -> RunnersOut:
    """Starts every ticker of the strategy, in paper unless `live_mode=true`. Starting what runs changes nothing."""
    return await _start(manager, caller, strategy, live_mode)


@router.get("/api/start-trading", summary="Start a strategy (GET)", responses=_REFUSALS)
async def start_trading_by_get(
    caller: Trader,
    manager: ManagerDep,
    strategy: Strategy,
    live_mode: bool = False,
    confirm: Annotated[str | None, Query(description="The strategy's name again: needed to start live by GET.")] = None,
) -> RunnersOut:
    """As by POST; a live start needs `confirm=<strategy>` besides, because a link must not trade real money."""
    if live_mode and confirm != strategy:
        raise Refused([f"A live start by GET also needs confirm={strategy}. Or use POST."])
    return await _start(manager, caller, strategy, live_mode)


@router.post("/api/stop-trading", summary="Stop a strategy", responses=_REFUSALS)
async def stop_trading(caller: Trader, manager: ManagerDep, strategy: Strategy) -> RunnersOut:
    """Stops every runner of the strategy; positions stay as they are. Stopping what is stopped changes nothing."""
    statuses = await manager.stop(strategy, actor=caller.sub)
    return RunnersOut(strategy=strategy, runners=[RunnerOut.model_validate(status) for status in statuses])


router.get("/api/stop-trading", summary="Stop a strategy (GET)", name="stop_trading_by_get", responses=_REFUSALS)(stop_trading)


@router.get("/api/trading-status", summary="State of the runners")
async def trading_status(_: Viewer, manager: ManagerDep, strategy: OptionalStrategy = None) -> RunnersOut:
    """Mode, warm-up, bars seen, lag, last signal of each runner."""
    return _runners(manager, strategy)


@router.get("/api/positions", summary="Positions per account, with marks")
async def positions(_: Viewer, manager: ManagerDep, store: StoreDep, strategy: OptionalStrategy = None) -> list[PositionOut]:
    found = await store.ledger.positions(strategy=strategy)
    ordered = sorted(found, key=lambda position: (position.strategy, position.symbol, position.account))
    return [PositionOut.of(position, manager.mark(position.symbol)) for position in ordered]


@router.get("/api/orders", summary="Orders, newest first")
async def list_orders(
    _: Viewer, store: StoreDep, strategy: OptionalStrategy = None, symbol: Symbol = None, limit: Limit = 200
) -> list[OrderOut]:
    canonical = normalise_symbol(symbol) if symbol else None
    orders = await store.ledger.orders(strategy=strategy, symbol=canonical, limit=limit)
    return [OrderOut.of(order) for order in orders]


@router.get("/api/orders/{order_id}", summary="One order", responses={404: {"model": Problem}})
async def get_order(order_id: str, _: Viewer, store: StoreDep) -> OrderOut:
    order = await store.ledger.order(order_id)
    if order is None:
        raise NotFound(f"There is no order {order_id!r}. GET /api/orders lists the newest.")
    return OrderOut.of(order)


@router.get("/api/denials", summary="Orders that were not made, and why; newest first")
async def list_denials(_: Viewer, store: StoreDep, strategy: OptionalStrategy = None, limit: Limit = 200) -> list[RunnerDenialOut]:
    return [
        RunnerDenialOut(
            strategy=runner.strategy,
            symbol=runner.symbol,
            timeframe=runner.timeframe,
            mode=runner.mode,
            denial=denial_out(denial),
        )
        for runner, denial in await store.ledger.denials(strategy=strategy, limit=limit)
    ]


async def _trigger(manager: TradingFacade, caller: Claims, body: TriggerIn, strategy: str | None, key: str | None) -> ManualOut:
    if key is not None and _COMMAND_ID.fullmatch(key) is None:
        raise ConfigError("Idempotency-Key must be 1 to 128 visible ASCII characters.")
    outcome = await manager.manual(
        normalise_symbol(body.ticker),
        _TARGETS[body.action],
        strategy=strategy,
        command_id=key or uuid.uuid4().hex,
        actor=caller.sub,
    )
    return ManualOut.of(outcome)


@router.post("/api/manual-trigger", summary="Go long, short or flat by hand", responses=_REFUSALS)
async def manual_trigger(body: AnyTriggerIn, caller: Trader, manager: ManagerDep, idempotency_key: IdempotencyKey = None) -> ManualOut:
    """Goes through the same risk gate and ledger as a strategy's signal."""
    return await _trigger(manager, caller, body, body.strategy, idempotency_key)


@router.post("/api/ema-manual-trigger", summary="The same, for the EMA strategy", responses=_REFUSALS)
async def ema_manual_trigger(body: TriggerIn, caller: Trader, manager: ManagerDep, idempotency_key: IdempotencyKey = None) -> ManualOut:
    return await _trigger(manager, caller, body, "ema", idempotency_key)


@router.post("/api/strategies/{name}/manual-trigger", summary="The same, for a strategy", responses=_REFUSALS)
async def strategy_manual_trigger(
    name: str, body: TriggerIn, caller: Trader, manager: ManagerDep, idempotency_key: IdempotencyKey = None
) -> ManualOut:
    return await _trigger(manager, caller, body, name, idempotency_key)
