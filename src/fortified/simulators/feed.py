"""Where prints come from: invented ones as time passes, or the rows of a file.

Owns the pace. Knows no order: the market tells who listens.
"""

import asyncio
import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from fortified.domain.errors import DataError
from fortified.ports import Clock
from fortified.simulators.instruments import Listed
from fortified.simulators.market import Market, Print
from fortified.simulators.synthetic import Synthetic

_TURN_S = 0.1
_LONGEST_NS = 5_000_000_000


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * 1_000_000_000)


class SyntheticFeed:
    """Publishes the invented prints that have become due. ``listed`` answers what somebody wants to see now."""

    def __init__(self, market: Market, clock: Clock, synthetic: Synthetic, listed: Callable[[], Iterable[Listed]]) -> None:
        self._market = market
        self._clock = clock
        self._synthetic = synthetic
        self._listed = listed
        self._until = clock.now_ns()

    def turn(self) -> None:
        """Publish what is due, in order of time; after a pause that was too long only the end of it."""
        now = self._clock.now_ns()
        start = max(self._until, now - _LONGEST_NS)
        due = [event for each in self._listed() for event in self._synthetic.prints(each, start, now)]
        self._until = now
        for event in sorted(due, key=lambda event: event.ts_ns):
            self._market.publish(event)


class FileFeed:
    """Publishes the rows of a file at their pace, stamped with the time at which they are played; at its end it begins anew."""

    def __init__(self, market: Market, clock: Clock, rows: Sequence[Print], speed: float = 1.0) -> None:
        self._market = market
        self._clock = clock
        self._rows = rows
        self._speed = speed
        self._begin()
        self._number = 0

    def _begin(self) -> None:
        self._next, self._base = 0, self._clock.now_ns()

    def turn(self) -> None:
        """Publish what is due."""
        now = self._clock.now_ns()
        played = self._rows[0].ts_ns + (now - self._base) * self._speed
        while self._next < len(self._rows) and self._rows[self._next].ts_ns <= played:
            row = self._rows[self._next]
            self._next, self._number = self._next + 1, self._number + 1
            self._market.publish(Print(row.symbol, now, row.price, row.size, row.bid, row.ask, self._number))
        if self._next == len(self._rows):
            self._begin()


type Feed = SyntheticFeed | FileFeed


async def run(feed: Feed | None, on_time: Callable[[], None]) -> None:
    """Turn ``feed``, and tell the time, until cancelled."""
    while True:
        if feed is not None:
            feed.turn()
        on_time()
        await asyncio.sleep(_TURN_S)


def read_ticks(path: Path, symbol: str) -> list[Print]:
    """The rows of a CSV file (also .gz) with the columns ts_ns, price, size, and perhaps symbol, bid, ask.

    Raises:
        DataError: the file cannot be read, or a row cannot be used; the message names its line.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; name a CSV file of ticks") from None
    rows = list(_rows(path, text, symbol))
    if not rows:
        raise DataError(f"{path} has no ticks; a header ts_ns,price,size and at least one row are needed")
    return rows


def _rows(path: Path, text: str, symbol: str) -> Iterator[Print]:
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            price = Decimal(row["price"])
            bid, ask = (Decimal(row[side]) if row.get(side) else price for side in ("bid", "ask"))
            yield Print(row.get("symbol") or symbol, int(row["ts_ns"]), price, int(Decimal(row.get("size") or "1")), bid, ask, number - 1)
        except (KeyError, ValueError, InvalidOperation, TypeError) as error:
            raise DataError(
                f"{path} line {number} is no tick ({error!r}); columns are ts_ns, price, size, and perhaps symbol, bid, ask"
            ) from None
