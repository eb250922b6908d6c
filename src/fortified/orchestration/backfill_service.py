"""BackfillService: bars of the past for strategies that begin.

Owns where warm-up bars come from: the stored history first, the data source when that is short. Live entries wait meanwhile in the streams,
and the two are spliced by the number of the last tick, without overlap.
"""

from collections.abc import Sequence

from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.ports import BaseDataSource, HistoryStore, StreamRef


class BackfillService:
    """Fetches and stores warm-up bars."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    async def ensure(self, instrument: Instrument, timeframe: Timeframe, count: int, source: BaseDataSource) -> int:
        """See that ``count`` bars are stored, asking ``source`` when they are not; returns how many are."""
        ref = StreamRef(instrument.symbol, timeframe.name)
        stored = await self._history.bars(ref, limit=count)
        if len(stored) < count:
            fetched = await source.history(instrument, timeframe, count)
            if fetched:
                await self._history.add(ref, fetched)
                stored = await self._history.bars(ref, limit=count)
        return len(stored)

    async def warmup(self, ref: StreamRef, count: int, through_seq: int | None) -> Sequence[Bar]:
        """The last ``count`` bars up to the one that ends with tick ``through_seq``; later ones arrive by the stream.

        None: the stream has no bar yet, so all that is stored comes before it.
        """
        if count <= 0:
            return ()
        bars = await self._history.bars(ref, limit=count + 64)
        return [bar for bar in bars if through_seq is None or bar.seq <= through_seq][-count:]
