"""How times and decimals look outside: ISO-8601 UTC to the microsecond, decimals as plain strings.

Owns these conversions, both ways, and the base of all answer models. Knows no route.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from fortified.domain.errors import ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = Decimal("1e-10")
_WIDE = Context(prec=100)
_NS_PER_US = 1_000
_MAX_NS = 2**63 - 1


def iso_time(ts: int) -> str:
    """``ts`` (ns) as ``2025-01-02T14:30:00.000000Z``; what is below a microsecond is cut."""
    moment = _EPOCH + timedelta(microseconds=ts // _NS_PER_US)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decimal_text(value: Decimal) -> str:
    """``value`` without exponent, rounded to ten places when it has more."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -10:
        value = value.quantize(_PLACES, context=_WIDE).normalize(_WIDE)
    return format(value, "f")


def parse_time(text: str, name: str, *, end: bool = False) -> int:
    """Nanoseconds of an ISO date or datetime (UTC unless it says otherwise).

    With ``end`` the answer is exclusive and ``text`` is included: the whole day of a date, the microsecond of a datetime.
    """
    try:
        if len(text) == len("2025-01-31"):
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            width = timedelta(days=1)
        else:
            # A plus sign that was not escaped in a query string arrives as a blank.
            moment = datetime.fromisoformat(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            width = timedelta(microseconds=1)
        ns = (moment + (width if end else timedelta(0)) - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US
    except (ValueError, OverflowError):
        raise ConfigError(f"{name}={text!r} is no date. Write 2025-01-31 or 2025-01-31T14:30:00Z.") from None
    if not 0 <= ns <= _MAX_NS:
        raise ConfigError(f"{name}={text!r} is out of range. Write a date from 1970 to 2261.")
    return ns


def parse_period(start: tuple[str, str | None], end: tuple[str, str | None]) -> tuple[int | None, int | None]:
    """Two optional ends, each a name and a text, as ns; the second is exclusive. ConfigError when they are swapped."""
    start_ns = parse_time(start[1], start[0]) if start[1] else None
    end_ns = parse_time(end[1], end[0], end=True) if end[1] else None
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise ConfigError(f"{start[0]}={start[1]} is after {end[0]}={end[1]}. Swap them.")
    return start_ns, end_ns


_DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-01-02T14:30:00.000000Z"]})

Time = Annotated[int, PlainSerializer(iso_time, return_type=str), _DATE_TIME]
"""Nanoseconds inside, ISO-8601 outside."""

OptionalTime = Annotated[
    int | None,
    PlainSerializer(lambda ts: iso_time(ts) if ts else None, return_type=str | None),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
"""Like ``Time``; 0 and None are null."""

Number = Annotated[Decimal, PlainSerializer(decimal_text, return_type=str), WithJsonSchema({"type": "string", "examples": ["21043.25"]})]
"""A decimal, as a string outside."""


class Answer(BaseModel):
    """Base of the answers: made from domain objects by attribute, closed against fields nobody declared."""

    model_config = ConfigDict(from_attributes=True)
