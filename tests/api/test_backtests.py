"""Backtests over HTTP: bodies, pages, roles, the report's policy, side by side."""

from typing import Any

import httpx2
import pytest
from tests.api.conftest import Login
from tests.api.fake_backtests import REPORT, FakeBacktests

pytestmark = pytest.mark.anyio

BODY: dict[str, Any] = {
    **{"files": ["nq.parquet"], "symbol": "/NQ", "timeframe": "144t", "strategy": "ema", "fee": "2.00/contract"},
    **{"params": {"period_1": 9, "period_2": 21, "direction": "long", "share": 0.5, "on": True}},
}
PATHS = ("/api/backtests", "/api/backtests/{id}", "/api/backtests/{id}/trades", "/api/backtests/{id}/equity", "/api/backtests/{id}/report")


async def submitted(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/backtests", json=BODY | changes)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def test_what_is_queued_is_told_whole(admin: httpx2.AsyncClient) -> None:
    job = await submitted(admin)
    assert (job["state"], job["progress"], job["submitted_by"]) == ("queued", 0.0, "admin@example.com")
    assert (job["submitted_at"], job["started_at"], job["ended_at"]) == ("2025-01-01T12:00:00.000000Z", None, None)
    assert (job["pid"], job["error"], job["result"]) == (None, None, None)
    assert job["options"].items() >= {"files": ["nq.parquet"], "symbol": "/NQ", "quantity": "1", "cash": "100000", "start": None}.items()
    assert job["options"]["params"] == {"period_1": "9", "period_2": "21", "direction": "long", "share": "0.5", "on": "true"}
    assert (await admin.get(f"/api/backtests/{job['id']}")).json() == job


async def test_the_options_of_one_ask_for_the_same_again(admin: httpx2.AsyncClient) -> None:
    every = {
        **{"fill": "last", "slippage_ticks": 2, "latency_ms": 1.5, "warmup": 0, "calendar": "24/7", "tick_size": "0.25", "multiplier": 20},
        **{"flatten_at_end": True, "stop_loss": "20ticks", "take_profit": "1%", "trailing": "1.5atr", "cash": 5000, "sizing": "25%"},
        **{"bars_timeframe": "1", "strict": True, "quantity": 2, "start": "2025-03-03", "end": "2025-03-04"},
    }
    job = await submitted(admin, **every)
    assert job["options"]["start"] == "2025-03-03T00:00:00.000000Z"
    assert job["options"]["end"] == "2025-03-04T23:59:59.999999Z"
    again = await submitted(admin, **job["options"])
    assert again["options"] == job["options"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"symbol": None}, "symbol"),
        ({"strategy": "evil.py"}, "unknown strategy 'evil.py'"),
        ({"files": "nq.parquet"}, "files"),
        ({"files": ["x" * 2000]}, "files.0"),
        ({"fill": "never"}, "fill"),
        ({"quantity": "much"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"quantity": "1e999999"}, "quantity"),
        ({"slippage_ticks": -1}, "slippage_ticks"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"warmup": -1}, "warmup"),
        ({"tick_size": 0}, "tick_size"),
        ({"cash": 0}, "cash"),
        ({"params": {"period_1": [1]}}, "params.period_1"),
        ({"start": "yesterday"}, "start='yesterday' is no date"),
        ({"start": "2025-03-04", "end": "2025-03-03"}, "start=2025-03-04 is after end=2025-03-03"),
        ({"leverage": 5}, "leverage"),
    ],
)
async def test_what_cannot_be_is_named(admin: httpx2.AsyncClient, changes: dict[str, Any], word: str) -> None:
    answer = await admin.post("/api/backtests", json=BODY | changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert word in answer.json()["detail"]
    assert (await admin.get("/api/backtests")).json()["total"] == 0


async def test_a_full_queue_says_when_to_come_again(admin: httpx2.AsyncClient) -> None:
    for _ in range(3):
        await submitted(admin)
    answer = await admin.post("/api/backtests", json=BODY)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, "queue_full", "10")
    assert "3 backtests wait already" in answer.json()["detail"]


async def test_pages_newest_first(admin: httpx2.AsyncClient) -> None:
    ids = [(await submitted(admin))["id"] for _ in range(3)]
    first = (await admin.get("/api/backtests?page_size=2")).json()
    assert ([item["id"] for item in first["items"]], first["total"], first["pages"]) == ([ids[2], ids[1]], 3, 2)
    second = (await admin.get("/api/backtests?page_size=2&page=2")).json()
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert (await admin.get("/api/backtests?page_size=501")).status_code == 422


async def test_results(admin: httpx2.AsyncClient, backtests: FakeBacktests) -> None:
    job = await submitted(admin)
    backtests.finish(job["id"])
    done = (await admin.get(f"/api/backtests/{job['id']}")).json()
    assert (done["state"], done["ended_at"]) == ("done", "2025-01-01T12:00:05.000000Z")
    assert done["result"]["stats"] == {"trades": 3, "net_pnl": "100", "sharpe": 1.25, "profit_factor": None}
    assert (done["result"]["digest"], done["result"]["bars"], done["result"]["open_quantity"]) == ("d1", 40, "-1")
    trades = (await admin.get(f"/api/backtests/{job['id']}/trades?page=2&page_size=2")).json()
    assert ([trade["trade_id"] for trade in trades["items"]], trades["total"], trades["pages"]) == (["t-2"], 3, 2)
    equity = (await admin.get(f"/api/backtests/{job['id']}/equity")).json()
    assert equity["points"][1] == {"time": "2025-01-01T12:00:01.000000Z", "value": 100_020.5}


