"""Brokers: how they stand, and logging in."""

import httpx2
import pytest
from tests.api.conftest import Login
from tests.api.fakes import NOON, NS, FakeAccess, FakeKeeper, FakeManager, an_account

from fortified.domain.venue import AccountStanding
from fortified.ports.venue_access import AccessState

pytestmark = pytest.mark.anyio
HOUR = 3_600 * NS
ENDS = "2025-01-01T13:00:00.000000Z"


@pytest.fixture
def logged_in(access: FakeAccess) -> FakeAccess:
    access.known = {
        "schwab": AccessState("schwab", True, True, "Logged in for 1 h 0 min more.", NOON + HOUR, ("It ends in 1 h 0 min.",)),
        "tastytrade": AccessState("tastytrade", True, True, "The refresh grant works.", accounts=("****6827",)),
    }
    return access


async def brokers(client: httpx2.AsyncClient) -> dict[str, dict[str, object]]:
    answer = await client.get("/api/brokers")
    assert answer.status_code == 200, answer.text
    return {broker["name"]: broker for broker in answer.json()}


async def test_without_credentials_the_answers_say_what_is_missing(admin: httpx2.AsyncClient) -> None:
    found = await brokers(admin)
    assert {name: broker["status"] for name, broker in found.items()} == {
        "schwab": "not_configured",
        "tastytrade": "not_configured",
        "paper": "ready",
    }
    assert "SCHWAB_CLIENT_ID" in str(found["schwab"]["detail"])
    for method, action, body in (("GET", "authorize", None), ("POST", "token", {"code": "AUTH_CODE"}), ("POST", "refresh", None)):
        answer = await admin.request(method, f"/api/brokers/schwab/{action}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "refused")
        assert "SCHWAB_CLIENT_ID" in answer.json()["reasons"][0]
        assert (await admin.request(method, f"/api/brokers/nope/{action}", json=body)).status_code == 404
        paper = await admin.request(method, f"/api/brokers/paper/{action}", json=body)
        assert (paper.status_code, "live_mode=false" in paper.text) == (409, True)
    assert (await admin.get("/api/brokers/paper/status")).json()["status"] == "ready"
    assert (await admin.get("/api/brokers/nope/status")).status_code == 404


async def test_a_broker_goes_from_log_in_to_ready(admin: httpx2.AsyncClient, manager: FakeManager, logged_in: FakeAccess) -> None:
    standing = AccountStanding("****6827", (), ("The account is in a margin call.",))
    keeper = manager.keepers["live:schwab"] = FakeKeeper(an_account("live:schwab", connected=False, ready=False))
    logged_in.known["schwab"] = AccessState("schwab", True, False, "Nobody is logged in.")
    assert (await brokers(admin))["schwab"]["status"] == "login_needed"
    logged_in.known["schwab"] = AccessState("schwab", True, True, "Logged in.", NOON + HOUR, ("It ends soon.",))
    assert (await brokers(admin))["schwab"]["status"] == "connecting"
    keeper.known = an_account("live:schwab", standing=standing, refusals=("live:schwab: frozen",))
    blocked = (await brokers(admin))["schwab"]
    assert (blocked["status"], blocked["live"], blocked["refusals"]) == ("blocked", False, ["live:schwab: frozen"])
    keeper.known = an_account("live:schwab", standing=standing)
    ready = (await admin.get("/api/brokers/schwab/status")).json()
    assert (ready["status"], ready["live"], ready["account"]) == ("ready", True, "****6827")
    assert (ready["login_expires_at"], ready["login_expires_in_s"]) == (ENDS, 3_600)
    assert ready["warnings"] == ["It ends soon.", "The account is in a margin call."]


async def test_the_log_in_of_schwab(admin: httpx2.AsyncClient, logged_in: FakeAccess) -> None:
    begun = await admin.get("/api/brokers/schwab/authorize")
    assert begun.json() == {"url": "https://login.example/authorize?state=s1", "expires_at": "2025-01-01T12:10:00.000000Z"}
    done = await admin.post("/api/brokers/schwab/token", json={"code": "AUTH_CODE", "state": "s1"})
    assert (done.json()["logged_in"], done.json()["login_expires_at"]) == (True, ENDS)
    assert logged_in.finished == [("AUTH_CODE", "s1", False)]
    assert (await admin.post("/api/brokers/schwab/refresh")).json()["name"] == "schwab"
    assert (await admin.post("/api/brokers/schwab/token", json={"code": ""})).status_code == 422


async def test_tastytrade_needs_no_page(admin: httpx2.AsyncClient, logged_in: FakeAccess) -> None:
    for method, action in (("GET", "authorize"), ("POST", "refresh")):
        answer = await admin.request(method, f"/api/brokers/tastytrade/{action}")
        assert answer.json()["accounts"] == ["****6827"]


async def test_a_refused_refresh_is_told(admin: httpx2.AsyncClient, logged_in: FakeAccess) -> None:
    logged_in.known["schwab"] = AccessState("schwab", True, False, "Nobody is logged in.")
    answer = await admin.post("/api/brokers/schwab/refresh")
    assert (answer.status_code, answer.json()["code"]) == (502, "venue_error")
    assert "Log in again" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/brokers/schwab/callback", "/registered/callback"])
async def test_the_browser_comes_back_without_a_token_and_with_a_state(
    client: httpx2.AsyncClient, logged_in: FakeAccess, path: str
) -> None:
    done = await client.get(f"{path}?code=C0.abc%40&session=x&state=s1")
    assert (done.status_code, "Logged in at Charles Schwab" in done.text) == (200, True)
    assert logged_in.finished == [("?code=C0.abc%40&session=x&state=s1", None, True)]
    strange = await client.get(f"{path}?code=C0.abc%40&state=other")
    assert (strange.status_code, strange.json()["code"]) == (422, "invalid_input")
    assert "C0.abc" not in strange.text


async def test_viewers_read_and_traders_act(login: Login, client: httpx2.AsyncClient, logged_in: FakeAccess) -> None:
    viewer = await login("viewer")
    assert (await viewer.get("/api/brokers")).status_code == 200
    for method, action in (("GET", "authorize"), ("POST", "token"), ("POST", "refresh")):
        answer = await viewer.request(method, f"/api/brokers/schwab/{action}", json={"code": "AUTH_CODE"})
        assert answer.status_code == 403
    assert (await client.get("/api/brokers")).status_code == 401
    assert (await (await login("trader")).get("/api/brokers/schwab/authorize")).status_code == 200
