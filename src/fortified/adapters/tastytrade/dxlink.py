"""The DXLink protocol, client side: frames in, signals and frames out.

Owns the handshake step by step, the channels, the lists of fields that the server delivers, keep-alive in both directions and the limits of
every wait. Does no I/O and reads no clock: seconds of a monotonic clock are arguments.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from fortified.adapters.tastytrade.dxlink_events import ASKED, Batch, unreadable
from fortified.domain.errors import LocalProtocolError, RemoteProtocolError, VenueUnavailable

_CHUNK: Final = 8192
"""Longer subscriptions are sent in pieces, as the reference client does."""
_AUTH_STATE: Final = "AUTH_STATE"


class ChannelPlan(msgspec.Struct, frozen=True):
    """A channel to open. ``number`` is odd; ``aggregation_s`` is what is asked for, 0: each event by itself."""

    number: int
    contract: str
    aggregation_s: float
    types: tuple[str, ...]


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a subscription. ``fromTime`` (ms) makes it a time series from then on; whoever removes it repeats that time."""

    type: str
    symbol: str
    fromTime: int | None = None  # noqa: N815  # the name on the wire


class Timing(msgspec.Struct, frozen=True):
    """Limits in s. ``keepalive_s`` is what we promise, ``accept_keepalive_s`` what we ask the server to promise, ``step_s`` is for each
    answer of the handshake."""

    keepalive_s: float = 60.0
    accept_keepalive_s: float = 60.0
    step_s: float = 10.0


class Ready(msgspec.Struct, frozen=True):
    """All channels are open: subscribe. Comes again when the server had lost its trust meanwhile, and perhaps the subscriptions."""


class Unauthorized(msgspec.Struct, frozen=True):
    """The server takes no longer, or not, what we authorized with. Nothing is sent until ``authorize``."""


class Configured(msgspec.Struct, frozen=True):
    """The server told how it delivers on a channel; ``aggregation_s`` None: not told."""

    channel: int
    aggregation_s: float | None


class Undecodable(msgspec.Struct, frozen=True):
    """Data that was thrown away, because what was delivered cannot be read for sure."""

    channel: int
    type: str
    reason: str


class ChannelFault(msgspec.Struct, frozen=True):
    """The server refuses something on a channel."""

    channel: int
    reason: str


Signal = Ready | Unauthorized | Configured | Undecodable | ChannelFault | Batch


