"""Values for the contract tests, and a publisher that numbers its entries as the real one does."""

from decimal import Decimal
from typing import Any

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.account import AccountId
from fortified.domain.market import Bar, Tick
from fortified.domain.order import Fill, Order, OrderStatus, Purpose
from fortified.domain.position import OpenTrip, Position
from fortified.domain.signal import OrderSide
from fortified.domain.trade import Trade
from fortified.ports import ORIGIN, EntryId, MarketBus, RunnerKey, StreamRef

START_MS = 1_760_000_000_000
MS = 1_000_000
REF = StreamRef("/NQ", "4t")
RUNNER = RunnerKey("ema", "/NQ", "4t", "paper")
PAPER = AccountId("paper:schwab")
LIVE = AccountId("live:tastytrade")


def bar(number: int = 0, **fields: Any) -> Bar:
    ts = (START_MS + number * 1_000) * MS
    values: dict[str, Any] = {
        "symbol": "/NQ",
        "timeframe": "4t",
        "ts_open": ts,
        "ts_close": ts + 999 * MS,
        "open": 20_000.25,
        "high": 20_001.0,
        "low": 19_999.5,
        "close": 20_000.1 + number,
        "volume": 12.0,
        "ticks": 4,
        "vwap": 60_001.0 / 3,
        "seq": 4 * number + 3,
    }
    return Bar(**(values | fields))


class Feed:
    """Publishes a symbol's ticks: the update of tick ``seq`` has number 4·seq+1, the bar it ends 4·seq+3."""

    def __init__(self, bus: MarketBus, ref: StreamRef = REF, length: int = 4) -> None:
        self.bus, self.ref, self.length = bus, ref, length
        self.seq = 0
        self.previous = ORIGIN
        self.open_bar: OpenBar | None = None
        self.sent: list[EntryId] = []

    def tick(self, price: float = 20_000.25, size: float = 1.0) -> None:
        ms = START_MS + self.seq
        tick = Tick(self.ref.symbol, self.seq, ms * MS, ms * MS + 7, price, size, None, price + 0.25)
        if self.open_bar is None:
            ts = tick.ts_event
            self.open_bar = OpenBar(ts, ts + 10**12, price, price, price, price, size, price * size, 1, ts, ts, self.seq)
        else:
            self.open_bar.add(tick)
        entry = EntryId(ms, 4 * self.seq + 1)
        self.bus.publish_update(self.ref, entry, self.previous, tick, self.open_bar, self.open_bar.ticks / self.length)
        self._sent(entry)
        if self.open_bar.ticks == self.length:
            self._close(EntryId(ms, 4 * self.seq + 3), self.open_bar)
        self.seq += 1

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick()

    def _close(self, entry: EntryId, done: OpenBar) -> None:
        closed = Bar(
            self.ref.symbol,
            self.ref.timeframe,
            *(done.ts_open, done.ts_last, done.open, done.high, done.low, done.close, done.volume, done.ticks),
            vwap=done.notional / done.volume,
            seq=done.seq,
        )
        self.open_bar = None
        self.bus.publish_bar(self.ref, entry, self.previous, closed)
        self._sent(entry)

    def _sent(self, entry: EntryId) -> None:
        self.sent.append(entry)
        self.previous = entry


def order(number: int = 0, **fields: Any) -> Order:
    values = Order(
        order_id=f"o{number:05d}",
        account=PAPER,
        strategy="ema",
        symbol="/NQ",
        timeframe="4t",
        side=OrderSide.BUY,
        quantity=Decimal("2"),
        purpose=Purpose.ENTRY,
        reason="entry_long",
        ts_created=(START_MS + number) * MS,
        seq=number,
        reference_price=Decimal("20000.25"),
    )
    return msgspec.structs.replace(values, **fields)


def filled(number: int = 0, **fields: Any) -> Order:
    average = Decimal("20000.333333333333333333333333")
    return order(number, status=OrderStatus.FILLED, filled_quantity=Decimal(2), average_fill_price=average, **fields)


def fill(number: int = 0, **fields: Any) -> Fill:
    values = Fill(
        fill_id=f"f{number:05d}",
        order_id=f"o{number:05d}",
        account=PAPER,
        strategy="ema",
        symbol="/NQ",
        side=OrderSide.BUY,
        quantity=Decimal(2),
        price=Decimal("20000.25"),
        fee=Decimal("4.50"),
        ts_event=(START_MS + number) * MS,
        seq=number,
        reason="entry_long",
        purpose=Purpose.ENTRY,
    )
    return msgspec.structs.replace(values, **fields)


def trade(number: int = 0, **fields: Any) -> Trade:
    values = Trade(
        trade_id=f"t{number:05d}",
        account=PAPER,
        strategy="ema",
        symbol="/NQ",
        timeframe="4t",
        side="LONG",
        quantity=Decimal(2),
        ts_entry=START_MS * MS,
        entry_price=Decimal("20000.25"),
        entry_reason="entry_long",
        ts_exit=(START_MS + number) * MS,
        exit_price=Decimal("20010.25"),
        exit_reason="exit_long",
        multiplier=Decimal(20),
        gross_pnl=Decimal("400.00"),
        fees=Decimal("9.00"),
        net_pnl=Decimal("391.00"),
        mae=Decimal("1.25"),
        mfe=Decimal("12.5"),
        bars_held=3,
        bar=bar(),
    )
    return msgspec.structs.replace(values, **fields)


def position(**fields: Any) -> Position:
    trip = OpenTrip(
        *("t1", START_MS * MS, "entry_long", 7, bar()),
        *(Decimal(2), Decimal("40000.5"), Decimal(0), Decimal(0), Decimal(0), Decimal("4.5"), Decimal(20_001), Decimal(19_999)),
    )
    values = Position(PAPER, "ema", "/NQ", Decimal(20), Decimal(2), Decimal("40000.50"), Decimal("-12.5"), Decimal(9), 5, trip)
    return msgspec.structs.replace(values, **fields)
