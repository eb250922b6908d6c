"""Killed at every commit, before it and after it: what comes out in the end is what would have come out anyway."""

from collections.abc import Callable

import pytest

from fortified.domain.market import Bar
from fortified.engine.fills import FillModel
from fortified.orchestration.replay import ReplayResult
from fortified.ports import Ledger
from fortified.storage.memory import MemoryStore
from tests.builders import bar
from tests.orchestration.stage import WAVE, CrashingLedger, ListSource, Run, survives, wave

pytestmark = pytest.mark.anyio

TICKS = wave(220)
BARS = [bar(number, 20_000.0 + WAVE[number % 20], volume=5.0) for number in range(120) if number % 15 not in (4, 9)]
"""Minute bars; now and then one is missing, also where five of them end."""
MODELS = {
    "next": FillModel(),
    "last": FillModel("last", slippage_ticks=1),
    "late": FillModel(latency_ns=2_500_000_000),
}
Build = Callable[[MemoryStore, Ledger], Run]


def builder(name: str) -> Build:
    def build(store: MemoryStore, ledger: Ledger) -> Run:
        if name == "bars":
            return Run(store, ListSource(BARS, bars="1"), timeframe="1", ledger=ledger)
        if name == "merged bars":
            return Run(store, ListSource(BARS, bars="1"), timeframe="5", ledger=ledger)
        venues = ("schwab_like", "tastytrade") if name == "two accounts" else ("tastytrade",)
        timeframe = "7s" if name == "time bars" else "4t"
        return Run(store, ListSource(TICKS), fills=MODELS.get(name), venues=venues, timeframe=timeframe, ledger=ledger)

    return build


def shape(result: ReplayResult) -> tuple[object, ...]:
    return (result.digest, result.bars, result.orders, list(result.fills), list(result.trades), result.open_quantity)


@pytest.mark.parametrize("name", ["next", "last", "late", "two accounts", "time bars", "bars", "merged bars"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_at_every_commit(name: str, after: bool) -> None:
    build = builder(name)
    store = MemoryStore()
    counting = CrashingLedger(store.ledger)
    undisturbed = await build(store, counting).to_the_end()  # type: ignore[arg-type]  # hands on all it does not count
    assert len(undisturbed.trades) > 3
    assert undisturbed.open_quantity == 0
    different = [n for n in range(counting.commits) if shape(await survives(build, n, after=after)) != shape(undisturbed)]
    assert different == []


async def test_the_path_makes_no_difference() -> None:
    """One entry at a time or many, the same bars, fills and trades."""
    results = [await Run(MemoryStore(read_count=count), ListSource(TICKS, batch=batch)).to_the_end() for count, batch in ((1, 1), (3, 50), (512, 7))]
    assert [shape(result) for result in results[1:]] == [shape(results[0])] * 2


def test_the_bars_of_this_file_have_holes() -> None:
    assert all(isinstance(one, Bar) for one in BARS)
    assert len(BARS) == 104
