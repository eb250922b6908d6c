"""A walk over the tape leaves out only ticks at which nothing happens: it gives what a walk over every tick gives."""

from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtest.test_lane import OWN, Dice, backtest, exits, on_desk, table_of
from tests.builders import MINUTE, SECOND

from fortified.adapters.tables import TickTable
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.signal import Signal, Target
from fortified.engine.fills import FillModel
from fortified.engine.sizing import Sizing
from fortified.strategies.base import StrategyPosition


class Waiting(Dice):
    """Waits at prices around the last close, in all the forms there are, and now and then does not wait."""

    name: ClassVar[str] = "waiting"

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Any:
        roll = bar.seq * 2_654_435_761 % 2**32 // 7
        if roll % self.params.one_in:
            return None
        near = round(bar.close * 4) / 4
        answers = [
            Signal(Target.LONG, "dip", limit=near - 0.75),
            Signal(Target.SHORT, "top", limit=near + 0.75, exits=OWN),
            Signal(Target.LONG, "break", stop=near + 0.5),
            Signal(Target.SHORT, "fall", stop=near - 0.5),
            Signal(Target.LONG, "both", stop=near + 0.5, limit=near + 0.75),
            Signal(Target.FLAT, "out"),
            Signal(Target.LONG, "now"),
        ]
        return answers[roll // 64 % len(answers)]


class Looking(Waiting):
    """The same, shown every tick."""

    def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> None:
        return None


def shaken(table: TickTable, seed: int) -> TickTable:
    """With stamps that run back now and then."""
    jitter = np.random.default_rng(seed).integers(-2, 3, len(table)) * SECOND
    return msgspec.structs.replace(table, ts_ns=table.ts_ns + jitter)


models = st.builds(
    FillModel,
    st.sampled_from(["next", "next", "last"]),
    slippage_ticks=st.sampled_from([0, 2]),
    latency_ns=st.sampled_from([0, SECOND, 20 * MINUTE]),
    touch=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    asked=st.fixed_dictionaries(
        {
            "exits": exits,
            "fills": models,
            "timeframe": st.sampled_from(["1t", "2t", "5t", "1", "1h"]),
            "calendar": st.sampled_from([None, "CME_GRAINS", "24/7"]),
            "sizing": st.sampled_from([Sizing(), Sizing(), Sizing("all_in")]),
            "flatten": st.booleans(),
        }
    ),
    often=st.sampled_from(["1", "2", "5"]),
    in_order=st.booleans(),
)
def test_a_walk_over_the_tape_is_one_over_every_tick(seed: int, asked: dict[str, Any], often: str, in_order: bool) -> None:
    table = table_of(seed) if in_order else shaken(table_of(seed), seed)
    few, all_ = (
        on_desk(backtest(table, strategy, params={"one_in": often}, cash=Decimal(10_000_000), **asked)) for strategy in (Waiting, Looking)
    )
    assert list(few.fills) == list(all_.fills)
    assert few.summary() == all_.summary()
    assert [(denial.code, denial.text) for denial in few.denials] == [(denial.code, denial.text) for denial in all_.denials]
