"""The fast lane gives what the desk gives, whatever the data, the rules and the signals."""

import logging
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import HOUR, MINUTE, SECOND, ns

from fortified.adapters.tables import FileReport, TickTable
from fortified.backtest import bars as backtest_bars
from fortified.backtest import scan
from fortified.backtest.lane_outcome import LaneOutcome
from fortified.backtest.outcome import TradeColumns, columns_of
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.signal import Signal, Target
from fortified.engine.fills import FillModel
from fortified.research.data import Data
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest
from fortified.runs import RunOptions, build_engine
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition

OPEN = ns("2025-03-06 23:00")
EDGES = [OPEN, *map(ns, ("2025-03-07 13:45", "2025-03-07 14:30", "2025-03-07 19:20", "2025-03-07 22:00", "2025-03-09 22:00"))]
"""Where sessions of some calendars begin and end: a break within the day, a night, a weekend with a change of clocks."""
OWN = ExitRules.parse("3ticks", "2pts", "4ticks")


class Dice(BaseStrategy):
    """Answers at random, but the same for the same bar: mostly nothing, in all the forms there are."""

    name: ClassVar[str] = "dice"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """How often it wishes for something."""

        one_in: int = 3
        bars_too: bool = False

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.places: list[Any] = []

    def warmup_periods(self) -> int:
        return 2

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Any:
        self.places.append(current_position)
        roll = bar.seq * 2_654_435_761 % 2**32 // 7
        if roll % self.params.one_in:
            return None
        answers: list[Any] = [
            *(Signal(Target.LONG, "up"), Signal(Target.SHORT, "down"), Signal(Target.FLAT, "out")),
            *(Signal(Target.LONG, "tight", exits=OWN), {"side": "BUY", "reason": "entry_long"}, {"side": "SELL", "reason": "exit_long"}),
            [Signal(Target.LONG, "first"), Signal(Target.SHORT, "last")],
            (),
        ]
        return answers[roll // 64 % len(answers)]


class DiceTicks(Dice):
    """As ``Dice``, and now and then at a tick, by what it sees of the open bar."""

    name: ClassVar[str] = "dice_ticks"

    def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> Any:
        facts = (tick.seq, tick.ts_event, tick.ts_open, tick.price, tick.open, tick.high, tick.low, tick["close"], tick.volume, tick.ticks)
        roll = zlib.crc32(repr((*facts, tick.fill, tick.bid, tick.ask, tick.size, tick.symbol, tick.timeframe)).encode())
        if roll % (4 * self.params.one_in):
            return None
        answers: list[Any] = [
            *(Signal(Target.LONG, "tick up"), Signal(Target.SHORT, "tick down"), Signal(Target.FLAT, "tick out")),
            *(Signal(Target.SHORT, "tight", exits=OWN), [], None if current_position is None else Signal(Target.FLAT, "seen")),
        ]
        return answers[roll // 64 % len(answers)]

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Any:
        return super().on_new_bar(bar, current_position) if self.params.bars_too else None


def table_of(seed: int) -> TickTable:
    """Ticks over a night, a break or a weekend; dense and sparse, with ties, gaps in price, and quotes on both sides, one or none."""
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 300))
    steps = dice.choice([0, 1, SECOND, MINUTE, 7 * MINUTE, HOUR, 6 * HOUR], count, p=[0.2, 0.1, 0.3, 0.3, 0.07, 0.02, 0.01])
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-4, 5, count) + dice.choice([0, 40, -40], count, p=[0.96, 0.02, 0.02]))
    price = price + dice.choice([0.0, 0.1, 0.05], p=[0.6, 0.2, 0.2])  # off the tick
    bid = ask = None
    if dice.random() < 0.5:
        known = dice.random(count) > 0.2
        bid, ask = np.where(known, price - 0.25, np.nan), np.where(known, price + 0.5, np.nan)
        bid, ask = (bid, ask) if dice.random() < 0.8 else (None, ask)
    edge = int(dice.choice(EDGES))
    ts = edge - int(dice.integers(0, 20)) * MINUTE + np.cumsum(steps).astype(np.int64)
    if dice.random() < 0.5:  # several prints at the very edge, or just before it
        ts[np.abs(ts - edge) < 2 * MINUTE] = edge - int(dice.integers(0, 2))
    ts = np.maximum.accumulate(ts)
    return TickTable(ts, price.astype(np.float64), dice.integers(0, 4, count).astype(np.float64), bid, ask, FileReport(count))


exits = st.sampled_from(
    [
        ExitRules(),
        ExitRules.parse("4ticks"),
        ExitRules.parse("2pts", "1.5pts"),
        ExitRules.parse(trailing="5ticks"),
        ExitRules.parse("0.01%", "0.02%", "0.015%"),
        ExitRules.parse("1atr", "2atr", "0.5atr"),
    ]
)
models = st.sampled_from([FillModel(), FillModel("last"), FillModel("next", 2), FillModel("last", 1)])


