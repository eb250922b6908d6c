"""The side door: what the truth is, and what shall happen next. For tests and for people; no venue has one.

Owns its paths and words. It changes the simulation only through what that offers.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import orjson

from fortified.simulators.faults import Fault, Faults, Kind
from fortified.simulators.instruments import Listed
from fortified.simulators.matching import Exchange
from fortified.simulators.messages import HttpError, Reply, Request, Routes, json_reply
from fortified.simulators.orders import Order
from fortified.simulators.schwab.streamer import SchwabStreamer
from fortified.simulators.schwab.venue import SchwabVenue
from fortified.simulators.tastytrade.streamer import AccountStreamer
from fortified.simulators.tastytrade.venue import TastyTradeVenue

_HELP = {
    "GET /state": "orders, fills, positions and cash of all venues: the truth",
    "POST /price": '{"symbol": "/NQ", "price": "25000.25", "size": 3, "bid": null, "ask": null}',
    "POST /orders": '{"venue": "schwab", "order": 1, "do": "fill | reject | cancel | expire", "price": null, "quantity": null, "text": ""}',
    "GET /faults": "the rules, and what has happened",
    "POST /faults": '{"venue": "tastytrade", "pattern": "POST /accounts/*/orders", "kind": "drop_after", "times": 1}; times null: always',
    "DELETE /faults": "forget all rules",
    "POST /venue": '{"venue": "tastytrade", "do": "wipe | expire_tokens | expire_refresh | forget_sessions | kick | stop"}',
}


class Simulated(Protocol):
    """What the door opens."""

    tastytrade: TastyTradeVenue
    schwab: SchwabVenue
    tastytrade_faults: Faults
    schwab_faults: Faults
    dxlink_faults: Faults
    account_streamer: AccountStreamer
    schwab_streamer: SchwabStreamer

    def find(self, symbol: str) -> Listed | None: ...

    def push(self, symbol: str, price: str | Decimal, size: int = 1, bid: str | None = None, ask: str | None = None) -> None: ...


class Price(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    price: str
    size: int = 1
    bid: str | None = None
    ask: str | None = None


class FaultWish(msgspec.Struct, forbid_unknown_fields=True):
    venue: str
    pattern: str
    kind: Kind
    times: int | None = 1
    skip: int = 0
    every: int = 1
    status: int = 503
    seconds: float = 0.0
    text: str = ""
    gzip: bool = False


class OrderWish(msgspec.Struct, forbid_unknown_fields=True):
    venue: str
    order: int
    do: str
    price: str | None = None
    quantity: str | None = None
    text: str = "Rejected by hand."


class VenueWish(msgspec.Struct, forbid_unknown_fields=True):
    venue: str
    do: str


class Admin:
    """``answer`` is what an HTTP server calls."""

    def __init__(self, simulation: Simulated) -> None:
        self._simulation = simulation
        self._routes = Routes()
        for method, path, handler in (
            ("GET", "/", self._help),
            ("GET", "/state", self._state),
            ("POST", "/price", self._price),
            ("POST", "/orders", self._order),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._fault),
            ("DELETE", "/faults", self._no_faults),
            ("POST", "/venue", self._venue),
        ):
            self._routes.add(method, path, handler)

    def answer(self, request: Request) -> Reply:
        """The answer to ``request``."""
        found = self._routes.find(request.method, request.path)
        if isinstance(found, int):
            return json_reply({"error": "no such door", "doors": _HELP}, found)
        try:
            return found[0](request)
        except HttpError as error:
            return error.reply

    def _help(self, request: Request) -> Reply:
        return json_reply({"doors": _HELP, "kinds": list(Kind)})

    def _state(self, request: Request) -> Reply:
        venues = {"tastytrade": self._simulation.tastytrade.exchange, "schwab": self._simulation.schwab.exchange}
        return json_reply({name: state_of(exchange) for name, exchange in venues.items()})

    def _price(self, request: Request) -> Reply:
        wish = _decoded(request, Price)
        if self._simulation.find(wish.symbol) is None:
            raise _refused(f"{wish.symbol} is not listed")
        self._simulation.push(wish.symbol, wish.price, wish.size, wish.bid, wish.ask)
        return json_reply({})

    def _order(self, request: Request) -> Reply:
        wish = _decoded(request, OrderWish)
        exchange = self._of(wish.venue).exchange
        order = exchange.orders.get(wish.order)
        if order is None or order.ended:
            raise _refused(f"order {wish.order} is not open at {wish.venue}")
        price, quantity = (None if text is None else Decimal(text) for text in (wish.price, wish.quantity))
        deeds: dict[str, Callable[[], None]] = {
            "fill": lambda: exchange.fill_now(order, price, quantity),
            "reject": lambda: exchange.reject(order, wish.text),
            "cancel": lambda: exchange.cancel(order),
            "expire": lambda: exchange.expire(order),
        }
        _do(deeds, wish.do)
        return json_reply(_order_state(order))

    def _faults(self, request: Request) -> Reply:
        found = self._all_faults()
        return json_reply(
            {
                name: {"rules": msgspec.to_builtins(faults.rules), "happened": msgspec.to_builtins(list(faults.happened))}
                for name, faults in found.items()
            }
        )

    def _fault(self, request: Request) -> Reply:
        wish = _decoded(request, FaultWish)
        faults = self._all_faults().get(wish.venue)
        if faults is None:
            raise _refused(f"{wish.venue} has no faults; take tastytrade, dxlink or schwab")
        fault = Fault(wish.kind, wish.status, wish.seconds, wish.text, wish.gzip)
        if wish.times is None:
            faults.always(wish.pattern, fault, wish.every)
        else:
            faults.next(wish.pattern, fault, wish.times, wish.skip)
        return json_reply({})

    def _no_faults(self, request: Request) -> Reply:
        for faults in self._all_faults().values():
            faults.clear()
        return json_reply({})

    def _venue(self, request: Request) -> Reply:
        wish, simulation = _decoded(request, VenueWish), self._simulation
        venue = self._of(wish.venue)
        deeds: dict[str, Callable[[], None]] = {"wipe": venue.wipe, "expire_tokens": venue.access.revoke}
        if isinstance(venue, SchwabVenue):
            streamer = simulation.schwab_streamer
            deeds |= {"expire_refresh": venue.refresh.revoke, "kick": streamer.kick, "stop": streamer.stop}
        else:
            deeds |= {"forget_sessions": simulation.account_streamer.forget_sessions}
        _do(deeds, wish.do)
        return json_reply({})

    def _all_faults(self) -> dict[str, Faults]:
        found = self._simulation
        return {"tastytrade": found.tastytrade_faults, "schwab": found.schwab_faults, "dxlink": found.dxlink_faults}

    def _of(self, name: str) -> TastyTradeVenue | SchwabVenue:
        if name == "tastytrade":
            return self._simulation.tastytrade
        if name == "schwab":
            return self._simulation.schwab
        raise _refused(f"{name} is no venue; take tastytrade or schwab")


def state_of(exchange: Exchange) -> dict[str, Any]:
    """All that is true of a venue, whatever its front shows."""
    return {
        number: {
            "cash": f"{account.truth.cash:f}",
            "fees": f"{account.truth.fees:f}",
            "positions": {
                symbol: {"quantity": f"{held.quantity:f}", "average_price": f"{held.average:f}", "realized": f"{held.realized:f}"}
                for symbol, held in account.truth.positions.items()
                if held.quantity
            },
            "orders": [_order_state(order) for order in exchange.orders_of(number)],
        }
        for number, account in exchange.accounts.items()
    }


def _order_state(order: Order) -> dict[str, Any]:
    ticket = order.ticket
    return {
        "id": order.id,
        "symbol": ticket.symbol,
        "side": "buy" if ticket.buy else "sell",
        "quantity": f"{ticket.quantity:f}",
        "kind": ticket.kind,
        "limit": None if ticket.limit is None else f"{ticket.limit:f}",
        "stop": None if ticket.stop is None else f"{ticket.stop:f}",
        "state": order.state,
        "reason": order.reason,
        "replaces": order.replaces,
        "replaced_by": order.replaced_by,
        "client_id": ticket.details.get("external-identifier"),
        "fills": [
            {
                "number": fill.number,
                "price": f"{fill.price:f}",
                "quantity": f"{fill.quantity:f}",
                "fee": f"{fill.fee:f}",
                "ts_ns": fill.ts_ns,
            }
            for fill in order.fills
        ],
    }


def _decoded[T](request: Request, model: type[T]) -> T:
    try:
        return msgspec.json.decode(request.body, type=model)
    except msgspec.MsgspecError as error:
        raise _refused(str(error)) from None


def _do(deeds: dict[str, Callable[[], None]], name: str) -> None:
    if name not in deeds:
        raise _refused(f"do is one of {', '.join(deeds)}")
    deeds[name]()


def _refused(text: str) -> HttpError:
    return HttpError(Reply(400, orjson.dumps({"error": text}), {"content-type": "application/json"}))