@pytest.mark.parametrize("encoding", ["gzip, br", "identity"])
async def test_the_report_runs_its_own_scripts_only_and_knows_nothing_of_us(
    admin: httpx2.AsyncClient, backtests: FakeBacktests, encoding: str
) -> None:
    job = await submitted(admin)
    backtests.finish(job["id"])
    answer = await admin.get(f"/api/backtests/{job['id']}/report", headers={"Accept-Encoding": encoding})
    assert answer.text == REPORT
    assert answer.headers.get("Content-Encoding") == ("gzip" if "gzip" in encoding else None)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'inline; filename="backtest-{job["id"]}.html"'
    policy = {part.split()[0]: part.split()[1:] for part in answer.headers["Content-Security-Policy"].split(";")}
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'unsafe-inline'"]
    assert "allow-same-origin" not in policy["sandbox"]
    assert "connect-src" not in policy


async def test_what_is_not_done_has_no_results(admin: httpx2.AsyncClient) -> None:
    job = await submitted(admin)
    for what in ("trades", "equity", "report"):
        answer = await admin.get(f"/api/backtests/{job['id']}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (409, "refused")
        assert "is queued" in answer.json()["detail"]
    answer = await admin.get(f"/api/backtests/compare?ids={job['id']}")
    assert answer.status_code == 409
    assert f"{job['id']} is queued" in answer.json()["reasons"][0]


async def test_a_failure_is_told(admin: httpx2.AsyncClient, backtests: FakeBacktests) -> None:
    job = await submitted(admin)
    backtests.move(job["id"], state="failed", error="strategy 'ema' failed on bar 7")
    failed = (await admin.get(f"/api/backtests/{job['id']}")).json()
    assert (failed["state"], failed["error"], failed["result"]) == ("failed", "strategy 'ema' failed on bar 7", None)


async def test_cancel_then_delete(admin: httpx2.AsyncClient) -> None:
    job = await submitted(admin)
    canceled = await admin.delete(f"/api/backtests/{job['id']}")
    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    deleted = await admin.delete(f"/api/backtests/{job['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await admin.get(f"/api/backtests/{job['id']}")).status_code == 404


async def test_side_by_side(admin: httpx2.AsyncClient, backtests: FakeBacktests) -> None:
    first = await submitted(admin)
    second = await submitted(admin, timeframe="512t", params={"period_1": 5})
    backtests.finish(first["id"])
    backtests.finish(second["id"], net_pnl="-7.50")
    answer = (await admin.get(f"/api/backtests/compare?ids={first['id']},{second['id']}")).json()
    assert answer["ids"] == [first["id"], second["id"]]
    assert answer["stats"]["net_pnl"] == ["100", "-7.50"]
    assert answer["differs"]["timeframe"] == ["144t", "512t"]
    assert answer["differs"]["params.period_1"] == ["9", "5"]
    assert answer["differs"]["params.period_2"] == ["21", None]
    assert "symbol" not in answer["differs"]


@pytest.mark.parametrize(
    ("ids", "status", "word"),
    [("", 422, "ids"), (",", 422, "names 0"), (",".join(map(str, range(21))), 422, "names 21"), ("nope", 404, "nope")],
)
async def test_a_comparison_that_cannot_be(admin: httpx2.AsyncClient, ids: str, status: int, word: str) -> None:
    answer = await admin.get(f"/api/backtests/compare?ids={ids}")
    assert answer.status_code == status
    assert word in answer.json()["detail"]


async def test_everybody_reads_and_traders_write(login: Login, client: httpx2.AsyncClient, backtests: FakeBacktests) -> None:
    viewer, trader = await login("viewer"), await login("trader")
    job = await submitted(trader)
    assert (await viewer.post("/api/backtests", json=BODY)).status_code == 403
    assert (await viewer.delete(f"/api/backtests/{job['id']}")).status_code == 403
    backtests.finish(job["id"])
    for path in (*PATHS, "/api/backtests/compare?ids={id}"):
        assert (await viewer.get(path.format(id=job["id"]))).status_code == 200, path
        assert (await client.get(path.format(id=job["id"]))).status_code == 401, path
    assert (await client.post("/api/backtests", json=BODY)).status_code == 401
    assert (await client.delete(f"/api/backtests/{job['id']}")).status_code == 401
    assert (await trader.delete(f"/api/backtests/{job['id']}")).status_code == 204


@pytest.mark.parametrize("path", PATHS[1:])
async def test_an_unknown_one(admin: httpx2.AsyncClient, path: str) -> None:
    answer = await admin.get(path.format(id="0" * 16))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
