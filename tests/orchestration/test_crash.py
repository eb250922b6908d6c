"""Killed at every commit, before it and after it: what comes out in the end is what would have come out anyway."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from zlib import crc32

import pytest
from tests.builders import bar
from tests.orchestration.stage import WAVE, CrashingLedger, ListSource, Run, survives, wave

from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar
from fortified.domain.order import Purpose
from fortified.domain.signal import Signal
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.engine.sizing import Sizing
from fortified.indicators.atr import ATR_PERIOD
from fortified.orchestration import replay
from fortified.ports import Ledger
from fortified.storage.memory import MemoryStore
from fortified.strategies.base import Logger, StrategyConfig, StrategyPosition
from fortified.strategies.ema_crossover import EMACrossoverStrategy

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay asks its idle reader 50 ms; here hundreds of them end."""
    monkeypatch.setattr(replay, "READ_TIMEOUT_MS", 1)


TICKS = wave(220)
BARS = [bar(number, 20_000.0 + WAVE[number % 20], volume=5.0) for number in range(120) if number % 15 not in (4, 9)]
"""Minute bars; now and then one is missing, also where five of them end."""
MODELS = {
    "next": FillModel(),
    "last": FillModel("last", slippage_ticks=1),
    "late": FillModel(latency_ns=2_500_000_000),
}
PROTECTED: dict[str, dict[str, Any]] = {
    "stop and target": {"exits": ExitRules.parse("5ticks", "9ticks")},
    "trailing": {"exits": ExitRules.parse(trailing="6ticks")},
    "average true ranges": {"exits": ExitRules.parse("0.5atr", "1atr"), "warmup": ATR_PERIOD},
    "half of the equity": {"exits": ExitRules.parse("8ticks"), "sizing": Sizing.parse("50%"), "cash": Decimal(4_000_000)},
    "bars with stops": {"exits": ExitRules.parse("5ticks", "9ticks")},
    "break-even and bars": {"exits": ExitRules.parse("9ticks", break_even="3ticks", time_stop="3bars")},
    "time": {"exits": ExitRules.parse("30ticks", time_stop="9s")},
}


class TwoSpeeds(EMACrossoverStrategy):
    """Crosses in the direction of the last bars of two other timeframes; what it was shown is in the reason of its orders."""

    name: ClassVar[str] = "two_speeds"

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.shown = 0

    def timeframes(self) -> Mapping[str, int]:
        return {"10s": 1, "9t": 1}

    def on_other_bar(self, bar: Bar) -> None:
        self.shown = crc32(f"{bar.timeframe} {bar.ts_open} {bar.close} {bar.ticks}".encode(), self.shown)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        signal = super().on_new_bar(bar, current_position)
        return None if signal is None else Signal(signal.target, f"{signal.reason} {self.shown}")


Build = Callable[[MemoryStore, Ledger], Run]


def builder(name: str) -> Build:
    def build(store: MemoryStore, ledger: Ledger) -> Run:
        if name in ("bars", "bars with stops"):
            return Run(store, ListSource(BARS, bars="1"), timeframe="1", ledger=ledger, **PROTECTED.get(name, {}))
        if name == "merged bars":
            return Run(store, ListSource(BARS, bars="1"), timeframe="5", ledger=ledger)
        if name == "two timeframes":
            return Run(store, ListSource(TICKS), strategy=TwoSpeeds, ledger=ledger)
        venues = ("schwab_like", "tastytrade") if name == "two accounts" else ("tastytrade",)
        timeframe = "7s" if name == "time bars" else "4t"
        return Run(
            store, ListSource(TICKS), fills=MODELS.get(name), venues=venues, timeframe=timeframe, ledger=ledger, **PROTECTED.get(name, {})
        )

    return build


def shape(result: RunResult) -> tuple[object, ...]:
    return (result.digest, result.bars, result.orders, list(result.fills), list(result.trades), result.open_quantity)


@pytest.mark.parametrize("name", ["next", "last", "late", "two accounts", "time bars", "bars", "merged bars", "two timeframes"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_at_every_commit(name: str, after: bool) -> None:
    undisturbed, commits = await counted(builder(name), flatten=False)
    assert len(undisturbed.trades) > 3
    results = [await survives(builder(name), n, after=after, flatten=False) for n in range(commits)]
    assert [n for n, result in enumerate(results) if shape(result) != shape(undisturbed)] == []


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_protective_exit_happens_once_wherever_the_process_ended(name: str, after: bool) -> None:
    """Between the fill that armed the levels and the touch, between the touch and the intent, and everywhere else."""
    undisturbed, commits = await counted(builder(name), flatten=False)
    exits = [fill for fill in undisturbed.fills if fill.purpose is Purpose.EXIT]
    assert sum(fill.reason.startswith(("stop_loss", "take_profit", "trailing_stop", "break_even", "time_stop")) for fill in exits) > 3
    results = [await survives(builder(name), n, after=after, flatten=False) for n in range(commits)]
    assert [n for n, result in enumerate(results) if shape(result) != shape(undisturbed)] == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_while_the_position_is_closed_at_the_end_of_the_data(after: bool) -> None:
    undisturbed, commits = await counted(builder("next"), flatten=True)
    assert undisturbed.open_quantity == 0
    results = [await survives(builder("next"), n, after=after, flatten=True) for n in range(commits - 5, commits)]
    assert [shape(result) for result in results] == [shape(undisturbed)] * 5


async def counted(build: Build, *, flatten: bool) -> tuple[RunResult, int]:
    """A run that nothing disturbs, and how often it commits."""
    store = MemoryStore()
    ledger = CrashingLedger(store.ledger)
    return await build(store, ledger).to_the_end(flatten=flatten), ledger.commits


async def test_the_path_makes_no_difference() -> None:
    """One entry at a time or many, the same bars, fills and trades."""
    results = [
        await Run(MemoryStore(read_count=count), ListSource(TICKS, batch=batch)).to_the_end()
        for count, batch in ((1, 1), (3, 50), (512, 7))
    ]
    assert [shape(result) for result in results[1:]] == [shape(results[0])] * 2


def test_the_bars_of_this_file_have_holes() -> None:
    assert all(isinstance(one, Bar) for one in BARS)
    assert len(BARS) == 104
