"""hftbacktest: a compiled strategy woken by each trade, bars built in it. An order goes out with the next tick and fills on its quote.

Its market orders need a book whose bid is below its ask. So each tick's price is the ask and the bid is one tick lower; what that costs
each sold contract is added back before results are compared. The book moves by one event at a change of price: all levels are filled.
"""

from typing import Any, cast

import numba
import numpy as np
from benchmarks.peers.job import FAST, MULTIPLIER, NS_PER_MINUTE, SLOW, TICK_SIZE, Floats, Outcome, Run, Ticks, alpha, main, ticks_per_bar
from hftbacktest import (  # type: ignore[import-not-found]  # in the peer's own environment
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype  # type: ignore[import-not-found]  # as above

FEED, LONG_NS, NS_BEFORE, MARGIN, MOST_FILLS = 2, 10**16, 1_000, 10, 100_000
BOTH = EXCH_EVENT | LOCAL_EVENT


@numba.njit()
def crossing(hbt: Any, per_bar: int, a: float, b: float) -> tuple[Floats, Floats, int]:
    """Prices and signed quantities of the orders, and the bars that were complete; ``per_bar`` 0 for minutes."""
    prices, quantities = np.empty(MOST_FILLS), np.empty(MOST_FILLS)
    bars = count = orders = side = wanted = minute = 0
    fast = slow = high = low = close = volume = 0.0
    pending = False
    while hbt.wait_next_feed(False, LONG_NS) == FEED:
        trades = hbt.last_trades(0)
        if len(trades) == 0:
            continue
        price, size, now = trades[0].px, trades[0].qty, trades[0].exch_ts // NS_PER_MINUTE
        hbt.clear_last_trades(0)
        if pending:
            prices[orders - 1] = hbt.orders(0).get(orders).exec_price
            hbt.clear_inactive_orders(0)
            pending = False
        if count > 0 and (count == per_bar or (per_bar == 0 and now != minute)):
            was_above, was_below = fast > slow, fast < slow
            fast, slow = (close, close) if bars == 0 else (a * close + (1.0 - a) * fast, b * close + (1.0 - b) * slow)
            if bars >= SLOW:
                wanted = 1 if fast > slow and not was_above else -1 if fast < slow and not was_below else side
            bars, count = bars + 1, 0
        if wanted != side:
            quantities[orders] = wanted - side
            orders += 1
            if wanted > 0:
                hbt.submit_buy_order(0, orders, price, wanted - side, GTC, MARKET, False)
            else:
                hbt.submit_sell_order(0, orders, price, side - wanted, GTC, MARKET, False)
            side, pending = wanted, True
        high, low, volume = (price, price, size) if count == 0 else (max(high, price), min(low, price), volume + size)
        close, minute, count = price, now, count + 1
    if pending:
        prices[orders - 1] = hbt.orders(0).get(orders).exec_price
    return prices[:orders], quantities[:orders], bars + (count == per_bar)


def event(kind: int, ts: Any, price: Any, quantity: Any) -> Any:
    """Events of one kind, by column."""
    events = np.zeros(len(price), event_dtype)
    events["ev"], events["exch_ts"], events["local_ts"], events["px"], events["qty"] = kind | BOTH, ts, ts, price, quantity
    return events


def feed(ticks: Ticks) -> Any:
    """The trades, and before each that has a new price the quote that goes with it; first a book with all levels."""
    first, start = ticks.price[0], ticks.ts_ns[0] - NS_BEFORE
    asks = np.arange(first, ticks.price.max() + MARGIN, TICK_SIZE)
    bids = np.arange(first - TICK_SIZE, ticks.price.min() - MARGIN, -TICK_SIZE)
    book = [event(DEPTH_EVENT | side, start, levels, 1e6) for side, levels in ((SELL_EVENT, asks), (BUY_EVENT, bids))]
    moved = np.diff(ticks.price, prepend=first)
    rows = np.flatnonzero(moved)
    up = moved[rows] > 0
    quotes = event(DEPTH_EVENT, ticks.ts_ns[rows], ticks.price[rows] - np.where(up, TICK_SIZE, 0), 1e6)
    quotes["ev"] |= np.where(up, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    trades = event(TRADE_EVENT | BUY_EVENT, ticks.ts_ns, ticks.price, ticks.size)
    return np.concatenate([*book, np.insert(trades, rows, quotes)])


def prepare(ticks: Ticks, timeframe: str) -> Run:
    events = feed(ticks)
    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(MULTIPLIER)
        .constant_order_latency(1, 1)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(TICK_SIZE)
        .lot_size(1)
        .roi_lb(ticks.price.min() - 2 * MARGIN)
        .roi_ub(ticks.price.max() + 2 * MARGIN)
        .last_trades_capacity(16)
    )
    hbt = ROIVectorMarketDepthBacktest([asset])

    def run() -> Any:
        return hbt, events, crossing(hbt, ticks_per_bar(timeframe) or 0, alpha(FAST), alpha(SLOW))

    return run


def read(result: Any) -> Outcome:
    hbt, _, (prices, quantities, bars) = cast("tuple[Any, Any, tuple[Floats, Floats, int]]", result)
    position, balance = hbt.position(0), hbt.state_values(0).balance
    closed = balance + position * prices[-1] * MULTIPLIER
    sold = np.abs(quantities[quantities < 0]).sum() - max(-position, 0)
    fills = zip(prices + np.where(quantities < 0, TICK_SIZE, 0), quantities, strict=True)
    return Outcome(list(fills), float(closed + sold * TICK_SIZE * MULTIPLIER), bars)


if __name__ == "__main__":
    main("hftbacktest", prepare, read)
