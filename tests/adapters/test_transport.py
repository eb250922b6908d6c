"""What the end of a request to a venue means, over real sockets: repeated, definite, or unclear."""

import socket
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.venue_server import Answer, ManualTime, Received, Script, venue_server

from fortified.adapters.pacing import GLOBAL, Backoff, Pacer, Rate
from fortified.adapters.transport import Accepted, BrokerTransport, NotSent, Refused, Unknown
from fortified.domain.errors import AuthExpired, ConfigError, RateLimited, VenueUnavailable

pytestmark = pytest.mark.anyio


class Tokens:
    """Gives ``old``, and after it was rejected ``new``."""

    def __init__(self, error: Exception | None = None) -> None:
        self.current, self.error = "old", error
        self.rejected: list[str] = []

    async def token(self) -> str:
        if self.error is not None:
            raise self.error
        return self.current

    def reject(self, token: str) -> None:
        self.rejected.append(token)
        self.current = "new"


def transport(url: str, *, tokens: Tokens | None = None, time: ManualTime | None = None, timeout_s: float = 5.0) -> BrokerTransport:
    time = time or ManualTime()
    pacer = Pacer({}, monotonic=time.monotonic, sleep=time.sleep)
    return BrokerTransport(
        url,
        venue="Venue",
        headers={"User-Agent": "fortified/1"},
        pacer=pacer,
        tokens=tokens,
        timeout_s=timeout_s,
        sleep=time.sleep,
        chance=lambda: 1.0,
    )


def script(answers: Sequence[Answer]) -> Script:
    """One answer after the other; the last one for ever."""
    left: Iterator[Answer] = iter([*answers, *[answers[-1]] * 20])
    return lambda _: next(left)


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (Answer(200, {"data": {}}), Accepted, 200),
        (Answer(201), Accepted, 201),
        (Answer(400), Refused, 400),
        (Answer(401), Refused, 401),
        (Answer(403), Refused, 403),
        (Answer(404), Refused, 404),
        (Answer(422, {"error": {}}), Refused, 422),
        (Answer(429), Refused, 429),
        (Answer(302), Unknown, 302),
        (Answer(408), Unknown, 408),
        (Answer(500), Unknown, 500),
        (Answer(502), Unknown, 502),
        (Answer(503), Unknown, 503),
        (Answer(cut="before"), Unknown, None),
        (Answer(body=b"{" * 64, cut="middle"), Unknown, None),
        (Answer(body=b"never", hang=True), Unknown, None),
        (Answer(200, b"no gzip", {"Content-Encoding": "gzip"}), Unknown, None),
    ],
)
async def test_a_request_that_changes_something_is_sent_once_and_its_end_is_classified(
    answer: Answer, outcome: type, status: int | None
) -> None:
    async with venue_server(lambda _: answer) as venue:
        client = transport(venue.url, timeout_s=0.2 if answer.hang else 5.0)
        found = await client.send("POST", "/orders", route="orders", json={"price": "1"})
        await client.close()
    assert isinstance(found, outcome)
    assert getattr(found, "status", None) == status
    assert len(venue.received) == 1
    assert venue.received[0].json == {"price": "1"}


async def test_a_connection_that_is_refused_proves_that_nothing_was_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = transport(f"http://127.0.0.1:{taken.getsockname()[1]}")
        found = await client.send("POST", "/orders", route="orders", json={})
        with pytest.raises(VenueUnavailable, match="not reached"):
            await client.get("/orders", route="orders")
        await client.close()
    assert isinstance(found, NotSent)
    assert isinstance(found.error, VenueUnavailable)


@pytest.mark.parametrize("error", [AuthExpired("log in"), VenueUnavailable("no token")])
async def test_without_a_token_nothing_is_sent(error: Exception) -> None:
    async with venue_server(lambda _: Answer()) as venue:
        client = transport(venue.url, tokens=Tokens(error))
        assert await client.send("DELETE", "/orders/1", route="orders") == NotSent(error)  # type: ignore[arg-type]  # both are ours
        await client.close()
    assert venue.received == []


async def test_a_refused_token_is_replaced_for_reads_only() -> None:
    def said(received: Received) -> Answer:
        return Answer(200 if received.headers["authorization"] == "Bearer new" else 401)

    async with venue_server(said) as venue:
        reads, sends = Tokens(), Tokens()
        reading, sending = transport(venue.url, tokens=reads), transport(venue.url, tokens=sends)
        assert isinstance(await reading.get("/accounts", route="accounts"), Accepted)
        assert reads.rejected == ["old"]
        assert isinstance(await sending.send("POST", "/orders", route="orders", json={}), Refused)
        assert sends.rejected == ["old"]
        await reading.close()
        await sending.close()
    assert venue.lines() == ["GET /accounts", "GET /accounts", "POST /orders"]


