"""The conversation with Schwab's streamer, without a socket: messages in, commands and events out.

Owns the order of commands. LOGIN is first, and no command goes out before the one before it was answered: those sent side by side fail.
What is subscribed is brought to what is wanted, one command after the other, so a new connection needs nothing but a new protocol with the
same wishes. Time comes as an argument (ns).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from fortified.adapters.schwab.frames import (
    ADMIN,
    MAX_KEYS,
    RESUBSCRIBE,
    SEVERING,
    SUCCEEDED,
    WORTH_REPEATING,
    Code,
    Data,
    Response,
    decode_frame,
    encode_command,
    login_parameters,
)
from fortified.adapters.schwab.wire import StreamerInfo
from fortified.domain.errors import LocalProtocolError, RemoteProtocolError
from fortified.domain.timeframe import NS_PER_SECOND

DEFAULT_SILENCE_NS: Final = 45 * NS_PER_SECOND
DEFAULT_ANSWER_NS: Final = 15 * NS_PER_SECOND
MAX_REPEATS: Final = 3


class LoggedIn(msgspec.Struct, frozen=True):
    """``status`` is the entitlement the server names: NP and PP are those of a non-professional and a professional."""

    server: str
    status: str


class Rows(msgspec.Struct, frozen=True):
    """Rows of a service, in the order they came. ``ts_server`` is the server's stamp, ns."""

    service: str
    ts_server: int
    rows: tuple[Mapping[str, Any], ...]


class Subscribed(msgspec.Struct, frozen=True):
    """Keys that rows will come for from now on."""

    service: str
    keys: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True):
    """A command that the server refused; it is not sent again on this connection."""

    service: str
    command: str
    keys: tuple[str, ...]
    code: int
    text: str


class Severed(msgspec.Struct, frozen=True):
    """The conversation is over, and why; ``code`` None: it went silent. Nothing is sent or read any more."""

    code: int | None
    text: str


class Noise(msgspec.Struct, frozen=True):
    """Something that cannot be read or was not asked for. It changes nothing."""

    text: str


StreamEvent = LoggedIn | Rows | Subscribed | Failed | Severed | Noise


class Command(msgspec.Struct, frozen=True):
    """A command on its way, with the keys and fields it is about."""

    number: int
    service: str
    command: str
    keys: tuple[str, ...]
    fields: str
    ts_sent: int


class Wish(msgspec.Struct):
    """What is wanted of a service, what it has, and what it refused."""

    fields: str
    wanted: dict[str, None] = msgspec.field(default_factory=dict)
    held: dict[str, None] = msgspec.field(default_factory=dict)
    held_fields: str | None = None
    refused: set[str] = msgspec.field(default_factory=set)
    failures: int = 0


