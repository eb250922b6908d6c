"""Schwab's broker keeps the contract of brokers, over its simulator."""

from contextlib import AbstractAsyncContextManager

import pytest
from tests.contract.broker_stages import SchwabStage, simulated

from fortified.simulators.server import SCHWAB
from fortified.testing.broker_stage import VenueStage
from fortified.testing.venue_contract import VenueContract

pytestmark = pytest.mark.anyio


class TestSchwab(VenueContract):
    def stage(self) -> AbstractAsyncContextManager[VenueStage]:
        return simulated(SchwabStage, SCHWAB)
