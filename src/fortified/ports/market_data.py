"""The seam to market data: a venue's or a file's. Plugin authors subclass ``BaseDataSource``."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, SourceEvent
from fortified.domain.timeframe import Timeframe


class BaseDataSource(ABC):
    """A venue's market data, or a file's.

    A source numbers its events per symbol with ``seq``; the same event has the
    same ``seq`` in every run, so that ``subscribe(after=…)`` resumes with the first event behind it, nothing lost, nothing doubled.
    A source that cannot go back emits a ``Gap`` first.
    """

    name: ClassVar[str]
    patient: ClassVar[bool] = False
    """Whether its events may wait for slow consumers without being lost: files and synthetic markets."""

    def bar_timeframe(self, symbol: str) -> Timeframe | None:
        """The timeframe of the ready-made bars this source gives for ``symbol``; None when it gives ticks."""
        return None

    @abstractmethod
    async def subscribe(self, instrument: Instrument, after: int | None) -> None:
        """Begin the events of ``instrument``; ``after`` is the last ``seq`` already processed, None for a first start."""

    @abstractmethod
    async def unsubscribe(self, symbol: str) -> None:
        """End the events of ``symbol``."""

    @abstractmethod
    def events(self) -> AsyncIterator[Sequence[SourceEvent]]:
        """Batches of events in feed order. One tick is never held back to fill a batch."""

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        """The last closed bars before what ``subscribe`` would deliver, oldest first, at most ``count``; empty where there are none."""
        return ()

    async def close(self) -> None:
        """Release what the source holds. ``events`` ends."""
        return
