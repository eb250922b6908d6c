"""TastyTrade's REST interface: paths, parameters, rates.

Owns which request asks for what, and that a list is read to its last page. Answers are decoded JSON or the outcome of a request; what they
mean is for others. The account number is in paths only, never in a message.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from fortified.adapters.pacing import GLOBAL, Rate
from fortified.adapters.tastytrade.wire import Raw, data_of, iso, items_of, pages_of, refusal_of
from fortified.adapters.transport import Accepted, BrokerTransport, Outcome, Params, Refused
from fortified.domain.errors import AuthExpired, RemoteProtocolError, VenueUnavailable

API_URL: Final = "https://api.tastyworks.com"
ACCEPT_VERSION: Final = "20261012"
RATES: Final[Mapping[str, Rate]] = {
    GLOBAL: Rate(50, burst=10),
    "orders": Rate(20, burst=5),
    "live orders": Rate(1),
    "positions": Rate(1),
    "balances": Rate(1),
    "trading status": Rate(1),
    "accounts": Rate(1),
    "futures": Rate(1),
    "equities": Rate(3),
    "quote token": Rate(1),
}
"""What the venue publishes, per second."""
_PER_PAGE: Final = 100
_MOST_PAGES: Final = 100


def request_headers(product_version: str) -> dict[str, str]:
    """What every request carries; without a ``User-Agent`` the venue answers 401."""
    return {"User-Agent": f"fortified/{product_version}", "Accept": "application/json", "Accept-Version": ACCEPT_VERSION}


class TastyTradeClient:
    """Requests for one account. Reads raise AuthExpired, RateLimited or VenueUnavailable; the others say their outcome."""

    def __init__(self, transport: BrokerTransport, account_number: str) -> None:
        self._transport = transport
        self.account_number = account_number
        self._account = f"/accounts/{quote(account_number, safe='')}"

    # --- the account ---

    async def accounts(self) -> list[Raw]:
        return _read(items_of, await self._data("/customers/me/accounts", "accounts"), "accounts")

    async def trading_status(self) -> Raw:
        return await self._data(f"{self._account}/trading-status", "trading status")

    async def balances(self) -> Raw:
        return await self._data(f"{self._account}/balances", "balances")

    async def positions(self) -> list[Raw]:
        return await self._items(f"{self._account}/positions", "positions")

    # --- orders ---

    async def order(self, order_id: str) -> Raw | None:
        """None: the venue has no order of that id."""
        return await self._data_or_none(f"{self._account}/orders/{quote(order_id, safe='')}", "orders")

    async def orders(self, since_ns: int) -> list[Raw]:
        """All orders received since, in whatever state."""
        return await self._items(f"{self._account}/orders", "orders", (("start-at", iso(since_ns)),))

    async def live_orders(self) -> list[Raw]:
        """What works, and what was touched today. Not to be asked often: the venue suspends who polls it."""
        return await self._items(f"{self._account}/orders/live", "live orders")

    async def submit(self, body: Mapping[str, Any]) -> Outcome:
        return await self._transport.send("POST", f"{self._account}/orders", route="orders", json=body)

    async def dry_run(self, body: Mapping[str, Any]) -> Outcome:
        return await self._transport.send("POST", f"{self._account}/orders/dry-run", route="orders", json=body)

    async def replace(self, order_id: str, body: Mapping[str, Any]) -> Outcome:
        return await self._transport.send("PUT", f"{self._account}/orders/{quote(order_id, safe='')}", route="orders", json=body)

    async def cancel(self, order_id: str) -> Outcome:
        return await self._transport.send("DELETE", f"{self._account}/orders/{quote(order_id, safe='')}", route="orders")

    async def submit_complex(self, body: Mapping[str, Any]) -> Outcome:
        return await self._transport.send("POST", f"{self._account}/complex-orders", route="orders", json=body)

    async def cancel_complex(self, complex_id: str) -> Outcome:
        return await self._transport.send("DELETE", f"{self._account}/complex-orders/{quote(complex_id, safe='')}", route="orders")

    # --- instruments and market data ---

    async def futures(self, product_code: str) -> list[Raw]:
        """The listed contracts of a product, ``NQ``."""
        return await self._items("/instruments/futures", "futures", (("product-code[]", product_code),))

    async def equity(self, symbol: str) -> Raw | None:
        return await self._data_or_none(f"/instruments/equities/{quote(symbol, safe='')}", "equities")

    async def quote_token(self) -> Raw:
        return await self._data("/api-quote-tokens", "quote token")

    # ---

    async def _data(self, path: str, route: str) -> Raw:
        return _read(data_of, await self._accepted(path, route), route)

    async def _data_or_none(self, path: str, route: str) -> Raw | None:
        outcome = await self._transport.get(path, route=route)
        if isinstance(outcome, Refused) and outcome.status == 404:
            return None
        return _read(data_of, _accepted(outcome, route), route)

    async def _items(self, path: str, route: str, params: Params = ()) -> list[Raw]:
        """All pages. The newest come first, so what arrives between two pages is read twice, never missed."""
        found: list[Raw] = []
        for page in range(_MOST_PAGES):
            body = await self._accepted(path, route, (*params, ("per-page", str(_PER_PAGE)), ("page-offset", str(page))))
            found += _read(items_of, _read(data_of, body, route), route)
            if page + 1 >= _read(pages_of, body, route):
                return found
        raise VenueUnavailable(f"TastyTrade has more than {_MOST_PAGES * _PER_PAGE} rows of {route}. Ask for a shorter time.")

    async def _accepted(self, path: str, route: str, params: Params = ()) -> bytes:
        return _accepted(await self._transport.get(path, route=route, params=params), route)


def _accepted(outcome: Accepted | Refused, route: str) -> bytes:
    if isinstance(outcome, Accepted):
        return outcome.body
    said = f"{outcome.status} {refusal_of(outcome.body)}".strip()
    if outcome.status == 403:
        raise AuthExpired(f"TastyTrade does not permit to read {route} ({said}). Check the account and the rights of the grant.")
    raise VenueUnavailable(f"TastyTrade refuses to tell {route} ({said}). It is asked again later; if it stays, report it.")


def _read[A, T](reader: Callable[[A], T], answer: A, route: str) -> T:
    try:
        return reader(answer)
    except RemoteProtocolError as error:
        raise VenueUnavailable(f"{route}: {error}") from None
