"""Frames of the streamer: bytes to values and back.

Owns the envelope of requests, responses, data and heartbeats, and the codes of responses. Knows neither the order of commands nor the
fields of any service.
"""

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fortified.adapters.schwab.wire import StreamerInfo
from fortified.domain.errors import RemoteProtocolError

ADMIN: Final = "ADMIN"
MAX_KEYS: Final = 500


class Code(enum.IntEnum):
    """Codes of a response, as documented."""

    SUCCESS = 0
    LOGIN_DENIED = 3
    UNKNOWN_FAILURE = 9
    SERVICE_NOT_AVAILABLE = 11
    CLOSE_CONNECTION = 12
    """Another program logged in: each user may have one connection."""
    REACHED_SYMBOL_LIMIT = 19
    STREAM_CONN_NOT_FOUND = 20
    """No log-in, one that is not through yet, or other ids than it had."""
    BAD_COMMAND_FORMAT = 21
    FAILED_COMMAND_SUBS = 22
    FAILED_COMMAND_UNSUBS = 23
    FAILED_COMMAND_ADD = 24
    FAILED_COMMAND_VIEW = 25
    SUCCEEDED_COMMAND_SUBS = 26
    SUCCEEDED_COMMAND_UNSUBS = 27
    SUCCEEDED_COMMAND_ADD = 28
    SUCCEEDED_COMMAND_VIEW = 29
    STOP_STREAMING = 30
    """No subscriptions, inactivity, too slow a reader, or the administrator."""


SUCCEEDED: Final = frozenset({Code.SUCCESS, *(code for code in Code if code.name.startswith("SUCCEEDED"))})
SEVERING: Final = frozenset({Code.LOGIN_DENIED, Code.CLOSE_CONNECTION, Code.STOP_STREAMING})
"""After these the server closes the connection."""
RESUBSCRIBE: Final = frozenset({Code.STREAM_CONN_NOT_FOUND})
"""The connection lives and has forgotten us: a new one is needed."""
WORTH_REPEATING: Final = frozenset(
    {
        Code.UNKNOWN_FAILURE,
        Code.FAILED_COMMAND_SUBS,
        Code.FAILED_COMMAND_UNSUBS,
        Code.FAILED_COMMAND_ADD,
        Code.FAILED_COMMAND_VIEW,
    }
)


class Content(msgspec.Struct, frozen=True):
    code: int = Code.UNKNOWN_FAILURE
    msg: str = ""


class Response(msgspec.Struct, frozen=True):
    """The answer to a command. ``requestid`` is written as a text or a number."""

    service: str = ""
    command: str = ""
    requestid: str | int = ""
    content: Content = Content()


class Data(msgspec.Struct, frozen=True):
    """Rows of a service: ``key``, and fields by their numbers. ``timestamp`` is the server's, ms."""

    service: str
    timestamp: int = 0
    command: str = ""
    content: tuple[dict[str, Any], ...] = ()


class Notice(msgspec.Struct, frozen=True):
    heartbeat: str | int | None = None


class Frame(msgspec.Struct, frozen=True):
    """What came in one message."""

    response: tuple[Response, ...] = ()
    data: tuple[Data, ...] = ()
    notify: tuple[Notice, ...] = ()
    snapshot: tuple[Data, ...] = ()


_FRAMES: Final = msgspec.json.Decoder(Frame)
_BARE: Final = msgspec.json.Decoder(Data)


def decode_frame(message: bytes | str) -> Frame:
    """One message. Rows that come without their envelope are rows all the same.

    Raises:
        RemoteProtocolError: it is no frame.
    """
    try:
        frame = _FRAMES.decode(message)
        if frame == Frame() and b'"service"' in (message.encode() if isinstance(message, str) else message):
            return Frame(data=(_BARE.decode(message),))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"a message of Schwab's streamer cannot be read ({error}); it was passed over") from None
    return frame


def encode_command(info: StreamerInfo, number: int, service: str, command: str, parameters: Mapping[str, str] | None = None) -> bytes:
    """A request with one command."""
    request: dict[str, Any] = {
        "requestid": str(number),
        "service": service,
        "command": command,
        "SchwabClientCustomerId": info.schwab_client_customer_id,
        "SchwabClientCorrelId": info.schwab_client_correl_id,
    }
    if parameters:
        request["parameters"] = parameters
    return msgspec.json.encode({"requests": [request]})


def login_parameters(info: StreamerInfo, access_token: str) -> dict[str, str]:
    """Parameters of LOGIN."""
    return {
        "Authorization": access_token,
        "SchwabClientChannel": info.schwab_client_channel,
        "SchwabClientFunctionId": info.schwab_client_function_id,
    }