def backtest(table: TickTable, strategy: type[BaseStrategy] = Dice, **asked: Any) -> Backtest:
    fields: dict[str, Any] = {
        **{"files": (), "symbol": "/NQ", "timeframe": "5t", "strategy": "dice", "params": {}, "quantity": Decimal(3)},
        **{"fills": FillModel(), "fee": "2.50/contract", "warmup": None, "calendar": None, "tick_size": None, "multiplier": None},
        **{"flatten": True, "speed": None},
    }
    return Backtest(RunOptions(**(fields | asked)), Data(ticks=table), strategy)


def on_desk(test: Backtest) -> BacktestResult:
    return test._on_desk(test.options, build_engine(test.options, test.instrument, test.timeframe, test.strategy), lambda done, total: None)


def rounded(columns: TradeColumns) -> Mapping[str, Any]:
    fields = msgspec.structs.asdict(columns)
    return {name: [value if isinstance(value, str) else round(float(value), 6) for value in column] for name, column in fields.items()}


def same(test: Backtest) -> BacktestResult:
    """Runs both ways and compares everything that came out."""
    lane, desk = test.run(), on_desk(test)
    assert lane.summary() == desk.summary()
    assert rounded(lane.columns) == rounded(columns_of(desk.trades))
    assert [(denial.code, denial.text, denial.reason) for denial in lane.denials if denial.code != "CLOSE_FAILED"] == [
        (denial.code, denial.text, denial.reason) for denial in desk.denials if denial.code != "CLOSE_FAILED"
    ]
    assert lane.stats == desk.stats
    return lane


options = st.fixed_dictionaries(
    {
        "exits": exits,
        "fills": models,
        "timeframe": st.sampled_from(["1t", "2t", "5t", "30s", "1", "5", "1h", "4h", "1d"]),
        "calendar": st.sampled_from([None, None, "CME_GRAINS", "NYSE", "24/7"]),
        "warmup": st.sampled_from([None, 0, 4]),
        "flatten": st.booleans(),
        "fee": st.sampled_from(["0", "2.50/contract", "0.1%"]),
    }
)
one_in = st.sampled_from(["1", "2", "5"])


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), asked=options, often=one_in)
def test_lane_and_desk_agree(seed: int, asked: Mapping[str, Any], often: str) -> None:
    same(backtest(table_of(seed), params={"one_in": often}, **asked))


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), asked=options, often=one_in, bars_too=st.booleans())
def test_they_agree_for_strategies_that_want_ticks(seed: int, asked: Mapping[str, Any], often: str, bars_too: bool) -> None:
    same(backtest(table_of(seed), DiceTicks, params={"one_in": often, "bars_too": str(bars_too).lower()}, **asked))


@pytest.mark.parametrize("fills", [FillModel(), FillModel("last", 1)], ids=["next", "last"])
@pytest.mark.parametrize("strategy", [Dice, DiceTicks])
@pytest.mark.parametrize("rules", [ExitRules(), ExitRules.parse("6ticks", "2pts", "9ticks")], ids=["bare", "exits"])
def test_a_long_run_takes_the_lane(strategy: type[BaseStrategy], rules: ExitRules, fills: FillModel) -> None:
    dice = np.random.default_rng(4)
    count = 60_000
    ts = OPEN + np.cumsum(dice.integers(0, 3 * SECOND, count))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, count)).astype(np.float64)
    test = backtest(
        TickTable(ts, price, np.ones(count), None, None, FileReport(count)), strategy, exits=rules, fills=fills, timeframe="20t"
    )
    result = same(test)
    assert isinstance(result._outcome, LaneOutcome)
    assert len(result.trades) > 300
    reasons = {trade.exit_reason for trade in result.trades}
    assert {"stop_loss", "take_profit", "trailing_stop"} <= reasons


def test_so_many_orders_in_a_minute_are_left_to_the_desk() -> None:
    count = 8_000
    ts = OPEN + np.arange(count) * (SECOND // 50)
    price = 20_000 + 0.25 * (np.arange(count, dtype=np.float64) % 7)
    test = backtest(TickTable(ts, price, np.ones(count), None, None, FileReport(count)), timeframe="5t", params={"one_in": "1"})
    result = same(test)
    assert not isinstance(result._outcome, LaneOutcome)
    assert "MAX_ORDERS_PER_MINUTE" in {denial.code for denial in result.denials}


def test_without_compiled_loops_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(9)
    ts = OPEN + np.cumsum(dice.integers(0, 5 * SECOND, 3_000))
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-2, 3, 3_000)).astype(np.float64)
    table = TickTable(ts, price, np.ones(3_000), None, None, FileReport(3_000))
    rules = ExitRules.parse("6ticks", "2pts", "9ticks")
    compiled = backtest(table, exits=rules).run()
    for module in (backtest_bars, scan):
        monkeypatch.setattr(module, "kernels", lambda name="kernels": None)
    plain = backtest(table, exits=rules).run()
    assert plain.summary() == compiled.summary()
    assert rounded(plain.columns) == rounded(compiled.columns)
    assert len(plain.trades) > 50
