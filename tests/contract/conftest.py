"""The two stores that keep one contract."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from fortified.ports import Store
from fortified.storage.memory import MemoryStore
from fortified.storage.store import RedisStore

OpenStore = Callable[..., Awaitable[Store]]


@pytest.fixture(params=["memory", "redis"])
async def open_store(request: pytest.FixtureRequest) -> AsyncIterator[OpenStore]:
    """Opens a store; opened again it is the store that a restarted process sees."""
    prefix = f"test:{uuid4().hex}:"
    opened: list[Store] = []

    async def open_memory(**options: Any) -> Store:
        if not opened:
            opened.append(MemoryStore(**options))
        return opened[0]

    async def open_redis(**options: Any) -> Store:
        url = request.getfixturevalue("redis_url")
        opened.append(await RedisStore.connect(url, prefix=prefix, **options))
        return opened[-1]

    yield open_memory if request.param == "memory" else open_redis
    for place, store in enumerate(opened):
        if not place:
            await store.erase()
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()