class StreamProtocol:
    """One connection's worth of conversation."""

    def __init__(
        self,
        info: StreamerInfo,
        access_token: str,
        now_ns: int,
        *,
        silence_ns: int = DEFAULT_SILENCE_NS,
        answer_ns: int = DEFAULT_ANSWER_NS,
    ) -> None:
        self.logged_in = False
        self.severed: Severed | None = None
        self._info = info
        self._token: str | None = access_token
        self._silence_ns = silence_ns
        self._answer_ns = answer_ns
        self.heard_ns = now_ns
        self._wishes: dict[str, Wish] = {}
        self._outstanding: Command | None = None
        self._leaving = False
        self._number = 0

    # --- wishes ---

    def want(self, service: str, keys: Collection[str], fields: Collection[int]) -> None:
        """From now on ``service`` shall send rows of ``keys``, and no others, with ``fields`` (numbers)."""
        spelled = ",".join(map(str, sorted(fields)))
        wish = self._wishes.setdefault(service, Wish(spelled))
        wish.fields, wish.wanted = spelled, dict.fromkeys(keys)
        wish.refused &= wish.wanted.keys()

    def leave(self) -> None:
        """Log out once the command that is under way is answered."""
        self._leaving = True

    def held(self, service: str) -> frozenset[str]:
        """The keys that ``service`` has confirmed."""
        wish = self._wishes.get(service)
        return frozenset(() if wish is None else wish.held)

    # --- out ---

    def next_message(self, now_ns: int) -> bytes | None:
        """The next command to send; None while one is unanswered, or when all is as wanted."""
        if self._outstanding is not None or self.severed is not None:
            return None
        if self._token is not None:
            token, self._token = self._token, None
            return self._send(ADMIN, "LOGIN", login_parameters(self._info, token), now_ns)
        if not self.logged_in:
            return None
        if self._leaving:
            self._leaving = False
            return self._send(ADMIN, "LOGOUT", {}, now_ns)
        for service, wish in self._wishes.items():
            command, keys = _step(wish)
            if command:
                parameters = {} if command == "VIEW" else {"keys": ",".join(keys)}
                parameters |= {} if command == "UNSUBS" else {"fields": wish.fields}
                return self._send(service, command, parameters, now_ns, keys, wish.fields)
        return None

    def _send(
        self, service: str, command: str, parameters: Mapping[str, str], now_ns: int, keys: tuple[str, ...] = (), fields: str = ""
    ) -> bytes:
        self._number += 1
        self._outstanding = Command(self._number, service, command, keys, fields, now_ns)
        return encode_command(self._info, self._number, service, command, parameters)

    # --- in ---

    def receive(self, message: bytes | str, now_ns: int) -> Sequence[StreamEvent]:
        """What a message says. Nothing is raised: what cannot be read is ``Noise``.

        Raises:
            LocalProtocolError: the conversation was over.
        """
        if self.severed is not None:
            raise LocalProtocolError("a message was given to a conversation that is over")
        self.heard_ns = now_ns
        try:
            frame = decode_frame(message)
        except RemoteProtocolError as error:
            return (Noise(str(error)),)
        events: list[StreamEvent] = []
        for response in frame.response:
            events += self._answered(response)
        events += [_rows(data) for data in (*frame.snapshot, *frame.data)]
        return events

    def on_time(self, now_ns: int) -> Sequence[StreamEvent]:
        """What the passing of time means: silence, or a command that was not answered, end the conversation."""
        if self.severed is not None or now_ns < self.deadline_ns:
            return ()
        command = self._outstanding
        late = command is not None and now_ns >= command.ts_sent + self._answer_ns
        what = f"does not answer {command.service} {command.command}" if late and command is not None else "is silent"
        return (self._sever(None, f"Schwab's streamer {what}; connecting again."),)

    @property
    def deadline_ns(self) -> int:
        """When ``on_time`` has something to say, unless something is heard before."""
        silent = self.heard_ns + self._silence_ns
        command = self._outstanding
        return silent if command is None else min(silent, command.ts_sent + self._answer_ns)

    def _answered(self, response: Response) -> Sequence[StreamEvent]:
        code, text = response.content.code, response.content.msg
        command = self._outstanding
        if command is None or str(response.requestid) != str(command.number):
            if code in SEVERING or code in RESUBSCRIBE:
                return (self._sever(code, text),)
            return (Noise(f"an answer nobody waits for: {response.service} {response.command} {code} {text}"),)
        self._outstanding = None
        if code in SUCCEEDED:
            return self._succeeded(command, text)
        if command.command == "LOGIN" or code in SEVERING or code in RESUBSCRIBE:
            return (self._sever(code, text),)
        return self._refused(command, code, text)

    def _succeeded(self, command: Command, text: str) -> Sequence[StreamEvent]:
        if command.command == "LOGIN":
            self.logged_in = True
            told = dict(part.partition("=")[::2] for part in text.split(";"))
            return (LoggedIn(told.get("server", ""), told.get("status", "")),)
        if command.command == "LOGOUT":
            return (self._sever(Code.SUCCESS, "logged out"),)
        wish = self._wishes[command.service]
        wish.failures = 0
        if command.command == "UNSUBS":
            for key in command.keys:
                wish.held.pop(key, None)
            return ()
        if command.command == "SUBS":
            wish.held.clear()
        wish.held |= dict.fromkeys(command.keys)
        wish.held_fields = command.fields
        return () if command.command == "VIEW" else (Subscribed(command.service, command.keys),)

    def _refused(self, command: Command, code: int, text: str) -> Sequence[StreamEvent]:
        wish = self._wishes.get(command.service)
        if wish is None:
            return (Failed(command.service, command.command, command.keys, code, text),)
        wish.failures += 1
        if code in WORTH_REPEATING and wish.failures < MAX_REPEATS:
            return (Noise(f"{command.service} {command.command} failed with {code} {text}; sent again"),)
        wish.failures = 0
        if command.command == "VIEW":
            wish.held_fields = command.fields
        elif command.command == "UNSUBS":
            for key in command.keys:
                wish.held.pop(key, None)
        else:
            wish.refused |= set(command.keys)
        return (Failed(command.service, command.command, command.keys, code, text),)

    def _sever(self, code: int | None, text: str) -> Severed:
        self.severed = Severed(code, text)
        self._outstanding = None
        return self.severed


def _step(wish: Wish) -> tuple[str, tuple[str, ...]]:
    """The next command that brings what is held to what is wanted; an empty one when nothing is to do."""
    surplus = [key for key in wish.held if key not in wish.wanted]
    if surplus:
        return "UNSUBS", tuple(surplus[:MAX_KEYS])
    if wish.held and wish.held_fields != wish.fields:
        return "VIEW", ()
    missing = [key for key in wish.wanted if key not in wish.held and key not in wish.refused]
    if missing:
        return "ADD" if wish.held else "SUBS", tuple(missing[:MAX_KEYS])
    return "", ()


def _rows(data: Data) -> Rows:
    return Rows(data.service, data.timestamp * 1_000_000, data.content)
