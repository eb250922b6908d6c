"""Fixtures of all tests: the event loop, and one real server per test process."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from fortified.storage.embedded import EmbeddedRedis

# The same examples in every run, and no clock in the verdict.
settings.register_profile("fortified", derandomize=True, deadline=None, database=None)
settings.load_profile("fortified")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Valkey of this test process. Tests keep apart by a prefix of their own."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url
