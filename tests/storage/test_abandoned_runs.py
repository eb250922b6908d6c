"""A run that nobody resumes does not stay for ever."""

import pytest

from fortified.domain.market import Bar
from fortified.ports import StreamRef
from fortified.storage.store import RedisStore

pytestmark = pytest.mark.anyio
REF = StreamRef("/NQ", "1")
BAR = Bar("/NQ", "1", 0, 60_000_000_000, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 0)


async def begun(redis_url: str, prefix: str) -> RedisStore:
    store = await RedisStore.connect(redis_url, prefix=prefix)
    await store.lease.acquire("run")
    await store.sweep_runs(3600)
    await store.history.add(REF, [BAR])
    return store


async def test_a_run_is_erased_when_it_is_old_and_not_alive(redis_url: str) -> None:
    killed, alive = await begun(redis_url, "sweep:killed:"), await begun(redis_url, "sweep:alive:")
    await killed.lease.release("run")
    later = await RedisStore.connect(redis_url, prefix="sweep:later:")
    try:
        await later.sweep_runs(3600)
        assert len(await killed.history.bars(REF)) == 1
        await later.sweep_runs(0)
        assert len(await killed.history.bars(REF)) == 0
        assert len(await alive.history.bars(REF)) == 1
    finally:
        for store in (later, alive, killed):
            await store.erase()
            await store.close()
