"""Rows of a catalogue: their columns, their days, and what becomes of a day that is imported again.

Owns that no row is twice in a day. Touches no files.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from fortified.adapters.tables import BarTable, TickTable
from fortified.domain.calendar import Calendar

_DAY_NS: Final = 86_400_000_000_000


class TradingDay(NamedTuple):
    """A trading day from its first open to its last close. Rows before the open, back to the day before, belong to it too."""

    day: date
    start_ns: int
    end_ns: int


def trading_days(calendar: Calendar, first_ns: int, last_ns: int) -> Iterator[TradingDay]:
    """The days from the one to which ``first_ns`` belongs to that of ``last_ns``."""
    at_ns = first_ns
    while at_ns <= last_ns:
        session = calendar.session_at(at_ns) or calendar.session_after(at_ns)
        inside = max(at_ns, session.open_ns)
        day = TradingDay(calendar.trading_day(inside), *calendar.bucket(session, _DAY_NS, inside))
        yield day
        at_ns = day.end_ns


def frame_of(table: TickTable | BarTable) -> pl.DataFrame:
    """The columns that are stored; the first is the stamp by which rows are ordered."""
    if isinstance(table, BarTable):
        return pl.DataFrame({name: getattr(table, name) for name in BarTable.__struct_fields__ if name not in ("timeframe", "report")})
    columns = {"ts_ns": table.ts_ns, "price": table.price, "size": table.size, "bid": table.bid, "ask": table.ask}
    return pl.DataFrame(columns, schema_overrides={"bid": pl.Float64, "ask": pl.Float64}).with_columns(pl.col("bid", "ask").fill_nan(None))


def merged(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """``old`` with everything in the span of ``new`` replaced by it.

    Where a file of ticks was cut within equal stamps, the ticks of both at the stamp of the cut are kept, each as often as the one has
    it that has it more often.
    """
    stamp = pl.col(new.columns[0])
    first, last = new.item(0, 0), new.item(-1, 0)
    before, after = old.filter(stamp < first), old.filter(stamp > last)
    if new.columns[0] != "ts_ns":
        return pl.concat([before, new, after])
    opening = _union(old.filter(stamp == first), new.filter(stamp == first))
    closing = _union(new.filter(stamp == last), old.filter(stamp == last)) if last > first else opening.clear()
    return pl.concat([before, opening, new.filter((stamp > first) & (stamp < last)), closing, after])


def _union(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    counted = [part.with_columns(nth=pl.int_range(pl.len()).over(part.columns)) for part in (first, second)]
    return pl.concat(counted).unique(maintain_order=True, keep="first").drop("nth")