async def test_a_fresh_token_that_is_refused_too_asks_for_a_log_in() -> None:
    async with venue_server(lambda _: Answer(401)) as venue:
        client = transport(venue.url, tokens=Tokens())
        with pytest.raises(AuthExpired, match="Log in again"):
            await client.get("/accounts/5WX00001/orders", route="orders")
        await client.close()
    assert len(venue.received) == 2


async def test_a_read_is_repeated_with_growing_pauses_until_it_is_answered() -> None:
    time = ManualTime()
    async with venue_server(script([Answer(503), Answer(cut="before"), Answer(200, b"7")])) as venue:
        client = transport(venue.url, time=time)
        found = await client.get("/balances", route="balances", params=(("a[]", "1"), ("b", "/ES")))
        await client.close()
    assert isinstance(found, Accepted)
    assert found.body == b"7"
    assert time.slept == [0.25, 0.5]
    assert [received.query for received in venue.received] == [{"a[]": "1", "b": "/ES"}] * 3


async def test_a_read_gives_up_after_its_attempts_and_names_no_account() -> None:
    async with venue_server(lambda _: Answer(500)) as venue:
        client = transport(venue.url)
        with pytest.raises(VenueUnavailable, match="HTTP 500") as raised:
            await client.get("/accounts/5WX00001/balances", route="balances")
        await client.close()
    assert len(venue.received) == 4
    assert "5WX00001" not in str(raised.value)


async def test_a_definite_no_is_not_asked_again() -> None:
    async with venue_server(lambda _: Answer(404, {"error": {}})) as venue:
        client = transport(venue.url)
        found = await client.get("/orders/1", route="orders")
        await client.close()
    assert isinstance(found, Refused)
    assert len(venue.received) == 1


async def test_too_many_requests_hold_the_route_for_as_long_as_is_asked() -> None:
    time = ManualTime()
    async with venue_server(script([Answer(429, headers={"Retry-After": "7"}), Answer(200)])) as venue:
        client = transport(venue.url, time=time)
        await client.get("/positions", route="positions")
        await client.close()
    assert time.slept == [7.0]
    async with venue_server(lambda _: Answer(429)) as venue:
        client = transport(venue.url)
        with pytest.raises(RateLimited):
            await client.get("/positions", route="positions")
        await client.close()
    assert len(venue.received) == 4


async def test_a_token_that_fits_no_header_is_not_told() -> None:
    tokens = Tokens()
    tokens.current = "s3cr3t\nX-Odd: 1"
    async with venue_server(lambda _: Answer()) as venue:
        client = transport(venue.url, tokens=tokens)
        found = await client.send("POST", "/orders", route="orders", json={})
        await client.close()
    assert isinstance(found, Unknown)
    assert "s3cr3t" not in found.reason
    assert venue.received == []


def test_an_address_that_is_none_is_a_setting_to_correct() -> None:
    with pytest.raises(ConfigError, match="https://host"):
        transport("http://[::1")


async def test_a_slash_in_a_symbol_stays_one_part_of_the_path() -> None:
    async with venue_server(lambda _: Answer()) as venue:
        client = transport(venue.url)
        await client.get("/instruments/equities/BRK%2FB", route="equities")
        await client.close()
    assert venue.lines() == ["GET /instruments/equities/BRK%2FB"]


async def test_the_pacer_lets_a_burst_through_and_then_keeps_the_rate() -> None:
    time = ManualTime()
    pacer = Pacer({"orders": Rate(2, burst=3)}, monotonic=time.monotonic, sleep=time.sleep)
    for _ in range(5):
        await pacer.pass_through("orders")
    assert time.slept == [0.5, 0.5]
    await pacer.pass_through("positions")  # a route without a rate is not held up
    assert time.slept == [0.5, 0.5]


async def test_who_would_wait_too_long_is_refused_and_takes_no_turn() -> None:
    time = ManualTime()
    pacer = Pacer({"positions": Rate(0.5)}, wait_limit_s=3, monotonic=time.monotonic, sleep=time.sleep)
    pacer.hold("positions", 10)
    with pytest.raises(RateLimited, match="Ask less often"):
        await pacer.pass_through("positions")
    time.now += 10
    await pacer.pass_through("positions")
    assert time.slept == []


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=60), st.integers(1, 5))
async def test_no_second_sees_more_than_the_rate_and_the_burst(pauses: list[float], burst: int) -> None:
    time = ManualTime()
    pacer = Pacer({GLOBAL: Rate(4, burst=burst)}, wait_limit_s=1000, monotonic=time.monotonic, sleep=time.sleep)
    passed: list[float] = []
    for pause in pauses:
        time.now += pause
        await pacer.pass_through("any")
        passed.append(time.now)
    assert all(sum(start <= at < start + 0.999 for at in passed) <= 4 + burst for start in passed)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_a_back_off_is_capped_and_never_below_half(attempt: int, chance: float) -> None:
    full = min(8.0, 0.25 * 2.0 ** min(attempt, 32))
    assert full / 2 <= Backoff().delay(attempt, chance) <= full <= 8
