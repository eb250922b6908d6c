"""How rows look in Redis: JSON with Decimals as text and enums by value, positions as hashes.

Owns the shapes of rows. A row in a ZSET begins with its ``ts`` in ns: members of one score are sorted by their bytes, so
the order is that of the nanoseconds. Must not know keys or connections.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from fortified.domain.market import Bar
from fortified.domain.order import Fill, Order
from fortified.domain.position import OpenTrip, Position
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial
from fortified.ports import RunnerKey, StreamRef


class FillRow(msgspec.Struct, frozen=True):
    ts: int
    fill: Fill


class TradeRow(msgspec.Struct, frozen=True):
    ts: int
    trade: Trade


class DenialRow(msgspec.Struct, frozen=True):
    ts: int
    runner: RunnerKey
    denial: Denial


order_decoder = msgspec.json.Decoder(Order)
fill_decoder = msgspec.json.Decoder(FillRow)
trade_decoder = msgspec.json.Decoder(TradeRow)
denial_decoder = msgspec.json.Decoder(DenialRow)
runner_decoder = msgspec.json.Decoder(RunnerKey)

_HISTORY = msgspec.json.Decoder(tuple[int, int, float, float, float, float, float, int, float, int, bool, int])
_JSON = msgspec.json.Encoder(decimal_format="string")


def encode_history(bar: Bar) -> bytes:
    """A bar as a member of its history: the same bar gives the same bytes. A JSON array, as there are many."""
    return _JSON.encode(
        (
            bar.ts_open,
            bar.ts_close,
            float(bar.open),
            float(bar.high),
            float(bar.low),
            float(bar.close),
            float(bar.volume),
            bar.ticks,
            float(bar.vwap),
            bar.seq,
            bar.complete,
            int(bar.flags),
        )
    )


def decode_history(ref: StreamRef, member: bytes) -> Bar:
    return Bar(ref.symbol, ref.timeframe, *_HISTORY.decode(member))


def encode(value: Any) -> bytes:
    """JSON of a struct: Decimals as text, enums by value."""
    return _JSON.encode(value)


def encode_position(position: Position) -> list[str | bytes]:
    """A position as the fields of a hash, with its side and average price for a human reader."""
    average = position.average_price
    return [
        *("account", position.account, "strategy", position.strategy, "symbol", position.symbol),
        *("side", position.side, "average_price", "" if average is None else str(average)),
        *("multiplier", str(position.multiplier), "quantity", str(position.quantity), "cost", str(position.cost)),
        *("realized_pnl", str(position.realized_pnl), "fees", str(position.fees), "ts_updated", str(position.ts_updated)),
        *("trading_day", position.trading_day, "day_pnl", str(position.day_pnl)),
        *("trip", encode(position.trip)),
    ]


def decode_position(fields: Sequence[bytes]) -> Position:
    value = dict(zip(fields[::2], fields[1::2], strict=True))
    money = {name: Decimal(value[name.encode()].decode()) for name in ("multiplier", "quantity", "cost", "realized_pnl", "fees", "day_pnl")}
    words = {name: value[name.encode()].decode() for name in ("account", "strategy", "symbol", "trading_day")}
    trip = msgspec.json.decode(value[b"trip"], type=OpenTrip | None)
    return msgspec.convert({**words, **money, "ts_updated": int(value[b"ts_updated"]), "trip": trip}, Position)
