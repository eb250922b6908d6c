"""TastyTrade's account streamer: the protocol alone, then over a real WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.adapters.tasty_fake import ACCOUNT, SAMPLES, FakeVenue, fake_venue, raw_order, sample

from fortified.adapters.pacing import Backoff
from fortified.adapters.tastytrade.account_socket import AccountSocket, WakeUps
from fortified.adapters.tastytrade.account_stream import AccountStream, Connected, Ignored, Notice, Refusal
from fortified.domain.errors import AuthExpired, VenueUnavailable
from fortified.domain.order import OrderStatus
from fortified.domain.venue import WakeUp

pytestmark = pytest.mark.anyio
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the venue are not beside the project")


def same(symbol: str, _: int | None) -> str:
    return symbol


def stream(account: str = ACCOUNT) -> AccountStream:
    return AccountStream(account, same, now=0.0, heartbeat_s=20, silence_s=50)


# --- the protocol ---


def test_each_message_has_the_token_of_its_moment_and_a_number() -> None:
    one = stream()
    assert json.loads(one.connect("first", 1.0)) == {
        "action": "connect",
        "value": [ACCOUNT],
        "auth-token": "Bearer first",
        "request-id": 1,
    }
    assert one.next_heartbeat == 21.0
    assert json.loads(one.heartbeat("second", 21.0)) == {"action": "heartbeat", "auth-token": "Bearer second", "request-id": 2}
    assert one.next_heartbeat == 41.0


def test_whatever_is_heard_breaks_the_silence() -> None:
    one = stream()
    assert not one.is_silent(49.0)
    assert one.is_silent(50.0)
    one.receive(b"not even JSON", 50.0)
    assert not one.is_silent(99.0)


@pytest.mark.parametrize(
    ("kind", "wake_up"),
    [
        ("ComplexOrder", WakeUp("order")),
        ("CurrentPosition", WakeUp("position")),
        ("AccountBalance", WakeUp("balance")),
        ("TradingStatus", WakeUp("warning", text="TastyTrade changed what it allows on the account.")),
    ],
)
def test_a_notice_wakes_up(kind: str, wake_up: WakeUp) -> None:
    assert stream().receive(json.dumps({"type": kind, "data": {"account-number": ACCOUNT}}), 1.0) == Notice(wake_up)


def test_an_order_comes_whole_and_an_odd_one_is_still_a_reason_to_look() -> None:
    whole = stream().receive(json.dumps({"type": "Order", "data": raw_order(status="Filled")}), 1.0)
    assert isinstance(whole, Notice)
    assert whole.wake_up.order is not None
    assert whole.wake_up.order.status is OrderStatus.FILLED
    odd = stream().receive(json.dumps({"type": "Order", "data": {"status": "Live"}}), 1.0)
    assert isinstance(odd, Notice)
    assert (odd.wake_up.kind, odd.wake_up.order) == ("order", None)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"{}",
        b'{"type": "Order"}',
        b'{"type": "Order", "data": []}',
        b'{"type": "OrderChain", "data": {}}',
        b'{"type": "Invented", "data": {}, "timestamp": 1}',
        b'{"status": "ok", "action": "heartbeat", "request-id": 3}',
        b'{"type": "Order", "data": {"account-number": "5WX99999", "id": 1, "status": "Live"}}',
    ],
)
def test_what_says_nothing_to_us_is_let_pass(frame: bytes) -> None:
    assert isinstance(stream().receive(frame, 1.0), Ignored)


@needs_samples
def test_the_frames_of_the_samples_are_read() -> None:
    expected: dict[str, Any] = {
        "docs_stream_connect_response": Connected(),
        "leancs_08_DeserializeConnectResponseStatusOk": Connected(),
        "leancs_09_DeserializeConnectResponseStatusError": Refusal("connect", "failed"),
        "frame_error-connect.documented": Refusal("connect", "connect-not-completed"),
        "docs_stream_heartbeat_response": Ignored("heartbeat"),
        "leancs_05_DeserializeStreamHeartbeatMessage": Ignored("heartbeat"),
        "frame_public-watchlists.derived": Ignored("PublicWatchlists"),
        "frame_quote-alert.derived": Ignored("QuoteAlert"),
        "frame_account-balance.derived": Notice(WakeUp("balance")),
        "frame_current-position.derived": Notice(WakeUp("position")),
    }
    for name, event in expected.items():
        assert stream("SENTINEL-5WX00042").receive((SAMPLES / f"{name}.json").read_bytes(), 1.0) == event, name
    for name, account in (("docs_stream_order_live", "5WT00000"), ("leancs_25_DeserializeStreamFilledOrderMessage", "5WX06827")):
        found = stream(account).receive((SAMPLES / f"{name}.json").read_bytes(), 1.0)
        assert isinstance(found, Notice)
        assert found.wake_up.order is not None


@needs_samples
def test_our_frames_have_the_shape_of_the_samples() -> None:
    ours = json.loads(stream().connect("t", 1.0))
    assert ours.keys() == sample("leancs_07_SerializeStreamConnectMessageWithBearerToken").keys()
    assert json.loads(stream().heartbeat("t", 1.0)).keys() == sample("leancs_04_SerializeStreamHeartbeatMessageWithBearerToken").keys()


# --- over a socket ---


class Tokens:
    def __init__(self) -> None:
        self.count = 0
        self.rejected: list[str] = []
        self.error: Exception | None = None

    async def token(self) -> str:
        if self.error is not None:
            raise self.error
        self.count += 1
        return f"token-{self.count}"

    def reject(self, token: str) -> None:
        self.rejected.append(token)


@asynccontextmanager
async def socket_at(venue: FakeVenue, tokens: Tokens, *, limit_s: float = 2.0, heartbeat_s: float = 20.0) -> AsyncIterator[AccountSocket]:
    made = AccountSocket(
        venue.socket_url,
        ACCOUNT,
        tokens=tokens,
        canonical=same,
        user_agent="fortified/1",
        heartbeat_s=heartbeat_s,
        limit_s=limit_s,
        backoff=Backoff(first=0.01, cap=0.02),
    )
    try:
        yield made
    finally:
        await made.close()


async def next_of(wake_ups: AsyncIterator[WakeUp]) -> WakeUp:
    async with asyncio.timeout(10):
        return await anext(wake_ups)


async def test_notices_arrive_after_the_connect() -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens()) as account:
        await account.start()
        wake_ups = account.wake_ups.all()
        assert await next_of(wake_ups) == WakeUp("reconnected")
        await venue.notify("Order", raw_order())
        order = (await next_of(wake_ups)).order
        assert order is not None
        assert order.venue_order_id == "7"
        await venue.notify("CurrentPosition", {"account-number": ACCOUNT})
        assert (await next_of(wake_ups)).kind == "position"
    assert [wake_up async for wake_up in wake_ups] == []


async def test_each_heartbeat_shows_a_token_that_is_good_now() -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens(), heartbeat_s=0.05) as account:
        await account.start()
        async with asyncio.timeout(10):
            frames = [await venue.heard.get() for _ in range(4)]
    assert [frame["action"] for frame in frames] == ["connect", "heartbeat", "heartbeat", "heartbeat"]
    assert [frame["auth-token"] for frame in frames] == [f"Bearer token-{number}" for number in range(1, 5)]


async def test_a_lost_connection_is_told_and_made_again() -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens()) as account:
        await account.start()
        wake_ups = account.wake_ups.all()
        for session in range(1, 4):
            assert await next_of(wake_ups) == WakeUp("reconnected")
            assert account.sessions == session
            venue.sockets[-1].transport.abort()
            assert (await next_of(wake_ups)).kind == "lost"
        assert (await next_of(wake_ups)).kind == "reconnected"


async def test_a_socket_that_is_open_but_silent_counts_as_lost() -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens(), heartbeat_s=0.05) as account:
        venue.on_frame = lambda frame: venue.acknowledge(frame) if frame["action"] == "connect" else None
        await account.start()
        wake_ups = account.wake_ups.all()
        assert [(await next_of(wake_ups)).kind for _ in range(3)] == ["reconnected", "lost", "reconnected"]


async def test_a_refused_token_is_given_back_and_another_one_tried() -> None:
    async with fake_venue() as venue:
        venue.on_frame = lambda frame: (
            json.dumps({"status": "error", "action": "connect", "message": "failed"})
            if frame["auth-token"] == "Bearer token-1"
            else venue.acknowledge(frame)
        )
        tokens = Tokens()
        async with socket_at(venue, tokens) as account:
            await account.start()
            assert tokens.rejected == ["token-1"]
            assert account.is_connected


@pytest.mark.parametrize("answer", [None, json.dumps({"status": "error", "action": "connect", "message": "not implemented"})])
async def test_a_start_that_leads_nowhere_ends_within_its_limit(answer: str | None) -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens(), limit_s=0.3) as account:
        venue.on_frame = lambda _: answer
        with pytest.raises(VenueUnavailable, match="account streamer"):
            await account.start()
        assert not account.is_connected
        venue.on_frame = venue.acknowledge  # and can be made again
        await account.start()
        assert await next_of(account.wake_ups.all()) == WakeUp("reconnected")


async def test_without_a_token_the_stream_waits_for_one() -> None:
    async with fake_venue() as venue, socket_at(venue, Tokens()) as account:
        tokens = Tokens()
        await account.start()
        account._tokens = tokens
        tokens.error = AuthExpired("log in again")
        wake_ups = account.wake_ups.all()
        await next_of(wake_ups)
        venue.sockets[-1].transport.abort()
        assert (await next_of(wake_ups)).kind == "lost"
        tokens.error = None
        assert (await next_of(wake_ups)).kind == "reconnected"


async def test_who_reads_too_slowly_is_told_to_look_at_everything() -> None:
    wake_ups = WakeUps(limit=3)
    for _ in range(5):
        wake_ups.put(WakeUp("position"))
    wake_ups.end()
    assert [wake_up.kind async for wake_up in wake_ups.all()] == ["reconnected", "position", "position"]
