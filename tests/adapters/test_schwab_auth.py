"""Logging in at Schwab: the code out of what a person pastes, the seven days, and what the venue's refusals mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.adapters.schwab_desk import MONDAY, Tokens, connection, logged_in
from tests.adapters.venue_server import Answer, ManualClock, Received, venue_server

from fortified.adapters.pacing import Pacer
from fortified.adapters.schwab.auth import REFRESH_LIFE_NS, App, Expiry, SchwabLogin, authorize_url, code_of
from fortified.adapters.transport import BrokerTransport
from fortified.domain.errors import AuthExpired, ConfigError, FortifiedError, RateLimited, VenueUnavailable
from fortified.ports import VenueTokens
from fortified.simulators.feed import ManualClock as SimulatedClock
from fortified.simulators.server import Simulation

HOUR = 3600 * 10**9
APP = App("client-1", "s3cr3t", "https://127.0.0.1:8182/callback")
CODE = "C0.b2F1dGgy-Xy_1.abc@"
REDIRECT = "https://127.0.0.1:8182/callback?code=C0.b2F1dGgy-Xy_1.abc%40&session=5d5a&state=st4te"


# --- the page and the code ---


def test_the_page_has_the_application_the_address_and_the_state() -> None:
    url = urlsplit(authorize_url("https://api.schwabapi.com/", APP, "a b&c"))
    assert (url.netloc, url.path) == ("api.schwabapi.com", "/v1/oauth/authorize")
    assert parse_qs(url.query) == {
        "response_type": ["code"],
        "client_id": ["client-1"],
        "redirect_uri": ["https://127.0.0.1:8182/callback"],
        "state": ["a b&c"],
    }


@pytest.mark.parametrize(
    "pasted",
    [REDIRECT, f"  '{REDIRECT}' \n", REDIRECT.partition("?")[2], REDIRECT.replace("&state=st4te", ""), CODE, CODE.replace("@", "%40")],
)
def test_the_code_is_found_in_whatever_is_pasted(pasted: str) -> None:
    assert code_of(pasted) == CODE


def test_a_state_must_be_the_one_of_this_log_in() -> None:
    assert code_of(REDIRECT, "st4te") == CODE
    with pytest.raises(ConfigError, match="another log-in"):
        code_of(REDIRECT, "other")
    with pytest.raises(ConfigError, match="another log-in"):
        code_of(REDIRECT.replace("&state=st4te", ""), "st4te")


@pytest.mark.parametrize(
    "pasted", ["", "hello", "https://127.0.0.1:8182/callback", "https://127.0.0.1/?code=", "two words of it", "x" * 3000]
)
def test_what_holds_no_code_is_refused_with_the_way_to_mend_it(pasted: str) -> None:
    with pytest.raises(ConfigError, match="Paste the whole address"):
        code_of(pasted)


def test_a_log_in_that_was_refused_at_the_page_says_so() -> None:
    with pytest.raises(AuthExpired, match="access_denied"):
        code_of("https://127.0.0.1:8182/callback?error=access_denied")


# --- the seven days ---


@pytest.mark.parametrize(
    ("left", "due", "countdown"),
    [
        (7 * 24, None, "7 d 0 h"),
        (48.01, None, "2 d 0 h"),
        (48, 48, "2 d 0 h"),
        (25, 48, "1 d 1 h"),
        (23.5, 24, "23 h 30 min"),
        (1.5, 2, "1 h 30 min"),
    ],
)
def test_warnings_are_due_at_48_24_and_2_hours(left: float, due: int | None, countdown: str) -> None:
    expiry, now = Expiry(MONDAY), MONDAY - round(left * HOUR)
    assert (expiry.warned_hours(now), expiry.countdown(now)) == (due, countdown)
    assert (expiry.warning(now) is None) == (due is None)


def test_a_log_in_that_is_over_says_how_to_go_on() -> None:
    expiry = Expiry(MONDAY)
    assert (expiry.warned_hours(MONDAY), expiry.left_ns(MONDAY + 1), expiry.countdown(MONDAY)) == (0, 0, "0 min")
    assert "./fortified login schwab" in (expiry.warning(MONDAY) or "")


# --- the token endpoint ---


@asynccontextmanager
async def login(answer: Answer, now_ns: int = MONDAY) -> AsyncIterator[tuple[SchwabLogin, list[Received]]]:
    """A log-in whose every request gets ``answer``, and the requests."""
    async with venue_server(lambda _: answer) as venue:
        transport = BrokerTransport(venue.url, venue="Schwab", headers={}, pacer=Pacer({}))
        yield SchwabLogin(transport, APP, ManualClock(now_ns)), venue.received
        await transport.close()


GRANTED = Answer(200, {"access_token": "acc", "refresh_token": "ref", "expires_in": 1800, "token_type": "Bearer", "id_token": "x"})


@pytest.mark.anyio
async def test_a_code_becomes_tokens_for_seven_days() -> None:
    async with login(GRANTED) as (ours, asks):
        tokens = await ours.exchange(REDIRECT, "st4te")
    (asked,) = asks
    assert (asked.line, asked.headers["authorization"]) == ("POST /v1/oauth/token", "Basic Y2xpZW50LTE6czNjcjN0")
    assert parse_qs(asked.body.decode()) == {"grant_type": ["authorization_code"], "code": [CODE], "redirect_uri": [APP.redirect_uri]}
    assert tokens == VenueTokens("acc", MONDAY + 1800 * 10**9, "ref", MONDAY + REFRESH_LIFE_NS)


@pytest.mark.anyio
async def test_a_refresh_does_not_prolong_the_seven_days() -> None:
    old = VenueTokens("old", MONDAY, "ref", MONDAY + REFRESH_LIFE_NS)
    async with login(GRANTED, MONDAY + HOUR) as (ours, asks):
        tokens = await ours.refresh(old)
    assert parse_qs(asks[0].body.decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["ref"]}
    assert (tokens.access_token, tokens.ts_refresh_expires) == ("acc", MONDAY + REFRESH_LIFE_NS)


@pytest.mark.anyio
@pytest.mark.parametrize("tokens", [None, VenueTokens("a", 0), VenueTokens("a", 0, "ref", MONDAY)])
async def test_without_a_log_in_that_holds_nothing_is_asked(tokens: VenueTokens | None) -> None:
    async with login(GRANTED) as (ours, asks):
        with pytest.raises(AuthExpired, match="fortified login schwab"):
            await ours.refresh(tokens)
    assert not asks


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(400, {"error": "unsupported_token_type", "error_description": "400"}), AuthExpired, "seven days"),
        (Answer(400, {"error_description": "refresh_token_authentication_error"}), AuthExpired, "seven days"),
        (Answer(401, {"error": "invalid_client"}), AuthExpired, "SCHWAB_CLIENT_ID"),
        (Answer(400, {"error": "invalid_request", "error_description": "redirect_uri mismatch"}), AuthExpired, "SCHWAB_REDIRECT_URI"),
        (Answer(400, {"error": "invalid_grant"}), AuthExpired, "30 seconds"),
        (Answer(429), RateLimited, "less often"),
        (Answer(503), VenueUnavailable, "no answer"),
        (Answer(cut="before"), VenueUnavailable, "no answer"),
        (Answer(200, b"<html>"), VenueUnavailable, "cannot be read"),
        (Answer(200, {"token_type": "Bearer"}), VenueUnavailable, "cannot be read"),
    ],
)
async def test_a_refusal_is_told_with_its_cure_and_without_secrets(answer: Answer, error: type[FortifiedError], text: str) -> None:
    tokens = VenueTokens("old-acc", 0, "old-ref", MONDAY + HOUR)
    async with login(answer) as (ours, asks):
        with pytest.raises(error, match=text) as caught:
            await ours.refresh(tokens)
    assert not [secret for secret in ("old-acc", "old-ref", "s3cr3t") if secret in str(caught.value)]
    assert "s3cr3t" not in repr(APP)
    assert len(asks) == 1


# --- the whole way ---


@pytest.fixture
async def simulation() -> AsyncIterator[Simulation]:
    async with Simulation(SimulatedClock(MONDAY), venues=("schwab",)) as running:
        yield running


def clock_of(simulation: Simulation) -> SimulatedClock:
    assert isinstance(simulation.clock, SimulatedClock)
    return simulation.clock


@pytest.mark.anyio
async def test_a_person_logs_in_and_is_asked_again_after_seven_days(simulation: Simulation) -> None:
    store, clock = Tokens(), clock_of(simulation)
    ours = connection(simulation, clock, store)
    assert await ours.expiry() is None
    with pytest.raises(AuthExpired, match="Nobody is logged in"):
        await ours.client.account_numbers()
    async with httpx2.AsyncClient(trust_env=False) as browser:
        page = await browser.get(ours.authorize_url("st4te"))
    expiry = await ours.log_in(page.headers["location"], "st4te")
    assert expiry == await ours.expiry() == Expiry(MONDAY + REFRESH_LIFE_NS)
    assert store.held is not None
    assert len(await ours.client.account_numbers()) == 1
    clock.advance(3 * 86_400)
    assert len(await ours.client.account_numbers()) == 1
    clock.advance(4 * 86_400)
    with pytest.raises(AuthExpired, match="seven days"):
        await ours.client.account_numbers()
    assert (expiry.warning(clock.now_ns()) or "").startswith("Schwab's log-in has expired")
    await ours.close()


@pytest.mark.anyio
async def test_tokens_that_another_process_got_are_taken_over(simulation: Simulation) -> None:
    store, clock = Tokens(logged_in(simulation)), clock_of(simulation)
    server, command_line = connection(simulation, clock, store), connection(simulation, clock, store)
    await server.client.account_numbers()
    clock.advance(3600)
    async with httpx2.AsyncClient(trust_env=False) as browser:
        page = await browser.get(command_line.authorize_url("s"))
    await command_line.log_in(page.headers["location"])
    assert store.held is not None
    assert await server.keeper.token() == store.held.access_token
    assert await server.expiry() == await command_line.expiry()
    for one in (server, command_line):
        await one.close()
