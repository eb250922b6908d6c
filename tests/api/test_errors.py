"""Every error is a problem detail; nothing inside is shown; limits, headers and CORS hold."""

from collections.abc import AsyncIterator, MutableMapping

import httpx2
import pytest
from pydantic import SecretStr
from tests.api.conftest import ORIGIN
from tests.api.fake_backtests import FakeBacktests
from tests.api.fakes import FakeAccess, FakeManager, FlakyStore, ManualClock

from fortified.api.app import create_app
from fortified.api.facade import ApiContext

pytestmark = pytest.mark.anyio


def _is_problem(answer: httpx2.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.headers["Content-Type"] == "application/problem+json"
        and answer.status_code == body["status"] == status
        and body["code"] == code
        and body["type"] == f"urn:fortified:problem:{code}"
        and bool(body["title"] and body["detail"])
    )


async def test_unknown_paths_and_methods(client: httpx2.AsyncClient) -> None:
    assert _is_problem(await client.get("/api/nothing"), 404, "not_found")
    assert _is_problem(await client.get("/api/health/"), 404, "not_found")
    wrong = await client.put("/api/login")
    assert _is_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == "POST"


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"\xff\xfe", b'"text"', b"null"])
async def test_malformed_bodies(admin: httpx2.AsyncClient, content: bytes) -> None:
    for path in ("/api/tickers", "/api/manual-trigger"):
        answer = await admin.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert _is_problem(answer, answer.status_code, "invalid_input" if answer.status_code == 422 else "bad_request")


async def test_declared_and_streamed_oversized_bodies(admin: httpx2.AsyncClient) -> None:
    declared = await admin.post("/api/tickers", content=b" " * (1024 * 1024 + 1))
    assert _is_problem(declared, 413, "too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    streamed = await admin.post("/api/tickers", content=chunks(), headers={"Content-Type": "application/json"})
    assert _is_problem(streamed, 413, "too_large")


async def test_a_bug_shows_an_id_and_nothing_else(admin: httpx2.AsyncClient, manager: FakeManager) -> None:
    manager.broken = True
    answer = await admin.get("/api/trading-status")
    assert _is_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert answer.json()["instance"].removeprefix("urn:uuid:") in answer.json()["detail"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_store_that_is_away_says_when_to_come_back(client: httpx2.AsyncClient, store: FlakyStore) -> None:
    store.away = True
    for path in ("/api/health", "/api/health/ready"):
        answer = await client.get(path)
        assert _is_problem(answer, 503, "store_unavailable")
        assert answer.headers["Retry-After"] == "1"


async def test_security_headers_are_on_every_answer(client: httpx2.AsyncClient) -> None:
    for path in ("/api/health", "/api/nothing", "/api/docs", "/api/me"):
        headers = (await client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_cors_is_for_configured_origins_only(client: httpx2.AsyncClient) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = await client.options("/api/tickers", headers={"Origin": ORIGIN, **preflight})
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    refused = await client.options("/api/tickers", headers={"Origin": "https://evil.example", **preflight})
    assert "Access-Control-Allow-Origin" not in refused.headers
    plain = await client.get("/api/health", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in plain.headers


async def test_the_environment_turns_no_telemetry_on(monkeypatch: pytest.MonkeyPatch, manager: FakeManager, clock: ManualClock) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address, so that configuring it would fail")
    context = ApiContext(
        manager=manager,
        backtests=FakeBacktests(),
        clock=clock,
        jwt_secret=SecretStr("s"),
        access_minutes=1,
        refresh_days=1,
        version="0",
        access=FakeAccess(),
    )
    app, sent = create_app(context), []
    coming = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(coming)}

    async def send(message: MutableMapping[str, object]) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
