"""TastyTrade's account streamer: whole objects, no numbers of sequence, no replay.

Owns its actions, its frames and who is connected. Knows no socket.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, Protocol

import orjson

from fortified.simulators.account import Account
from fortified.simulators.instruments import Listed
from fortified.simulators.orders import Event, State, What
from fortified.simulators.tastytrade.shapes import TOLD, balance_shape, order_shape, position_shape
from fortified.simulators.tastytrade.venue import TastyTradeVenue
from fortified.simulators.tokens import bearer

_KNOWN = ("heartbeat", "public-watchlists-subscribe", "quote-alerts-subscribe", "user-message-subscribe")


class Out(Protocol):
    """Where frames go."""

    def send(self, kind: str, frame: str) -> None: ...

    def close(self) -> None: ...


class AccountStreamer:
    """All sessions. What happens at the matching engine goes to those that are connected, and to nobody later."""

    def __init__(self, venue: TastyTradeVenue) -> None:
        self._venue = venue
        self._numbers = count(1)
        self.sessions: list[AccountSession] = []
        venue.exchange.listeners.append(self._on_event)
        venue.exchange.shown.append(self._on_shown)

    def begin(self, out: Out) -> "AccountSession":
        """A client came."""
        session = AccountSession(self, self._venue, out, f"{next(self._numbers):08x}")
        self.sessions.append(session)
        return session

    def forget_sessions(self) -> None:
        """The server lost its memory: clients stay connected and hear nothing until they connect anew."""
        for session in self.sessions:
            session.accounts.clear()

    def _on_event(self, event: Event) -> None:
        account = event.order.ticket.account
        if event.what is What.WORKING and event.order.state is not State.WORKING:
            return
        if event.early:
            self._tell(account, "Order", order_shape(event.order, "Filled", without=event.fill))
        waits = event.what is What.ACCEPTED and event.order.state is not State.WORKING
        self._tell(account, "Order", order_shape(event.order, None if waits else TOLD.get(event.what)))

    def _on_shown(self, account: Account, listed: Listed) -> None:
        market, position = self._venue.exchange.market, account.seen.positions[listed.symbol]
        self._tell(account.number, "CurrentPosition", position_shape(account.number, position, market, self._venue.drift()))
        self._tell(account.number, "AccountBalance", balance_shape(account, market, self._venue.clock.now_ns()))

    def _tell(self, account: str, kind: str, data: Mapping[str, Any]) -> None:
        frame = {"type": kind, "data": data, "timestamp": self._venue.clock.now_ns() // 1_000_000}
        for session in list(self.sessions):
            if account in session.accounts:
                session.out.send(kind, orjson.dumps(frame).decode())


class AccountSession:
    """The conversation with one client."""

    def __init__(self, streamer: AccountStreamer, venue: TastyTradeVenue, out: Out, name: str) -> None:
        self._streamer = streamer
        self._venue = venue
        self._name = name
        self.out = out
        self.accounts: set[str] = set()

    def received(self, message: str) -> None:
        """One action of the client; each must carry a token that is valid now."""
        asked = _read(message)
        action = asked.get("action")
        if action is None:
            return self._no(asked, "invalid-json")
        if not self._venue.access.valid(bearer(str(asked.get("auth-token", "")))):
            return self._no(asked, "failed")
        if action == "connect":
            return self._connect(asked)
        if action not in _KNOWN:
            return self._no(asked, "not implemented")
        if not self.accounts:
            return self._no(asked, "connect-not-completed")
        return self._yes(asked)

    def denied(self, message: str) -> None:
        """Refuse an action that might be right."""
        self._no(_read(message), "failed")

    def ended(self) -> None:
        """The client went."""
        if self in self._streamer.sessions:
            self._streamer.sessions.remove(self)

    def kicked(self) -> None:
        """The server ends the conversation."""
        self.out.close()

    def _connect(self, asked: Mapping[str, Any]) -> None:
        wanted = asked.get("value")
        accounts = self._venue.exchange.accounts
        if not isinstance(wanted, list) or not wanted or any(number not in accounts for number in wanted):
            return self._no(asked, "failed")
        self.accounts = set(wanted)
        return self._yes(asked, {"value": wanted})

    def _yes(self, asked: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
        self._say({"status": "ok", **_echo(asked), "web-socket-session-id": self._name, **(more or {})})

    def _no(self, asked: Mapping[str, Any], message: str) -> None:
        self._say({"status": "error", **_echo(asked), "web-socket-session-id": self._name, "message": message})

    def _say(self, answer: Mapping[str, Any]) -> None:
        self.out.send(str(answer.get("action")), orjson.dumps(answer).decode())


def _echo(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {key: asked[key] for key in ("action", "request-id") if key in asked}


def _read(message: str) -> dict[str, Any]:
    try:
        asked = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return asked if isinstance(asked, dict) else {}


def action_of(message: str) -> str:
    """The word by which the faults know a message."""
    return str(_read(message).get("action"))
