"""The rows a replay plays: ticks of a file, bars of a file, bars of the history.

Owns how columns become events, and when each of them was known. Knows nothing of speed or subscriptions.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.adapters.tables import BarTable, TickTable
from fortified.domain.errors import DataError
from fortified.domain.market import Bar, Tick
from fortified.domain.timeframe import Timeframe
from fortified.ports import HistoryStore, StreamRef


class Rows(Protocol):
    """Events by row number. ``timeframe`` is None for ticks."""

    @property
    def timeframe(self) -> Timeframe | None: ...

    async def load(self) -> NDArray[np.int64]:
        """When each row was known, ns, never going back."""
        ...

    def events(self, start: int, stop: int) -> Sequence[Tick | Bar]:
        """The rows ``start`` to ``stop`` (exclusive); their ``seq`` is the row number."""
        ...

    async def before(self, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        """Up to ``count`` bars before the first row, oldest first."""
        ...


class TickRows:
    """The ticks of a table."""

    timeframe = None

    def __init__(self, symbol: str, table: TickTable) -> None:
        self._symbol = symbol
        self._table = table

    async def load(self) -> NDArray[np.int64]:
        return np.maximum.accumulate(self._table.ts_ns)

    def events(self, start: int, stop: int) -> Sequence[Tick]:
        table, rows = self._table, slice(start, stop)
        stamps = table.ts_ns[rows].tolist()
        columns = stamps, stamps, table.price[rows].tolist(), table.size[rows].tolist(), _quotes(table.bid, rows), _quotes(table.ask, rows)
        return list(map(Tick, repeat(self._symbol), range(start, stop), *columns))

    async def before(self, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        return ()


class BarRows:
    """The bars of a table. A bar is known once it has closed."""

    def __init__(self, symbol: str, table: BarTable) -> None:
        self.timeframe = table.timeframe
        self._symbol = symbol
        self._table = table

    async def load(self) -> NDArray[np.int64]:
        return np.maximum.accumulate(self._table.ts_close)

    def events(self, start: int, stop: int) -> Sequence[Bar]:
        table, rows = self._table, slice(start, stop)
        columns = (table.ts_open, table.ts_close, table.open, table.high, table.low, table.close, table.volume, table.ticks, table.vwap)
        numbers = (column[rows].tolist() for column in columns)
        return list(
            map(Bar, repeat(self._symbol), repeat(self.timeframe.name), *numbers, range(start, stop), table.complete[rows].tolist())
        )

    async def before(self, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        return ()


class StoredRows:
    """The bars of the history from ``start_ns`` to ``end_ns`` (exclusive, by their open)."""

    def __init__(self, symbol: str, timeframe: Timeframe, start_ns: int, end_ns: int, history: HistoryStore) -> None:
        self.timeframe = timeframe
        self._symbol = symbol
        self._span = start_ns, end_ns
        self._history = history
        self._bars: Sequence[Bar] = ()

    async def load(self) -> NDArray[np.int64]:
        start_ns, end_ns = self._span
        self._bars = await self._history.bars(StreamRef(self._symbol, self.timeframe.name), start_ns=start_ns, end_ns=end_ns)
        if not self._bars:
            span = " to ".join(np.datetime_as_string(np.array(self._span, "datetime64[ns]"), "s"))
            raise DataError(
                f"No {self.timeframe.name} bars of {self._symbol} are stored from {span} UTC. Choose another span, or import them."
            )
        return np.maximum.accumulate(np.array([bar.ts_close for bar in self._bars], np.int64))

    def events(self, start: int, stop: int) -> Sequence[Bar]:
        return [msgspec.structs.replace(bar, seq=row) for row, bar in enumerate(self._bars[start:stop], start)]

    async def before(self, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        return await self._history.bars(StreamRef(self._symbol, timeframe.name), end_ns=self._span[0], limit=count)


def _quotes(column: NDArray[np.float64] | None, rows: slice) -> Iterable[float | None]:
    """Prices, None for NaN."""
    return repeat(None) if column is None else [None if price != price else price for price in column[rows].tolist()]  # noqa: PLR0124  # only NaN differs from itself
