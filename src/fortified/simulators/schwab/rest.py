"""Schwab's OAuth and trader interface: one plain function per endpoint.

Owns paths, tokens, headers and the window of a search. What orders mean is the business of the venue.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from fortified.simulators.hours import NS
from fortified.simulators.messages import HttpError, Reply, Request, Routes, json_reply
from fortified.simulators.orders import Order
from fortified.simulators.schwab.accounts import account_shape
from fortified.simulators.schwab.bodies import Status, bad_request, decoded, service_error
from fortified.simulators.schwab.market_data import MarketData
from fortified.simulators.schwab.shapes import preview_shape, stamp
from fortified.simulators.schwab.venue import SchwabVenue
from fortified.simulators.tokens import bearer

_ENTERED: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_LONGEST: Final = timedelta(days=366)
_MOST: Final = 3_000
_CORREL: Final = {"schwab-client-correlid": "00000000-0000-4000-8000-000000000000"}
_OFFERS: Final = [{"level2Permissions": True, "mktDataPermission": "NP"}]


class SchwabRest:
    """``answer`` is what an HTTP server calls."""

    def __init__(self, venue: SchwabVenue) -> None:
        self._venue = venue
        self._routes = Routes()
        account = "/trader/v1/accounts/{hash}"
        for method, path, handler in (
            ("GET", "/v1/oauth/authorize", self._authorize),
            ("POST", "/v1/oauth/token", self._token),
            ("GET", "/trader/v1/accounts/accountNumbers", self._numbers),
            ("GET", "/trader/v1/accounts", self._accounts),
            ("GET", account, self._account),
            ("GET", f"{account}/orders", self._orders),
            ("POST", f"{account}/orders", self._place),
            ("GET", f"{account}/orders/{{id}}", self._order),
            ("PUT", f"{account}/orders/{{id}}", self._replace),
            ("DELETE", f"{account}/orders/{{id}}", self._cancel),
            ("POST", f"{account}/previewOrder", self._preview),
            ("GET", f"{account}/transactions", self._transactions),
            ("GET", "/trader/v1/userPreference", self._preference),
        ):
            self._routes.add(method, path, handler)
        MarketData(venue).add_to(self._routes)

    def answer(self, request: Request) -> Reply:
        """The answer to ``request``."""
        try:
            found = self._routes.find(request.method, request.path)
            if isinstance(found, int):
                return service_error(found, "Not found")
            if not request.path.startswith("/v1/oauth/") and not self._venue.access.valid(bearer(request.headers.get("authorization", ""))):
                return _unauthorized(request)
            self._venue.exchange.on_time()
            handler, words = found
            reply = handler(request, *words)
            return Reply(reply.status, reply.body, {**_CORREL, **reply.headers})
        except HttpError as error:
            return error.reply

    # --- authorization

    def _authorize(self, request: Request) -> Reply:
        """The login page of a user who agrees at once."""
        known = self._venue.credentials
        if request.get("client_id") != known.client_id or request.get("redirect_uri") != known.redirect_uri:
            return _oauth_error(401, "invalid_client", "Unauthorized")
        words = {"code": self._venue.codes.issue(), "session": "simulated-session"}
        state = request.get("state")
        query = urlencode(words if state is None else {**words, "state": state}, quote_via=quote)
        return Reply(302, b"", {"location": f"{known.redirect_uri}?{query}"})

    def _token(self, request: Request) -> Reply:
        venue, form = self._venue, request.form()
        if not self._is_client(request.headers.get("authorization", "")):
            return _oauth_error(401, "invalid_client", "Unauthorized")
        if form.get("grant_type") == "authorization_code":
            if form.get("redirect_uri") != venue.credentials.redirect_uri or not venue.codes.take(form.get("code", "")):
                return _oauth_error(400, "invalid_grant", "The authorization code is invalid or has expired.")
            return self._granted(venue.refresh.issue())
        if form.get("grant_type") != "refresh_token":
            return _oauth_error(400, "unsupported_grant_type", "The grant type is not supported.")
        if not venue.refresh.valid(form.get("refresh_token", "")):
            return _oauth_error(400, "unsupported_token_type", "refresh_token_authentication_error")
        return self._granted(form["refresh_token"])

    def _granted(self, refresh_token: str) -> Reply:
        access = self._venue.access
        return json_reply(
            {
                "expires_in": round(access.lifetime_s),
                "token_type": "Bearer",
                "scope": "api",
                "refresh_token": refresh_token,
                "access_token": access.issue(),
                "id_token": "simulated-id-token",
            }
        )

    def _is_client(self, header: str) -> bool:
        known = self._venue.credentials
        kind, _, words = header.partition(" ")
        try:
            return kind == "Basic" and b64decode(words, validate=True).decode() == f"{known.client_id}:{known.client_secret}"
        except (NotBase64, UnicodeDecodeError):
            return False

    # --- accounts

    def _numbers(self, request: Request) -> Reply:
        return json_reply([{"accountNumber": number, "hashValue": key} for key, number in self._venue.hashes.items()])

    def _accounts(self, request: Request) -> Reply:
        return json_reply([self._account_shape(request, number) for number in self._venue.hashes.values()])

    def _account(self, request: Request, key: str) -> Reply:
        return json_reply(self._account_shape(request, self._number(key)))

    def _account_shape(self, request: Request, number: str) -> dict[str, Any]:
        exchange = self._venue.exchange
        wanted = "positions" in (request.get("fields") or "")
        return account_shape(exchange.accounts[number], exchange.market, positions=wanted, flags=self._venue.flags)

    def _number(self, key: str) -> str:
        number = self._venue.hashes.get(key)
        if number is None:
            raise bad_request(["Invalid account number; paths take the hash value."])
        return number

    def _preference(self, request: Request) -> Reply:
        venue = self._venue
        accounts = [
            {
                "accountNumber": number,
                "primaryAccount": True,
                "type": "BROKERAGE",
                "nickName": "Simulated",
                "displayAcctId": f"...{number[-3:]}",
                "autoPositionEffect": False,
                "accountColor": "Green",
                "lotSelectionMethod": "FIFO",
            }
            for number in venue.hashes.values()
        ]
        streamer = {
            "streamerSocketUrl": venue.streamer_url,
            "schwabClientCustomerId": venue.customer_id,
            "schwabClientCorrelId": venue.correl_id,
            "schwabClientChannel": "N9",
            "schwabClientFunctionId": "APIAPP",
        }
        return json_reply({"accounts": accounts, "streamerInfo": [streamer], "offers": _OFFERS})

    # --- orders

    def _place(self, request: Request, key: str) -> Reply:
        return self._created(key, self._venue.submit(self._number(key), decoded(request.body)))

    def _replace(self, request: Request, key: str, order_id: str) -> Reply:
        body = decoded(request.body)
        found = self._venue.order(self._number(key), order_id)
        if not isinstance(found, Order):
            raise bad_request(["An OCO cannot be replaced; replace its orders."])
        return self._created(key, self._venue.replace(found, body))

    def _created(self, key: str, order_id: int) -> Reply:
        return Reply(201, b"", {"location": f"{self._venue.api_url}/trader/v1/accounts/{key}/orders/{order_id}"})

    def _cancel(self, request: Request, key: str, order_id: str) -> Reply:
        self._venue.cancel(self._venue.order(self._number(key), order_id))
        return Reply(200)

    def _order(self, request: Request, key: str, order_id: str) -> Reply:
        return json_reply(self._venue.shape(self._venue.order(self._number(key), order_id)))

    def _orders(self, request: Request, key: str) -> Reply:
        number = self._number(key)
        since, until = _entered(request, "fromEnteredTime"), _entered(request, "toEnteredTime")
        if until - since > _LONGEST or until < since:
            raise bad_request(["The range of entered times is at most one year and does not run backwards."])
        status = request.get("status")
        if status is not None and status not in Status.__args__:  # type: ignore[attr-defined]  # what a Literal has at runtime
            raise bad_request([f"{status} is no status of an order."])
        first, last = stamp(int(since.timestamp() * NS)), stamp(int(until.timestamp() * NS))
        found = [shape for shape in self._venue.shapes(number) if first <= shape["enteredTime"] <= last]
        most = int(request.get("maxResults") or _MOST)
        return json_reply([shape for shape in found if status in (None, shape["status"])][:most])

    def _preview(self, request: Request, key: str) -> Reply:
        venue, number = self._venue, self._number(key)
        ticket = venue.rules.ticket(number, decoded(request.body))
        listed = venue.exchange.find(ticket.symbol)
        assert listed is not None
        last = venue.exchange.market.last(ticket.symbol)
        words = {**ticket.details, "price": ticket.limit, "quantity": ticket.quantity}
        rejection = venue.rules.rejection(ticket)
        return json_reply(preview_shape(number, words, listed, last.price if last else listed.base, rejection, venue.clock.now_ns()))

    def _transactions(self, request: Request, key: str) -> Reply:
        number = self._number(key)
        if request.get("startDate") is None or request.get("endDate") is None or request.get("types") is None:
            raise bad_request(["startDate, endDate and types are required."])
        fills = [(order, fill) for order in self._venue.exchange.orders_of(number) for fill in order.fills]
        return json_reply(
            [
                {
                    "activityId": 91_000_000_000 + fill.number,
                    "time": stamp(fill.ts_ns),
                    "accountNumber": number,
                    "type": "TRADE",
                    "status": "VALID",
                    "subAccount": "MARGIN",
                    "tradeDate": stamp(fill.ts_ns),
                    "orderId": order.id,
                    "netAmount": float(fill.price * fill.quantity * (-1 if order.ticket.buy else 1)),
                    "transferItems": [],
                }
                for order, fill in reversed(fills)
            ]
        )


def _entered(request: Request, name: str) -> datetime:
    """A required time, in the one form the venue takes."""
    text = request.get(name)
    if text is None:
        raise bad_request([f"{name} is required."])
    try:
        return datetime.strptime(text, _ENTERED).replace(tzinfo=UTC)
    except ValueError:
        raise bad_request([f"{name} {text} is not of the form yyyy-MM-dd'T'HH:mm:ss.SSSZ."]) from None


def _oauth_error(status: int, error: str, description: str) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)


def _unauthorized(request: Request) -> Reply:
    if request.path.startswith("/marketdata/"):
        detail = {"id": "00000000-0000-4000-8000-000000000000", "status": "401", "title": "Unauthorized", "detail": "Client not authorized"}
        return json_reply({"errors": [detail]}, 401)
    return service_error(401, "Unauthorized", ["Client not authorized"])
