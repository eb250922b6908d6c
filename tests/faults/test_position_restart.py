"""A position comes back from the ledger as it was, the day's result too: a limit on the day's loss must survive a restart."""

from decimal import Decimal

import pytest

from fortified.domain.account import Mode, account_id
from fortified.domain.position import Position
from fortified.ports import LedgerUnit, RunnerKey
from fortified.storage.store import RedisStore


@pytest.mark.anyio
async def test_the_days_result_survives(redis_url: str) -> None:
    key = RunnerKey("ema", "SPY", "1", "paper")
    position = Position(account_id(Mode.PAPER, "schwab"), "ema", "SPY", Decimal(1), trading_day="2026-01-05", day_pnl=Decimal("-512.50"))
    store = await RedisStore.connect(redis_url, prefix="faults:position:")
    try:
        await store.ledger.commit(LedgerUnit(key, positions=[position]))
        record = await store.ledger.load(key)
        assert list(record.positions) == [position]
    finally:
        await store.erase()
        await store.close()
