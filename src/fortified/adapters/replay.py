"""Files and stored history as a data source, as fast as they are consumed or at a multiple of real time.

Owns the pace and where a replay stands. Waits only in real time, for the next row to be due; knows nothing of what is done with the events.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from fortified.adapters.replay_rows import BarRows, Rows, StoredRows, TickRows
from fortified.adapters.tables import BarTable, TickTable
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import Instrument, normalise_symbol
from fortified.domain.market import Bar, EndOfData, SourceEvent
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe
from fortified.ports import BaseDataSource, HistoryStore

DEFAULT_BATCH: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ReplayDataSource(BaseDataSource):
    """One symbol's past. ``seq`` of an event is its row number, from 0.

    ``speed`` None plays as fast as the events are taken, N plays N seconds of the past in one; the first row comes at once. A batch has at
    most ``batch`` events; the last one is ``EndOfData`` alone, after which ``events`` ends.
    """

    name: ClassVar[str] = "replay"

    def __init__(
        self,
        symbol: str,
        timeframe: str,
        start_time: str,
        end_time: str,
        *,
        history: HistoryStore,
        speed: float | None = None,
        batch: int = DEFAULT_BATCH,
    ) -> None:
        """Replay the stored bars that open from ``start_time`` to ``end_time`` (exclusive), ISO-8601; without a zone it is UTC.

        Raises:
            ConfigError: a time, the timeframe, the speed or the batch is not possible.
        """
        start_ns, end_ns = _parse_time(start_time), _parse_time(end_time)
        if start_ns >= end_ns:
            raise ConfigError(f"A replay from {start_time} to {end_time} is empty: give an end after the start.")
        symbol = normalise_symbol(symbol)
        self._set_up(symbol, StoredRows(symbol, Timeframe.parse(timeframe), start_ns, end_ns, history), speed, batch)

    @classmethod
    def from_ticks(cls, symbol: str, table: TickTable, *, speed: float | None = None, batch: int = DEFAULT_BATCH) -> Self:
        """Replay the ticks of ``table``; ``ConfigError`` when the speed or the batch is not possible."""
        source, symbol = cls.__new__(cls), normalise_symbol(symbol)
        source._set_up(symbol, TickRows(symbol, table), speed, batch)
        return source

    @classmethod
    def from_bars(cls, symbol: str, table: BarTable, *, speed: float | None = None, batch: int = DEFAULT_BATCH) -> Self:
        """Replay the bars of ``table``, each when it closed; ``ConfigError`` when the speed or the batch is not possible."""
        source, symbol = cls.__new__(cls), normalise_symbol(symbol)
        source._set_up(symbol, BarRows(symbol, table), speed, batch)
        return source

    def _set_up(self, symbol: str, rows: Rows, speed: float | None, batch: int) -> None:
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigError(f"A replay at {speed} times real time is not possible: give a number above 0, or none for full speed.")
        if batch < 1:
            raise ConfigError(f"A batch of {batch} events is not possible: give at least 1.")
        self.symbol = symbol
        self.position = 0
        """The next row: how many are behind."""
        self._rows = rows
        self._speed = speed
        self._batch = batch
        self._known_ns: NDArray[np.int64] = np.empty(0, np.int64)
        self._playing = False
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def total(self) -> int:
        """All rows; 0 before ``subscribe``."""
        return len(self._known_ns)

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        return self._rows.timeframe

    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        """Begin behind row ``after``.

        Raises:
            ConfigError: this is not the symbol's replay.
            DataError: there are no such rows.
        """
        if instrument.symbol != self.symbol:
            raise ConfigError(f"This replay holds {self.symbol}, not {instrument.symbol}: ask for {self.symbol}, or replay another file.")
        self._known_ns = await self._rows.load()
        self.position = 0 if after is None else min(after + 1, self.total)
        self._playing = True
        self._changed.set()

    async def unsubscribe(self, symbol: str) -> None:
        if symbol == self.symbol:
            self._playing = False
            self._changed.set()

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        return await self._rows.before(timeframe, count)

    async def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        while not self._closed:
            self._changed.clear()
            if not self._playing:
                await self._changed.wait()
                continue
            async for batch in self._play():
                yield batch
            if self._playing and not self._closed and self.position >= self.total:
                self._playing = False
                yield (EndOfData(self.symbol),)
                return

    async def _play(self) -> AsyncIterator[Sequence[SourceEvent]]:
        """The rest of the rows, until the subscription changes."""
        begin = asyncio.get_running_loop().time()
        first = self.position
        while self.position < self.total and not self._changed.is_set():
            stop = await self._due(first, begin)
            if stop > self.position and not self._changed.is_set():
                start, self.position = self.position, stop
                yield self._rows.events(start, stop)

    async def _due(self, first: int, begin: float) -> int:
        """Wait for the next row; the end (exclusive) of the rows that are due by now, at most one batch of them."""
        limit = min(self.position + self._batch, self.total)
        if self._speed is None:
            await asyncio.sleep(0)  # full speed must not keep the rest of the process from running
            return limit
        known = self._known_ns
        elapsed = (asyncio.get_running_loop().time() - begin) * self._speed
        delay = (int(known[self.position] - known[first]) / NS_PER_SECOND - elapsed) / self._speed
        if delay > 0:
            await self._wait(delay)
            return self.position
        now_ns = int(known[first]) + int(elapsed * NS_PER_SECOND)
        due = int(np.searchsorted(known[self.position : limit], now_ns, side="right"))
        return self.position + max(due, 1)

    async def _wait(self, seconds: float) -> None:
        """Until the subscription changes, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


def _parse_time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time. Write it as 2025-01-01T09:30:00 (UTC) or 2025-01-01T09:30:00-05:00.") from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
