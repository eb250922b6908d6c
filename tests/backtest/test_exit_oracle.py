"""Every fill of a backtest with protective exits, told beforehand by a slow reading of the rules, and never with a look ahead.

``foretold`` is written from the documentation of fills and exits, on whole ticks, and shares no code with what it checks.
"""

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtest.test_lane import OPEN, Dice, DiceTicks, backtest, exits, models, on_desk, table_of
from tests.builders import MINUTE, SECOND

from fortified.adapters.tables import FileReport, TickTable
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition

TICK = 0.25
Told = tuple[int, int, float, str]
"""The row of a fill, its side, its price and its reason."""


class Walk(NamedTuple):
    """A random walk in ticks, with what the market bids and asks at each step."""

    ts: Any
    price: Sequence[int]
    bid: Sequence[int]
    ask: Sequence[int]

    def table(self, *, quotes: bool) -> TickTable:
        price, bid, ask = (np.array(column) * TICK for column in (self.price, self.bid, self.ask))
        report = FileReport(len(price))
        return TickTable(self.ts, price, np.ones(len(price)), bid if quotes else None, ask if quotes else None, report)


def walk_of(seed: int, middle: int) -> Walk:
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 250))
    steps = dice.integers(-3, 4, count) + dice.choice([0, 25, -25], count, p=[0.94, 0.03, 0.03])
    price = middle + np.cumsum(steps)
    ts = OPEN + np.cumsum(dice.choice([0, 1, SECOND, 17 * SECOND], count))
    return Walk(
        ts.astype(np.int64), price.tolist(), (price - dice.integers(0, 3, count)).tolist(), (price + dice.integers(0, 3, count)).tolist()
    )


def wish_of(row: int, seed: int) -> int | None:
    """Where to be after the bar that ends with ``row``; None: no wish."""
    return (1, -1, 0, None, None, None)[(row * 7_919 + seed) * 2_654_435_761 % 2**32 // 97 % 6]


class Foretold(BaseStrategy):
    """Wishes what ``wish_of`` says."""

    name: ClassVar[str] = "told"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        seed: int = 0

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        wish = wish_of(bar.seq, self.params.seed)
        return None if wish is None else Signal(Target(wish), f"b{bar.seq}")


def ends_of(walk: Walk, timeframe: str) -> set[int]:
    """The rows that end a bar, the unfinished one left out: each so many ticks, or the last one of each minute."""
    if timeframe.endswith("t"):
        length = int(timeframe[:-1])
        return set(range(length - 1, len(walk.price), length))
    minutes = ((walk.ts - OPEN) // (int(timeframe) * MINUTE)).tolist()
    return {row for row in range(len(minutes) - 1) if minutes[row] != minutes[row + 1]}


def foretold(walk: Walk, ends: set[int], seed: int, stop: int | None, target: int | None, trail: int | None, *, quotes: bool) -> list[Told]:
    """The fills by the rules of ``next``: distances are in ticks from the entry."""
    told: list[Told] = []
    pending: list[tuple[int, str]] = []
    position = entry = best = 0

    def fill(row: int, side: int, reason: str) -> int:
        at = walk.price[row] if not quotes else walk.ask[row] if side > 0 else walk.bid[row]
        told.append((row, side, at * TICK, reason))
        return at

    for row, price in enumerate(walk.price):
        just_entered = False
        for side, reason in pending:  # orders of the last bar: this is the first market event behind their decision
            at = fill(row, side, reason)
            position += side
            if position:
                entry = best = at
                just_entered = True
        pending = []
        if position and not just_entered:
            gain = (price - entry) * position
            behind = (best - price) * position
            stopped = stop is not None and gain <= -stop
            trailed = trail is not None and behind >= trail
            nearer = trailed and (stop is None or (best - entry) * position - (trail or 0) > -stop)
            reached = target is not None and gain >= target
            if stopped or trailed or reached:
                fill(row, -position, "trailing_stop" if nearer else "stop_loss" if stopped else "take_profit")
                position = 0
            else:
                best = max(best, price) if position > 0 else min(best, price)
        wish = wish_of(row, seed) if row in ends else None
        if wish is not None and wish != position:
            pending = ([(-position, f"b{row}")] if position else []) + ([(wish, f"b{row}")] if wish else [])
    if position:
        told.append((len(walk.price) - 1, -position, walk.price[-1] * TICK, "end_of_data"))
    return told


distances = st.sampled_from([None, 1, 2, 5, 9, 30])


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    timeframe=st.sampled_from(["1t", "2t", "7t", "1", "2"]),
    stop=distances,
    target=distances,
    trail=distances,
    middle=st.sampled_from([80_000, 40, 0, -150]),
    quotes=st.booleans(),
)
def test_every_fill_is_where_the_rules_say(
    seed: int, timeframe: str, stop: int | None, target: int | None, trail: int | None, middle: int, quotes: bool
) -> None:
    walk = walk_of(seed, middle)
    rules = ExitRules.parse(*(None if ticks is None else f"{ticks}ticks" for ticks in (stop, target, trail)))
    options: dict[str, Any] = {"timeframe": timeframe, "calendar": "24/7", "params": {"seed": str(seed)}, "quantity": Decimal(1)}
    test = backtest(walk.table(quotes=quotes), Foretold, exits=rules, **options)
    expected = foretold(walk, ends_of(walk, timeframe), seed, stop, target, trail, quotes=quotes)
    for result in (test.run(), on_desk(test)):
        assert [(fill.seq, fill.side.sign, float(fill.price), fill.reason) for fill in result.fills] == expected


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rules=exits,
    fills=models,
    timeframe=st.sampled_from(["1t", "3t", "5", "1h"]),
    strategy=st.sampled_from([Dice, DiceTicks]),
)
def test_what_came_later_changes_no_fill(seed: int, rules: ExitRules, fills: Any, timeframe: str, strategy: type[BaseStrategy]) -> None:
    """Data that ends right behind a fill gives the same fills up to there."""
    table = table_of(seed)
    options: dict[str, Any] = {"exits": rules, "fills": fills, "timeframe": timeframe, "flatten": False, "params": {"one_in": "2"}}
    whole = backtest(table, strategy, **options).run().fills
    for cut in sorted({fill.seq for fill in whole})[:: max(1, len(whole) // 6)]:
        part = slice(0, cut + 1)
        bid, ask = (None if column is None else column[part] for column in (table.bid, table.ask))
        shorter = TickTable(table.ts_ns[part], table.price[part], table.size[part], bid, ask, FileReport(cut + 1))
        test = backtest(shorter, strategy, **options)
        made = test.run().fills
        assert made == on_desk(test).fills == whole[: len(made)]
        # The price of a bar of time that ends with the cut is only known to be its close with the next tick.
        assert len(made) >= sum(fill.seq <= cut - (fills.market == "last") for fill in whole)


@pytest.mark.parametrize("text", ["2ticks", "0.5pts", "0.0025%"])
def test_units_that_come_to_the_same_distance_give_the_same_fills(text: str) -> None:
    walk = walk_of(7, 80_000)
    test = backtest(walk.table(quotes=False), Foretold, exits=ExitRules.parse(text), calendar="24/7", timeframe="3t", params={"seed": "1"})
    expected = foretold(walk, ends_of(walk, "3t"), 1, 2, None, None, quotes=False)
    assert [(fill.seq, fill.reason) for fill in test.run().fills] == [(row, reason) for row, _, _, reason in expected]
    assert "stop_loss" in {reason for *_, reason in expected}
