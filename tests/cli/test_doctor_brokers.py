"""`fortified doctor`: what it says of brokers."""

import json
from collections.abc import Iterator

import pytest
from tests.cli.conftest import Command
from tests.cli.test_login import a_page, led_to
from tests.integration.simulated_venues import SimulatedVenues, simulated_venues

from fortified.simulators.faults import Kind

type Findings = dict[str, tuple[str, str]]


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedVenues]:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setattr("fortified.cli.doctor_brokers.PROBE_S", 0.2)
    with simulated_venues("https://127.0.0.1:8182/callback") as venues:
        for name, value in venues.environment.items():
            monkeypatch.setenv(name, value)
        yield venues


def findings(run: Command) -> Findings:
    ended = run("doctor", "--json")
    found = {finding["check"]: (finding["state"], finding["text"]) for finding in json.loads(ended.out)}
    assert ended.code == int(any(state == "bad" for state, _ in found.values()))
    for secret in ("simulated-secret", "simulated-refresh-token", "5WX00001", "10000001"):
        assert secret not in ended.out + ended.err
    return found


def test_all_is_well_once_somebody_is_logged_in(run: Command, venues: SimulatedVenues) -> None:
    found = findings(run)
    assert found["schwab log-in"] == ("bad", "nobody is logged in; ./fortified login schwab")
    assert "schwab account" not in found
    assert run("login", "schwab", "--code", led_to(a_page(venues))).code == 0
    found = findings(run)
    assert found["brokers"][0] == "note"
    assert found["schwab log-in"] == ("ok", "good for 6 d 23 h more")
    assert found["schwab account"] == ("ok", "…0001: nothing is restricted")
    assert found["tastytrade log-in"] == ("ok", "the refresh grant works; accounts: ****0001")
    assert found["tastytrade account"] == ("ok", "****0001: nothing is restricted")
    assert found["tastytrade market data"] == ("ok", "live")
    assert found["tastytrade prints"][0] == "note"


def test_restrictions_and_delayed_data_are_told(run: Command, venues: SimulatedVenues) -> None:
    venues.simulation.tastytrade.restrictions = {"is-frozen": True}
    venues.simulation.tastytrade.level = "demo"
    found = findings(run)
    assert found["tastytrade account"] == ("bad", "****0001: TastyTrade has frozen the account.")
    state, text = found["tastytrade market data"]
    assert state == "bad"
    assert "live starts are refused" in text


def test_credentials_that_are_refused(run: Command, venues: SimulatedVenues) -> None:
    venues.simulation.tastytrade_faults.always("POST /oauth/token", Kind.STATUS)
    state, text = findings(run)["tastytrade log-in"]
    assert state == "bad"
    assert "did not renew the access" in text


@pytest.mark.parametrize(
    ("name", "check", "word"),
    [
        ("TASTY_CLIENT_SECRET", "tastytrade log-in", "TASTY_REFRESH_TOKEN"),
        ("TASTY_ACCOUNT_ID", "tastytrade log-in", "TASTY_CLIENT_SECRET"),
        ("SCHWAB_CLIENT_ID", "schwab log-in", "SCHWAB_CLIENT_SECRET"),
    ],
)
def test_half_a_configuration_is_bad_and_says_the_other_half(
    run: Command, monkeypatch: pytest.MonkeyPatch, name: str, check: str, word: str
) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv(name, "x")
    state, text = findings(run)[check]
    assert state == "bad"
    assert word in text
