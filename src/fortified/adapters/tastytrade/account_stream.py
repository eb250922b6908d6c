"""The protocol of TastyTrade's account streamer: bytes in, events and bytes out.

Owns the connect, the heartbeats, and what a message means. No socket, no clock, no token: those come as arguments. Messages are whole
objects without numbers and without replay, so nothing here proves that none was missed.
"""

from typing import Any, Final

import msgspec

from fortified.adapters.tastytrade.orders import Canonical, venue_order
from fortified.adapters.tastytrade.wire import Raw, decode, text
from fortified.domain.errors import RemoteProtocolError
from fortified.domain.venue import WakeUp

HEARTBEAT_S: Final = 20.0
"""The venue wants one each 2 to 60 s."""


class Connected(msgspec.Struct, frozen=True):
    """The venue took the connect: notifications of the account follow."""


class Refusal(msgspec.Struct, frozen=True):
    """The venue answered ``action`` with an error."""

    action: str
    message: str


class Notice(msgspec.Struct, frozen=True):
    """Something happened at the account."""

    wake_up: WakeUp


class Ignored(msgspec.Struct, frozen=True):
    """A message that says nothing to us: an acknowledgement, another account's, a type we do not use or know."""

    kind: str


type StreamEvent = Connected | Refusal | Notice | Ignored


class AccountStream:
    """One connection. Times are seconds of one monotonic clock. It is silent once nothing came for ``silence_s``."""

    def __init__(
        self, account_number: str, canonical: Canonical, *, now: float, heartbeat_s: float = HEARTBEAT_S, silence_s: float | None = None
    ) -> None:
        self._account, self._canonical = account_number, canonical
        self._heartbeat_s, self._silence_s = heartbeat_s, 2.5 * heartbeat_s if silence_s is None else silence_s
        self._requests = 0
        self._heard = self._spoke = now
        self.is_connected = False

    def connect(self, token: str, now: float) -> bytes:
        """The first message."""
        return self._message("connect", token, now, value=[self._account])

    def heartbeat(self, token: str, now: float) -> bytes:
        """The message to send when ``next_heartbeat`` has come. ``token`` must be good now: each message is checked."""
        return self._message("heartbeat", token, now)

    @property
    def next_heartbeat(self) -> float:
        return self._spoke + self._heartbeat_s

    def is_silent(self, now: float) -> bool:
        """Whether the venue has said nothing, not even to a heartbeat, for so long that the connection counts as lost."""
        return now - self._heard >= self._silence_s

    def receive(self, frame: bytes | str, now: float) -> StreamEvent:
        """What ``frame`` means."""
        self._heard = now
        try:
            message = decode(frame)
        except RemoteProtocolError:
            return Ignored("no JSON")
        if not isinstance(message, dict):
            return Ignored("no object")
        action = text(message, "action")
        return self._notice(message) if action is None else self._answer(action, message)

    def _message(self, action: str, token: str, now: float, **more: Any) -> bytes:
        self._requests += 1
        self._spoke = now
        return msgspec.json.encode({"action": action, **more, "auth-token": f"Bearer {token}", "request-id": self._requests})

    def _answer(self, action: str, message: Raw) -> StreamEvent:
        if text(message, "status") == "error":
            return Refusal(action, text(message, "message") or "no reason given")
        if action == "connect":
            self.is_connected = True
            return Connected()
        return Ignored(action)

    def _notice(self, message: Raw) -> StreamEvent:
        kind, data = text(message, "type") or "", message.get("data")
        if not isinstance(data, dict):
            return Ignored(kind or "no type")
        if text(data, "account-number") not in {None, self._account}:
            return Ignored(f"{kind} of another account")
        match kind:
            case "Order":
                return Notice(self._order(data))
            case "ComplexOrder":
                return Notice(WakeUp("order"))
            case "CurrentPosition":
                return Notice(WakeUp("position"))
            case "AccountBalance":
                return Notice(WakeUp("balance"))
            case "TradingStatus":
                return Notice(WakeUp("warning", text="TastyTrade changed what it allows on the account."))
        return Ignored(kind or "no type")

    def _order(self, data: Raw) -> WakeUp:
        try:
            return WakeUp("order", venue_order(data, self._canonical))
        except RemoteProtocolError as error:  # still a reason to look
            return WakeUp("order", text=str(error))
