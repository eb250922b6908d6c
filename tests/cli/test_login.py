"""`fortified login`, and the scripts that are other names of it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.cli.conftest import Command
from tests.integration.server import environment, running
from tests.integration.simulated_venues import SimulatedVenues, simulated_venues

ROOT = Path(__file__).parents[2]
SIMULATED = "https://127.0.0.1:8182/callback"


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedVenues]:
    with simulated_venues(SIMULATED) as venues:
        for name, value in venues.environment.items():
            monkeypatch.setenv(name, value)
        yield venues


def led_to(page: str) -> str:
    """Where Schwab sends the browser of somebody who agrees."""
    return httpx2.get(page).headers["location"]


def a_page(venues: SimulatedVenues) -> str:
    query = {"response_type": "code", "client_id": "simulated-client", "redirect_uri": SIMULATED}
    return str(httpx2.URL(f"{venues.simulation.schwab_url}/v1/oauth/authorize", params=query))


def test_schwab_by_an_address_or_a_code(run: Command, venues: SimulatedVenues) -> None:
    address = led_to(a_page(venues))
    ended = run("login", "schwab", "--code", address)
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"until 20\d\d-\d\d-\d\d \d\d:\d\d UTC \(6 d 23 h\)", ended.out)
    assert "0001" in ended.out
    assert "10000001" not in ended.out
    again = run("login", "schwab", "--code", address)  # a code is good once
    assert again.code == 1
    assert "one use" in again.err
    code = httpx2.URL(led_to(a_page(venues))).params["code"]
    assert run("login", "schwab", "--code", code).code == 0


def test_schwab_asks_for_the_address_of_the_page_it_shows(venues: SimulatedVenues, tmp_path: Path) -> None:
    own = environment(tmp_path / "data", **venues.environment)
    command = [sys.executable, str(ROOT / "scripts" / "get_schwab_tokens.py"), "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            page = next(line.strip() for line in process.stdout if line.startswith("http"))
            out, _ = process.communicate(f"{led_to(page)}\n", timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Logged in at Charles Schwab until" in out


def test_an_address_of_another_log_in_is_refused(run: Command, venues: SimulatedVenues) -> None:
    ended = run("login", "schwab", "--code", "https://127.0.0.1:8182/callback?session=x")
    assert ended.code == 2
    assert "no code" in ended.err


def test_a_running_server_takes_the_log_in_over(venues: SimulatedVenues, tmp_path: Path) -> None:
    with running(tmp_path, **venues.environment) as server, server.client() as client:
        assert client.get("/api/brokers/schwab/status").json()["status"] == "login_needed"
        own = environment(server.data_dir, **venues.environment)
        command = [sys.executable, "-m", "fortified", "login", "schwab", "--code", led_to(a_page(venues))]
        subprocess.run(command, cwd=tmp_path, env=own, check=True, capture_output=True, timeout=30)
        answer = client.post("/api/brokers/schwab/refresh")
        assert answer.json()["logged_in"], answer.text
        stored = [path for path in server.data_dir.rglob("*") if path.is_file() and b"sw-" in path.read_bytes()]
        assert stored == []
        assert (server.data_dir / "venue_tokens.key").stat().st_mode & 0o077 == 0


def test_tastytrade_tries_the_grant(run: Command, venues: SimulatedVenues, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run("login", "tastytrade")
    assert (ended.code, ended.err) == (0, "")
    assert "****0001" in ended.out
    assert "5WX00001" not in ended.out
    venues.simulation.tastytrade.credentials = venues.simulation.schwab.credentials.__class__(refresh_token="another")
    refused = run("login", "tastytrade")
    assert refused.code == 1
    assert "refuses to renew the access" in refused.err


@pytest.mark.parametrize(
    ("words", "missing"), [(("schwab",), "SCHWAB_CLIENT_ID and SCHWAB_CLIENT_SECRET"), (("tastytrade",), "TASTY_REFRESH_TOKEN")]
)
def test_without_credentials_it_says_which(run: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str], missing: str) -> None:
    for name in [name for name in os.environ if name.startswith(("TASTY_", "SCHWAB_", "FORTIFIED_BROKERS"))]:
        monkeypatch.delenv(name)
    ended = run("login", *words)
    assert (ended.code, ended.out) == (2, "")
    assert missing in ended.err


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("scripts/get_schwab_tokens.py", "login schwab"),
        ("scripts/refresh_tastytrade_token.py", "login tastytrade"),
        ("scripts/tastytrade_client_credentials.py", "login tastytrade"),
        ("clear_trade_states.py", "state clear"),
    ],
)
def test_scripts_are_other_names_of_commands(script: str, word: str, tmp_path: Path) -> None:
    own = environment(tmp_path / "data")
    command = [sys.executable, str(ROOT / script), "--help"]
    ended = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=True, timeout=30)
    assert f"fortified {word}" in " ".join(ended.stdout.split())
