"""The two WebSocket endpoints."""

from fastapi import APIRouter, WebSocket

from fortified.api.connection import serve
from fortified.api.socket_charts import ChartSession
from fortified.api.socket_strategies import StrategiesSession

router = APIRouter()


@router.websocket("/api/ws/charts")
async def charts_socket(websocket: WebSocket) -> None:
    await serve(websocket, ChartSession)


@router.websocket("/api/ws/strategies")
async def strategies_socket(websocket: WebSocket) -> None:
    await serve(websocket, StrategiesSession)
