"""The shapes of Schwab's REST answers, as far as they are used.

Owns decoding: numbers that are money become Decimal from their digits, ids stay what they are, fields nobody needs are not looked at, and
those that are missing are None. Knows no order of ours.
"""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from fortified.domain.errors import VenueUnavailable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GZIP: Final = 31
_MAX_BYTES: Final = 64 * 1024 * 1024
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)
"""A number with a fraction becomes the Decimal of its digits, and no float in between."""


class Struct(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an answer; keys are written in camel case there."""


class WireInstrument(Struct, frozen=True):
    symbol: str = ""
    asset_type: str = ""


class WireLeg(Struct, frozen=True):
    instruction: str = ""
    quantity: Decimal | None = None
    leg_id: int | None = None
    instrument: WireInstrument = WireInstrument()


class ExecutionLeg(Struct, frozen=True):
    leg_id: int | None = None
    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    time: str = ""


class Activity(Struct, frozen=True):
    """``execution_type`` is FILL, or CANCELED for what a cancel took away; the published schema knows only the first."""

    activity_type: str = ""
    activity_id: int | str | None = None
    execution_type: str = ""
    execution_legs: tuple[ExecutionLeg, ...] = ()


class WireOrder(Struct, frozen=True):
    """An order; ``child_order_strategies`` are those it triggers, or the members of an OCO, which has no leg of its own."""

    order_id: int | str | None = None
    status: str = "UNKNOWN"
    order_type: str = ""
    order_strategy_type: str = ""
    session: str = ""
    duration: str = ""
    quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    entered_time: str = ""
    close_time: str = ""
    status_description: str = ""
    tag: str = ""
    order_leg_collection: tuple[WireLeg, ...] = ()
    order_activity_collection: tuple[Activity, ...] = ()
    child_order_strategies: tuple["WireOrder", ...] = ()
    replacing_order_collection: tuple["WireOrder", ...] = ()


class AccountNumber(Struct, frozen=True):
    """``hash_value`` stands for the number in all paths."""

    account_number: str
    hash_value: str


class WirePosition(Struct, frozen=True):
    instrument: WireInstrument = WireInstrument()
    long_quantity: Decimal = Decimal(0)
    short_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None


class WireBalances(Struct, frozen=True):
    liquidation_value: Decimal | None = None
    cash_balance: Decimal | None = None
    total_cash: Decimal | None = None
    buying_power: Decimal | None = None
    cash_available_for_trading: Decimal | None = None


class SecuritiesAccount(Struct, frozen=True):
    account_number: str = ""
    type: str = ""
    round_trips: int | None = None
    is_day_trader: bool = False
    is_closing_only_restricted: bool = False
    pfcb_flag: bool = False
    positions: tuple[WirePosition, ...] = ()
    current_balances: WireBalances = WireBalances()


class Account(Struct, frozen=True):
    securities_account: SecuritiesAccount


class StreamerInfo(Struct, frozen=True):
    """Where the streamer is, and who we are there. ``schwab_client_customer_id`` identifies the person: not for logs."""

    streamer_socket_url: str
    schwab_client_customer_id: str
    schwab_client_correl_id: str
    schwab_client_channel: str = "N9"
    schwab_client_function_id: str = "APIAPP"

    def __repr__(self) -> str:
        return f"StreamerInfo({self.streamer_socket_url!r})"


class UserPreference(Struct, frozen=True):
    streamer_info: tuple[StreamerInfo, ...] = ()


class Remark(Struct, frozen=True):
    activity_message: str = ""
    message: str = ""


class Validation(Struct, frozen=True):
    """What a preview has to say, by weight."""

    alerts: tuple[Remark, ...] = ()
    accepts: tuple[Remark, ...] = ()
    rejects: tuple[Remark, ...] = ()
    reviews: tuple[Remark, ...] = ()
    warns: tuple[Remark, ...] = ()


class Preview(Struct, frozen=True):
    order_validation_result: Validation = Validation()


class Candle(Struct, frozen=True):
    """``datetime`` is the opening of the bar in milliseconds."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    datetime: int


class PriceHistory(Struct, frozen=True):
    symbol: str = ""
    empty: bool = False
    candles: tuple[Candle, ...] = ()


class _Detail(Struct, frozen=True):
    title: str = ""
    detail: str = ""


class _Errors(Struct, frozen=True):
    """Trading answers with ``message`` and texts, market data with objects, the token endpoint with ``error``."""

    message: str = ""
    errors: tuple[_Detail | str, ...] = ()
    error: str = ""
    error_description: str = msgspec.field(default="", name="error_description")


def decode[T](body: bytes, kind: type[T], what: str) -> T:
    """``body`` as ``kind``.

    Raises:
        VenueUnavailable: it is no such thing; the text names ``what`` and not the content.
    """
    try:
        return msgspec.convert(_present(_JSON.decode(_plain(body))), kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, zlib.error) as error:
        raise VenueUnavailable(f"Schwab's answer to {what} cannot be read ({error}); try again, and report it if it stays.") from None


def _plain(body: bytes) -> bytes:
    """``body`` unpacked: some errors come as gzip without saying so."""
    return zlib.decompressobj(_GZIP).decompress(body, _MAX_BYTES) if body.startswith(b"\x1f\x8b") else body


def _present(value: Any) -> Any:
    """``value`` without its nulls: what is null is as good as missing."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    return [_present(item) for item in value if item is not None] if isinstance(value, list) else value


def error_text(body: bytes) -> str:
    """The reasons that the body of an error gives, in one line; empty when it gives none that can be read."""
    try:
        errors = decode(body, _Errors, "a request")
    except VenueUnavailable:
        return ""
    details = [part if isinstance(part, str) else ": ".join(filter(None, (part.title, part.detail))) for part in errors.errors]
    parts = (errors.message, errors.error, errors.error_description, *details)
    return "; ".join(dict.fromkeys(" ".join(part.split()) for part in parts if part))


def parse_time(text: str) -> int:
    """``2025-01-16T16:13:09+0000`` in ns; 0 for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000


def format_time(ts_ns: int) -> str:
    """``ts_ns`` as queries want it: ``2025-01-16T16:13:09.000Z``, cut to milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=ts_ns // 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1_000:03d}Z"


def order_id_of(location: str | None) -> str | None:
    """The id at the end of the ``Location`` of an order; None when there is none."""
    _, separator, last = (location or "").partition("?")[0].rstrip("/").rpartition("/orders/")
    return last if separator and last and "/" not in last else None


def flatten(orders: Sequence[WireOrder]) -> list[WireOrder]:
    """All orders that have legs, with those inside of others."""
    found: list[WireOrder] = []
    for order in orders:
        if order.order_leg_collection:
            found.append(order)
        found += flatten(order.child_order_strategies)
    return found
