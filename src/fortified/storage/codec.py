"""How market data looks in streams: flat fields that a person can read, one value each.

Owns the names and the order of the fields, and numbers that come back bit for bit. Must not know keys or connections. The work of the
server and of both ends grows with the number of fields, and there is an update per tick and timeframe. So an update leaves out what its id
tells (``seq``) and a price that is the close, and ``rest`` holds, joined by commas, what is not for people: the entry before, the receipt,
and what only a restarted publisher needs.
"""

from fortified.aggregation.base import OpenBar
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, BarUpdate
from fortified.ports import EntryId, StreamRef

UPDATE_FIELDS = ["ts", "size", "ts_open", "open", "high", "low", "close", "volume", "ticks", "fill", "rest"]
OPTIONAL_FIELDS = ["bid", "ask", "price"]
REST_FIELDS = ["prev", "recv", "ts_end", "notional", "ts_first", "ts_last", "flags"]
BAR_FIELDS = [
    *("symbol", "timeframe", "ts_open", "ts_close", "open", "high", "low", "close", "volume"),
    *("ticks", "vwap", "seq", "complete", "flags", "prev"),
]

Fields = list[bytes]
"""Field, value, field, value … as a stream entry holds them."""

_BAR_NAMES = [name.encode() for name in BAR_FIELDS]
_UPDATE_NAMES = [name.encode() for name in UPDATE_FIELDS]
_QUOTED_NAMES = [*_UPDATE_NAMES, b"bid", b"ask"]
_PLAIN_LENGTH, _QUOTED_LENGTH = 2 * len(_UPDATE_NAMES), 2 * len(_QUOTED_NAMES)


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


def _by_name(fields: Fields, names: list[bytes]) -> dict[bytes, bytes]:
    """``fields`` by name, all of ``names`` among them."""
    by_name = dict(zip(fields[::2], fields[1::2], strict=True))
    missing = [name.decode() for name in names if name not in by_name]
    if missing:
        raise DataError(f"a stream entry lacks {', '.join(missing)}: it was written by another program; delete that stream")
    return by_name


def decode_bar(fields: Fields) -> tuple[Bar, bytes]:
    """The bar of an entry, and the id of the entry before it."""
    if fields[::2] != _BAR_NAMES:  # another writer may have another order
        by_name = _by_name(fields, _BAR_NAMES)
        fields = [part for name in _BAR_NAMES for part in (name, by_name[name])]
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


def decode_update(ref: StreamRef, entry: EntryId, fields: Fields) -> tuple[BarUpdate, bytes]:
    """The update of an entry, and the id of the entry before it."""
    bid: bytes | None
    ask: bytes | None
    price: bytes
    if len(fields) == _PLAIN_LENGTH and fields[::2] == _UPDATE_NAMES:
        _, ts, _, size, _, t0, _, o, _, h, _, lo, _, c, _, v, _, n, _, fill, _, rest = fields
        bid, ask, price = None, None, c
    elif len(fields) == _QUOTED_LENGTH and fields[::2] == _QUOTED_NAMES:
        _, ts, _, size, _, t0, _, o, _, h, _, lo, _, c, _, v, _, n, _, fill, _, rest, _, bid, _, ask = fields
        price = c
    else:
        value = _by_name(fields, _UPDATE_NAMES)
        ts, size, t0, o, h, lo, c, v, n, fill, rest = (value[name] for name in _UPDATE_NAMES)
        bid, ask, price = value.get(b"bid"), value.get(b"ask"), value.get(b"price", c)
    prev, recv, _ = rest.split(b",", 2)
    return BarUpdate(
        ref.symbol,
        ref.timeframe,
        (entry.n - 1) // 4,
        int(ts),
        int(recv),
        float(price),
        float(size),
        None if bid is None else float(bid),
        None if ask is None else float(ask),
        int(t0),
        float(o),
        float(h),
        float(lo),
        float(c),
        float(v),
        int(n),
        float(fill),
    ), prev


def decode_open_bar(entry: EntryId, fields: Fields) -> OpenBar:
    """The open bar of an update's entry, exactly as its aggregator had it."""
    value = _by_name(fields, _UPDATE_NAMES)
    parts = value[b"rest"].split(b",")
    if len(parts) != len(REST_FIELDS):
        raise DataError(
            f"a stream entry has {len(parts)} values in rest, not {len(REST_FIELDS)}: another version wrote it; delete that stream"
        )
    rest = dict(zip(REST_FIELDS, parts, strict=True))
    return OpenBar(
        ts_open=int(value[b"ts_open"]),
        ts_end=int(rest["ts_end"]),
        open=float(value[b"open"]),
        high=float(value[b"high"]),
        low=float(value[b"low"]),
        close=float(value[b"close"]),
        volume=float(value[b"volume"]),
        notional=float(rest["notional"]),
        ticks=int(value[b"ticks"]),
        ts_first=int(rest["ts_first"]),
        ts_last=int(rest["ts_last"]),
        seq=(entry.n - 1) // 4,
        flags=int(rest["flags"]),
    )
