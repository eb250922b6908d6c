"""The endpoints of TastyTrade that tell of the world: instruments and sessions.

Owns their paths. Knows no order.
"""

from collections.abc import Sequence
from typing import Any

from fortified.simulators.instruments import EQUITIES, EQUITY, FUTURE, PRODUCTS, Listed, contracts
from fortified.simulators.messages import HttpError, Reply, Request, Routes
from fortified.simulators.tastytrade.bodies import refusal
from fortified.simulators.tastytrade.envelopes import data, items
from fortified.simulators.tastytrade.reference import equity_shape, future_shape, product_shape, session_shape
from fortified.simulators.tastytrade.venue import TastyTradeVenue


class World:
    """Instruments and sessions."""

    def __init__(self, venue: TastyTradeVenue) -> None:
        self._venue = venue

    def add_to(self, routes: Routes) -> None:
        """Make the endpoints known."""
        routes.add("GET", "/instruments/futures", self._futures)
        routes.add("GET", "/instruments/futures/{symbol}", self._future)
        routes.add("GET", "/instruments/future-products", self._products)
        routes.add("GET", "/instruments/equities", self._equities)
        routes.add("GET", "/instruments/equities/{symbol}", self._equity)
        routes.add("GET", "/market-time/{collection}/sessions/{which}", self._session)

    def _futures(self, request: Request) -> Reply:
        roots = request.all("product-code") or list(PRODUCTS)
        symbols = request.all("symbol")
        today = self._venue.exchange.today()
        found = [shape for root in roots if root in PRODUCTS for shape in _chain(contracts(root, today))]
        return items(request, [shape for shape in found if not symbols or shape["symbol"] in symbols])

    def _future(self, request: Request, symbol: str) -> Reply:
        name = symbol if symbol.startswith("/") else f"/{symbol}"
        listed = self._listed(name, FUTURE)
        assert listed.product is not None
        chain = _chain(contracts(listed.product.root, self._venue.exchange.today()))
        return data(request, next(shape for shape in chain if shape["symbol"] == name))

    def _products(self, request: Request) -> Reply:
        return items(request, [product_shape(product) for product in PRODUCTS.values()])

    def _equities(self, request: Request) -> Reply:
        symbols = [symbol for symbol in request.all("symbol") or EQUITIES if symbol in EQUITIES]
        return items(request, [equity_shape(self._listed(symbol, EQUITY)) for symbol in symbols])

    def _equity(self, request: Request, symbol: str) -> Reply:
        return data(request, equity_shape(self._listed(symbol, EQUITY)))

    def _listed(self, symbol: str, kind: str) -> Listed:
        listed = self._venue.exchange.find(symbol)
        if listed is None or listed.kind != kind:
            raise HttpError(refusal(404, "record_not_found", "Couldn't find record"))
        return listed

    def _session(self, request: Request, collection: str, which: str) -> Reply:
        names = {"equities": ("Equity", "NYSE"), "futures": ("CME", "CME_INDEX")}
        if collection not in names or which not in ("current", "next", "previous"):
            return refusal(404, "not_found", "No such resource")
        name, calendar = names[collection]
        shape = session_shape(name, self._venue.exchange.hours, calendar, which, self._venue.clock.now_ns())
        return items(request, [shape]) if collection == "futures" and which == "current" else data(request, shape)


def _chain(found: Sequence[Listed]) -> list[dict[str, Any]]:
    following = [*(contract.symbol for contract in found[1:]), None]
    return [future_shape(contract, successor) for contract, successor in zip(found, following, strict=True)]
