"""One subscription per symbol, whoever wants which timeframe; and nothing is left behind by what failed."""

import pytest
from tests.builders import NQ, NQ_24_7, OPEN, SECOND, bar, ticks_at
from tests.orchestration.stage import ListSource

from fortified.adapters.replay import ReplayDataSource
from fortified.domain.errors import ConfigError, NotFound, VenueUnavailable
from fortified.orchestration.aggregation_manager import AggregationManager
from fortified.orchestration.events import Listeners
from fortified.ports import StreamRef
from fortified.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Leases:
    """Who holds what."""

    def __init__(self) -> None:
        self.held: list[str] = []

    async def acquire(self, name: str) -> None:
        if name in self.held:
            raise ConfigError(f"{name} is taken")
        self.held.append(name)

    async def release(self, name: str) -> None:
        self.held.remove(name)


class Scene:
    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.leases = Leases()
        self.manager = AggregationManager(self.store.bus, self.leases, Listeners())

    async def seqs(self, timeframe: str) -> list[int]:
        return [one.seq for one in await self.store.history.bars(StreamRef("/NQ", timeframe))]


TICKS = ticks_at(*(OPEN + seq * SECOND for seq in range(20)))


async def test_one_subscription_feeds_every_timeframe() -> None:
    scene, source = Scene(), ListSource(TICKS)
    await scene.manager.add(NQ_24_7, {"4t": "a", "5t": "a"}, source)
    await scene.manager.add(NQ_24_7, {"10t": "b"}, source)
    await scene.manager.pump(source)
    assert source.subscribed == [("/NQ", None)]
    assert scene.leases.held == ["publisher:/NQ"]
    assert scene.manager.refs == [StreamRef("/NQ", "10t"), StreamRef("/NQ", "4t"), StreamRef("/NQ", "5t")]
    assert (await scene.seqs("4t"), await scene.seqs("10t")) == ([3, 7, 11, 15, 19], [9, 19])


async def test_a_timeframe_lives_as_long_as_somebody_wants_it() -> None:
    scene, source = Scene(), ListSource(TICKS)
    await scene.manager.add(NQ_24_7, {"4t": "a"}, source)
    await scene.manager.add(NQ_24_7, {"4t": "b"}, source)
    await scene.manager.remove("/NQ", "4t", "a")
    assert scene.manager.refs == [StreamRef("/NQ", "4t")]
    await scene.manager.remove("/NQ", "4t", "b")
    assert (scene.manager.refs, scene.leases.held) == ([], [])
    with pytest.raises(NotFound, match="/NQ 4t is not being aggregated"):
        await scene.manager.remove("/NQ", "4t", "b")


async def test_a_new_process_resumes_behind_the_last_tick() -> None:
    first = Scene()
    await first.manager.add(NQ_24_7, {"4t": "a"}, ListSource(TICKS[:10]))
    await first.manager.pump(ListSource(TICKS[:10]))
    await first.manager.close()
    assert first.leases.held == []
    second, source = Scene(first.store), ListSource(TICKS)
    await second.manager.add(NQ_24_7, {"4t": "a"}, source)
    await second.manager.pump(source)
    assert source.subscribed == [("/NQ", 9)]
    assert await second.seqs("4t") == [3, 7, 11, 15, 19]


async def test_what_a_source_cannot_give_is_refused_before_the_lease() -> None:
    scene = Scene()
    with pytest.raises(ConfigError, match="144t bars cannot be built from 1 bars"):
        await scene.manager.add(NQ, {"144t": "a"}, ListSource([bar(0)], bars="1"))
    assert (scene.leases.held, scene.manager.refs) == ([], [])


async def test_after_a_failed_subscription_the_next_one_begins_anew() -> None:
    scene, source = Scene(), ListSource(TICKS)
    source.failures.append(VenueUnavailable("down"))
    with pytest.raises(VenueUnavailable):
        await scene.manager.add(NQ_24_7, {"4t": "a"}, source)
    assert (scene.leases.held, scene.manager.refs) == ([], [])
    await scene.manager.add(NQ_24_7, {"4t": "a"}, source)
    assert len(source.subscribed) == 2
    assert scene.manager.refs == [StreamRef("/NQ", "4t")]


async def test_a_call_is_done_whole_or_not_at_all() -> None:
    scene, source = Scene(), ListSource([bar(0)], bars="1")
    await scene.manager.add(NQ, {"1": "a"}, source)
    with pytest.raises(ConfigError):
        await scene.manager.add(NQ, {"5": "b", "144t": "b"}, source)
    assert scene.manager.refs == [StreamRef("/NQ", "1")]
    await scene.manager.add(NQ, {"5": "b"}, source)
    assert scene.manager.refs == [StreamRef("/NQ", "1"), StreamRef("/NQ", "5")]


def test_the_replay_source_numbers_by_row_so_it_resumes_by_the_same_rule() -> None:
    assert ReplayDataSource.name == "replay"
