"""DBN files that tests make for themselves."""

import io
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import databento_dbn as dbn
import msgspec

SECOND = 1_000_000_000
START = 1_750_086_000 * SECOND
"""A Monday, 15:00 UTC: the middle of every session."""
YEAR = (date(2025, 1, 1), date(2026, 1, 1))


class Interval(msgspec.Struct):
    """What the metadata says of an id."""

    start_date: date
    end_date: date
    symbol: str


class Mapped(msgspec.Struct):
    """The ids of a name."""

    raw_symbol: str
    intervals: list[Interval]


def metadata(
    schema: str, ids: Mapping[str, Iterable[tuple[int, date, date]]], dataset: str = "GLBX.MDP3", *, ts_out: bool = False
) -> bytes:
    """The head of a file; ``ids`` by name: id, first day, the day after the last."""
    mappings = [Mapped(name, [Interval(first, end, str(number)) for number, first, end in spans]) for name, spans in ids.items()]
    return dbn.Metadata(
        dataset=dataset,
        start=START,
        stype_in=dbn.SType.from_str("raw_symbol"),
        stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str(schema),
        symbols=list(ids),
        mappings=mappings,  # type: ignore[arg-type]  # its protocol asks for attributes that can be set
        ts_out=ts_out,
    ).encode()


def one(number: int) -> list[tuple[int, date, date]]:
    """An id for the whole year."""
    return [(number, *YEAR)]


def trade(number: int, at: float, price: int, size: int = 1, *, ts_ns: int | None = None, ts_out: int | None = None) -> bytes:
    """A trade ``at`` seconds after START at ``price`` · 1e-9."""
    stamp = START + round(at * SECOND) if ts_ns is None else ts_ns
    more = {} if ts_out is None else {"ts_out": ts_out}
    return bytes(dbn.TradeMsg(1, number, stamp, price, size, dbn.Action.from_str("T"), dbn.Side.from_str("A"), 0, START, **more))


def quoted(number: int, at: float, price: int, bid: int, ask: int, action: str = "T") -> bytes:
    """A trade, or another event of the book, with the best bid and ask."""
    stamp = START + round(at * SECOND)
    pair = dbn.BidAskPair(bid, ask, 1, 1, 1, 1)
    message = dbn.MBP1Msg(1, number, stamp, price, 2, dbn.Action.from_str(action), dbn.Side.from_str("A"), 0, START, levels=pair)  # type: ignore[arg-type]  # its stub asks for a list, it for one pair
    return bytes(message)


def bar(number: int, at: float, prices: tuple[int, int, int, int], volume: int, rtype: int = 33) -> bytes:
    """A bar that opens ``at`` seconds after START."""
    return bytes(dbn.OHLCVMsg(rtype, 1, number, START + round(at * SECOND), *prices, volume))


def written(path: Path, data: bytes) -> Path:
    """``data`` in ``path``, compressed when its name says so."""
    path.write_bytes(compressed(data) if path.suffix == ".zst" else data)
    return path


def compressed(data: bytes) -> bytes:
    """DBN data as Zstandard."""
    out = io.BytesIO()
    encoder = dbn.Transcoder(out, dbn.Encoding.from_str("dbn"), dbn.Compression.from_str("zstd"))
    encoder.write(data)
    encoder.flush()
    encoder.finish()
    return out.getvalue()
