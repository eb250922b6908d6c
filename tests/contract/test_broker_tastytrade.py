"""TastyTrade's broker keeps the contract of brokers, over its simulator."""

from contextlib import AbstractAsyncContextManager

import pytest
from tests.contract.broker_stages import TastyTradeStage, simulated

from fortified.simulators.server import TASTYTRADE
from fortified.testing.broker_stage import VenueStage
from fortified.testing.venue_contract import VenueContract

pytestmark = pytest.mark.anyio


class TestTastyTrade(VenueContract):
    def stage(self) -> AbstractAsyncContextManager[VenueStage]:
        return simulated(TastyTradeStage, TASTYTRADE)
