"""How market data looks in streams: fields that a person can read.

Owns the names of the fields, and numbers that come back bit for bit. Must not know keys or connections. A bar has one
field per value. An update has four, of which two are JSON objects: the work of the server and of both ends grows with
the number of fields, and there is an update per tick and timeframe (with a field per value all took twice as long).
"""

import msgspec

from fortified.aggregation.base import OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.ports import StreamRef

UPDATE_FIELDS = ["tick", "prev", "fill", "bar"]
BAR_FIELDS = [
    *("ts_open", "ts_end", "ts_first", "flags"),
    *("open", "high", "low", "close", "volume", "notional", "ticks", "ts_last", "fill"),
]
BAR_FIELDS = [
    *("symbol", "timeframe", "ts_open", "ts_close", "open", "high", "low", "close", "volume"),
    *("ticks", "vwap", "seq", "complete", "flags", "prev"),
]

Fields = list[bytes]
"""Field, value, field, value … as a stream entry holds them."""

_BAR_NAMES = [name.encode() for name in BAR_FIELDS]
_UPDATE_NAMES = [name.encode() for name in UPDATE_FIELDS]


_decode_tick = msgspec.json.Decoder(Tick).decode
_decode_open_bar = msgspec.json.Decoder(OpenBar).decode


def number(value: float) -> str:
    """The shortest text that reads back as the same float; whole numbers without ``.0``."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def bar_values(bar: Bar, previous: str) -> list[str]:
    """Values of ``BAR_FIELDS``."""
    return [
        bar.symbol,
        bar.timeframe,
        str(bar.ts_open),
        str(bar.ts_close),
        number(bar.open),
        number(bar.high),
        number(bar.low),
        number(bar.close),
        number(bar.volume),
        str(bar.ticks),
        number(bar.vwap),
        str(bar.seq),
        "1" if bar.complete else "0",
        str(int(bar.flags)),
        previous,
    ]


def _ordered(fields: Fields, names: list[bytes]) -> Fields:
    """``fields`` in the order of ``names``: another writer may have another one."""
    by_name = dict(zip(fields[::2], fields[1::2], strict=True))
    missing = [name.decode() for name in names if name not in by_name]
    if missing:
        raise DataError(f"a stream entry lacks {', '.join(missing)}: it was written by another program; delete that stream")
    return [part for name in names for part in (name, by_name[name])]


def decode_bar(fields: Fields) -> tuple[Bar, bytes]:
    """The bar of an entry, and the id of the entry before it."""
    if fields[::2] != _BAR_NAMES:
        fields = _ordered(fields, _BAR_NAMES)
    _, sym, _, tf, _, t0, _, t1, _, o, _, h, _, lo, _, c, _, v, _, n, _, vwap, _, seq, _, complete, _, flags, _, prev = fields
    return Bar(
        sym.decode(),
        tf.decode(),
        int(t0),
        int(t1),
        float(o),
        float(h),
        float(lo),
        float(c),
        float(v),
        int(n),
        float(vwap),
        int(seq),
        complete == b"1",
        int(flags),
    ), prev


def decode_update(ref: StreamRef, fields: Fields) -> tuple[BarUpdate, bytes]:
    """The update of an entry, and the id of the entry before it."""
    if fields[::2] != _UPDATE_NAMES:
        fields = _ordered(fields, _UPDATE_NAMES)
    return update_of(ref, _decode_tick(fields[1]), _decode_open_bar(fields[7]), float(fields[5])), fields[3]


def decode_open_bar(fields: Fields) -> OpenBar:
    """The open bar of an update's entry, exactly as its aggregator had it."""
    return _decode_open_bar(_ordered(fields, _UPDATE_NAMES)[7])


def update_of(ref: StreamRef, tick: Tick, bar: OpenBar, fill: float) -> BarUpdate:
    """The update that ``tick`` made of ``bar``."""
    return BarUpdate(
        ref.symbol,
        ref.timeframe,
        tick.seq,
        tick.ts_event,
        tick.ts_recv,
        tick.price,
        tick.size,
        tick.bid,
        tick.ask,
        bar.ts_open,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.ticks,
        fill,
    )
