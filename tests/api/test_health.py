"""Health, metrics, documentation, OpenAPI."""

import re

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.api.test_tickers import FLAT

pytestmark = pytest.mark.anyio


async def test_health_tells_facts_and_no_secrets(client: httpx2.AsyncClient) -> None:
    answer = (await client.get("/api/health")).json()
    assert (answer["status"], answer["version"], answer["demo"]) == ("ok", "1.2.3", False)
    assert answer["redis"] == {"ok": True, "server": "memory", "latency_ms": 0.1}
    (feed,) = answer["feeds"]
    assert (feed["symbol"], feed["timeframes"], feed["late"]) == ("/NQ", ["1", "144t"], 2)
    assert feed["last_event_time"] == "2025-01-01T12:00:00.000000Z"
    assert (await client.get("/api/health/ready")).json() == {"status": "ready"}


async def test_metrics_count_requests_by_route_and_read_the_system(admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/tickers", json=FLAT)
    await admin.get("/api/start-trading?strategy=ema")
    await admin.get("/api/tickers/ema")
    await admin.get("/api/tickers/nope")
    await admin.get("/api/made-up-path")
    text = (await admin.get("/api/metrics")).text
    assert 'fortified_http_requests_total{method="GET",route="/api/tickers/{strategy}",status="200"} 1.0' in text
    assert 'fortified_http_requests_total{method="GET",route="/api/tickers/{strategy}",status="404"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert "made-up" not in text
    assert 'fortified_feed_late{source="replay",symbol="/NQ"} 2.0' in text
    assert 'fortified_runner_running{mode="paper",strategy="ema",symbol="/NQ",timeframe="144t"} 1.0' in text
    assert "fortified_websocket_clients 0.0" in text


@pytest.mark.parametrize("page", ["/api/docs", "/api/redoc"])
async def test_documentation_is_served_from_here_alone(client: httpx2.AsyncClient, page: str) -> None:
    answer = await client.get(page)
    assert answer.status_code == 200
    assert "://" not in answer.text
    assets = re.findall(r'(?:src|href|spec-url)="([^"]+)"', answer.text)
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/api/")
        served = await client.get(asset)
        assert served.status_code == 200, served.text
        assert len(served.content) > 100
    assert "https:" not in answer.headers["Content-Security-Policy"]
    assert (await client.get("/api/docs/assets/..%2Fdocs.py")).status_code == 404


async def test_openapi_describes_every_operation(app: FastAPI, client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/api/openapi.json")).json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert all(operation.get("summary") and operation.get("tags") for operation in operations)
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {"login", "start_trading", "start_trading_by_get", "put_ticker", "chart_bars"} <= set(ids)
    assert schema["paths"]["/api/tickers"]["post"]["requestBody"]["content"]["application/json"]["examples"].keys() == {
        "flat",
        "nested",
    }
    trade = schema["components"]["schemas"]["TradeOut"]["properties"]
    assert (trade["net_pnl"]["type"], trade["exit_time"]["format"]) == ("string", "date-time")


async def test_only_named_routes_are_open(app: FastAPI, client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/api/openapi.json")).json()
    open_paths = {path for path, operations in schema["paths"].items() for operation in operations.values() if "security" not in operation}
    assert open_paths == {
        "/api/login",
        "/api/token/refresh",
        "/api/health",
        "/api/health/ready",
        "/api/metrics",
        "/api/brokers/schwab/callback",
    }
    assert all(isinstance(route.path, str) for route in app.routes if isinstance(route, APIRoute))