class DxLink:
    """One connection. ``receive`` and ``on_time`` raise when it is to be given up: ``RemoteProtocolError``, ``VenueUnavailable``."""

    def __init__(self, plans: Sequence[ChannelPlan], token: str, version: str, now: float, timing: Timing | None = None) -> None:
        if any(plan.number % 2 == 0 for plan in plans):
            raise LocalProtocolError("Channels of a DXLink client have odd numbers.")
        self.last_received = now
        self._plans = {plan.number: plan for plan in plans}
        self._unsaid: str | None = token
        self._refused = False
        self._timing = timing or Timing()
        self._silence_s = self._timing.accept_keepalive_s
        self._outgoing: list[bytes] = []
        self._last_sent = now
        self._awaited, self._since = "SETUP", now
        self._asked: set[int] = set()
        self._opened: set[int] = set()
        self._fields: dict[tuple[int, str], tuple[str, ...]] = {}
        self._say(
            {
                **{"type": "SETUP", "channel": 0, "version": f"0.1-{version}"},
                **{"keepaliveTimeout": self._timing.keepalive_s, "acceptKeepaliveTimeout": self._timing.accept_keepalive_s},
            }
        )

    @property
    def is_ready(self) -> bool:
        """Whether subscriptions may be sent."""
        return self._opened == self._plans.keys()

    def take(self, now: float) -> list[bytes]:
        """The frames to send now, in order."""
        frames, self._outgoing = self._outgoing, []
        if frames:
            self._last_sent = now
        return frames

    def subscribe(self, channel: int, *subscriptions: Subscription) -> None:
        """Add to what ``channel`` delivers."""
        self._subscription(channel, "add", subscriptions)

    def unsubscribe(self, channel: int, *subscriptions: Subscription) -> None:
        """Take from what ``channel`` delivers."""
        self._subscription(channel, "remove", subscriptions)

    def authorize(self, token: str, now: float) -> None:
        """Present a token: the old one was refused, or will end."""
        self._unsaid = None
        self._say({"type": "AUTH", "channel": 0, "token": token})
        self._wait_for(_AUTH_STATE, now)

    def on_time(self, now: float) -> None:
        """Keep the connection alive. Raises when the server is silent, or does not answer."""
        if now - self.last_received > self._silence_s:
            raise VenueUnavailable(f"DXLink was silent for {self._silence_s:g} s")
        if self._awaited and now - self._since > self._timing.step_s:
            raise VenueUnavailable(f"DXLink did not send {self._awaited} within {self._timing.step_s:g} s")
        if now - self._last_sent >= min(30.0, self._timing.keepalive_s / 2):
            self._say({"type": "KEEPALIVE", "channel": 0})

    def receive(self, frame: bytes | str, now: float) -> list[Signal]:
        """Take in one frame."""
        self.last_received = now
        try:
            message = orjson.loads(frame)
            kind, channel = message["type"], message.get("channel", 0)
        except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
            raise RemoteProtocolError("DXLink sent what is no message") from None
        match kind:
            case "FEED_DATA":
                return self._data(channel, message.get("data"))
            case "FEED_CONFIG":
                return self._config(channel, message)
            case "SETUP":
                self._silence_s = _seconds(message.get("keepaliveTimeout")) or self._timing.accept_keepalive_s
                self._wait_for(_AUTH_STATE, now)
            case "AUTH_STATE":
                return self._auth_state(message.get("state"), now)
            case "CHANNEL_OPENED":
                return self._channel_opened(channel)
            case "CHANNEL_CLOSED":
                raise RemoteProtocolError(f"DXLink closed channel {channel}")
            case "ERROR":
                return self._error(channel, str(message.get("error")), str(message.get("message", "")))
        return []

    # --- the handshake ---

    def _wait_for(self, what: str, now: float) -> None:
        self._awaited, self._since = what, now

    def _auth_state(self, state: Any, now: float) -> list[Signal]:
        if state == "AUTHORIZED":
            again, self._refused, self._unsaid, self._awaited = self._refused, False, None, ""
            self._open_channels(now)
            return [Ready()] if again and self.is_ready else []
        if self._unsaid is not None:
            self.authorize(self._unsaid, now)
            return []
        return self._unauthorized()

    def _unauthorized(self) -> list[Signal]:
        self._awaited, self._refused = "", True
        return [Unauthorized()]

    def _open_channels(self, now: float) -> None:
        for plan in self._plans.values():
            if plan.number not in self._asked:
                self._asked.add(plan.number)
                parameters = {"contract": plan.contract}
                self._say({"type": "CHANNEL_REQUEST", "channel": plan.number, "service": "FEED", "parameters": parameters})
                self._wait_for("CHANNEL_OPENED", now)

    def _channel_opened(self, channel: int) -> list[Signal]:
        plan = self._plans.get(channel)
        if plan is None or channel in self._opened:
            return []
        self._opened.add(channel)
        self._say(
            {
                **{"type": "FEED_SETUP", "channel": channel, "acceptAggregationPeriod": plan.aggregation_s},
                **{"acceptDataFormat": "COMPACT", "acceptEventFields": {name: list(ASKED[name]) for name in plan.types}},
            }
        )
        if not self.is_ready:
            return []
        self._awaited = ""
        return [Ready()]

    def _error(self, channel: int, error: str, message: str) -> list[Signal]:
        if error == "UNAUTHORIZED":
            return self._unauthorized()
        if channel == 0:
            raise RemoteProtocolError(f"DXLink: {error}: {message}")
        return [ChannelFault(channel, f"{error}: {message}")]

    # --- the feed ---

    def _config(self, channel: int, message: Mapping[str, Any]) -> list[Signal]:
        fields = message.get("eventFields")
        if isinstance(fields, dict):
            for event_type, names in fields.items():
                self._fields[channel, event_type] = tuple(map(str, names))
        return [Configured(channel, _seconds(message.get("aggregationPeriod")))]

    def _data(self, channel: int, data: Any) -> list[Signal]:
        if not isinstance(data, list) or not data:
            return []
        if isinstance(data[0], dict):  # format FULL: the server need not do as it was asked
            return [Batch(channel, str(row.get("eventType")), tuple(row), list(row.values())) for row in data]
        return [self._batch(channel, event_type, values) for event_type, values in zip(data[::2], data[1::2], strict=False)]

    def _batch(self, channel: int, event_type: str, values: Any) -> Signal:
        fields = self._fields.get((channel, event_type))
        if fields is None:
            return Undecodable(channel, event_type, "its fields were not told")
        if not isinstance(values, list) or not fields or len(values) % len(fields):
            return Undecodable(channel, event_type, f"its length does not fit its {len(fields)} fields")
        lacking = unreadable(event_type, fields)
        if lacking:
            return Undecodable(channel, event_type, f"it lacks {lacking}")
        return Batch(channel, event_type, fields, values)

    def _subscription(self, channel: int, what: str, subscriptions: Sequence[Subscription]) -> None:
        lines: list[dict[str, Any]] = []
        length = 0
        for subscription in subscriptions:
            line = msgspec.to_builtins(subscription)
            length += len(orjson.dumps(line)) + 1
            if lines and length > _CHUNK - 100:
                self._say({"type": "FEED_SUBSCRIPTION", "channel": channel, what: lines})
                lines, length = [], len(orjson.dumps(line)) + 1
            lines.append(line)
        if lines:
            self._say({"type": "FEED_SUBSCRIPTION", "channel": channel, what: lines})

    def _say(self, message: Mapping[str, Any]) -> None:
        self._outgoing.append(orjson.dumps(message))


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None
