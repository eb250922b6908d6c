"""What must be in Redis after any accident: the bars that the ticks make, each once, and a ledger that adds up.

Owns the recomputation: from the synthetic market itself, without streams, checkpoints or a runner. Each check returns
sentences about what is wrong; none is good.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

from fortified.adapters.synthetic_market import SyntheticMarket
from fortified.aggregation.factory import create_aggregator
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Bar, BarFlag
from fortified.domain.timeframe import Timeframe
from fortified.orchestration.symbol_publisher import seq_of
from fortified.ports import EntryId, StreamRef
from fortified.storage.codec import decode_bar, decode_update
from fortified.storage.rows import decode_history

SEED = 7
REFS = [StreamRef(symbol, timeframe) for symbol in ("/NQ", "SPY") for timeframe in ("1", "144t", "5", "512t")]


def expected_bars(ref: StreamRef, first: int, last: int, flags: int) -> list[Bar]:
    """The closed bars of the ticks ``first`` to ``last``; ``flags`` are those of the first bar."""
    market = SyntheticMarket(SEED, msgspec.structs.replace(get_instrument(ref.symbol), calendar="24/7"))
    aggregator = create_aggregator(ref.symbol, Timeframe.parse(ref.timeframe), get_calendar("24/7"))
    if flags & BarFlag.PARTIAL_START:
        aggregator.mark(BarFlag.PARTIAL_START)
    return [bar for tick in market.ticks(first, last + 1) for bar in aggregator.on_tick(tick)]


def wrong_market(client: Any) -> list[str]:
    """History, bar stream and update stream of every timeframe against the ticks."""
    return [f"{ref.symbol} {ref.timeframe}: {text}" for ref in REFS for text in _wrong_timeframe(client, ref)]


def _wrong_timeframe(client: Any, ref: StreamRef) -> Iterable[str]:
    history = [decode_history(ref, member) for member in client.zrange(f"bars:{ref.symbol}:{ref.timeframe}", 0, -1)]
    history.sort(key=lambda bar: (bar.ts_open, bar.seq))
    bars = [(EntryId.parse(i.decode()), *decode_bar(_flat(f))) for i, f in client.xrange(f"bars_stream:{ref.symbol}:{ref.timeframe}")]
    updates = [
        (entry := EntryId.parse(i.decode()), *decode_update(ref, entry, _flat(f)))
        for i, f in client.xrange(f"ticks_stream:{ref.symbol}:{ref.timeframe}")
    ]
    if history:
        first = history[0].seq - history[0].ticks + 1
        yield from _differences("history", history, expected_bars(ref, first, history[-1].seq + 1, history[0].flags)[: len(history)])
    stream = [bar for _, bar, _ in bars]
    if stream != history[-len(stream) :] and stream:
        yield f"the stream's {len(stream)} bars are not the last ones of the history's {len(history)}"
    numbers = [update.seq for _, update, _ in updates]
    holes = [f"{one}→{other}" for one, other in pairwise(numbers) if other != one + 1]
    if holes:
        yield f"updates are not in sequence: {', '.join(holes[:5])} ({len(holes)} places)"
    if numbers and stream and stream[-1].seq > numbers[-1]:
        yield f"the last bar ends at tick {stream[-1].seq}, the last update is of {numbers[-1]}"
    yield from _broken_chain(bars, updates)


def _differences(where: str, got: Sequence[Bar], wanted: Sequence[Bar]) -> Iterable[str]:
    doubled = [key for key, count in Counter((bar.ts_open, bar.seq) for bar in got).items() if count > 1]
    if doubled:
        yield f"{where} has {len(doubled)} bars twice, first {doubled[0]}"
    if len(got) != len(wanted):
        yield f"{where} has {len(got)} bars, the ticks make {len(wanted)}"
    wrong = [(one, other) for one, other in zip(got, wanted, strict=False) if one != other]
    if wrong:
        yield f"{where}: {len(wrong)} of {len(got)} bars differ, the first: {wrong[0][0]} is not {wrong[0][1]}"


def _broken_chain(bars: Sequence[Any], updates: Sequence[Any]) -> Iterable[str]:
    """Every entry names the one before it, over both streams; older ones of one stream may be trimmed before the other's."""
    begin = max((entries[0][0] for entries in (bars, updates) if entries), default=None)
    merged = sorted(((entry, previous) for entry, _, previous in (*bars, *updates)), key=lambda row: row[0])
    kept = [row for row in merged if begin is not None and row[0] >= begin]
    broken = [str(other[0]) for one, other in pairwise(kept) if other[1].decode() != str(one[0])]
    if broken:
        yield f"{len(broken)} entries do not follow the entry before them, the first is {broken[0]}"
    if any(seq_of(one[0]) > seq_of(other[0]) for one, other in pairwise(kept)):
        yield "ids do not follow the ticks"


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]


