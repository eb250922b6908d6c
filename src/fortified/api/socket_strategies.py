"""The strategies socket: runners, orders, fills, trades, positions and denials as they happen.

Owns the messages of /api/ws/strategies. Knows no connection.
"""

import asyncio
from typing import Any

import msgspec

from fortified.api import messages
from fortified.api.connection import Auth, Ping, SocketSession
from fortified.api.deps import Services
from fortified.api.errors import ApiError
from fortified.api.schemas import PositionOut, RunnerOut
from fortified.api.topics import Outbox

STATUS_SECONDS = 3.0


class Resume(msgspec.Struct, tag="resume", forbid_unknown_fields=True):
    """Send again what came behind a sequence number and before this connection's snapshot."""

    since: int = msgspec.field(name="from")
    epoch: str | None = None


_decoder = msgspec.json.Decoder(Auth | Ping | Resume)


class StrategiesSession(SocketSession):
    """Snapshot at the start, every event from then on, and the state of all runners every few seconds."""

    def __init__(self, services: Services, outbox: Outbox) -> None:
        self._manager = services.context.manager
        self._hub = services.hub
        self._outbox = outbox
        self._joined_at = 0

    def decode(self, text: str) -> Any:
        return _decoder.decode(text)

    async def start(self) -> None:
        # The topic listens before the positions are read, so that nothing falls between the two.
        topic = self._hub.activity()
        before = topic.seq
        positions = await self._manager.store.ledger.positions()
        topic = self._hub.activity()
        snapshot = {
            "type": "snapshot",
            "seq": before,
            "epoch": topic.epoch,
            "runners": self._runners(),
            "positions": [PositionOut.of(position, self._manager.mark(position.symbol)).model_dump(mode="json") for position in positions],
        }
        self._outbox.put(messages.encode(snapshot))
        topic.join(self._outbox, topic.since(before, None))
        self._joined_at = before

    async def background(self) -> None:
        while True:
            await asyncio.sleep(STATUS_SECONDS)
            self._outbox.put(messages.encode({"type": "status", "runners": self._runners()}), key="status")

    async def handle(self, message: Any) -> None:
        assert isinstance(message, Resume)
        topic = self._hub.activity()
        missed = topic.since(message.since, message.epoch)
        if missed is None:
            detail = "What came since is not kept any more. Read GET /api/orders and GET /api/trades."
            raise ApiError(409, "resume_gap", detail)
        missed = [(delta, slot) for delta, slot in missed if delta.seq <= self._joined_at]
        announcement = {"type": "resumed", "from": message.since, "to": self._joined_at, "missed": len(missed)}
        self._outbox.put(messages.encode(announcement))
        for delta, _ in missed:
            self._outbox.put(delta)

    def _runners(self) -> list[dict[str, Any]]:
        return [RunnerOut.model_validate(status).model_dump(mode="json") for status in self._manager.status()]
