"""Time series of the past over DXLink: asked for, gathered row by row, complete or not.

Owns the transactions of snapshots (newest row first, with flags) and the requests that wait for them. Rows are those of one type, prints or
candles. Knows no socket: who sends is given.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from fortified.adapters.tastytrade.dxlink import Subscription
from fortified.adapters.tastytrade.dxlink_events import REMOVE, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP, TX_PENDING
from fortified.domain.errors import VenueUnavailable

_STEP_S: Final = 10.0


class Row(Protocol):
    """A row of a time series."""

    @property
    def index(self) -> int: ...

    @property
    def flags(self) -> int: ...


class Snapshot[R: Row]:
    """What one subscription with a time delivers, until it is whole or has ``limit`` rows."""

    def __init__(self, limit: int) -> None:
        self.is_cut = False
        """Whether older rows are missing: more than the limit, or more than the venue keeps."""
        self._limit = limit
        self._rows: dict[int, R] = {}
        self._begun = self._ended = self._pending = False

    @property
    def is_done(self) -> bool:
        return self.is_cut or (self._ended and not self._pending)

    @property
    def rows(self) -> list[R]:
        """Oldest first."""
        return [self._rows[index] for index in sorted(self._rows)]

    def add(self, row: R) -> None:
        """Take in a row: of the snapshot, or of what changed meanwhile."""
        flags = row.flags
        if flags & SNAPSHOT_BEGIN:
            self._rows.clear()
            self._begun, self._ended = True, False
        if not self._begun:
            return
        if flags & REMOVE:
            self._rows.pop(row.index, None)
        else:
            self._rows[row.index] = row
        self._pending = bool(flags & TX_PENDING)
        self._ended = self._ended or bool(flags & (SNAPSHOT_END | SNAPSHOT_SNIP))
        if flags & SNAPSHOT_SNIP or len(self._rows) >= self._limit:
            self.is_cut = True


class _Request(msgspec.Struct):
    snapshot: Snapshot[Any]
    heard: asyncio.Event
    failed: str = ""


class History:
    """Requests that are under way, one at a time for each series. ``key`` makes names of series comparable."""

    def __init__(
        self,
        subscribe: Callable[[Subscription], None],
        unsubscribe: Callable[[Subscription], None],
        key: Callable[[str], str],
        step_s: float = _STEP_S,
    ) -> None:
        self._subscribe, self._unsubscribe, self._key, self._step_s = subscribe, unsubscribe, key, step_s
        self._requests: dict[tuple[str, str], _Request] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def fetch(self, event_type: str, symbol: str, from_ns: int, limit: int) -> Snapshot[Any]:
        """The rows from ``from_ns`` on, at most about ``limit`` and then the newest ones.

        Raises:
            VenueUnavailable: no row came for a while, or the connection was lost.
        """
        series = event_type, self._key(symbol)
        async with self._locks.setdefault(series, asyncio.Lock()):
            request = _Request(Snapshot(limit), asyncio.Event())
            wanted = Subscription(event_type, symbol, from_ns // 1_000_000)
            self._requests[series] = request
            self._subscribe(wanted)
            try:
                while not request.snapshot.is_done:
                    request.heard.clear()
                    async with asyncio.timeout(self._step_s):
                        await request.heard.wait()
                    if request.failed:
                        raise VenueUnavailable(request.failed)
            except TimeoutError:
                raise VenueUnavailable(f"TastyTrade's history of {symbol} did not come within {self._step_s:g} s. Try again.") from None
            finally:
                del self._requests[series]
                self._unsubscribe(wanted)
            return request.snapshot

    def on_rows(self, event_type: str, rows: Sequence[Any]) -> None:
        """Rows of any series; those nobody waits for are passed over."""
        for row in rows:
            request = self._requests.get((event_type, self._key(row.symbol)))
            if request is not None and not request.snapshot.is_done:
                request.snapshot.add(row)
                request.heard.set()

    def on_lost(self, reason: str) -> None:
        """The connection is gone, and what was asked for with it."""
        for request in self._requests.values():
            request.failed = f"the connection to TastyTrade's market data was lost: {reason}"
            request.heard.set()
