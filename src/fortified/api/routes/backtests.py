"""Backtests: queued, followed, compared. They run in processes of their own."""

import asyncio
import gzip
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import HTMLResponse

from fortified.api.backtest_schemas import (
    BacktestIn,
    BacktestOut,
    BacktestPage,
    BacktestTradePage,
    ComparisonOut,
    EquityOut,
    EquityPoint,
)
from fortified.api.deps import ServicesDep, Trader, Viewer
from fortified.api.errors import ApiError, Problem
from fortified.api.schemas import TradeOut
from fortified.backtests_port import Backtests, QueueFull
from fortified.domain.errors import ConfigError, Refused

router = APIRouter(tags=["backtests"])

MAX_COMPARED = 20
_RETRY_S = 10
_PROBLEMS: dict[int | str, dict[str, object]] = {404: {"model": Problem}, 409: {"model": Problem}}
_REMOVED: dict[int | str, dict[str, object]] = {
    200: {"model": BacktestOut, "description": "It waited or ran, and is canceled."},
    204: {"description": "It was over, and is deleted."},
    404: {"model": Problem},
}
# The report's own scripts and styles are inline. In the sandbox they are strangers here: no token, no requests.
_REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-scripts allow-downloads"
)


def _backtests(services: ServicesDep) -> Backtests:
    return services.context.backtests


BacktestsDep = Annotated[Backtests, Depends(_backtests)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=500)]


@router.post("/api/backtests", summary="Queue a backtest", status_code=202, responses={409: {"model": Problem}, 429: {"model": Problem}})
async def submit_backtest(body: BacktestIn, caller: Trader, backtests: BacktestsDep) -> BacktestOut:
    """Runs what `./fortified backtest` runs, with the same result. Everything but the data is checked before the answer."""
    try:
        return BacktestOut.of(await backtests.submit(body.request(), actor=caller.sub))
    except QueueFull as error:
        raise ApiError(429, "queue_full", str(error), headers={"Retry-After": str(_RETRY_S)}) from None


@router.get("/api/backtests", summary="Backtests, newest first")
async def list_backtests(_: Viewer, backtests: BacktestsDep, page: Page = 1, page_size: PageSize = 50) -> BacktestPage:
    jobs = backtests.jobs()
    shown = jobs[(page - 1) * page_size : page * page_size]
    total = len(jobs)
    items = [BacktestOut.of(job) for job in shown]
    return BacktestPage(items=items, page=page, page_size=page_size, total=total, pages=-(-total // page_size))


@router.get("/api/backtests/compare", summary="Statistics side by side", responses=_PROBLEMS)
async def compare_backtests(
    _: Viewer,
    backtests: BacktestsDep,
    ids: Annotated[str, Query(min_length=1, max_length=1000, description="Ids of backtests that are done, separated by commas.")],
) -> ComparisonOut:
    wanted = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
    if not 1 <= len(wanted) <= MAX_COMPARED:
        raise ConfigError(f"ids names {len(wanted)} backtests; name 1 to {MAX_COMPARED}, separated by commas")
    jobs = [backtests.job(job_id) for job_id in wanted]
    if missing := [f"Backtest {job.id} is {job.state}; only those that are done compare." for job in jobs if job.outcome is None]:
        raise Refused(missing)
    return ComparisonOut.of(jobs)


@router.get("/api/backtests/{job_id}", summary="One backtest", responses={404: {"model": Problem}})
async def get_backtest(job_id: str, _: Viewer, backtests: BacktestsDep) -> BacktestOut:
    return BacktestOut.of(backtests.job(job_id))


@router.get("/api/backtests/{job_id}/trades", summary="Its trades", responses=_PROBLEMS)
async def backtest_trades(job_id: str, _: Viewer, backtests: BacktestsDep, page: Page = 1, page_size: PageSize = 50) -> BacktestTradePage:
    trades = await backtests.trades(job_id, offset=(page - 1) * page_size, limit=page_size)
    outcome = backtests.job(job_id).outcome
    total = 0 if outcome is None else outcome.trades
    items = [TradeOut.of(trade) for trade in trades]
    return BacktestTradePage(items=items, page=page, page_size=page_size, total=total, pages=-(-total // page_size))


@router.get("/api/backtests/{job_id}/equity", summary="Its equity", responses=_PROBLEMS)
async def backtest_equity(job_id: str, _: Viewer, backtests: BacktestsDep) -> EquityOut:
    return EquityOut(points=[EquityPoint(time=ts, value=value) for ts, value in await backtests.equity(job_id)])


@router.get("/api/backtests/{job_id}/report", summary="Its report, one HTML page", response_class=HTMLResponse, responses=_PROBLEMS)
async def backtest_report(
    job_id: str, _: Viewer, backtests: BacktestsDep, accept_encoding: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    page = await backtests.report(job_id)
    headers = {
        "Content-Security-Policy": _REPORT_POLICY,
        "Content-Disposition": f'inline; filename="backtest-{job_id}.html"',
        "Vary": "Accept-Encoding",
    }
    if "gzip" in accept_encoding.lower():
        headers["Content-Encoding"] = "gzip"
    else:
        page = await asyncio.to_thread(gzip.decompress, page)
    return HTMLResponse(page, headers=headers)


@router.delete("/api/backtests/{job_id}", summary="Cancel or delete a backtest", responses=_REMOVED)
async def delete_backtest(job_id: str, _: Trader, backtests: BacktestsDep) -> Response:
    """One that waits or runs is canceled and stays in the list; one that is over is deleted with its results."""
    job = await backtests.remove(job_id)
    if job is None:
        return Response(status_code=204)
    return Response(BacktestOut.of(job).model_dump_json(), media_type="application/json")
