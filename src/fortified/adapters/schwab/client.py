"""Schwab's REST interface, one method for each request.

Owns paths, queries and pacing. Reads return what was read or raise; requests that change something return what became of them, whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from fortified.adapters.pacing import Rate
from fortified.adapters.schwab.wire import (
    Account,
    AccountNumber,
    Preview,
    PriceHistory,
    SecuritiesAccount,
    StreamerInfo,
    UserPreference,
    WireOrder,
    decode,
    error_text,
    flatten,
    format_time,
)
from fortified.adapters.transport import Accepted, BrokerTransport, Outcome, Refused
from fortified.domain.errors import VenueUnavailable

API_URL: Final = "https://api.schwabapi.com"
TRADER: Final = "/trader/v1"
MARKET_DATA: Final = "/marketdata/v1"
ORDER, READ, OAUTH = "order", "read", "oauth"
RATES: Final[Mapping[str, Rate]] = {ORDER: Rate(1.0, 20), READ: Rate(100 / 60, 20), OAUTH: Rate(0.2, 5)}
"""Requests a second: 60 orders and 100 reads a minute. The venue's own limit of orders is set with the application, 120 at most."""
PACE_LIMIT_S: Final = 30.0
"""The longest that a request waits for its turn."""
MAX_RESULTS: Final = 3000
_MIN_SPAN_NS: Final = 60 * 10**9
_CORRELATION: Final = "schwab-client-correlid"

_log = structlog.get_logger(__name__)


class SchwabClient:
    """Requests with the token that ``transport`` shows. ``account`` is the hash that stands for an account's number."""

    def __init__(self, transport: BrokerTransport) -> None:
        self._transport = transport

    async def account_numbers(self) -> Sequence[AccountNumber]:
        """The accounts of the log-in."""
        return await self._read(f"{TRADER}/accounts/accountNumbers", tuple[AccountNumber, ...], "the list of accounts")

    async def account(self, account: str, *, positions: bool) -> SecuritiesAccount:
        """Balances and restrictions, and positions if asked for."""
        query = (("fields", "positions"),) if positions else ()
        return (await self._read(f"{TRADER}/accounts/{account}", Account, "the account", query)).securities_account

    async def streamer(self) -> StreamerInfo:
        """Where the streamer is. Raises VenueUnavailable when the account has none."""
        preference = await self._read(f"{TRADER}/userPreference", UserPreference, "the user's preferences")
        if not preference.streamer_info:
            raise VenueUnavailable("Schwab names no streamer for this log-in; ask Schwab whether the account may stream.")
        return preference.streamer_info[0]

    async def orders(self, account: str, start_ns: int, end_ns: int) -> list[WireOrder]:
        """All orders with legs that were entered in [start, end], those inside of others too. A span that holds too many is halved."""
        query = (("fromEnteredTime", format_time(start_ns)), ("toEnteredTime", format_time(end_ns)), ("maxResults", str(MAX_RESULTS)))
        found = await self._read(f"{TRADER}/accounts/{account}/orders", tuple[WireOrder, ...], "the list of orders", query)
        if len(found) < MAX_RESULTS or end_ns - start_ns < _MIN_SPAN_NS:
            return flatten(found)
        middle = (start_ns + end_ns) // 2
        both = [*await self.orders(account, middle, end_ns), *await self.orders(account, start_ns, middle)]
        return list({str(order.order_id): order for order in both}.values())

    async def order(self, account: str, order_id: str) -> WireOrder | None:
        """One order, with what it triggers; None when the account has none of that id."""
        path = f"{TRADER}/accounts/{account}/orders/{order_id}"
        answer = await self._transport.get(path, route=READ)
        if isinstance(answer, Refused) and answer.status == 404:
            return None
        return decode(self._body(answer, "an order"), WireOrder, "an order")

    async def place(self, account: str, body: Mapping[str, Any]) -> Outcome:
        """Send an order, once."""
        return self._noted("place", await self._transport.send("POST", f"{TRADER}/accounts/{account}/orders", route=ORDER, json=body))

    async def replace(self, account: str, order_id: str, body: Mapping[str, Any]) -> Outcome:
        """Send an order in the place of another, once."""
        path = f"{TRADER}/accounts/{account}/orders/{order_id}"
        return self._noted("replace", await self._transport.send("PUT", path, route=ORDER, json=body))

    async def cancel(self, account: str, order_id: str) -> Outcome:
        """Ask for a cancel, once."""
        path = f"{TRADER}/accounts/{account}/orders/{order_id}"
        return self._noted("cancel", await self._transport.send("DELETE", path, route=ORDER))

    async def preview(self, account: str, body: Mapping[str, Any]) -> Preview:
        """What Schwab would say to an order; nothing is sent to a market."""
        path = f"{TRADER}/accounts/{account}/previewOrder"
        match await self._transport.send("POST", path, route=ORDER, json=body):
            case Accepted(body=answer):
                return decode(answer, Preview, "a preview")
            case Refused() as refused:
                raise _unavailable(refused, "a preview")
            case other:
                raise VenueUnavailable(f"Schwab did not preview the order ({other}); try again.")

    async def minutes(self, symbol: str, start_ns: int, end_ns: int, *, extended: bool) -> PriceHistory:
        """Bars of one minute that open in [start, end). Without an end the venue would stop at yesterday's close."""
        return await self._history(
            symbol, start_ns, end_ns, extended, (("periodType", "day"), ("frequencyType", "minute"), ("frequency", "1"))
        )

    async def days(self, symbol: str, start_ns: int, end_ns: int) -> PriceHistory:
        """Bars of a trading day."""
        return await self._history(
            symbol, start_ns, end_ns, False, (("periodType", "year"), ("frequencyType", "daily"), ("frequency", "1"))
        )

    async def _history(self, symbol: str, start_ns: int, end_ns: int, extended: bool, kind: tuple[tuple[str, str], ...]) -> PriceHistory:
        span = (("startDate", str(start_ns // 1_000_000)), ("endDate", str(end_ns // 1_000_000)))
        query = (("symbol", symbol), *kind, *span, ("needExtendedHoursData", "true" if extended else "false"))
        return await self._read(f"{MARKET_DATA}/pricehistory", PriceHistory, f"the price history of {symbol}", query)

    async def _read[T](self, path: str, kind: type[T], what: str, query: tuple[tuple[str, str], ...] = ()) -> T:
        return decode(self._body(await self._transport.get(path, route=READ, params=query), what), kind, what)

    def _body(self, answer: Accepted | Refused, what: str) -> bytes:
        if isinstance(answer, Refused):
            raise _unavailable(answer, what)
        return answer.body

    def _noted(self, request: str, outcome: Outcome) -> Outcome:
        """The correlation id is what Schwab's support asks for."""
        if isinstance(outcome, Accepted | Refused):
            _log.info("schwab answered", request=request, status=outcome.status, correlation=outcome.headers.get(_CORRELATION, ""))
        return outcome


def _unavailable(refused: Refused, what: str) -> VenueUnavailable:
    correlation = refused.headers.get(_CORRELATION, "")
    said = error_text(refused.body) or "without a reason"
    _log.warning("schwab refused", what=what, status=refused.status, correlation=correlation)
    return VenueUnavailable(f"Schwab refuses {what} ({refused.status}: {said}); check that the application has the right to it.")
