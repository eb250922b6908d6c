"""History of closed trades: pages, statistics, export. Paper and real trades are one history, filtered."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from fortified.api.deps import StoreDep, Viewer
from fortified.api.schemas import TradeOut
from fortified.api.wire import Answer, Number, parse_period
from fortified.domain.account import Mode
from fortified.domain.instrument import normalise_symbol
from fortified.domain.trade import Trade
from fortified.engine.statistics import trade_statistics
from fortified.ports import Store, TradeQuery

router = APIRouter(tags=["trades"])

_EXPORT_PAGE = 500


class TradePage(BaseModel):
    """One page of trades; ``total`` counts all that match."""

    items: list[TradeOut]
    page: int
    page_size: int
    total: int
    pages: int


class StatisticsOut(Answer):
    """P&L statistics of closed trades. Ratios are null where they are not defined."""

    trades: int
    wins: int
    losses: int
    win_rate: Number | None
    net_pnl: Number
    gross_pnl: Number
    fees: Number
    average_win: Number | None
    average_loss: Number | None
    profit_factor: Number | None
    expectancy: Number | None
    max_drawdown: Number
    longest_losing_streak: int


class TradeTypeIn(StrEnum):
    PAPER = "paper"
    REAL = "real"
    LIVE = "live"


class Sort(StrEnum):
    ASC = "asc"
    DESC = "desc"


_DATE = "ISO date (whole UTC day, included) or datetime, of the exit."


def _period(
    start_date: Annotated[str | None, Query(max_length=40, description=_DATE, examples=["2025-01-01"])] = None,
    end_date: Annotated[str | None, Query(max_length=40, description=_DATE, examples=["2025-01-31"])] = None,
) -> tuple[int | None, int | None]:
    return parse_period(("start_date", start_date), ("end_date", end_date))


def _filters(
    period: Annotated[tuple[int | None, int | None], Depends(_period)],
    strategy: Annotated[str | None, Query(max_length=64, examples=["ema"])] = None,
    symbol: Annotated[str | None, Query(max_length=32, examples=["/NQ"])] = None,
    broker: Annotated[str | None, Query(max_length=32, examples=["tastytrade"])] = None,
    side: Annotated[str | None, Query(pattern="(?i)^(long|short)$", description="long or short")] = None,
) -> TradeQuery:
    return TradeQuery(
        strategy=strategy,
        symbol=normalise_symbol(symbol) if symbol else None,
        venue=broker.lower() if broker else None,
        side=side.upper() if side else None,
        start_ns=period[0],
        end_ns=period[1],
    )


def _typed(
    query: Annotated[TradeQuery, Depends(_filters)],
    trade_type: Annotated[TradeTypeIn | None, Query(description="paper or real")] = None,
) -> TradeQuery:
    if trade_type is None:
        return query
    mode = Mode.PAPER if trade_type is TradeTypeIn.PAPER else Mode.LIVE
    return msgspec.structs.replace(query, mode=mode.value)


Filters = Annotated[TradeQuery, Depends(_filters)]
TypedFilters = Annotated[TradeQuery, Depends(_typed)]


class Paging(msgspec.Struct, frozen=True):
    """Which page of how many trades, from which end."""

    page: int
    page_size: int
    sort: Sort


def _paging(
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=500)] = 50,
    sort: Sort = Sort.DESC,
) -> Paging:
    return Paging(page, page_size, sort)


PagingDep = Annotated[Paging, Depends(_paging)]


async def _page(store: Store, query: TradeQuery, paging: Paging) -> TradePage:
    page, page_size, sort = paging.page, paging.page_size, paging.sort
    query = msgspec.structs.replace(query, descending=sort is Sort.DESC, offset=(page - 1) * page_size, limit=page_size)
    trades, total = await store.ledger.trades(query)
    return TradePage(
        items=[TradeOut.of(trade) for trade in trades],
        page=page,
        page_size=page_size,
        total=total,
        pages=-(-total // page_size),
    )


@router.get("/api/trades", summary="All closed trades")
async def list_trades(_: Viewer, store: StoreDep, query: TypedFilters, paging: PagingDep) -> TradePage:
    """Paper and real trades by exit time, newest first unless `sort=asc`."""
    return await _page(store, query, paging)


@router.get("/api/paper-trades", summary="Closed paper trades")
async def list_paper_trades(_: Viewer, store: StoreDep, query: Filters, paging: PagingDep) -> TradePage:
    return await _page(store, msgspec.structs.replace(query, mode=Mode.PAPER.value), paging)


@router.get("/api/real-trades", summary="Closed real trades")
async def list_real_trades(_: Viewer, store: StoreDep, query: Filters, paging: PagingDep) -> TradePage:
    return await _page(store, msgspec.structs.replace(query, mode=Mode.LIVE.value), paging)


@router.get("/api/paper-trades/stats", summary="P&L statistics of paper trades")
async def paper_trade_statistics(_: Viewer, store: StoreDep, query: Filters) -> StatisticsOut:
    query = msgspec.structs.replace(query, mode=Mode.PAPER.value, descending=False, limit=None)
    trades, _total = await store.ledger.trades(query)
    return StatisticsOut.model_validate(trade_statistics(trades))


@router.get("/api/trades/export.csv", summary="Closed trades as CSV", response_class=StreamingResponse)
async def export_trades(_: Viewer, store: StoreDep, query: TypedFilters, sort: Sort = Sort.ASC) -> StreamingResponse:
    """Every trade that matches, oldest first unless `sort=desc`, without the entry bar."""
    query = msgspec.structs.replace(query, descending=sort is Sort.DESC, limit=_EXPORT_PAGE)
    # Read before the answer begins, so that a failing store is still a 503.
    first, _total = await store.ledger.trades(query)
    headers = {"Content-Disposition": 'attachment; filename="trades.csv"'}
    return StreamingResponse(_csv(store, query, first), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(store: Store, query: TradeQuery, trades: Sequence[Trade]) -> AsyncIterator[str]:
    columns = [name for name in TradeOut.model_fields if name != "bar"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    while True:
        writer.writerows(TradeOut.of(trade).model_dump(mode="json", exclude={"bar"}) for trade in trades)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        if len(trades) < _EXPORT_PAGE:
            return
        query = msgspec.structs.replace(query, offset=query.offset + _EXPORT_PAGE)
        trades, _total = await store.ledger.trades(query)
