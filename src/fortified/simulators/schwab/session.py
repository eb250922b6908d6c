"""One conversation of Schwab's streamer: its login, its subscriptions, what it was told.

Owns the answers to commands and the frames of data. Knows no socket and no other session.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import orjson

from fortified.simulators.faults import Kind
from fortified.simulators.hours import NS
from fortified.simulators.market import Print
from fortified.simulators.orders import Event
from fortified.simulators.schwab.activity import messages
from fortified.simulators.schwab.commands import (
    ACTIVITY,
    BAD_FORMAT,
    CHART,
    CLOSE_CONNECTION,
    CONN_NOT_FOUND,
    FAILED,
    LEVELONE,
    LOGIN_DENIED,
    MOST_KEYS,
    NOT_AVAILABLE,
    OK,
    SERVICES,
    STOP_STREAMING,
    SUCCEEDED,
    SYMBOL_LIMIT,
    UNKNOWN,
    Subscription,
    change,
    requests_of,
    words,
)
from fortified.simulators.schwab.feeds import about, chart, level_one
from fortified.simulators.schwab.venue import SchwabVenue

_MINUTE_NS: Final = 60 * NS
_BAR_DELAY_NS: Final = 2 * NS
_IDLE_NS: Final = 30 * NS


class Out(Protocol):
    """Where frames go."""

    def send(self, kind: str, frame: str) -> None: ...

    def close(self) -> None: ...


class Manners(msgspec.Struct, frozen=True):
    """``conflate_ns``: level one is told at most so often; ``documented_codes``: success is 26 to 29, else 0."""

    conflate_ns: int = 0
    documented_codes: bool = True


class SchwabSession:
    """The conversation with one client. ``login``: the number of its login, None before."""

    def __init__(self, venue: SchwabVenue, manners: Manners, out: Out, logged_in: Callable[["SchwabSession"], None]) -> None:
        self.out = out
        self.login: str | None = None
        self.gone = False
        self.subscriptions: dict[str, Subscription] = {}
        self._venue = venue
        self._manners = manners
        self._logged_in = logged_in
        self._since = self._flushed = self._venue.clock.now_ns()

    # --- commands

    def received(self, message: str) -> None:
        """A command, or several in one message."""
        batch = requests_of(message)
        if not batch:
            self._answer({}, BAD_FORMAT, "Bad command formatting")
        before = self.login
        for asked in batch:
            if asked.get("service") == "ADMIN":
                self._admin(asked)
            elif before is None or self.login is None or not self._known(asked):
                self._answer(asked, CONN_NOT_FOUND, "Stream connection not found")
            else:
                self._subscribe(asked)

    def denied(self, message: str) -> None:
        """Refuse commands that might be right."""
        for asked in requests_of(message):
            if asked.get("command") == "LOGIN":
                self._deny(asked)
            else:
                self._answer(asked, FAILED.get(str(asked.get("command")), UNKNOWN), "command failed")

    def ended(self) -> None:
        """The client went."""
        self.login = None
        self.gone = True

    def kicked(self) -> None:
        """The user logged in elsewhere."""
        self._sever(CLOSE_CONNECTION, "Maximum connections reached: the user has logged in elsewhere.")

    def stop(self) -> None:
        """The server ends the stream: nothing subscribed, too slow, or by its operators."""
        self._sever(STOP_STREAMING, "Streaming was stopped.")

    def _admin(self, asked: Mapping[str, Any]) -> None:
        parameters = asked.get("parameters") or {}
        match asked.get("command"):
            case "LOGIN" if self._known(asked) and self._venue.access.valid(str(parameters.get("Authorization"))):
                self.login = str(asked.get("requestid"))
                self._since = self._venue.clock.now_ns()
                self._answer(asked, OK, "server=simulated-1;status=NP")
                self._logged_in(self)
            case "LOGIN":
                self._deny(asked)
            case "LOGOUT":
                self._answer(asked, OK, "SUCCESS")
                self.login = None
                self.out.close()
            case _:
                self._answer(asked, BAD_FORMAT, "Unknown command")

    def _subscribe(self, asked: Mapping[str, Any]) -> None:
        service, command = str(asked.get("service")), str(asked.get("command"))
        parameters = asked.get("parameters") or {}
        keys, fields = words(parameters.get("keys")), words(parameters.get("fields"))
        if command not in SUCCEEDED:
            return self._answer(asked, BAD_FORMAT, "Unknown command")
        if service not in SERVICES:
            return self._answer(asked, NOT_AVAILABLE, f"Service {service} is not available")
        if (command != "VIEW" and not keys) or (command != "UNSUBS" and not fields):
            return self._answer(asked, FAILED[command], f"{command} command failed: keys or fields are missing")
        if len(keys) > MOST_KEYS:
            return self._answer(asked, SYMBOL_LIMIT, "Reached symbol limit")
        changed = change(self.subscriptions, service, command, keys, fields)
        self._answer(asked, SUCCEEDED[command] if self._manners.documented_codes else OK, f"{command} command succeeded")
        return self._image(service, changed)

    def _known(self, asked: Mapping[str, Any]) -> bool:
        ids = asked.get("SchwabClientCustomerId"), asked.get("SchwabClientCorrelId")
        return ids == (self._venue.customer_id, self._venue.correl_id)

    # --- frames

    def on_event(self, event: Event) -> None:
        """Tell of an order."""
        held = self.subscriptions.get(ACTIVITY)
        if held is not None:
            fault = self._venue.faults.take("activity")
            if fault is not None and fault.kind is Kind.EMPTY:
                self._activity(held, event.order.ticket.account, "", "Feature not supported")
            for kind, text in messages(event):
                self._activity(held, event.order.ticket.account, kind, text)

    def on_print(self, event: Print) -> None:
        """Tell what changed, now or with the next print that is due."""
        if event.ts_ns - self._flushed >= self._manners.conflate_ns:
            self.flush()
        self._charts(self._venue.clock.now_ns())

    def on_time(self, now: int, *, beat: bool) -> None:
        """Heartbeat, bars that are over, idleness."""
        if self.login is None:
            return
        self.flush()
        self._charts(now)
        if beat:
            self.out.send("notify", orjson.dumps({"notify": [{"heartbeat": str(now // 1_000_000)}]}).decode())
        if not self.subscriptions and now - self._since > _IDLE_NS:
            self.stop()

    def flush(self) -> None:
        """Send the fields of level one that have changed since they were sent."""
        held = self.subscriptions.get(LEVELONE)
        self._flushed = self._venue.clock.now_ns()
        content = [row for key in held.keys if (row := self._changed(held, key))] if held is not None else []
        if content:
            self._data(LEVELONE, content)

    def _changed(self, held: Subscription, key: str) -> dict[str, Any]:
        listed, ticker = self._venue.exchange.find(key), self._venue.exchange.market.tickers.get(key)
        if listed is None or ticker is None or key.startswith("/"):
            return {}
        now = {field: value for field, value in level_one(listed, ticker).items() if field in held.fields}
        before = held.told.get(key)
        held.told[key] = now
        if before is None:
            return {**now, **about(key)}
        delta = {field: value for field, value in now.items() if before.get(field) != value}
        return {"key": key, **delta} if delta else {}

    def _image(self, service: str, keys: list[str]) -> None:
        """What a new subscriber is told at once."""
        held = self.subscriptions.get(service)
        if held is None:
            return
        if service == LEVELONE:
            self.flush()
        elif service == ACTIVITY:
            self._activity(held, next(iter(self._venue.hashes.values())), "SUBSCRIBED", "")
        else:
            self._charts(self._venue.clock.now_ns(), keys)

    def _charts(self, now: int, keys: list[str] | None = None) -> None:
        held = self.subscriptions.get(CHART)
        for key in held.keys if held is not None and keys is None else keys or []:
            ticker = self._venue.exchange.market.tickers.get(key)
            if held is None or ticker is None:
                continue
            over = [bar for bar in list(ticker.minutes)[-3:] if bar.start_ns + _MINUTE_NS + _BAR_DELAY_NS <= now]
            known = held.told.setdefault(key, {"7": over[-2].start_ns if len(over) > 1 else 0} if over else {"7": 0})
            for bar in over:
                if bar.start_ns > known["7"]:
                    known["7"] = bar.start_ns
                    held.seq += 1
                    self._data(CHART, [chart(key, bar, held.seq)])

    def _activity(self, held: Subscription, account: str, kind: str, text: str) -> None:
        self._data(ACTIVITY, [{"seq": held.seq, "key": "Account Activity", "1": account, "2": kind, "3": text}])
        held.seq += 1

    def _data(self, service: str, content: list[dict[str, Any]]) -> None:
        frame = {"service": service, "timestamp": self._venue.clock.now_ns() // 1_000_000, "command": "SUBS", "content": content}
        self.out.send(service, orjson.dumps({"data": [frame]}).decode())

    # --- answers

    def _deny(self, asked: Mapping[str, Any]) -> None:
        self._answer(asked, LOGIN_DENIED, "Login Denied.: token is invalid or has expired.")
        self.login = None
        self.out.close()

    def _sever(self, code: int, text: str) -> None:
        self._answer({"service": "ADMIN", "command": "LOGIN", "requestid": self.login or "0"}, code, text)
        self.login = None
        self.subscriptions.clear()
        self.out.close()

    def _answer(self, asked: Mapping[str, Any], code: int, text: str) -> None:
        response = {
            "service": str(asked.get("service")),
            "command": str(asked.get("command")),
            "requestid": str(asked.get("requestid")),
            "SchwabClientCorrelId": self._venue.correl_id,
            "timestamp": self._venue.clock.now_ns() // 1_000_000,
            "content": {"code": code, "msg": text},
        }
        self.out.send("response", orjson.dumps({"response": [response]}).decode())
