"""Charts: the history of bars, and what is being aggregated now."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from fortified.api.deps import ManagerDep, StoreDep, Viewer
from fortified.api.errors import Problem
from fortified.api.facade import TradingFacade
from fortified.api.schemas import BarOut
from fortified.api.streams import parse_stream, resolve_stream
from fortified.api.wire import Answer, parse_period
from fortified.ports import Store, StreamRef

router = APIRouter(tags=["charts"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


class StreamOut(Answer):
    """A symbol and timeframe whose bars are being made now."""

    symbol: str
    timeframe: str


class BarsOut(BaseModel):
    """Closed bars, oldest first."""

    symbol: str
    timeframe: str
    bars: list[BarOut]


class BarRange(msgspec.Struct, frozen=True):
    """Which bars: ``start_ns ≤ ts_open < end_ns``, the newest ``limit``."""

    start_ns: int | None
    end_ns: int | None
    limit: int


_WHEN = "ISO date or datetime (UTC unless it says otherwise); bars by their opening."


def _range(
    start: Annotated[str | None, Query(alias="from", max_length=40, description=_WHEN, examples=["2025-01-01"])] = None,
    end: Annotated[str | None, Query(alias="to", max_length=40, description=_WHEN, examples=["2025-01-31"])] = None,
    limit: Annotated[int, Query(ge=1, le=5_000, description="The newest so many.")] = 500,
) -> BarRange:
    start_ns, end_ns = parse_period(("from", start), ("to", end))
    return BarRange(start_ns, end_ns, limit)


async def _bars(manager: TradingFacade, store: Store, ref: StreamRef, wanted: BarRange) -> BarsOut:
    bars = await store.history.bars(ref, start_ns=wanted.start_ns, end_ns=wanted.end_ns, limit=wanted.limit)
    if not bars and not await store.history.bars(ref, limit=1):
        resolve_stream(manager, ref.symbol, ref.timeframe)
    return BarsOut(symbol=ref.symbol, timeframe=ref.timeframe, bars=[BarOut.model_validate(bar) for bar in bars])


def _ref_by_query(
    manager: ManagerDep,
    symbol: Annotated[str, Query(max_length=32, examples=["/NQ"])],
    timeframe: Annotated[str, Query(max_length=16, examples=["144t"])],
) -> StreamRef:
    return parse_stream(manager, symbol, timeframe)


def _ref_by_path(manager: ManagerDep, symbol: str, timeframe: str) -> StreamRef:
    return parse_stream(manager, symbol, timeframe)


Range = Annotated[BarRange, Depends(_range)]
RefByQuery = Annotated[StreamRef, Depends(_ref_by_query)]
RefByPath = Annotated[StreamRef, Depends(_ref_by_path)]


@router.get("/api/charts", summary="List what is being aggregated now")
async def list_charts(_: Viewer, manager: ManagerDep) -> list[StreamOut]:
    return [StreamOut.model_validate(ref) for ref in sorted(manager.chart_timeframes())]


@router.get("/api/charts/bars", summary="History of bars, by query", responses=_UNKNOWN)
async def chart_bars_by_query(_: Viewer, manager: ManagerDep, store: StoreDep, ref: RefByQuery, wanted: Range) -> BarsOut:
    return await _bars(manager, store, ref, wanted)


@router.get("/api/charts/{symbol:path}/{timeframe}/bars", summary="History of bars", responses=_UNKNOWN)
async def chart_bars(_: Viewer, manager: ManagerDep, store: StoreDep, ref: RefByPath, wanted: Range) -> BarsOut:
    """The symbol of a future keeps its slash: `/api/charts//NQ/144t/bars`; `/api/charts/NQ/144t/bars` finds it too."""
    return await _bars(manager, store, ref, wanted)
