"""The keeper of a venue's access token: early, once, written down, and quiet about it."""

import asyncio

import pytest
from rich.pretty import pretty_repr
from tests.adapters.venue_server import Answer, ManualClock, venue_server

from fortified.adapters.oauth import Answer as Granted
from fortified.adapters.oauth import TokenKeeper, ask
from fortified.adapters.pacing import Pacer
from fortified.adapters.transport import BrokerTransport
from fortified.domain.errors import AuthExpired, ConfigError, FortifiedError, RateLimited, StoreUnavailable, VenueUnavailable
from fortified.ports import VenueTokens
from fortified.storage.tokens import MemoryTokens

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-value"


class Venue:
    """Grants tokens of 900 s, or raises ``error``."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.grants = clock, 0
        self.error: FortifiedError | None = None

    async def grant(self, _: VenueTokens | None) -> VenueTokens:
        self.grants += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return VenueTokens(f"token-{self.grants}", self.clock.now_ns() + 900 * 10**9)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def venue(clock: ManualClock) -> Venue:
    return Venue(clock)


async def test_a_hundred_who_ask_at_once_cause_one_grant(venue: Venue, clock: ManualClock) -> None:
    keeper = TokenKeeper("venue", venue.grant, clock=clock)
    assert set(await asyncio.gather(*(keeper.token() for _ in range(100)))) == {"token-1"}
    assert venue.grants == 1


async def test_a_token_is_renewed_before_its_end_and_not_earlier(venue: Venue, clock: ManualClock) -> None:
    keeper = TokenKeeper("venue", venue.grant, clock=clock, early_s=60)
    await keeper.token()
    clock.pass_s(839)
    assert await keeper.token() == "token-1"
    clock.pass_s(1)
    assert await keeper.token() == "token-2"


async def test_while_a_token_is_good_a_failed_renewal_harms_nobody_and_is_not_repeated_at_once(venue: Venue, clock: ManualClock) -> None:
    keeper = TokenKeeper("venue", venue.grant, clock=clock, pause_s=5)
    await keeper.token()
    venue.error = VenueUnavailable("away")
    clock.pass_s(850)
    assert [await keeper.token() for _ in range(10)] == ["token-1"] * 10
    assert venue.grants == 2
    clock.pass_s(60)
    with pytest.raises(VenueUnavailable, match="away"):
        await keeper.token()
    venue.error = None
    clock.pass_s(5)
    assert await keeper.token() == "token-4"


async def test_a_refused_grant_is_not_hammered_until_somebody_logs_in(venue: Venue, clock: ManualClock) -> None:
    keeper = TokenKeeper("venue", venue.grant, clock=clock, hold_off_s=300)
    venue.error = AuthExpired("refused")
    for _ in range(50):
        with pytest.raises(AuthExpired):
            await keeper.token()
    assert venue.grants == 1
    clock.pass_s(300)
    with pytest.raises(AuthExpired):
        await keeper.token()
    assert venue.grants == 2
    await keeper.put(VenueTokens("logged-in", clock.now_ns() + 900 * 10**9))
    assert await keeper.token() == "logged-in"


async def test_a_rejected_token_is_given_out_no_more(venue: Venue, clock: ManualClock) -> None:
    keeper = TokenKeeper("venue", venue.grant, clock=clock)
    keeper.reject(await keeper.token())
    assert set(await asyncio.gather(*(keeper.token() for _ in range(9)))) == {"token-2"}
    keeper.reject("token-1")  # an answer that was late: the token is another by now
    assert await keeper.token() == "token-2"


async def test_a_restarted_process_goes_on_with_the_stored_token(venue: Venue, clock: ManualClock) -> None:
    store = MemoryTokens()
    await TokenKeeper("venue", venue.grant, clock=clock, store=store).token()
    assert await TokenKeeper("venue", venue.grant, clock=clock, store=store).token() == "token-1"
    other = TokenKeeper("venue", venue.grant, clock=clock, store=store, stored_as="venue:other")
    assert await other.token() == "token-2"


async def test_a_log_in_beside_us_is_seen_even_while_we_hold_off(venue: Venue, clock: ManualClock) -> None:
    store = MemoryTokens()
    keeper = TokenKeeper("venue", venue.grant, clock=clock, store=store)
    venue.error = AuthExpired("refused")
    with pytest.raises(AuthExpired):
        await keeper.token()
    await store.put_tokens("venue", VenueTokens("beside", clock.now_ns() + 900 * 10**9))
    assert await keeper.token() == "beside"


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ConfigError("another key")])
async def test_a_store_that_cannot_be_read_or_written_does_not_stop_trading(
    venue: Venue, clock: ManualClock, error: FortifiedError
) -> None:
    class Broken(MemoryTokens):
        async def tokens(self, venue: str) -> VenueTokens | None:
            raise error

        async def put_tokens(self, venue: str, tokens: VenueTokens) -> None:
            if isinstance(error, StoreUnavailable):
                raise error

    assert await TokenKeeper("venue", venue.grant, clock=clock, store=Broken()).token() == "token-1"


def test_no_repr_shows_a_token() -> None:
    for value in (VenueTokens(SECRET, 1, SECRET, 2), Granted(SECRET, 900, SECRET)):
        assert SECRET not in repr(value) + str(value) + pretty_repr(value) + f"{[value]}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(400, {"error": "invalid_grant", "error_description": f"{SECRET} is not valid"}), AuthExpired),
        (Answer(401, {"error": {"code": "invalid_credentials", "message": SECRET}}), AuthExpired),
        (Answer(403, b"no json"), AuthExpired),
        (Answer(429), RateLimited),
        (Answer(404), VenueUnavailable),
        (Answer(503), VenueUnavailable),
        (Answer(cut="before"), VenueUnavailable),
        (Answer(200, b"<html>"), VenueUnavailable),
        (Answer(200, {"access_token": [SECRET], "expires_in": 900}), VenueUnavailable),
        (Answer(200, {"expires_in": 900}), VenueUnavailable),
        (Answer(200, {"access_token": f"{SECRET}\r\nX-Odd: 1", "expires_in": 900}), VenueUnavailable),
        (Answer(200, {"access_token": f"{SECRET}é", "expires_in": 900}), VenueUnavailable),
    ],
)
async def test_what_a_token_endpoint_says_becomes_one_of_our_errors_without_its_secrets(answer: Answer, error: type[Exception]) -> None:
    async with venue_server(lambda _: answer) as server:
        transport = BrokerTransport(server.url, venue="Venue", headers={}, pacer=Pacer({}))
        with pytest.raises(error) as raised:
            await ask(transport, "/oauth/token", json={"refresh_token": SECRET})
        await transport.close()
    assert SECRET not in str(raised.value)
    assert len(server.received) == 1


async def test_a_grant_is_asked_for_as_json_or_as_a_form() -> None:
    granted = Answer(200, {"access_token": "a", "token_type": "Bearer", "expires_in": "900", "scope": None})
    async with venue_server(lambda _: granted) as server:
        transport = BrokerTransport(server.url, venue="Venue", headers={}, pacer=Pacer({}))
        first = await ask(transport, "/oauth/token", json={"grant_type": "refresh_token"})
        await ask(transport, "/oauth/token", form={"code": "C0.a/b@"}, headers={"Authorization": "Basic abc"})
        await transport.close()
    assert (first.access_token, first.expires_in) == ("a", 900)
    as_json, as_form = server.received
    assert as_json.json == {"grant_type": "refresh_token"}
    assert (as_form.body, as_form.headers["authorization"]) == (b"code=C0.a%2Fb%40", "Basic abc")
