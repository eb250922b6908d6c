"""Warm-up bars: the stored ones first, the source's when those are too few, and none twice."""

from collections.abc import Sequence

import pytest
from tests.builders import NQ, bar
from tests.orchestration.stage import ListSource

from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.orchestration.backfill_service import BackfillService
from fortified.ports import StreamRef
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio
REF, MINUTES = StreamRef("/NQ", "1"), Timeframe.parse("1")


class Past(ListSource):
    """A source with a history of ten bars."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked = 0

    async def history(self, instrument: Instrument, timeframe: Timeframe, count: int) -> Sequence[Bar]:
        self.asked += 1
        return [bar(number) for number in range(10)][-count:]


async def test_the_source_is_asked_when_the_store_has_too_few() -> None:
    store, source = MemoryStore(), Past()
    service = BackfillService(store.history)
    assert [await service.ensure(NQ, MINUTES, 6, source), await service.ensure(NQ, MINUTES, 6, source)] == [6, 6]
    assert source.asked == 1
    assert await service.ensure(NQ, MINUTES, 30, source) == 10


async def test_bars_that_will_arrive_by_the_stream_are_left_out() -> None:
    store = MemoryStore()
    await store.history.add(REF, [bar(number) for number in range(10)])
    bars = await BackfillService(store.history).warmup(REF, 3, bar(6).seq)
    assert [one.seq for one in bars] == [bar(number).seq for number in (4, 5, 6)]
    assert await BackfillService(store.history).warmup(REF, 0, 99) == ()


async def test_the_first_start_is_warmed_up_by_what_the_source_has() -> None:
    store, source = MemoryStore(), Past()
    service = BackfillService(store.history)
    await service.ensure(NQ, MINUTES, 6, source)
    assert len(await service.warmup(REF, 6, None)) == 6
