"""A server with plugins: they are listed, configured, traded and backtested; one that is broken is told, and the others work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.server import Server, runners, running, until
from tests.plugins.plugin_files import BROKER, RISING, write
from tests.plugins.test_dictionary_strategy import DECISIONS, MY_STRATEGY
from tests.research.backtest_data import wave

TICKER = {"symbol": "/NQ", "timeframe": "144t", "tastytrade_quantity": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    write(directory / "plugins", rising=RISING, my_strategy=MY_STRATEGY + DECISIONS, desk=BROKER, sore="x = 1\nx / 0\n")
    wave(directory / "data" / "backtests" / "data" / "wave.parquet")
    with running(directory, BACKTEST_DATA_DIR="") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def test_plugins_and_problems_are_listed_without_their_directories(server: Server, client: httpx2.Client) -> None:
    answer = client.get("/api/plugins")
    assert answer.status_code == 200
    assert answer.json() == {
        "plugins": [
            {"kind": "broker", "name": "desk", "file": "desk.py"},
            {"kind": "strategy", "name": "my_strategy", "file": "my_strategy.py"},
            {"kind": "strategy", "name": "rising", "file": "rising.py"},
        ],
        "problems": [{"file": "sore.py", "line": 2, "text": "ZeroDivisionError: division by zero", "names": ["sore"]}],
    }
    assert httpx2.get(f"http://127.0.0.1:{server.port}/api/plugins").status_code == 401


def test_a_broken_one_is_logged_at_the_start(server: Server) -> None:
    entries = [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]
    [entry] = [entry for entry in entries if entry["event"] == "a plugin cannot be used"]
    assert (
        entry.items() >= {"level": "error", "file": "plugins/sore.py", "line": 2, "reason": "ZeroDivisionError: division by zero"}.items()
    )


def test_strategies_show_their_parameters(client: httpx2.Client) -> None:
    found: dict[str, dict[str, Any]] = {info["name"]: info for info in client.get("/api/strategies").json()}
    assert found["rising"]["description"] == "Long after a close above the one before."
    assert found["rising"]["parameters"]["properties"]["period"] == {"type": "integer", "minimum": 1, "default": 1}
    assert found["my_strategy"]["available"] is True


@pytest.mark.parametrize("strategy", ["rising", "my_strategy"])
def test_a_plugin_trades_on_paper(client: httpx2.Client, strategy: str) -> None:
    answer = client.post("/api/tickers", json=TICKER | {"strategy": strategy, "period": 3})
    assert answer.status_code == 200, answer.text
    assert answer.json()["parameters"] == {"period": 3}
    assert client.get("/api/start-trading", params={"strategy": strategy}).status_code == 200
    [runner] = until(lambda: [one for one in runners(client, strategy) if one["bars_seen"] > 3], "it sees bars")
    assert runner["state"] == "running"
    orders = until(lambda: client.get("/api/orders", params={"strategy": strategy}).json(), "it sends orders", 40)
    assert orders
    assert client.get("/api/stop-trading", params={"strategy": strategy}).status_code == 200


@pytest.mark.parametrize("ask", ["configure", "start", "backtest"])
def test_asking_for_a_broken_one_tells_file_and_line(client: httpx2.Client, ask: str) -> None:
    if ask == "configure":
        answer = client.post("/api/tickers", json=TICKER | {"strategy": "sore"})
    elif ask == "start":
        answer = client.get("/api/start-trading", params={"strategy": "sore"})
    else:
        answer = client.post("/api/backtests", json={"files": ["wave.parquet"], "symbol": "/NQ", "timeframe": "20t", "strategy": "sore"})
    assert 400 <= answer.status_code < 500
    said = answer.json()["detail"]
    assert said == "strategy 'sore' cannot be used: plugins/sore.py, line 2: ZeroDivisionError: division by zero"


def test_a_plugin_is_backtested_in_the_process_of_a_worker(client: httpx2.Client) -> None:
    body = {"files": ["wave.parquet"], "symbol": "/NQ", "timeframe": "20t", "strategy": "rising", "params": {"period": 2}}
    answer = client.post("/api/backtests", json=body)
    assert answer.status_code == 202, answer.text
    job = f"/api/backtests/{answer.json()['id']}"
    ended = until(lambda: (found := client.get(job).json())["state"] in ("done", "failed") and found, "it is over", 40)
    assert isinstance(ended, dict)
    assert (ended["state"], ended["error"]) == ("done", None)


def test_a_server_without_a_directory_of_plugins_starts(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.client() as client:
        assert client.get("/api/plugins").json() == {"plugins": [], "problems": []}
