"""The JSON of TastyTrade's REST interface and account streamer: envelopes, refusals, and fields whose types drift.

Owns how a value is read: ``1``, ``"1"`` and ``"1.0"`` are one quantity, a time is epoch milliseconds or ISO text. Numbers never pass
through a float. Knows no endpoint. What is missing or odd is None; only an answer that is no JSON, or lacks its envelope, is an error.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from fortified.domain.errors import RemoteProtocolError

type Raw = Mapping[str, Any]

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MS = 10**6


def decode(body: bytes | str) -> Any:
    """Decoded JSON; ``RemoteProtocolError`` when it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        start = body[:40]
        raise RemoteProtocolError(f"TastyTrade answers with what is no JSON: {start!r}. Try again; if it stays, report it.") from None


def data_of(body: bytes) -> Raw:
    """What the envelope ``{"data": …}`` holds."""
    answer = decode(body)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise RemoteProtocolError("TastyTrade answers without the data that was asked for. Try again; if it stays, report it.")
    return data


def items_of(data: Raw) -> list[Raw]:
    """The list of an envelope; ``RemoteProtocolError`` when there is none, because a missing list is no empty one."""
    items = data.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RemoteProtocolError("TastyTrade answers without the list that was asked for. Try again; if it stays, report it.")
    return items


def pages_of(body: bytes) -> int:
    """How many pages the whole answer has."""
    answer = decode(body)
    pagination = answer.get("pagination") if isinstance(answer, dict) else None
    return integer(pagination, "total-pages") or 1 if isinstance(pagination, dict) else 1


def refusal_of(body: bytes) -> str:
    """What an error answer says, in one line: the code and message of the error and of each of its parts."""
    try:
        answer = decode(body)
    except RemoteProtocolError:
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return "; ".join(dict.fromkeys(_said(error))) if isinstance(error, dict) else ""


def refusal_codes(body: bytes) -> frozenset[str]:
    """All codes of an error answer."""
    try:
        answer = decode(body)
    except RemoteProtocolError:
        return frozenset()
    error = answer.get("error") if isinstance(answer, dict) else None
    parts = [error, *children(error, "errors")] if isinstance(error, dict) else []
    return frozenset(code for part in parts if (code := text(part, "code")))


def notes(data: Raw, key: str) -> tuple[str, ...]:
    """The messages of a list of ``{code, message}``, such as the warnings of an order."""
    return tuple(dict.fromkeys(line for note in children(data, key) if (line := _line(note))))


def _said(error: Raw) -> Iterator[str]:
    parts = children(error, "errors")
    if not parts or text(error, "code") != "preflight_check_failure":
        yield _line(error)
    for part in parts:
        yield _line(part)


def _line(note: Raw) -> str:
    code, message = text(note, "code"), text(note, "message") or text(note, "reason")
    return ": ".join(part for part in (code, message) if part)


def child(raw: Raw, key: str) -> Raw:
    """The object in ``key``, an empty one when it is something else."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def children(raw: Raw, key: str) -> list[Raw]:
    """The objects of the list in ``key``."""
    value = raw.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(raw: Raw, key: str) -> str | None:
    """A string, or a whole number as one. Empty is None."""
    value = raw.get(key)
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def decimal(raw: Raw, key: str) -> Decimal | None:
    """A finite number, written as one or as text."""
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def integer(raw: Raw, key: str) -> int | None:
    """A whole number."""
    number = decimal(raw, key)
    return int(number) if number is not None and number == number.to_integral_value() else None


def flag(raw: Raw, key: str) -> bool | None:
    """A truth value, written as one or as text."""
    value = raw.get(key)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def stamp(raw: Raw, key: str) -> int | None:
    """A time in ns: epoch milliseconds (0 is none), or ISO text; text without an offset is UTC."""
    value = raw.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value * _MS if value > 0 else None
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (when - _EPOCH) // _MICROSECOND * 1000


def iso(ts_ns: int) -> str:
    """``ts_ns`` as the interface wants times: UTC, milliseconds."""
    when = _EPOCH + timedelta(microseconds=ts_ns // 1000)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
