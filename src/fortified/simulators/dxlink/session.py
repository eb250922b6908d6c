"""The conversation with one client of DXLink.

Owns its handshake, its channels and what each of them was told; the data comes from the venue. Knows no socket.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec
import orjson

from fortified.ports import Clock
from fortified.simulators.dxlink.manners import Manners
from fortified.simulators.dxlink.rows import Event, fields_of

_NS: Final = 1_000_000_000
_CONTRACTS = ("AUTO", "TICKER", "STREAM", "HISTORY")


class Out(Protocol):
    """Where frames go."""

    def send(self, kind: str, frame: str) -> None: ...

    def close(self) -> None: ...


class Venue(Protocol):
    """What a session needs to know of the venue."""

    clock: Clock
    manners: Manners

    def valid(self, token: str) -> bool: ...

    def greet(self, channel: "Channel", event_type: str, symbol: str, from_ms: int | None) -> None:
        """A subscription was made: send what belongs at its beginning."""

    def forget(self, session: "DxLinkSession") -> None: ...


class Channel:
    """One feed. What is told goes out at once, or when ``period_ns`` is over."""

    def __init__(self, number: int, contract: str, session: "DxLinkSession", now_ns: int) -> None:
        self.number, self.contract = number, contract
        self.asked: dict[str, tuple[str, ...]] = {}
        self.subscriptions: dict[tuple[str, str], int | None] = {}
        self.period_ns = 0
        self._session = session
        self._told: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, list[Event]] = {}
        self._flushed_ns = now_ns

    def conflates(self, event_type: str) -> bool:
        """Whether only the last value counts."""
        return self.contract == "TICKER" or (self.contract == "AUTO" and event_type != "Candle")

    def tell(self, event_type: str, events: Iterable[Event], *, at_once: bool = False, last: bool = True) -> None:
        """Send ``events`` of one type, or let them wait: for their time, or for the ``last`` of what goes together."""
        waiting = self._waiting.setdefault(event_type, [])
        for event in () if event_type in self._session.manners.withheld else events:
            if self.conflates(event_type):
                waiting[:] = [kept for kept in waiting if kept["eventSymbol"] != event["eventSymbol"]]
            waiting.append(event)
        if at_once or (last and not self.period_ns):
            self.flush()

    def on_time(self, now_ns: int) -> None:
        if now_ns - self._flushed_ns >= self.period_ns:
            self._flushed_ns = now_ns
            self.flush()

    def flush(self) -> None:
        """Send what waits: several types in one frame, many rows in several."""
        waiting, self._waiting = {kind: rows for kind, rows in self._waiting.items() if rows}, {}
        most = self._session.manners.rows_per_frame
        while waiting:
            now = {kind: rows[:most] for kind, rows in waiting.items()}
            waiting = {kind: rows[most:] for kind, rows in waiting.items() if rows[most:]}
            self._send(now)

    def _send(self, rows: Mapping[str, list[Event]]) -> None:
        for event_type in rows:
            self._configure(event_type)
        if self._session.manners.full:
            data: list[Any] = [{"eventType": kind, **_picked(event, self._told[kind])} for kind, events in rows.items() for event in events]
        else:
            data = []
            for kind, events in rows.items():
                data += [kind, [event.get(name) for event in events for name in self._told[kind]]]
        self._session.say("FEED_DATA", self.number, data=data)

    def _configure(self, event_type: str) -> None:
        """Tell the fields of a type before its first data, and when they change."""
        manners = self._session.manners
        fields = [name for name in self.asked.get(event_type, fields_of(event_type)) if name in (*fields_of(event_type), "eventType")]
        kept = tuple(name for name in fields if name not in manners.omitted.get(event_type, ()))
        fields_now = kept[::-1] if manners.reversed else kept
        if self._told.get(event_type) != fields_now:
            self._told[event_type] = fields_now
            if not manners.untold:
                self._session.say("FEED_CONFIG", self.number, eventFields={event_type: list(fields_now)})


def _picked(event: Event, fields: Iterable[str]) -> Event:
    return {name: event.get(name) for name in fields}


class DxLinkSession:
    """The server is silent until the client's SETUP, and says nothing without a reason then."""

    def __init__(self, venue: Venue, out: Out, name: str) -> None:
        self.out, self.manners = out, venue.manners
        self.channels: dict[int, Channel] = {}
        self.authorized = False
        self._venue, self._name = venue, name
        self._set_up = False
        self._client_keepalive_s = 60.0
        self._heard_ns = self._said_ns = venue.clock.now_ns()

    def received(self, message: str) -> None:
        """One message of the client."""
        self._heard_ns = self._venue.clock.now_ns()
        asked = read(message)
        kind, number = asked.get("type"), asked.get("channel")
        if kind == "SETUP":
            return self._setup(asked)
        if not self._set_up or kind == "KEEPALIVE":
            return None
        if kind is None or not isinstance(number, int):
            return self._error(0, "INVALID_MESSAGE", "The message is not valid.")
        if kind == "AUTH":
            return self._auth(self._venue.valid(str(asked.get("token"))))
        if number % 2 == 0:
            return self._error(0, "BAD_ACTION", "Protocol violation with an even channel usage.")
        if not self.authorized:
            return self._error(number, "UNAUTHORIZED", "The action needs authorization.")
        if kind == "CHANNEL_REQUEST":
            return self._open(number, asked)
        channel = self.channels.get(number)
        if channel is None:
            return self._error(number, "BAD_ACTION", "The channel is not open.")
        return self._on_channel(channel, str(kind), asked)

    def denied(self, message: str) -> None:
        """Refuse a message that might be right."""
        asked = read(message)
        if asked.get("type") == "AUTH":
            self._auth(False)
        else:
            self._error(int(asked.get("channel", 0)), "UNKNOWN", "The action was refused.")

    def ended(self) -> None:
        self._venue.forget(self)

    def kicked(self) -> None:
        self._error(0, "UNKNOWN", "The session was ended.")
        self.out.close()

    def expire(self, *, close_channels: bool = False) -> None:
        """The token has ended: the client must authorize anew."""
        self.authorized = False
        if close_channels:
            for number in self.channels:
                self.say("CHANNEL_CLOSED", number)
            self.channels.clear()
        self.say("AUTH_STATE", 0, state="UNAUTHORIZED")

    def on_time(self, now_ns: int) -> None:
        """Keep-alive in both directions, and what waits on channels."""
        if not self._set_up:
            return
        if now_ns - self._heard_ns > self._client_keepalive_s * _NS:
            self._error(0, "TIMEOUT", f"The timeout has been reached. Nothing was received for {self._client_keepalive_s:g} seconds.")
            self.out.close()
            self._set_up = False
            return
        for channel in self.channels.values():
            if self.authorized:
                channel.on_time(now_ns)
        if now_ns - self._said_ns >= self.manners.keepalive_s * _NS / 2 and not self.manners.silent:
            self.say("KEEPALIVE", 0)

    def say(self, kind: str, channel: int, **fields: Any) -> None:
        """Send one message."""
        self._said_ns = self._venue.clock.now_ns()
        self.out.send(kind, orjson.dumps({"type": kind, "channel": channel, **fields}).decode())

    # ---

    def _setup(self, asked: Mapping[str, Any]) -> None:
        self._set_up = True
        self._client_keepalive_s = float(asked.get("keepaliveTimeout") or 60)
        keepalive = {"keepaliveTimeout": self.manners.keepalive_s, "acceptKeepaliveTimeout": self._client_keepalive_s}
        self.say("SETUP", 0, version="1.0-simulated", **keepalive)
        self.say("AUTH_STATE", 0, state="UNAUTHORIZED")

    def _auth(self, valid: bool) -> None:
        self.authorized = valid
        if valid:
            self.say("AUTH_STATE", 0, state="AUTHORIZED", userId=self._name)
        else:
            self.say("AUTH_STATE", 0, state="UNAUTHORIZED")

    def _open(self, number: int, asked: Mapping[str, Any]) -> None:
        parameters = asked.get("parameters")
        contract = parameters.get("contract", "AUTO") if isinstance(parameters, dict) else "AUTO"
        if asked.get("service") != "FEED" or contract not in _CONTRACTS or number in self.channels:
            return self._error(number, "BAD_ACTION", "The channel cannot be opened.")
        self.channels[number] = Channel(number, contract, self, self._venue.clock.now_ns())
        return self.say("CHANNEL_OPENED", number, service="FEED", parameters={"contract": contract, "subFormat": "LIST"})

    def _on_channel(self, channel: Channel, kind: str, asked: Mapping[str, Any]) -> None:
        match kind:
            case "FEED_SETUP":
                self._feed_setup(channel, asked)
            case "FEED_SUBSCRIPTION":
                self._subscription(channel, asked)
            case "CHANNEL_CANCEL":
                del self.channels[channel.number]
                self.say("CHANNEL_CLOSED", channel.number)
            case _:
                self._error(channel.number, "BAD_ACTION", f"{kind} is not known.")

    def _feed_setup(self, channel: Channel, asked: Mapping[str, Any]) -> None:
        wanted = asked.get("acceptEventFields") or {}
        channel.asked.update({kind: tuple(names) for kind, names in wanted.items()})
        period = self.manners.aggregation_s
        period_s = float(asked.get("acceptAggregationPeriod") or 0) if period is None else period
        channel.period_ns = round(period_s * _NS)
        self.say("FEED_CONFIG", channel.number, dataFormat="FULL" if self.manners.full else "COMPACT", aggregationPeriod=period_s)

    def _subscription(self, channel: Channel, asked: Mapping[str, Any]) -> None:
        if asked.get("reset"):
            channel.subscriptions.clear()
        for line in asked.get("remove") or ():
            channel.subscriptions.pop((line["type"], line["symbol"]), None)
        for line in asked.get("add") or ():
            event_type, symbol, from_ms = line["type"], line["symbol"], line.get("fromTime")
            channel.subscriptions[event_type, symbol] = from_ms
            self._venue.greet(channel, event_type, symbol, from_ms)

    def _error(self, channel: int, error: str, message: str) -> None:
        self.say("ERROR", channel, error=error, message=message)


def read(message: str) -> dict[str, Any]:
    """A message as an object; an empty one for what is none."""
    try:
        asked = msgspec.json.decode(message)
    except msgspec.DecodeError:
        return {}
    return asked if isinstance(asked, dict) else {}


def type_of(message: str) -> str:
    """The word by which the faults know a message."""
    return str(read(message).get("type"))
