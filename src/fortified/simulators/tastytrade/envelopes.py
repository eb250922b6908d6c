"""The envelopes of TastyTrade's answers, pages, and the reading of what requests say about them.

Owns the keys around a payload and the versions that are served. Knows no endpoint.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from fortified.simulators.hours import NS
from fortified.simulators.messages import HttpError, Reply, Request, json_reply
from fortified.simulators.tastytrade.bodies import refusal

OLDEST_VERSION: Final = 20_250_813
NEWEST_RULES: Final = 20_261_012
_PER_PAGE: Final = 10
_MOST_PER_PAGE: Final = 250


def data(request: Request, payload: Any, status: int = 200) -> Reply:
    """One thing."""
    return json_reply({"data": payload, "context": request.path}, status)


def items(request: Request, found: Sequence[Any]) -> Reply:
    """A list as a whole."""
    return data(request, {"items": found})


def page(request: Request, found: Sequence[Any]) -> Reply:
    """The page of a list that the request asks for."""
    size = min(_MOST_PER_PAGE, max(1, _whole(request.get("per-page"), _PER_PAGE)))
    offset = max(0, _whole(request.get("page-offset"), 0))
    part = found[offset * size : (offset + 1) * size]
    pagination = {
        "per-page": size,
        "page-offset": offset,
        "item-offset": offset * size,
        "total-items": len(found),
        "total-pages": -(-len(found) // size),
        "current-item-count": len(part),
        "previous-link": None,
        "next-link": None,
        "paging-link-template": None,
    }
    return json_reply({"data": {"items": part}, "context": request.path, "pagination": pagination})


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise


def version(request: Request) -> int:
    """The version that is spoken; the oldest without a wish."""
    return int(request.headers.get("accept-version", OLDEST_VERSION))


def day_of(ts_ns: int) -> date:
    """The day in UTC."""
    return datetime.fromtimestamp(ts_ns // NS, UTC).date()


def instant(request: Request, side: str, *, end: bool) -> int | None:
    """The beginning or end of a search: an instant, or a date as a whole."""
    exact, day = request.get(f"{side}-at"), request.get(f"{side}-date")
    text = exact or day
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HttpError(refusal(400, "validation_error", "Request validation failed", [(f"invalid_{side}", text)])) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((moment + timedelta(days=1) if end and exact is None else moment).timestamp() * NS)
