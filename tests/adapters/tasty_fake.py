"""TastyTrade as far as its adapter's tests need it: payloads, and a small venue behind real sockets.

The full simulator is the product's own; here an answer can be any bytes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.adapters.venue_server import Answer, ManualClock, Received, VenueServer, venue_server
from websockets.asyncio.server import ServerConnection, serve

from fortified.adapters.tastytrade.broker import TastyTradeBroker
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.adapters.wire_journal import WireJournal
from fortified.domain.account import AccountId
from fortified.domain.order import Order, OrderType, Purpose
from fortified.domain.signal import OrderSide

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "tastytrade"
ACCOUNT = "5WX00042"
SECRET, REFRESH = "client-s3cr3t", "refresh-s3cr3t"
NOW = 1_795_392_000_000_000_000
"""23 November 2026."""


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def order(**fields: Any) -> Order:
    values: dict[str, Any] = {
        **{"order_id": "0" * 31 + "1", "account": AccountId("live:tastytrade"), "strategy": "ema", "symbol": "/NQZ26"},
        **{"timeframe": "1", "side": OrderSide.BUY, "quantity": Decimal(2), "purpose": Purpose.ENTRY, "reason": "up"},
        **{"ts_created": NOW, "seq": 1, "reference_price": Decimal(20000), "type": OrderType.LIMIT, "limit_price": Decimal("20000.25")},
    }
    return Order(**(values | fields))


def raw_order(order_id: int | str = 7, status: str = "Live", /, **fields: Any) -> dict[str, Any]:
    """An order of 2 /NQZ6 as the venue shows it. ``leg`` changes keys of its leg, None takes a key out."""
    leg = {"instrument-type": "Future", "symbol": "/NQZ6", "action": "Buy", "quantity": 2, "remaining-quantity": 2, "fills": []}
    leg |= fields.pop("leg", {})
    raw: dict[str, Any] = {
        **{"id": order_id, "account-number": ACCOUNT, "order-type": "Limit", "price": "20000.25", "price-effect": "Debit", "size": 2},
        **{"status": status, "time-in-force": "Day", "received-at": "2026-11-23T00:00:01.000+00:00", "updated-at": 1795392002000},
        **{"external-identifier": order().order_id, "legs": [leg]},
    }
    return {key: value for key, value in (raw | fields).items() if value is not None}


def fill(fill_id: str, quantity: Any = 1, price: str = "20000.0") -> dict[str, Any]:
    return {"fill-id": fill_id, "quantity": quantity, "fill-price": price, "filled-at": "2026-11-23T00:00:02.500+00:00"}


def future(symbol: str = "/NQZ6", streamer: str = "/NQZ26:XCME", /, **fields: Any) -> dict[str, Any]:
    values = {"active-month": True, "is-closing-only": False, "is-tradeable": True, "last-trade-date": "2026-12-18", "tick-size": "0.25"}
    return {"symbol": symbol, "streamer-symbol": streamer, "product-code": "NQ", **values, **fields}


class FakeVenue:
    """Answers by table. ``orders`` are what it knows, newest first; ``answers`` go before everything, by ``METHOD /path``."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.futures = [future(), future("/NQH7", "/NQH27:XCME", **{"active-month": False, "last-trade-date": "2027-03-19"})]
        self.status: dict[str, Any] = {"is-closed": False, "is-futures-enabled": True}
        self.answers: dict[str, Answer | Callable[[Received], Answer]] = {}
        self.per_page = 100
        self.tokens = 0
        self.server: VenueServer
        self.sockets: list[ServerConnection] = []
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.on_frame: Callable[[dict[str, Any]], str | None] = self.acknowledge
        self.socket_url = ""

    def answer(self, received: Received) -> Answer:
        account = f"/accounts/{ACCOUNT}"
        set_up = self.answers.get(received.line)
        if set_up is not None:
            return set_up(received) if callable(set_up) else set_up
        match received.method, received.path.removeprefix(account):
            case "POST", "/oauth/token":
                self.tokens += 1
                return Answer(200, {"access_token": f"access-s3cr3t-{self.tokens}", "token_type": "Bearer", "expires_in": 900})
            case "GET", "/orders":
                return self.page(received)
            case "GET", "/orders/live":
                return self.page(received)
            case "GET", path if path.startswith("/orders/"):
                found = [raw for raw in self.orders if str(raw["id"]) == path.removeprefix("/orders/")]
                return Answer(200, {"data": found[0]}) if found else Answer(404, {"error": {"code": "record_not_found"}})
            case "GET", "/positions":
                return Answer(200, {"data": {"items": self.positions}})
            case "GET", "/trading-status":
                return Answer(200, {"data": self.status})
            case "GET", "/customers/me/accounts":
                return Answer(200, {"data": {"items": [{"account": {"account-number": ACCOUNT}, "authority-level": "owner"}]}})
            case "GET", "/instruments/futures":
                return Answer(200, {"data": {"items": self.futures}})
        return Answer(404, {"error": {"code": "not_found", "message": received.line}})

    def page(self, received: Received) -> Answer:
        offset = int(received.query.get("page-offset", 0))
        items = self.orders[offset * self.per_page : (offset + 1) * self.per_page]
        pages = -(-len(self.orders) // self.per_page)
        return Answer(200, {"data": {"items": items}, "pagination": {"total-pages": pages, "page-offset": offset}})

    # --- the account streamer ---

    @staticmethod
    def acknowledge(frame: dict[str, Any]) -> str | None:
        return json.dumps({"status": "ok", "action": frame["action"], "request-id": frame["request-id"]})

    async def converse(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for text in socket:
            frame = json.loads(text)
            self.heard.put_nowait(frame)
            answer = self.on_frame(frame)
            if answer is not None:
                await socket.send(answer)

    async def notify(self, kind: str, data: dict[str, Any]) -> None:
        await self.sockets[-1].send(json.dumps({"type": kind, "data": data, "timestamp": 1795392002000}))

    def sent(self, start: str) -> list[Received]:
        return [received for received in self.server.received if received.line.startswith(start)]


@asynccontextmanager
async def fake_venue() -> AsyncIterator[FakeVenue]:
    venue = FakeVenue()
    async with venue_server(venue.answer) as venue.server, serve(venue.converse, "127.0.0.1", 0) as sockets:
        venue.socket_url = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
        yield venue


@asynccontextmanager
async def broker_at(
    venue: FakeVenue, *, clock: ManualClock | None = None, journal: WireJournal | None = None
) -> AsyncIterator[TastyTradeBroker]:
    """A broker whose requests are not paced."""
    broker = tastytrade_broker(
        ACCOUNT,
        client_secret=SECRET,
        refresh_token=REFRESH,
        clock=clock or ManualClock(NOW),
        product_version="1.0",
        journal=journal,
        api_url=venue.server.url,
        stream_url=venue.socket_url,
        rates={},
        timeout_s=2.0,
    )
    try:
        yield broker
    finally:
        await broker.close()
