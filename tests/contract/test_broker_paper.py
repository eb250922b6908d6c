"""Paper brokers keep the part of the contract that holds for all brokers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.contract.broker_stages import PaperStage

from fortified.testing.broker_contract import BrokerContract
from fortified.testing.broker_stage import BrokerStage

pytestmark = pytest.mark.anyio


class TestPaperOfTastyTrade(BrokerContract):
    @asynccontextmanager
    async def stage(self) -> AsyncIterator[BrokerStage]:
        yield PaperStage("tastytrade", "/NQ")


class TestPaperOfSchwab(BrokerContract):
    @asynccontextmanager
    async def stage(self) -> AsyncIterator[BrokerStage]:
        yield PaperStage("schwab", "SPY")
