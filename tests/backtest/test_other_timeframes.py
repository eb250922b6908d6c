"""Bars of other timeframes that are built beforehand are shown as if built tick by tick: the same ones, at the same moment."""

import logging
import zlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtest.test_lane import backtest, on_desk, table_of
from tests.backtest.test_timed_exit_oracle import bars_of
from tests.builders import HOUR, SECOND

from fortified.adapters.paper import PaperBroker
from fortified.adapters.replay_rows import TickRows
from fortified.adapters.tables import FileReport, TickTable
from fortified.aggregation.factory import create_aggregator
from fortified.backtest.desk import Desk
from fortified.backtest.drivers import walk_every_tick
from fortified.backtest.ledger import RunLedger
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.domain.market import Bar
from fortified.domain.order import Fill
from fortified.domain.signal import Signal, Target
from fortified.engine.fills import FillModel
from fortified.engine.inputs import Denial
from fortified.research.data import Data
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest
from fortified.runs import build_engine, natural_venue
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition

OWN_EXITS = ExitRules.parse("9ticks", break_even="3ticks", time_stop="7min", flatten_before="20min")


def facts(bar: Bar) -> str:
    return repr([int(value) if name == "flags" else value for name, value in msgspec.structs.asdict(bar).items()])


class Reads(BaseStrategy):
    """Notes all that it is shown, in order, and answers by it."""

    name: ClassVar[str] = "reads"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """``others`` as ``1h:2 50t:4``."""

        others: str = "1h:1"
        one_in: int = 3

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.seen: list[str] = []

    def warmup_periods(self) -> int:
        return 2

    def timeframes(self) -> Mapping[str, int]:
        pairs = (pair.split(":") for pair in self.params.others.split())
        return {name: int(bars) for name, bars in pairs}

    def on_other_bar(self, bar: Bar) -> None:
        self.seen.append(facts(bar))

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        self.seen.append(facts(bar))
        roll = zlib.crc32(repr(self.seen[-4:]).encode())
        if roll % self.params.one_in:
            return None
        target = Target(roll // 64 % 3 - 1)
        limit = bar.close - 1.0 if target is Target.LONG and roll % 5 == 0 else None
        return Signal(target, f"b{len(self.seen)}", limit=limit, exits=OWN_EXITS if roll % 7 == 0 else None)


type Told = tuple[list[str], list[Fill], list[Denial], int, str]


def told(test: Backtest, *, each_tick: bool) -> Told:
    """All that a run shows and does: over the tape, or tick by tick through the aggregators."""
    engine = build_engine(test.options, test.instrument, test.timeframe, test.strategy)
    broker = PaperBroker(natural_venue(test.instrument), test.instrument, fills=test.options.fills, fees=test.fees)
    ledger = RunLedger(broker.account, test.calendar)
    desk = Desk(engine, broker, ledger)
    if each_tick:
        assert test.data.ticks is not None
        rows = TickRows(test.instrument.symbol, test.data.ticks).events(0, len(test.data.ticks))
        walk_every_tick(desk, rows, create_aggregator(test.instrument.symbol, test.timeframe, test.calendar), lambda done: None)
    else:
        test._walk(desk, lambda done, total: None)
    seen = engine.snapshot().strategy["seen"]
    assert isinstance(seen, list)
    return seen, ledger.fills, ledger.denials, ledger.orders, ledger.digest()


def shaken(table: TickTable, seed: int) -> TickTable:
    """Some ticks stamped earlier than those before them."""
    dice = np.random.default_rng(seed)
    back = dice.choice([0, 1, SECOND, 90 * SECOND, HOUR], len(table.ts_ns), p=[0.85, 0.05, 0.05, 0.04, 0.01])
    return TickTable(table.ts_ns - back, table.price, table.size, table.bid, table.ask, FileReport(len(table.ts_ns)))


OWN = ["1t", "3t", "7t", "50t", "30s", "1", "5", "1h", "4h", "1d"]
OTHERS = ["1t", "2t", "5t", "20t", "144t", "30s", "1", "3", "15", "1h", "4h", "1d"]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    own=st.sampled_from(OWN),
    others=st.dictionaries(st.sampled_from(OTHERS), st.integers(0, 4), min_size=1, max_size=4),
    calendar=st.sampled_from([None, "24/7", "NYSE", "CME_GRAINS"]),
    fills=st.sampled_from([FillModel(), FillModel("last", 1), FillModel("next", 1, 90 * SECOND), FillModel("next", 0, HOUR)]),
    exits=st.sampled_from([NO_EXITS, ExitRules.parse("4ticks", "2pts", time_stop="2bars"), ExitRules.parse(flatten_before="3h")]),
    backwards=st.booleans(),
)
def test_what_is_given_is_what_would_have_been_built(
    seed: int, own: str, others: dict[str, int], calendar: str | None, fills: FillModel, exits: ExitRules, backwards: bool
) -> None:
    others = {name: bars for name, bars in others.items() if name != own} or {"2": 1}
    exits = NO_EXITS if own == "1d" and exits.flatten_before is not None else exits
    table = shaken(table_of(seed), seed) if backwards else table_of(seed)
    params = {"others": " ".join(f"{name}:{bars}" for name, bars in others.items()), "one_in": "2"}
    test = backtest(table, Reads, timeframe=own, calendar=calendar, fills=fills, exits=exits, params=params)
    given_seen, *given_rest = told(test, each_tick=False)
    built_seen, *built_rest = told(test, each_tick=True)
    assert given_seen == built_seen
    assert given_rest == built_rest
    assert (shown := retold(on_desk(test), test.bars)) == given_seen[: len(shown)]


@pytest.mark.parametrize("seed", range(5))
def test_a_result_tells_what_was_made_of_ready_made_bars(seed: int) -> None:
    asked = backtest(table_of(0), Reads, timeframe="1", bars_timeframe="1", params={"others": "2:0 1h:0"}).options
    test = Backtest(asked, Data(bars=bars_of(seed).table()), Reads)
    result = test.run()
    engine = build_engine(test.options, test.instrument, test.timeframe, test.strategy)
    test._on_desk(test.options, engine, lambda done, total: None)
    assert retold(result, result.bars.bars("/NQ", "1")) == engine.snapshot().strategy["seen"]


def retold(result: BacktestResult, bars: Sequence[Bar]) -> list[str]:
    """What the strategy of a result was shown, by what the result tells."""
    assert result.others is not None
    return [facts(bar) for others, own in zip(result.others(), bars, strict=True) for bar in (*others, own)]
