"""How market data looks in streams: flat fields that a person can read.

Owns the names and the order of the fields, and numbers that come back bit for bit. Must not know keys or connections.
"""

from fortified.aggregation.base import OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarUpdate, Tick
from fortified.ports import StreamRef

TICK_FIELDS = ["seq", "ts", "recv", "price", "size", "bid", "ask"]
OPEN_BAR_FIELDS = [
    *("ts_open", "ts_end", "ts_first", "flags"),
    *("open", "high", "low", "close", "volume", "notional", "ticks", "ts_last", "fill"),
]
BAR_FIELDS = [
    *("symbol", "timeframe", "ts_open", "ts_close", "open", "high", "low", "close", "volume"),
    *("ticks", "vwap", "seq", "complete", "flags", "prev"),
]
UPDATE_FIELDS = [*TICK_FIELDS, "prev", *OPEN_BAR_FIELDS]

Fields = list[bytes]
"""Field, value, field, value … as a stream entry holds them."""

_BAR_NAMES = [name.encode() for name in BAR_FIELDS]
_UPDATE_NAMES = [name.encode() for name in UPDATE_FIELDS]


def number(value: float | None) -> str:
    """The shortest text that reads back as the same float; whole numbers without ``.0``, None as nothing."""
    if value is None:
        return ""
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
    (_, seq, _, ts, _, recv, _, price, _, size, _, bid, _, ask, _, prev, _, t0, _, _, _, _, _, _,
     _, o, _, h, _, lo, _, c, _, v, _, _, _, n, _, _, _, fill) = fields  # fmt: skip
    return BarUpdate(
        ref.symbol,
        ref.timeframe,
        int(seq),
        int(ts),
        int(recv),
        float(price),
        float(size),
        float(bid) if bid else None,
        float(ask) if ask else None,
        int(t0),
        float(o),
        float(h),
        float(lo),
        float(c),
        float(v),
        int(n),
        float(fill),
    ), prev


def decode_open_bar(fields: Fields) -> OpenBar:
    """The open bar of an update's entry, exactly as its aggregator had it."""
    value = {name.decode(): text for name, text in zip(fields[::2], fields[1::2], strict=True)}
    return OpenBar(
        ts_open=int(value["ts_open"]),
        ts_end=int(value["ts_end"]),
        open=float(value["open"]),
        high=float(value["high"]),
        low=float(value["low"]),
        close=float(value["close"]),
        volume=float(value["volume"]),
        notional=float(value["notional"]),
        ticks=int(value["ticks"]),
        ts_first=int(value["ts_first"]),
        ts_last=int(value["ts_last"]),
        seq=int(value["seq"]),
        flags=int(value["flags"]),
    )


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
