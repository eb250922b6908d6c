"""Live accounts: the ledger beside the broker, and what a person decides where they differ."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Path

from fortified.api.account_schemas import AccountOut, AdoptIn, DifferenceOut
from fortified.api.deps import ManagerDep, StoreDep, Trader, Viewer
from fortified.api.errors import Problem
from fortified.api.facade import TradingFacade
from fortified.api.schemas import PositionOut
from fortified.orchestration.account_keeper import AccountReport
from fortified.ports import Store

router = APIRouter(tags=["accounts"])

_log = structlog.get_logger(__name__)
_REFUSALS: dict[int | str, dict[str, object]] = {404: {"model": Problem}, 409: {"model": Problem}, 502: {"model": Problem}}
Account = Annotated[str, Path(max_length=64, examples=["live:tastytrade"])]


async def _shown(manager: TradingFacade, store: Store, reports: list[AccountReport]) -> list[AccountOut]:
    held = [position for position in await store.ledger.positions() if position.quantity]
    return [
        AccountOut.of(
            report,
            [PositionOut.of(position, manager.mark(position.symbol)) for position in held if position.account == report.account],
        )
        for report in reports
    ]


@router.get("/api/accounts", summary="Live accounts, both sides")
async def list_accounts(_: Viewer, manager: ManagerDep, store: StoreDep) -> list[AccountOut]:
    """As of the last reads: positions of the ledger and of the broker, differences, and why an account may not trade."""
    return await _shown(manager, store, list(manager.accounts()))


@router.get("/api/accounts/{account}", summary="One live account", responses={404: {"model": Problem}})
async def get_account(account: Account, _: Viewer, manager: ManagerDep, store: StoreDep) -> AccountOut:
    [found] = await _shown(manager, store, [manager.keeper(account).report()])
    return found


@router.post("/api/accounts/{account}/check", summary="Compare with the broker soon", status_code=202, responses=_REFUSALS)
async def check_account(account: Account, _: Trader, manager: ManagerDep, store: StoreDep) -> AccountOut:
    """Orders and positions are read at once instead of at their next turn. The answer is what was known until now."""
    keeper = manager.keeper(account)
    keeper.look()
    [found] = await _shown(manager, store, [keeper.report()])
    return found


@router.post("/api/accounts/{account}/adopt", summary="Say which side is right", responses=_REFUSALS)
async def adopt_difference(account: Account, body: AdoptIn, caller: Trader, manager: ManagerDep) -> DifferenceOut:
    """`external`: what the broker holds beyond the ledger is none of ours. `ledger`: it is a position of `strategy` from now on."""
    if body.strategy is None:
        difference = await manager.keeper(account).declare_external(body.what)
        _log.warning("a difference was declared external", account=account, text=difference.text, actor=caller.sub)
    else:
        difference = await manager.adopt(account, body.what, body.strategy, actor=caller.sub)
    return DifferenceOut.model_validate(difference)
