"""The strategies that can be configured and started."""

from typing import Any

from fastapi import APIRouter

from fortified.api.deps import ManagerDep, Viewer
from fortified.api.wire import Answer

router = APIRouter(tags=["strategies"])


class StrategyOut(Answer):
    """A strategy; ``parameters`` is the JSON schema of its own parameters."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]
    available: bool


@router.get("/api/strategies", summary="List strategies with their parameters")
async def list_strategies(_: Viewer, manager: ManagerDep) -> list[StrategyOut]:
    return [StrategyOut.model_validate(info) for info in manager.strategies()]
