"""The chart socket over a real server: authentication, snapshot, deltas, resume, slow clients."""

import contextlib
import socket
from collections.abc import Mapping

import httpx2
import pytest
from fastapi import FastAPI
from tests.api.conftest import ORIGIN, Open, Peer, eventually
from tests.api.fakes import NS, FakeManager, FlakyStore, ManualClock, a_bar, an_update
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fortified.api.deps import Services
from fortified.api.hub import WebSocketManager
from fortified.api.topics import MAX_WAITING
from fortified.ports import StreamRef

pytestmark = pytest.mark.anyio

PATH = "/api/ws/charts"
NQ = {"symbol": "/NQ", "timeframe": "144t"}


async def _subscribed(peer: Peer, *streams: Mapping[str, object]) -> list[dict[str, object]]:
    """Subscribe and give the snapshots."""
    await peer.send(type="subscribe", streams=list(streams or (NQ,)))
    await peer.until("subscribed")
    return [await peer.until("snapshot") for _ in streams or (NQ,)]


def _hub(app: FastAPI) -> WebSocketManager:
    services = app.state.services
    assert isinstance(services, Services)
    return services.hub


async def test_snapshot_then_deltas(open_peer: Open, manager: FakeManager, store: FlakyStore) -> None:
    await store.history.add(StreamRef("/NQ", "144t"), [a_bar(0), a_bar(1)])
    peer = await open_peer(PATH)
    (snapshot,) = await _subscribed(peer)
    assert (snapshot["seq"], snapshot["partial"]) == (0, None)
    bars = snapshot["bars"]
    assert isinstance(bars, list)
    assert [bar["close"] for bar in bars] == [21_000.0, 21_001.0]
    manager.listeners.emit(an_update(2, 90))
    partial = await peer.until("partial")
    assert {**NQ, "seq": 1, "ticks": 90, "of": 144, "fill": 0.625, "fill_percent": 62.5}.items() <= partial.items()
    assert partial["time"] == "2025-01-01T12:02:00.000000Z"
    manager.listeners.emit(a_bar(2))
    bar = await peer.until("bar")
    assert (bar["seq"], bar["close"], bar["close_time"]) == (2, 21_002.0, "2025-01-01T12:03:00.000000Z")


async def test_a_later_snapshot_holds_the_open_bar_and_bars_the_history_has_not_yet(
    open_peer: Open, manager: FakeManager, store: FlakyStore
) -> None:
    await store.history.add(StreamRef("/NQ", "144t"), [a_bar(0)])
    first, second = await open_peer(PATH), await open_peer(PATH)
    await _subscribed(first)
    manager.listeners.emit(a_bar(1))
    manager.listeners.emit(an_update(2, 7))
    await second.send(type="subscribe", streams=[NQ], bars=1)
    snapshot = await second.until("snapshot")
    assert (snapshot["seq"], [bar["close"] for bar in snapshot["bars"]]) == (2, [21_001.0])
    assert snapshot["partial"]["ticks"] == 7


async def test_many_streams_on_one_socket_and_unsubscribe(open_peer: Open, manager: FakeManager) -> None:
    peer = await open_peer(PATH)
    await _subscribed(peer, NQ, {"symbol": "nq", "timeframe": 1}, {"symbol": "SPY", "timeframe": "5Min"})
    manager.listeners.emit(a_bar(0, "SPY", "5"))
    manager.listeners.emit(a_bar(0, "/NQ", "1"))
    seen = [(message["symbol"], message["timeframe"], message["seq"]) for message in [await peer.until("bar"), await peer.until("bar")]]
    assert seen == [("SPY", "5", 1), ("/NQ", "1", 1)]
    await peer.send(type="unsubscribe", streams=[{"symbol": "SPY", "timeframe": "5"}])
    await peer.until("unsubscribed")
    manager.listeners.emit(a_bar(1, "SPY", "5"))
    manager.listeners.emit(a_bar(1, "/NQ", "1"))
    assert (await peer.until("bar"))["symbol"] == "/NQ"


async def test_resume_after_a_reconnect_gives_what_was_missed(open_peer: Open, manager: FakeManager) -> None:
    first = await open_peer(PATH)
    (snapshot,) = await _subscribed(first)
    manager.listeners.emit(a_bar(0))
    seq = (await first.until("bar"))["seq"]
    await first.connection.close()
    for event in (a_bar(1), an_update(2, 1), an_update(2, 2)):
        manager.listeners.emit(event)
    second = await open_peer(PATH)
    await second.send(type="resume", streams=[NQ | {"from": seq, "epoch": snapshot["epoch"]}])
    resumed = await second.until("resumed")
    assert (resumed["from"], resumed["missed"], resumed["seq"]) == (1, 2, 4)
    assert (await second.until("bar"))["seq"] == 2
    assert (await second.until("partial"))["seq"] == 4
    await second.send(type="resume", **{"from": 1})
    assert (await second.until("resumed"))["missed"] == 2


async def test_a_resume_that_is_not_possible_becomes_a_snapshot(open_peer: Open) -> None:
    peer = await open_peer(PATH)
    await peer.send(type="resume", streams=[NQ | {"from": 77}])
    assert (await peer.receive())["type"] == "snapshot"


