"""Tests at real brokers, with the smallest order there is, far from the market, and canceled at once.

They run only where somebody asks for them: FORTIFIED_LIVE_TESTS=1 and the credentials of the broker in the environment. An open market is
not needed. FORTIFIED_LIVE_SYMBOL and FORTIFIED_LIVE_LIMIT name another share and price than a cheap one far below its market.
"""

import os
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from fortified.bootstrap import open_tokens, product_version
from fortified.bootstrap_venues import Venues, open_venues
from fortified.clock import SystemClock
from fortified.ports import VenueBroker
from fortified.settings import load_settings

Connected = Callable[[str], VenueBroker]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def share() -> tuple[str, Decimal]:
    """What is ordered, and the limit."""
    return os.environ.get("FORTIFIED_LIVE_SYMBOL", "F"), Decimal(os.environ.get("FORTIFIED_LIVE_LIMIT", "1.00"))


@pytest.fixture
async def venues() -> AsyncIterator[Venues]:
    """Those of the environment."""
    if os.environ.get("FORTIFIED_LIVE_TESTS") != "1":
        pytest.skip("needs FORTIFIED_LIVE_TESTS=1 and credentials: it sends an order to a real broker")
    settings = load_settings()
    async with open_tokens(settings) as tokens, open_venues(settings, SystemClock(), product_version(), tokens) as venues:
        yield venues


@pytest.fixture
def configured(venues: Venues) -> Connected:
    def broker(venue: str) -> VenueBroker:
        if venue not in venues.live:
            pytest.skip(venues.missing[venue])
        return venues.live[venue]

    return broker