# --- the ledger ---


def wrong_ledger(client: Any, strategy: str = "ema") -> list[str]:
    """Orders, fills, trades and positions against each other."""
    orders = {key.decode(): json.loads(row) for key, row in client.hgetall(f"orders:{strategy}").items()}
    fills = [json.loads(row)["fill"] for row in client.zrange(f"fills:{strategy}", 0, -1)]
    trades = [json.loads(row)["trade"] for row in client.zrange(f"paper_trades:{strategy}", 0, -1)]
    found = [*_wrong_orders(orders, fills), *_doubled("trade", [trade["trade_id"] for trade in trades])]
    for key in client.scan_iter(f"trade_state:{strategy}:*"):
        position = {name.decode(): value.decode() for name, value in client.hgetall(key).items()}
        found += _wrong_position(position, fills, trades)
    index = client.zcard(f"orders_index:{strategy}")
    if index != len(orders):
        found.append(f"{len(orders)} orders, {index} in the index")
    return found


def _wrong_orders(orders: dict[str, Any], fills: list[Any]) -> Iterable[str]:
    yield from _doubled("fill", [fill["fill_id"] for fill in fills])
    causes = [(order["account"], order["symbol"], order["seq"], order["purpose"]) for order in orders.values()]
    yield from _doubled("order of one cause", causes)
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        filled[fill["order_id"]] += Decimal(fill["quantity"])
        if fill["order_id"] not in orders:
            yield f"fill {fill['fill_id']} has no order"
    for order_id, order in orders.items():
        if Decimal(order["filled_quantity"]) != filled[order_id]:
            yield f"order {order_id} says {order['filled_quantity']} filled, its fills {filled[order_id]}"


def _wrong_position(position: dict[str, str], fills: list[Any], trades: list[Any]) -> Iterable[str]:
    who = (position["account"], position["symbol"])
    mine = [fill for fill in fills if (fill["account"], fill["symbol"]) == who]
    closed = [trade for trade in trades if (trade["account"], trade["symbol"]) == who]
    trip = json.loads(position["trip"]) or {"gross_pnl": 0, "fees": 0}
    signed = sum((Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1) for fill in mine), Decimal())
    fees = sum((Decimal(fill["fee"]) for fill in mine), Decimal())
    sums = {
        "quantity": (Decimal(position["quantity"]), signed),
        "fees of fills": (Decimal(position["fees"]), fees),
        "fees of trades": (Decimal(position["fees"]), sum((Decimal(t["fees"]) for t in closed), Decimal(trip["fees"]))),
        "realized": (Decimal(position["realized_pnl"]), sum((Decimal(t["gross_pnl"]) for t in closed), Decimal(trip["gross_pnl"]))),
        "exits": (Decimal(len(closed)), Decimal(sum(fill["purpose"].upper() == "EXIT" for fill in mine))),
    }
    for name, (held, summed) in sums.items():
        if held != summed:
            yield f"{who}: {name} of the position {held}, summed up {summed}"


def _doubled(what: str, ids: Sequence[Any]) -> Iterable[str]:
    twice = [key for key, count in Counter(ids).items() if count > 1]
    if twice:
        yield f"{len(twice)} times the same {what} twice, first {twice[0]}"
