"""Live mode of a whole server at both simulated brokers, with a person's means: HTTP alone."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.server import Server, free_port, runners, running, until
from tests.integration.simulated_venues import SimulatedVenues, simulated_venues

TICKER = {
    **{"symbol": "/NQ", "strategy": "ema", "timeframe": "1", "trade_enabled": True},
    **{"tastytrade_quantity": 1, "schwab_quantity": 10, "schwab_symbol": "QQQ"},
    # Averages that have no value yet: the strategy says nothing meanwhile.
    **{"trend_line_1": "SMA", "trend_line_2": "SMA", "period_1": 5_000, "period_2": 9_000},
}


def get(client: httpx2.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: httpx2.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def log_in(client: httpx2.Client) -> None:
    """Both brokers, by the documented requests."""
    assert get(client, "/api/brokers/tastytrade/authorize")["accounts"] == ["****0001"]
    page = get(client, "/api/brokers/schwab/authorize")["url"]
    led_to = httpx2.get(page).headers["location"]
    code = httpx2.URL(led_to).params["code"]
    answer = post(client, "/api/brokers/schwab/token", code=code)
    assert answer["logged_in"]
    assert post(client, "/api/brokers/schwab/refresh")["login_expires_at"] == answer["login_expires_at"]


def log_in_by_browser(client: httpx2.Client) -> None:
    """Schwab sends the browser to the server, which knows the log-in by its state, once."""
    led_to = httpx2.get(get(client, "/api/brokers/schwab/authorize")["url"]).headers["location"]
    with httpx2.Client() as browser:
        answer = browser.get(led_to)
        assert (answer.status_code, "Logged in" in answer.text) == (200, True)
        assert browser.get(led_to).status_code == 422


def trade(client: httpx2.Client, venues: SimulatedVenues, action: str, expected: dict[str, str]) -> None:
    """Trigger by hand, and wait until both brokers and the ledger have it."""

    def done() -> bool:
        venues.push(NQ=("20000.00", "19999.75", "20000.25"), QQQ=("500.00", "499.99", "500.01"))
        return venues.held() == expected and all(account["agrees"] for account in get(client, "/api/accounts")) and ledger() == expected

    def ledger() -> dict[str, str]:
        """As the brokers name it: the contract of the future, and plain units."""
        names = {"/NQ": next((symbol for symbol in expected if symbol.startswith("/NQ")), "/NQ")}
        rows = [row for row in get(client, "/api/positions?strategy=ema") if row["side"] != "FLAT"]
        return {names.get(row["symbol"], row["symbol"]): f"{float(row['quantity']):g}" for row in rows}

    outcome = post(client, "/api/ema-manual-trigger", ticker="/NQ", action=action)
    assert outcome["denials"] == []
    assert len(outcome["orders"]) == 2
    until(done, f"{action} at both", 10)


@pytest.mark.timeout(60)
def test_one_signal_trades_at_both_brokers_and_both_sides_agree(tmp_path: Path) -> None:
    port = free_port()
    with simulated_venues(f"http://127.0.0.1:{port}/api/brokers/schwab/callback") as venues:
        server = Server(tmp_path, "--port", str(port), **venues.environment)
        server.port = port
        try:
            with server.start().client() as client:
                _live(client, venues)
            assert server.terminate(10) == 0
            said = server.said()
            assert "no real money is there" in said
            assert "Traceback" not in said
            for secret in ("simulated-secret", "simulated-refresh-token", "C0.simulated", "10000001", "5WX00001"):
                assert secret not in said
        finally:
            server.kill()


def _live(client: httpx2.Client, venues: SimulatedVenues) -> None:
    statuses = {broker["name"]: broker["status"] for broker in get(client, "/api/brokers")}
    assert statuses["schwab"] == "login_needed"
    assert post(client, "/api/tickers", **TICKER)["schwab_symbol"] == "QQQ"
    refused = client.post("/api/start-trading?strategy=ema&live_mode=true")
    assert refused.status_code == 409
    assert "./fortified login schwab" in refused.text
    log_in(client)
    log_in_by_browser(client)
    until(lambda: all(account["ready"] for account in get(client, "/api/accounts")), "both accounts are compared")
    assert {broker["name"]: broker["live"] for broker in get(client, "/api/brokers")} == {
        "schwab": True,
        "tastytrade": True,
        "paper": False,
    }
    post(client, "/api/start-trading?strategy=ema&live_mode=true")

    def sees_prices() -> bool:
        venues.push(NQ=("20000.00", "19999.75", "20000.25"), QQQ=("500.00", "499.99", "500.01"))
        return bool(runners(client)[0]["last_price"] == 20_000.0)

    until(sees_prices, "the runner sees the market")
    assert runners(client)[0]["mode"] == "live"
    [future] = [contract for contract in (venues.simulation.find("/NQ"),) if contract is not None]
    trade(client, venues, "long", {future.symbol: "1", "QQQ": "10"})
    trade(client, venues, "flat", {})
    trades = get(client, "/api/real-trades?strategy=ema")["items"]
    assert sorted((trade["broker"], trade["symbol"], trade["side"]) for trade in trades) == [
        ("schwab", "QQQ", "LONG"),
        ("tastytrade", "/NQ", "LONG"),
    ]
    assert sorted(venues.orders()) == sorted(
        [f"buy 1 {future.symbol}", f"sell 1 {future.symbol}", "buy 10 QQQ", "sell 10 QQQ"],
    )


def test_brokers_that_are_down_keep_no_server_from_starting_and_ending(tmp_path: Path) -> None:
    dead = f"127.0.0.1:{free_port()}"
    own = {"FORTIFIED_BROKERS": "simulated", "TASTY_API_URL": f"http://{dead}", "SCHWAB_API_URL": f"http://{dead}"}
    with running(tmp_path, **own) as server, server.client() as client:
        statuses = {broker["name"]: broker["status"] for broker in get(client, "/api/brokers")}
        assert statuses == {"schwab": "login_needed", "tastytrade": "connecting", "paper": "ready"}
        assert post(client, "/api/tickers", **TICKER)["symbol"] == "/NQ"
        refused = client.post("/api/start-trading?strategy=ema&live_mode=true")
        assert refused.status_code == 409
        assert any("live:tastytrade was not compared" in reason for reason in refused.json()["reasons"])
        answer = client.get("/api/brokers/tastytrade/authorize")
        assert (answer.status_code, answer.json()["code"]) == (502, "venue_error")
        assert server.terminate(10) == 0
        assert "Traceback" not in server.said()


@pytest.mark.parametrize("name", ["TASTY_CLIENT_SECRET", "SCHWAB_CLIENT_ID"])
def test_real_credentials_and_simulated_brokers_are_never_mixed(tmp_path: Path, name: str) -> None:
    server = Server(tmp_path, FORTIFIED_BROKERS="simulated", **{name: "hunter2"})
    try:
        assert server.launch().process.wait(20) == 2
        assert f"never mixed with real credentials; unset {name}" in server.said()
        assert "hunter2" not in server.said()
    finally:
        server.kill()
