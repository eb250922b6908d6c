"""The running product, as a user meets it: one command, then HTTP and WebSocket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.server import EMAIL, PASSWORD, Server, environment, free_port, runners, running, until
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    """Logged in once: log-ins are limited."""
    with server.client() as client:
        until(lambda: is_current(client), "the runners have caught up with the market", 40)
        yield client


def is_current(client: httpx2.Client) -> bool:
    return all(runner["state"] == "running" and runner["lag_ms"] < 2_000 for runner in runners(client))


def ended(directory: Path, *options: str, **own: str) -> tuple[int, str]:
    """Exit code and words of a server that cannot start."""
    server = Server(directory, *options, **own)
    try:
        return server.launch().process.wait(20), server.said()
    finally:
        server.kill()


def get(client: httpx2.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- a newcomer's first seconds ---


def test_bars_orders_and_a_paper_trade_within_seconds(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.client() as client:
        trades = until(lambda: get(client, "/api/paper-trades?strategy=ema")["items"], "a paper trade", 15)
        assert {"entry_price", "exit_price", "net_pnl", "bar"} <= trades[0].keys()
        assert get(client, "/api/orders?strategy=ema")
        for query in ("symbol=/NQ&timeframe=144t", "symbol=SPY&timeframe=1"):
            bars = get(client, f"/api/charts/bars?{query}")["bars"]
            assert len(bars) > 20
            assert all(bar["low"] <= min(bar["open"], bar["close"]) <= max(bar["open"], bar["close"]) <= bar["high"] for bar in bars)
        assert {runner["state"] for runner in runners(client)} == {"running"}
        assert get(client, "/api/paper-trades/stats?strategy=ema")["trades"] >= 1


def test_runners_lose_nothing_of_the_past_that_warms_them_up(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.client() as client:
        until(lambda: is_current(client), "the runners have caught up with the market", 40)
        assert "entries are missing" not in server.said()


# --- the documented requests, as they are written down ---

DOCUMENTED: list[tuple[str, str, Any, int]] = [
    ("GET", "/api/health", None, 200),
    ("GET", "/api/docs", None, 200),
    ("GET", "/api/redoc", None, 200),
    ("GET", "/api/brokers/schwab/authorize", None, 409),
    ("POST", "/api/brokers/schwab/token", {"code": "AUTH_CODE"}, 409),
    ("POST", "/api/brokers/schwab/refresh", None, 409),
    ("GET", "/api/tickers/triple_ema", None, 200),
    (
        "POST",
        "/api/tickers",
        {"strategy": "triple_ema", "ticker": "SPY", "config": {"timeframe": "5Min", "quantity": 100, "enabled": True}},
        200,
    ),
    ("GET", "/api/start-trading?strategy=ema&live_mode=false", None, 200),
    ("GET", "/api/start-trading?strategy=ema&live_mode=true", None, 409),
    ("GET", "/api/trading-status?strategy=ema", None, 200),
    ("GET", "/api/positions?strategy=ema", None, 200),
    ("GET", "/api/trades?strategy=ema&page=1&page_size=50", None, 200),
    ("GET", "/api/trades?strategy=ema&trade_type=paper", None, 200),
    ("GET", "/api/trades?strategy=ema&symbol=/NQ&broker=tastytrade", None, 200),
    ("GET", "/api/trades?strategy=ema&start_date=2025-01-01&end_date=2025-01-31", None, 200),
    ("GET", "/api/paper-trades?strategy=ema&page=1&page_size=100", None, 200),
    ("GET", "/api/paper-trades/stats?strategy=ema", None, 200),
    ("GET", "/api/real-trades?strategy=ema", None, 200),
    ("GET", "/api/stop-trading?strategy=ema", None, 200),
    ("GET", "/api/start-trading?strategy=ema&live_mode=false", None, 200),
]


def test_the_documented_requests(client: httpx2.Client) -> None:
    for method, path, body, status in DOCUMENTED:
        answer = client.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        if status >= 400:
            problem = answer.json()
            assert problem["status"] == status
            assert len(problem["detail"]) > 20


def test_the_flat_ticker_body_is_stored_and_given_back(client: httpx2.Client) -> None:
    body = {
        **{"symbol": "/ES", "strategy": "ema", "timeframe": "512t", "trade_enabled": True, "tastytrade_quantity": 1},
        **{"period_1": 9, "period_2": 21, "trend_line_1": "EMA", "trend_line_2": "EMA"},
    }
    answer = client.post("/api/tickers", json=body)
    assert answer.status_code == 200, answer.text
    stored = next(ticker for ticker in get(client, "/api/tickers/ema")["tickers"] if ticker["symbol"] == "/ES")
    assert stored.items() >= body.items()
    assert client.delete("/api/tickers/ema//ES").status_code == 204


def test_the_ticker_of_the_documentation_names_a_broker_that_takes_no_futures(client: httpx2.Client) -> None:
    """The configuration is refused with the fix, and taken with it."""
    body = {
        **{"symbol": "/NQ", "strategy": "ema", "timeframe": "144t", "trade_enabled": True},
        **{"schwab_quantity": 10, "tastytrade_quantity": 1},
        **{"period_1": 9, "period_2": 21, "trend_line_1": "EMA", "trend_line_2": "EMA"},
    }
    answer = client.post("/api/tickers", json=body)
    assert answer.status_code == 422
    assert "schwab_symbol" in answer.text
    assert client.post("/api/tickers", json=body | {"schwab_quantity": 0}).status_code == 200


def test_a_manual_trigger_moves_the_position(client: httpx2.Client) -> None:
    """The documented request, on a ticker whose averages have no value yet: its strategy says nothing meanwhile."""
    averages = {"trend_line_1": "SMA", "trend_line_2": "SMA", "period_1": 5_000, "period_2": 9_000}
    config = {"strategy": "ema", "symbol": "IWM", "timeframe": "1", "schwab_quantity": 10} | averages
    assert client.post("/api/tickers", json=config).status_code == 200
    assert client.post("/api/start-trading?strategy=ema").status_code == 200

    def is_there() -> bool:
        found = [runner for runner in runners(client) if runner["symbol"] == "IWM"]
        return bool(found) and found[0]["lag_ms"] is not None and found[0]["lag_ms"] < 2_000

    until(is_there, "the runner of IWM has caught up with the market", 40)
    wish = {"ticker": "IWM", "action": "short"}
    answer = client.post("/api/ema-manual-trigger", json=wish, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 200, answer.text
    assert not answer.json()["denials"], answer.text

    def sides() -> list[str]:
        found = get(client, "/api/positions?strategy=ema")
        rows = found if isinstance(found, list) else found["positions"]
        return [row["side"] for row in rows if row["symbol"] == "IWM"]

    until(lambda: sides() == ["SHORT"], "IWM is short", 30)
    again = client.post("/api/ema-manual-trigger", json=wish, headers={"Idempotency-Key": "one"})
    assert again.status_code == 200, again.text
    assert again.json()["duplicate"]


def test_a_manual_trigger_of_what_nobody_trades_says_why(client: httpx2.Client) -> None:
    answer = client.post("/api/manual-trigger", json={"ticker": "SPX", "action": "long"})
    assert 400 <= answer.status_code < 500
    assert "SPX" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/api/tickers", {"strategy": "ema", "symbol": "/NQ", "timeframe": "0t", "tastytrade_quantity": 1}, "0t"),
        ("/api/tickers", {"strategy": "ema", "symbol": "/NQ", "timeframe": "7parsecs", "tastytrade_quantity": 1}, "7parsecs"),
        ("/api/tickers", {"strategy": "ema", "symbol": "/QQQQ", "timeframe": "1", "tastytrade_quantity": 1}, "/QQQQ"),
        ("/api/tickers", {"strategy": "emu", "symbol": "/NQ", "timeframe": "1", "tastytrade_quantity": 1}, "emu"),
        ("/api/tickers", {"strategy": "ema", "symbol": "/NQ", "timeframe": "1", "tastytrade_quantity": 1, "period_1": 0}, "period_1"),
        ("/api/tickers", {"strategy": "ema", "symbol": "/NQ", "timeframe": "1", "tastytrade_quantity": 1, "perios": 3}, "perios"),
        ("/api/tickers", {"strategy": "ema", "symbol": "/NQ", "timeframe": "1", "tastytrade_quantity": -1}, "tastytrade_quantity"),
        ("/api/start-trading?strategy=emu", None, "emu"),
        ("/api/start-trading?strategy=zeroday", None, "zeroday"),
        ("/api/ema-manual-trigger", {"ticker": "SPY", "action": "sideways"}, "action"),
    ],
)
def test_bad_requests_are_refused_precisely(client: httpx2.Client, path: str, body: Any, word: str) -> None:
    answer = client.post(path, json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert word in answer.text
    assert "Traceback" not in answer.text


def test_nothing_without_a_token(server: Server, client: httpx2.Client) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as stranger:
        assert stranger.get("/api/positions").status_code == 401
        assert stranger.post("/api/login", json={"email": EMAIL, "password": "wrong " + PASSWORD}).status_code == 401


# --- sockets ---


@contextmanager
def socket_of(server: Server, client: httpx2.Client, path: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}{path}") as connection:
        connection.send(json.dumps({"type": "auth", "token": client.headers["Authorization"].removeprefix("Bearer ")}))
        assert json.loads(connection.recv(5))["type"] == "authenticated"
        yield connection


def test_charts_show_the_open_bar_grow_and_close(server: Server, client: httpx2.Client) -> None:
    with socket_of(server, client, "/api/ws/charts") as charts:
        charts.send(json.dumps({"type": "subscribe", "streams": [{"symbol": "/NQ", "timeframe": "144t"}]}))
        deadline = time.monotonic() + 20
        fills: list[float] = []
        kinds: list[str] = []
        while "bar" not in kinds or len(fills) < 5:
            assert time.monotonic() < deadline, kinds
            message = json.loads(charts.recv(10))
            kinds.append(message["type"])
            if message["type"] == "bar":
                assert message["ticks"] == 144
                fills.clear()
            elif message["type"] == "partial":
                assert message["of"] == 144
                assert message["fill_percent"] == pytest.approx(message["ticks"] / 1.44, abs=1e-3)
                fills.append(message["fill_percent"])
        assert fills == sorted(fills)
        assert fills[-1] > fills[0]
        assert kinds[:2] == ["subscribed", "snapshot"]


def test_the_strategies_socket_tells_of_the_runners(server: Server, client: httpx2.Client) -> None:
    with socket_of(server, client, "/api/ws/strategies") as strategies:
        kinds: list[str] = []
        deadline = time.monotonic() + 15
        while "status" not in kinds:
            assert time.monotonic() < deadline, kinds
            message = json.loads(strategies.recv(10))
            kinds.append(message["type"])
        assert kinds[0] == "snapshot"
        assert {runner["symbol"] for runner in message["runners"]} >= {"/NQ", "SPY"}


# --- stop, start, restart ---


def test_what_ran_runs_after_a_restart_and_what_was_stopped_does_not(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        with server.client() as client:
            assert {runner["state"] for runner in runners(client)} <= {"running", "warming"}
            get(client, "/api/stop-trading?strategy=ema")
            assert {runner["state"] for runner in runners(client)} == {"stopped"}
        server.kill()
        server.start()
        with server.client() as client:
            assert all(runner["state"] == "stopped" for runner in runners(client))
            get(client, "/api/start-trading?strategy=ema")
            get(client, "/api/start-trading?strategy=ema")
            assert len(runners(client)) == 2
        server.kill()
        server.start()
        with server.client() as client:
            assert {runner["state"] for runner in runners(client)} <= {"running", "warming"}
            assert len(runners(client)) == 2


def test_no_demo_refuses_to_start_with_reasons(tmp_path: Path) -> None:
    with running(tmp_path, "--no-demo") as server, server.client() as client:
        ticker = {"strategy": "ema", "symbol": "SPY", "timeframe": "1", "schwab_quantity": 1}
        assert client.post("/api/tickers", json=ticker).status_code == 200
        answer = client.get("/api/start-trading?strategy=ema")
        assert answer.status_code == 409
        assert "data source" in answer.text
        assert get(client, "/api/charts") == []


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "with an open socket"])
def test_sigterm_ends_it_in_order(tmp_path: Path, watched: bool) -> None:
    with running(tmp_path) as server, server.client() as client, ExitStack() as stack:
        if watched:
            stack.enter_context(socket_of(server, client, "/api/ws/strategies"))
        assert server.terminate(5) == 0
        assert "Traceback" not in server.said()


def test_port_0_takes_any_free_port(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fortified", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment(tmp_path / "data"), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("listening on http://127.0.0.1:" in line for line in process.stderr)
        finally:
            process.kill()


# --- what cannot be ---


def test_a_port_in_use(tmp_path: Path) -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, said = ended(tmp_path, "--port", str(port))
    assert code == 2
    assert str(port) in said
    assert "--port" in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_a_data_directory_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    code, said = ended(tmp_path, "--data-dir", str(tmp_path / "data" / "below"))
    assert code == 2
    assert str(tmp_path / "data" / "below") in said
    assert "FORTIFIED_DATA_DIR" in said
    assert "Traceback" not in said


def test_a_redis_that_does_not_answer(tmp_path: Path) -> None:
    code, said = ended(tmp_path, REDIS_URL=f"redis://:hushhush@127.0.0.1:{free_port()}/0")
    assert code == 2
    assert "REDIS_URL" in said
    assert "hushhush" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("name", "value"), [("REDIS_PORT", "99999"), ("JWT_SECRET", "short"), ("SCHWAB_FEE", "much"), ("REDIS_URL", "x")])
def test_settings_that_cannot_be(tmp_path: Path, name: str, value: str) -> None:
    code, said = ended(tmp_path, **{name: value})
    assert code == 2, said
    assert name in said or value in said
    assert "Traceback" not in said


def test_a_chart_timeframe_that_cannot_be(tmp_path: Path) -> None:
    server = Server(tmp_path, CHART_TIMEFRAMES="1,0t").launch()
    try:
        until(lambda: server.process.poll() is not None or "listening" in server.said(), "it ends or listens")
        assert server.process.poll() == 2
    finally:
        server.kill()


def test_a_second_server_on_the_same_data_publishes_nothing_twice(tmp_path: Path) -> None:
    with running(tmp_path) as first, first.client() as client:
        until(lambda: all(runner["state"] == "running" for runner in runners(client)), "the first runs")
        with running(tmp_path / "second", FORTIFIED_DATA_DIR=str(first.data_dir)) as second, second.client() as other:
            halted = runners(other)
            assert {runner["state"] for runner in halted} == {"halted"}
            assert all(str(first.process.pid) in runner["reason"] for runner in halted)
            assert get(other, "/api/charts") == []
            assert "runner started" not in second.said()
        assert {runner["state"] for runner in runners(client)} == {"running"}
        assert "entries are missing" not in first.said()


# --- uvicorn main:app ---


def test_uvicorn_serves_main(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parents[2]), "main:app", "--port", str(port)]
    own = environment(tmp_path / "data", FORTIFIED_ADMIN_PASSWORD=PASSWORD)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=own, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        said = (tmp_path / "log").read_text
        until(lambda: "startup complete" in said() or process.poll() is not None, "uvicorn starts")
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            token = client.post("/api/login", json={"email": EMAIL, "password": PASSWORD}).json()["token"]
            client.headers["Authorization"] = f"Bearer {token}"
            until(lambda: runners(client), "runners")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert "Traceback" not in said()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
