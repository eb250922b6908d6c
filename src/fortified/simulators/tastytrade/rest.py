"""TastyTrade's REST interface: one plain function per endpoint.

Owns the paths of accounts and orders, and the headers that are demanded. What orders mean is the business of the venue.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fortified.simulators.instruments import FUTURE
from fortified.simulators.messages import HttpError, Reply, Request, Routes, json_reply
from fortified.simulators.orders import Order
from fortified.simulators.tastytrade.accounts import account_shape, status_shape
from fortified.simulators.tastytrade.bodies import ComplexBody, OrderBody, OrderTerms, decoded, refusal
from fortified.simulators.tastytrade.envelopes import NEWEST_RULES, OLDEST_VERSION, data, day_of, instant, items, page, version
from fortified.simulators.tastytrade.preflight import Checked
from fortified.simulators.tastytrade.shapes import balance_shape, buying_power_shape, fees_shape, iso, order_shape, position_shape
from fortified.simulators.tastytrade.venue import Complex, TastyTradeVenue, fee
from fortified.simulators.tastytrade.world import World
from fortified.simulators.tokens import bearer

_FILTERS = ("status", "underlying-symbol", "futures-symbol")


class TastyTradeRest:
    """``answer`` is what an HTTP server calls."""

    def __init__(self, venue: TastyTradeVenue) -> None:
        self._venue = venue
        self._routes = Routes()
        account = "/accounts/{account}"
        for method, path, handler in (
            ("POST", "/oauth/token", self._token),
            ("GET", "/customers/me/accounts", self._accounts),
            ("GET", "/api-quote-tokens", self._quote_token),
            ("GET", f"{account}/balances", self._balances),
            ("GET", f"{account}/positions", self._positions),
            ("GET", f"{account}/trading-status", self._trading_status),
            ("GET", f"{account}/transactions", self._transactions),
            ("GET", f"{account}/orders/live", self._live),
            ("POST", f"{account}/orders/dry-run", self._dry_run),
            ("GET", f"{account}/orders", self._search),
            ("POST", f"{account}/orders", self._submit),
            ("GET", f"{account}/orders/{{id}}", self._order),
            ("PUT", f"{account}/orders/{{id}}", self._replace),
            ("PATCH", f"{account}/orders/{{id}}", self._replace),
            ("DELETE", f"{account}/orders/{{id}}", self._cancel),
            ("POST", f"{account}/complex-orders/dry-run", self._complex_dry_run),
            ("GET", f"{account}/complex-orders", self._complexes),
            ("POST", f"{account}/complex-orders", self._complex),
            ("GET", f"{account}/complex-orders/{{id}}", self._complex_one),
            ("DELETE", f"{account}/complex-orders/{{id}}", self._complex_cancel),
        ):
            self._routes.add(method, path, handler)
        World(venue).add_to(self._routes)

    def answer(self, request: Request) -> Reply:
        """The answer to ``request``."""
        try:
            self._headers(request)
            found = self._routes.find(request.method, request.path)
            if isinstance(found, int):
                return refusal(found, "not_found", "No such resource")
            handler, words = found
            if request.path != "/oauth/token":
                self._authorize(request)
            if request.path.startswith("/accounts/") and words[0] not in self._venue.exchange.accounts:
                return refusal(403, "not_permitted", "User not permitted access")
            self._venue.exchange.on_time()
            return handler(request, *words)
        except HttpError as error:
            return error.reply

    def _headers(self, request: Request) -> None:
        agent = request.headers.get("user-agent", "")
        product, _, release = agent.partition("/")
        if not product or not release:
            raise HttpError(Reply(401, b"<html><body>401 Authorization Required</body></html>", {"content-type": "text/html"}))
        wanted = request.headers.get("accept-version")
        if wanted is not None and not (len(wanted) == 8 and wanted.isdecimal() and int(wanted) >= OLDEST_VERSION):
            raise HttpError(refusal(406, "not_acceptable", f"No API version for {wanted}"))

    def _authorize(self, request: Request) -> None:
        if not self._venue.access.valid(bearer(request.headers.get("authorization", ""))):
            raise HttpError(refusal(401, "token_invalid", "This token is invalid or has expired"))

    # --- authorization

    def _token(self, request: Request) -> Reply:
        form, known = request.form(), self._venue.credentials
        if form.get("grant_type") != "refresh_token":
            return json_reply({"error_code": "unsupported_grant_type", "error_description": "Unsupported grant type"}, 400)
        if form.get("client_secret") != known.client_secret:
            return json_reply({"error_code": "invalid_client", "error_description": "Client authentication failed"}, 401)
        if form.get("refresh_token") != known.refresh_token:
            return json_reply({"error_code": "invalid_grant", "error_description": "Grant revoked"}, 400)
        access = self._venue.access
        return json_reply({"access_token": access.issue(), "token_type": "Bearer", "expires_in": round(access.lifetime_s)})

    def _quote_token(self, request: Request) -> Reply:
        venue = self._venue
        return data(request, {"dxlink-url": venue.dxlink_url, "level": venue.level, "token": venue.quote_tokens.issue()})

    # --- accounts

    def _accounts(self, request: Request) -> Reply:
        return items(request, [{"account": account_shape(number), "authority-level": "owner"} for number in self._venue.exchange.accounts])

    def _balances(self, request: Request, account: str) -> Reply:
        exchange = self._venue.exchange
        return data(request, balance_shape(exchange.accounts[account], exchange.market, self._venue.clock.now_ns()))

    def _positions(self, request: Request, account: str) -> Reply:
        exchange = self._venue.exchange
        held = exchange.accounts[account].seen.positions.values()
        return items(request, [position_shape(account, position, exchange.market, self._venue.drift()) for position in held])

    def _trading_status(self, request: Request, account: str) -> Reply:
        return data(request, {**status_shape(account, iso(self._venue.clock.now_ns())), **self._venue.restrictions})

    def _transactions(self, request: Request, account: str) -> Reply:
        fills = [(order, fill) for order in self._venue.exchange.orders_of(account) for fill in order.fills]
        shapes = [
            {
                "id": fill.number,
                "account-number": account,
                "action": order.ticket.details["action"],
                "clearing-fees": f"{fill.fee:f}",
                "clearing-fees-effect": "Debit",
                "created-at": iso(fill.ts_ns),
                "currency": "USD",
                "description": f"{'Bought' if order.ticket.buy else 'Sold'} {fill.quantity} {order.ticket.symbol} @ {fill.price}",
                "exec-id": str(fill.number),
                "executed-at": iso(fill.ts_ns),
                "instrument-type": order.ticket.details["instrument-type"],
                "order-id": order.id,
                "price": f"{fill.price:f}",
                "quantity": f"{fill.quantity:f}",
                "symbol": order.ticket.symbol,
                "transaction-date": iso(fill.ts_ns)[:10],
                "transaction-type": "Trade",
            }
            for order, fill in reversed(fills)
        ]
        return page(request, shapes)

    # --- orders

    def _submit(self, request: Request, account: str) -> Reply:
        order, checked = self._venue.submit(account, decoded(request.body, OrderBody))
        status = "Received" if order.state == "queued" else "Routed"
        return self._ordered(request, order_shape(order, status), [checked], status=201)

    def _dry_run(self, request: Request, account: str) -> Reply:
        checked = self._venue.preflight.check(account, decoded(request.body, OrderBody))
        now = self._venue.clock.now_ns()
        trial = Order(0, checked.ticket, self._venue.exchange.state_of(checked.ticket), now, 0)
        return self._ordered(request, _trial(trial, "Received"), [checked])

    def _order(self, request: Request, account: str, order_id: str) -> Reply:
        return data(request, order_shape(self._venue.order(account, order_id)))

    def _replace(self, request: Request, account: str, order_id: str) -> Reply:
        new = self._venue.replace(self._venue.order(account, order_id), decoded(request.body, OrderTerms))
        return data(request, order_shape(new, "Contingent"))

    def _cancel(self, request: Request, account: str, order_id: str) -> Reply:
        return data(request, self._venue.cancel(self._venue.order(account, order_id)))

    def _live(self, request: Request, account: str) -> Reply:
        today = self._venue.exchange.today()
        orders = [order for order in self._venue.exchange.orders_of(account) if day_of(order.ts_updated) == today or not order.ended]
        shapes = [order_shape(order) for order in reversed(orders)]
        return page(request, shapes) if version(request) >= NEWEST_RULES else items(request, shapes)

    def _search(self, request: Request, account: str) -> Reply:
        since = instant(request, "start", end=False)
        until = instant(request, "end", end=True)
        if since is None and version(request) >= NEWEST_RULES:
            return refusal(400, "validation_error", "Request validation failed", [("missing_start", "start-date or start-at is required")])
        orders = self._venue.exchange.orders_of(account)
        found = [order for order in orders if (since or 0) <= order.ts_received and (until is None or order.ts_received <= until)]
        shapes = [shape for shape in map(order_shape, found) if _wanted(request, shape)]
        return page(request, shapes if request.get("sort") == "Asc" else shapes[::-1])

    # --- complex orders

    def _complex(self, request: Request, account: str) -> Reply:
        found, checks = self._venue.submit_complex(account, decoded(request.body, ComplexBody))
        return self._ordered(request, self._complex_shape(found, "Contingent"), checks, "complex-order", 201)

    def _complex_dry_run(self, request: Request, account: str) -> Reply:
        body = decoded(request.body, ComplexBody)
        checks = self._venue.check_complex(account, body)
        now = self._venue.clock.now_ns()
        trials = [
            _trial(Order(0, checked.ticket, self._venue.exchange.state_of(checked.ticket), now, 0), "Contingent") for checked in checks
        ]
        shape: dict[str, Any] = {"account-number": account, "type": body.type}
        if body.trigger_order is not None:
            shape["trigger-order"] = trials.pop(0)
        return self._ordered(request, {**shape, "orders": trials}, checks, "complex-order")

    def _complexes(self, request: Request, account: str) -> Reply:
        found = [complex_ for complex_ in self._venue.complexes.values() if complex_.account == account]
        return page(request, [self._complex_shape(complex_) for complex_ in reversed(found)])

    def _complex_one(self, request: Request, account: str, complex_id: str) -> Reply:
        return data(request, self._complex_shape(self._find_complex(account, complex_id)))

    def _complex_cancel(self, request: Request, account: str, complex_id: str) -> Reply:
        found = self._find_complex(account, complex_id)
        shape = self._complex_shape(found, "Cancel Requested")
        self._venue.cancel_complex(found)
        return data(request, shape)

    def _find_complex(self, account: str, complex_id: str) -> Complex:
        found = self._venue.complexes.get(int(complex_id)) if complex_id.isdecimal() else None
        if found is None or found.account != account:
            raise HttpError(refusal(404, "record_not_found", "Couldn't find record"))
        return found

    def _complex_shape(self, found: Complex, status: str | None = None) -> dict[str, Any]:
        shapes = {order.id: order_shape(order, None if order.ended else status) for order in self._venue.complex_orders(found)}
        shape: dict[str, Any] = {"id": found.id, "account-number": found.account, "type": found.type}
        if found.trigger is not None:
            shape["trigger-order"] = shapes.pop(found.trigger, None)
        return {**shape, "orders": list(shapes.values())}

    def _ordered(self, request: Request, shape: dict[str, Any], checks: Sequence[Checked], name: str = "order", status: int = 200) -> Reply:
        """An order with what it costs; market orders come without the effect on the buying power, as real ones do."""
        payload: dict[str, Any] = {name: shape, "warnings": [{"code": code, "message": text} for c in checks for code, text in c.warnings]}
        first = checks[0].ticket
        listed = self._venue.exchange.find(first.symbol)
        if listed is not None and first.limit is not None:
            ledger = self._venue.exchange.accounts[first.account].seen
            before = ledger.value(self._venue.exchange.market) - ledger.margin()
            needed = first.quantity * (listed.margin if listed.kind == FUTURE else first.limit / 2)
            payload["buying-power-effect"] = buying_power_shape(before, needed)
            payload["fee-calculation"] = fees_shape(fee(listed, first.quantity))
        return data(request, payload, status)


def _wanted(request: Request, shape: dict[str, Any]) -> bool:
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "status": lambda order: order["status"],
        "underlying-symbol": lambda order: order["underlying-symbol"],
        "futures-symbol": lambda order: order["legs"][0]["symbol"],
    }
    return all(not request.all(name) or keys[name](shape) in request.all(name) for name in _FILTERS)


def _trial(order: Order, status: str) -> dict[str, Any]:
    shape = order_shape(order, status)
    return {key: value for key, value in shape.items() if key not in ("id", "received-at")}
