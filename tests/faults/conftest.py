"""How many accidents, and which: FORTIFIED_FAULT_ROUNDS and FORTIFIED_FAULT_SEED; the seed of a run is printed with its failure."""

import os
import random

import pytest

ROUNDS = int(os.environ.get("FORTIFIED_FAULT_ROUNDS", "4"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The source of all that is random in a test: the same in every run of the same seed."""
    seed = os.environ.get("FORTIFIED_FAULT_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"FORTIFIED_FAULT_SEED={seed}")
    return random.Random(f"{seed}:{request.node.name}")


@pytest.fixture
def rounds() -> int:
    return ROUNDS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A campaign of many rounds takes as long as it takes."""
    for item in items:
        if "faults" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120 + 60 * ROUNDS))
