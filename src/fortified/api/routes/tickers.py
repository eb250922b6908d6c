"""Ticker configurations: which strategy trades which symbol, how much of it where."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict

from fortified.api.deps import ManagerDep, StoreDep, Trader, Viewer
from fortified.api.facade import TradingFacade
from fortified.api.tickers_body import parse_ticker, ticker_answer
from fortified.api.wire import Number
from fortified.domain.errors import NotFound
from fortified.domain.instrument import normalise_symbol
from fortified.domain.ticker import TickerConfig

router = APIRouter(tags=["tickers"])

_FLAT = {
    "symbol": "/NQ",
    "strategy": "ema",
    "timeframe": "144t",
    "trade_enabled": True,
    "schwab_quantity": 10,
    "schwab_symbol": "QQQ",
    "tastytrade_quantity": 1,
    "period_1": 9,
    "period_2": 21,
    "trend_line_1": "EMA",
    "trend_line_2": "EMA",
    "stop_loss": "1.5atr",
    "take_profit": "40ticks",
}
_NESTED = {
    "strategy": "triple_ema",
    "ticker": "SPY",
    "config": {"timeframe": "5Min", "quantity": 100, "enabled": True},
}
TickerBody = Annotated[
    dict[str, Any],
    Body(openapi_examples={"flat": {"value": _FLAT}, "nested": {"value": _NESTED}}),
]


class TickerOut(BaseModel):
    """A configuration in its one shape. Besides these fields: ``{broker}_quantity``, ``{broker}_symbol`` and every parameter."""

    model_config = ConfigDict(extra="allow")

    symbol: str
    strategy: str
    timeframe: str
    trade_enabled: bool
    demo: bool
    stop_loss: str | None
    take_profit: str | None
    trailing: str | None
    break_even: str | None
    time_stop: str | None
    flatten_before: str | None
    leg_failure: str
    sizing: str
    cash: Number
    parameters: dict[str, Any]


class TickersOut(BaseModel):
    """The tickers of one strategy."""

    strategy: str
    tickers: list[TickerOut]


def _answer(config: TickerConfig) -> TickerOut:
    return TickerOut.model_validate(ticker_answer(config))


def _sorted(configs: Sequence[TickerConfig]) -> list[TickerOut]:
    return [_answer(config) for config in sorted(configs, key=lambda config: (config.strategy, config.symbol))]


def _parameters(manager: TradingFacade) -> dict[str, frozenset[str]]:
    """Of the strategies that declare theirs; the others look at what they are given by themselves."""
    return {info.name: frozenset(names) for info in manager.strategies() if (names := info.parameters.get("properties"))}


@router.get("/api/tickers", summary="List all tickers")
async def list_all_tickers(_: Viewer, store: StoreDep) -> list[TickerOut]:
    return _sorted(await store.config.tickers())


@router.get("/api/tickers/{strategy}", summary="List the tickers of a strategy")
async def list_tickers(strategy: str, _: Viewer, manager: ManagerDep, store: StoreDep) -> TickersOut:
    known = [info.name for info in manager.strategies()]
    configs = await store.config.tickers(strategy)
    if not configs and strategy not in known:
        raise NotFound(f"There is no strategy {strategy!r}. Known: {', '.join(known)}.")
    return TickersOut(strategy=strategy, tickers=_sorted(configs))


@router.post("/api/tickers", summary="Create or replace a ticker")
async def put_ticker(body: TickerBody, _: Trader, manager: ManagerDep) -> TickerOut:
    """Either documented shape. The configuration is replaced as a whole; the answer has the one canonical shape.

    `{broker}_quantity` is what that broker trades, `{broker}_symbol` what it trades instead of the symbol. A plain `quantity` goes to
    tastytrade for futures and to schwab for equities. `stop_loss`, `take_profit`, `trailing` and `break_even` are distances, `20ticks`,
    `10pts`, `0.5%` or `1.5atr`; `time_stop` is `20bars` or `30min`, `flatten_before` a time before the session's end; `sizing` is
    `fixed`, `all_in` or a share of the equity such as `25%`, which begins with `cash`. All other keys are the strategy's parameters
    (`GET /api/strategies`). `leg_failure` is what becomes of a leg that was filled when another broker refused its own: `hold`, `alert`
    or `unwind`.
    """
    return _answer(await manager.put_ticker(parse_ticker(body, _parameters(manager))))


@router.delete("/api/tickers/{strategy}/{symbol:path}", summary="Delete a ticker", status_code=204)
async def delete_ticker(strategy: str, symbol: str, _: Trader, manager: ManagerDep, store: StoreDep) -> Response:
    """Refused while the strategy runs. A future may be written `/api/tickers/ema//NQ`, `…/%2FNQ` or `…/NQ`."""
    canonical = normalise_symbol(symbol)
    known = {config.symbol for config in await store.config.tickers(strategy)}
    if canonical not in known and f"/{canonical}" in known:
        canonical = f"/{canonical}"
    await manager.delete_ticker(strategy, canonical)
    return Response(status_code=204)