@pytest.mark.parametrize(
    ("message", "code", "word"),
    [
        ({"type": "subscribe", "streams": [{"symbol": "/ES", "timeframe": "1"}]}, "unknown_symbol", "/ES"),
        ({"type": "subscribe", "streams": [NQ, {"symbol": "/NQ", "timeframe": "512t"}]}, "unknown_timeframe", "144t"),
        ({"type": "subscribe", "streams": [{"symbol": "/NQ", "timeframe": "soon"}]}, "unknown_timeframe", "soon"),
        ({"type": "subscribe", "streams": []}, "invalid_message", "streams"),
        ({"type": "subscribe", "streams": [NQ], "bars": -1}, "invalid_message", "bars"),
        ({"type": "subscribe", "streams": [NQ | {"extra": 1}]}, "invalid_message", "extra"),
        ({"type": "dance"}, "invalid_message", "dance"),
        ({"type": "resume", "from": 1}, "invalid_message", "streams"),
        ({"type": "resume", "streams": [NQ]}, "invalid_message", "from"),
        ([1], "invalid_message", "object"),
    ],
)
async def test_wrong_messages_are_named_and_change_nothing(open_peer: Open, app: FastAPI, message: object, code: str, word: str) -> None:
    peer = await open_peer(PATH)
    await peer.connection.send(httpx2.Request("POST", "http://x", json=message).content.decode())
    error = await peer.receive()
    assert (error["type"], error["code"]) == ("error", code)
    assert word in error["detail"]
    await peer.send(type="ping")
    assert await peer.receive() == {"type": "pong"}


@pytest.mark.parametrize(("payload", "close_code"), [("{", 1007), ("x" * 65_537, 1009), (b"binary", 1003)])
async def test_what_cannot_be_read_ends_the_connection(open_peer: Open, payload: str | bytes, close_code: int) -> None:
    peer = await open_peer(PATH)
    await peer.connection.send(payload)
    assert (await peer.receive())["type"] == "error"
    assert (await peer.closed())[0] == close_code


@pytest.mark.parametrize("message", [{"type": "auth", "token": "nonsense"}, {"type": "ping"}, {"type": "auth"}])
async def test_without_a_valid_first_message_it_ends(dial: Open, message: dict[str, object]) -> None:
    peer = await dial(PATH)
    await peer.send(**message)
    assert (await peer.receive())["type"] == "error"
    assert (await peer.closed())[0] == 4401


async def test_silence_ends_it(dial: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fortified.api.connection.AUTH_SECONDS", 0.01)
    peer = await dial(PATH)
    assert "within" in (await peer.receive())["detail"]
    assert (await peer.closed())[0] == 4401


async def test_a_ticket_works_once_and_briefly(dial: Open, admin: httpx2.AsyncClient, clock: ManualClock) -> None:
    ticket = (await admin.post("/api/ws/ticket")).json()["ticket"]
    peer = await dial(f"{PATH}?ticket={ticket}")
    assert (await peer.receive())["user"] == "admin@example.com"
    again = await dial(f"{PATH}?ticket={ticket}")
    assert (await again.receive())["code"] == "unauthenticated"
    late = (await admin.post("/api/ws/ticket")).json()["ticket"]
    clock.now += 30 * NS
    assert (await (await dial(f"{PATH}?ticket={late}")).receive())["code"] == "unauthenticated"


async def test_foreign_origins_are_refused_before_the_handshake(dial: Open, open_peer: Open, address: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await dial(PATH, origin="https://evil.example")
    assert refusal.value.response.status_code == 403
    for origin in (ORIGIN, f"http://{address}"):
        await open_peer(PATH, origin=origin)


async def test_logout_ends_the_socket(open_peer: Open, admin: httpx2.AsyncClient) -> None:
    peer = await open_peer(PATH)
    await admin.post("/api/logout")
    assert await peer.closed() == (4401, "this session was ended")


async def test_an_expired_token_ends_the_socket_and_a_new_one_extends_it(
    open_peer: Open, admin: httpx2.AsyncClient, clock: ManualClock
) -> None:
    peer = await open_peer(PATH)
    clock.now += 10 * 60 * NS
    answer = await admin.post("/api/login", json={"email": "admin@example.com", "password": "correct horse battery"})
    await peer.send(type="auth", token=answer.json()["token"])
    assert (await peer.until("authenticated"))["expires_at"] == "2025-01-01T12:25:00.000000Z"
    clock.now += 16 * 60 * NS
    await peer.send(type="ping")
    assert (await peer.until("error"))["code"] == "token_expired"
    assert (await peer.closed())[0] == 4401


async def test_nobody_listens_when_nobody_is_connected(open_peer: Open, app: FastAPI, manager: FakeManager) -> None:
    hub = _hub(app)
    hub._linger_s = 0.0
    assert not manager.listeners
    peer = await open_peer(PATH)
    assert not manager.listeners
    await _subscribed(peer)
    assert manager.listeners
    await peer.connection.close()
    await eventually(lambda: not manager.listeners and not hub.clients)


async def test_a_slow_client_is_ended_and_others_miss_nothing(open_peer: Open, address: str, app: FastAPI, manager: FakeManager) -> None:
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = address.split(":")
        narrow.connect((host, int(port)))
        narrow.setblocking(False)
        # It stops reading at once: its queue is full after one message, and then the socket's buffers.
        slow, fast = await open_peer(PATH, max_queue=1, sock=narrow), await open_peer(PATH)
        await slow.send(type="subscribe", streams=[NQ])
        await _subscribed(fast)
        hub, sent, seen = _hub(app), 0, 0
        topic = hub.chart(StreamRef("/NQ", "144t"))
        await eventually(lambda: len(topic.subscribers) == 2)
        while not hub.dropped:
            for _ in range(MAX_WAITING // 10):
                sent += 1
                manager.listeners.emit(a_bar(sent))
            while seen < sent:
                seen = (await fast.until("bar"))["seq"]
        assert seen == sent
        assert hub.dropped == 1
        with contextlib.suppress(ConnectionClosed):
            while True:
                await slow.receive()
        assert await slow.closed() == (1013, "This client reads too slowly; connect again and resume.")
        assert len(topic.subscribers) == 1
