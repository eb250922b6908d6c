"""Backtests over HTTP on a running server: the result of the command line, cancelling, a killed worker, restarts, roles."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.server import Server, environment, running, until
from tests.research.backtest_data import wave

BODY: dict[str, Any] = {
    **{"files": ["wave.parquet"], "symbol": "/NQ", "timeframe": "20t", "strategy": "ema", "fee": "2.00/contract"},
    **{"params": {"period_1": 3, "period_2": 8}, "flatten_at_end": True},
}
WORDS = (
    *("--symbol", "/NQ", "--timeframe", "20t", "--strategy", "ema", "--fee", "2.00/contract"),
    *("--param", "period_1=3", "--param", "period_2=8", "--flatten-at-end"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    wave(directory / "data" / "backtests" / "data" / "wave.parquet")
    wave(directory / "data" / "secret.parquet")
    with running(directory, BACKTEST_DATA_DIR="", BACKTEST_WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def submitted(client: httpx2.Client, **changes: Any) -> str:
    answer = client.post("/api/backtests", json=BODY | changes)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/api/backtests/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def over(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    return until(lambda: (job := state(client, job_id))["state"] in {"done", "failed", "canceled"} and job, "it is over", 40) or {}


def held(client: httpx2.Client, job_id: str) -> int:
    """The pid of its worker, which is stopped as soon as it has one: it can neither finish nor fail by itself."""
    pid = int(until(lambda: state(client, job_id)["pid"], "it has a worker", 20))
    os.kill(pid, signal.SIGSTOP)
    assert state(client, job_id)["state"] == "running"
    return pid


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")  # an orphan that nobody reaps is as good as gone
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_result_is_that_of_the_command_line(server: Server, client: httpx2.Client, tmp_path: Path) -> None:
    file = server.data_dir / "backtests" / "data" / "wave.parquet"
    command = [sys.executable, "-m", "fortified", "backtest", str(file), *WORDS, "--json", "result.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path / "own"), check=True, capture_output=True, timeout=50)
    own = json.loads((tmp_path / "result.json").read_text())
    job = over(client, submitted(client))
    assert (job["state"], job["error"], job["progress"]) == ("done", None, 1.0)
    result = job["result"]
    assert (result["digest"], result["bars"], result["orders"]) == (own["digest"], own["bars"], own["orders"])
    assert (result["fills"], result["trades"]) == (len(own["fills"]), len(own["trades"]))
    assert float(result["stats"]["net_pnl"]) == pytest.approx(own["stats"]["net_pnl"])
    trades = client.get(f"/api/backtests/{job['id']}/trades", params={"page_size": 500}).json()
    assert [float(trade["net_pnl"]) for trade in trades["items"]] == pytest.approx([trade["net_pnl"] for trade in own["trades"]])
    points = client.get(f"/api/backtests/{job['id']}/equity").json()["points"]
    assert len(points) == own["bars"]
    report = client.get(f"/api/backtests/{job['id']}/report")
    assert report.headers["Content-Type"].startswith("text/html")
    assert own["digest"] in report.text


def test_two_side_by_side(client: httpx2.Client) -> None:
    jobs = [over(client, submitted(client, params={"period_1": fast, "period_2": 8})) for fast in (2, 3)]
    answer = client.get("/api/backtests/compare", params={"ids": ",".join(job["id"] for job in jobs)}).json()
    assert answer["stats"]["net_pnl"] == [job["result"]["stats"]["net_pnl"] for job in jobs]
    assert answer["differs"] == {"params.period_1": ["2", "3"]}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"files": ["../../secret.parquet"]}, "without .."),
        ({"files": ["/etc/passwd"]}, "without a leading /"),
        ({"files": ["link.parquet"]}, "by a symbolic link"),
        ({"files": ["missing.parquet"]}, "'missing.parquet' is not in the data directory"),
        ({"strategy": "../evil.py"}, "here only registered ones run"),
        ({"strategy": "emu"}, "unknown strategy 'emu'; known are: ema"),
        ({"symbol": "/QQQQ"}, "/QQQQ"),
        ({"timeframe": "0t"}, "0t"),
        ({"params": {"perios": 3}}, "no parameter 'perios'"),
        ({"quantity": 0}, "quantity 0 is not possible; give a whole number above 0"),
        ({"fee": "much"}, "much"),
        ({"trailing": "far"}, "trailing: distance 'far' is not understood"),
        ({"sizing": "half"}, "sizing 'half' is not understood"),
        ({"stored": True}, "either files, or stored: true"),
        ({"files": [], "stored": True, "symbol": "ZZZ"}, "no bars of ZZZ 20t are stored"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_queued(server: Server, client: httpx2.Client, changes: dict[str, Any], word: str) -> None:
    link = server.data_dir / "backtests" / "data" / "link.parquet"
    if not link.is_symlink():
        link.symlink_to(server.data_dir / "secret.parquet")
    before = client.get("/api/backtests").json()["total"]
    answer = client.post("/api/backtests", json=BODY | changes)
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["detail"]
    assert str(server.data_dir) not in answer.text
    assert client.get("/api/backtests").json()["total"] == before


def test_the_stored_bars_of_the_demo(client: httpx2.Client) -> None:
    until(lambda: client.get("/api/charts/bars?symbol=/NQ&timeframe=144t").json()["bars"], "there are bars", 40)
    job = over(client, submitted(client, files=[], stored=True, timeframe="144t", calendar="24/7"))
    assert job["state"] == "done", job["error"]
    assert job["result"]["bars"] > 20


def test_cancelling_ends_the_worker_and_lets_the_next_one_run(client: httpx2.Client) -> None:
    first, second, third = [submitted(client) for _ in range(3)]
    pid = held(client, first)
    assert [state(client, job_id)["state"] for job_id in (second, third)] == ["queued", "queued"]
    assert client.delete(f"/api/backtests/{second}").json()["state"] == "canceled"
    assert client.delete(f"/api/backtests/{first}").json()["state"] == "canceled"
    assert is_gone(pid)
    assert over(client, third)["state"] == "done"
    assert client.delete(f"/api/backtests/{first}").status_code == 204
    assert client.get(f"/api/backtests/{first}").status_code == 404


def test_a_killed_worker_is_a_failure_that_says_so(server: Server, client: httpx2.Client) -> None:
    job_id = submitted(client)
    pid = held(client, job_id)
    os.kill(pid, signal.SIGKILL)
    job = over(client, job_id)
    assert job["state"] == "failed"
    assert f"the worker process {pid} was ended by SIGKILL" in job["error"]
    assert over(client, submitted(client))["state"] == "done"
    assert "Traceback" not in server.said()


def test_a_worker_is_of_low_priority(client: httpx2.Client) -> None:
    job_id = submitted(client)
    pid = int(until(lambda: state(client, job_id)["pid"], "it has a worker", 20))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    until(lambda: os.getpriority(os.PRIO_PROCESS, pid) > own, "it made room", 20)
    client.delete(f"/api/backtests/{job_id}")


def test_viewers_read_and_strangers_do_not(server: Server, client: httpx2.Client) -> None:
    job_id = submitted(client)
    user = {"email": "viewer@example.com", "password": "another long password", "role": "viewer"}
    assert client.post("/api/users", json=user).status_code < 300
    with httpx2.Client(base_url=client.base_url, timeout=20) as viewer:
        assert viewer.get("/api/backtests").status_code == 401
        token = viewer.post("/api/login", json={"email": user["email"], "password": user["password"]}).json()["access_token"]
        viewer.headers["Authorization"] = f"Bearer {token}"
        assert viewer.get(f"/api/backtests/{job_id}").status_code == 200
        assert viewer.post("/api/backtests", json=BODY).status_code == 403
        assert viewer.delete(f"/api/backtests/{job_id}").status_code == 403
    over(client, job_id)


@pytest.mark.parametrize("gently", [True, False], ids=["by SIGTERM", "by kill -9"])
def test_a_restart_keeps_results_and_workers_do_not_outlive_the_server(tmp_path: Path, gently: bool) -> None:
    wave(tmp_path / "files" / "wave.parquet")
    with running(tmp_path, "--no-demo", BACKTEST_DATA_DIR=str(tmp_path / "files")) as server:
        with server.client() as client:
            done = over(client, submitted(client))
            ran, waited = submitted(client), submitted(client)
            pid = held(client, ran)
        if gently:
            assert server.terminate(10) == 0
        else:
            server.kill()
            os.kill(pid, signal.SIGCONT)
        until(lambda: is_gone(pid), "the worker has ended")
        server.start()
        with server.client() as client:
            assert state(client, done["id"]) == done
            assert own_digest(client, done["id"]) in client.get(f"/api/backtests/{done['id']}/report").text
            failed = state(client, ran)
            assert (failed["state"], "the server was stopped" in failed["error"]) == ("failed", True)
            assert over(client, waited)["result"] == done["result"]


def own_digest(client: httpx2.Client, job_id: str) -> str:
    return str(state(client, job_id)["result"]["digest"])


def test_a_data_directory_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    server = Server(tmp_path, BACKTEST_DATA_DIR=str(tmp_path / "nowhere")).launch()
    try:
        assert server.process.wait(20) == 2
        assert f"BACKTEST_DATA_DIR: there is no directory {tmp_path / 'nowhere'}" in server.said()
        assert "Traceback" not in server.said()
    finally:
        server.kill()
