"""Values that tests of the core and of the orchestration share. Prices are those of /NQ, times those of one ordinary session."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from fortified.aggregation.base import BaseAggregator
from fortified.domain.account import AccountId
from fortified.domain.instrument import Instrument, get_instrument
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.domain.order import Fill, Order, Purpose
from fortified.domain.signal import OrderSide

NS, MS, SECOND, MINUTE, HOUR = 1, 10**6, 10**9, 60 * 10**9, 3600 * 10**9
PAPER, OTHER, LIVE = AccountId("paper:tastytrade"), AccountId("paper:schwab"), AccountId("live:tastytrade")
NQ: Instrument = get_instrument("/NQ")
NQ_24_7 = msgspec.structs.replace(NQ, calendar="24/7")


def ns(text: str) -> int:
    """``2025-03-03 23:00`` (UTC) in ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


OPEN = ns("2025-03-03 23:00")
"""17:00 in Chicago: the session of Tuesday 4 March 2025 begins."""
CLOSE = ns("2025-03-04 22:00")
NEXT_OPEN = ns("2025-03-04 23:00")


def tick(seq: int, ts: int, price: float = 20_000.0, size: float = 1.0, recv: int | None = None, **quote: Any) -> Tick:
    return Tick("/NQ", seq, ts, ts if recv is None else recv, price, size, **quote)


def ticks_at(*stamps: int, first: int = 0) -> list[Tick]:
    """Ticks at ``stamps``, each a point dearer than the one before."""
    return [tick(seq, ts, 20_000.0 + seq) for seq, ts in enumerate(stamps, start=first)]


def feed(aggregator: BaseAggregator, ticks: Sequence[Tick]) -> list[Bar]:
    return [bar for one in ticks for bar in aggregator.on_tick(one)]


def restarted(old: BaseAggregator, create: Callable[[], BaseAggregator], last: Bar | None) -> BaseAggregator:
    """A fresh aggregator that goes on where ``old`` stopped, with what a store keeps of it."""
    fresh = create()
    fresh.restore(msgspec.structs.replace(old.open_bar) if old.open_bar is not None else None, last)
    return fresh


def bar(number: int = 0, close: float = 20_000.0, **fields: Any) -> Bar:
    """Minute bar ``number`` of the session; its last tick has ``seq`` 10·number + 9."""
    ts = OPEN + number * MINUTE
    values: dict[str, Any] = {
        **{"symbol": "/NQ", "timeframe": "1", "ts_open": ts, "ts_close": ts + MINUTE, "seq": 10 * number + 9},
        **{"open": close, "high": close, "low": close, "close": close, "volume": 10.0, "ticks": 10, "vwap": close},
    }
    return Bar(**(values | fields))


def update(seq: int, price: float = 20_000.0, ts: int | None = None, **fields: Any) -> BarUpdate:
    """The open bar after tick ``seq``, six seconds after the tick before."""
    stamp = OPEN + seq * 6 * SECOND if ts is None else ts
    values: dict[str, Any] = {
        **{"symbol": "/NQ", "timeframe": "1", "seq": seq, "ts_event": stamp, "ts_recv": stamp, "price": price, "size": 1.0},
        **{"bid": None, "ask": None, "ts_open": stamp, "open": price, "high": price, "low": price, "close": price},
        **{"volume": 1.0, "ticks": 1, "fill": 0.1},
    }
    return BarUpdate(**(values | fields))


def order(side: OrderSide = OrderSide.BUY, quantity: int | str = 2, **fields: Any) -> Order:
    values: dict[str, Any] = {
        **{"order_id": "o1", "account": PAPER, "strategy": "ema", "symbol": "/NQ", "timeframe": "1", "purpose": Purpose.ENTRY},
        **{"reason": "cross_up", "ts_created": OPEN, "seq": 9, "reference_price": Decimal(20_000)},
    }
    return Order(side=side, quantity=Decimal(quantity), **(values | fields))


def fill(side: OrderSide = OrderSide.BUY, quantity: int | str = 2, price: int | str = 20_000, **fields: Any) -> Fill:
    values: dict[str, Any] = {
        **{"fill_id": "f1", "order_id": "o1", "account": PAPER, "strategy": "ema", "symbol": "/NQ", "fee": Decimal(0)},
        **{"ts_event": OPEN, "seq": 10, "reason": "cross_up", "purpose": Purpose.ENTRY},
    }
    return Fill(side=side, quantity=Decimal(quantity), price=Decimal(price), **(values | fields))
