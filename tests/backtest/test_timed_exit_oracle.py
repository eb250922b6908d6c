"""Break-even, time stop and flat before the session's end, told beforehand by a slow reading of the rules over several sessions.

The two oracles, one for ticks and one for ready-made bars, are written from the documentation, on whole ticks, and share no code with what
they check. Both extend ``test_exit_oracle``.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtest.test_exit_oracle import TICK, Foretold, Told, Walk, wish_of
from tests.backtest.test_lane import backtest, on_desk, same
from tests.builders import CLOSE, HOUR, MINUTE, OPEN, SECOND

from fortified.adapters.tables import BarTable, FileReport
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.engine.tick_level import BOTH
from fortified.research.data import Data
from fortified.research.run import Backtest
from fortified.strategies.base import StrategyPosition

DAY = 24 * HOUR
SESSIONS = [(OPEN + day * DAY, CLOSE + day * DAY) for day in range(3)]
"""Tuesday to Thursday, each from 17:00 to 16:00 in Chicago."""


class Rules(NamedTuple):
    """Distances in ticks, times in ns; ``bars`` and ``time`` are the two forms of a time stop."""

    stop: int | None
    target: int | None
    trail: int | None
    even: int | None
    bars: int | None
    time: int | None
    flatten: int | None

    @property
    def parsed(self) -> ExitRules:
        ticks = [None if value is None else f"{value}ticks" for value in self[:4]]
        stop = f"{self.bars}bars" if self.bars is not None else None if self.time is None else f"{self.time // SECOND}s"
        return ExitRules.parse(ticks[0], ticks[1], ticks[2], ticks[3], stop, None if self.flatten is None else f"{self.flatten // SECOND}s")


class Position:
    """An open position, and why it is to be left."""

    def __init__(self, rules: Rules, sign: int, entry: int, ts: int) -> None:
        self.rules, self.sign, self.entry, self.best, self.ts, self.bars = rules, sign, entry, entry, ts, 0

    def gain(self, price: int) -> int:
        return (price - self.entry) * self.sign

    def follow(self, price: int) -> None:
        self.best = max(self.best, price) if self.sign > 0 else min(self.best, price)

    def stop(self) -> tuple[int, str] | None:
        """The nearest level behind the price, as a gain, and its name."""
        rules, found = self.rules, list[tuple[int, str]]()
        if rules.stop is not None:
            found = [(-rules.stop, "stop_loss")]
        if rules.even is not None and self.gain(self.best) >= rules.even:
            found = [(0, "break_even")]
        if rules.trail is not None and (not found or self.gain(self.best) - rules.trail > found[0][0]):
            found = [(self.gain(self.best) - rules.trail, "trailing_stop")]
        return found[0] if found else None

    def touched(self, price: int) -> tuple[int, str] | None:
        """The level that ``price`` reaches, as a price, and its name."""
        stop, target = self.stop(), self.rules.target
        if stop is not None and self.gain(price) <= stop[0]:
            return self.entry + self.sign * stop[0], stop[1]
        if target is not None and self.gain(price) >= target:
            return self.entry + self.sign * target, "take_profit"
        return None

    def late(self, now: int, step: int = 0) -> str | None:
        """Why its time is over at ``now``; ``step`` is the length of a ready-made bar."""
        if self.rules.flatten is not None and is_ending(self.rules, self.ts, now, step):
            return "session_end"
        if self.rules.time is not None and now >= self.ts + self.rules.time:
            return "time_stop"
        return "time_stop" if self.rules.bars is not None and self.bars >= self.rules.bars else None


def is_ending(rules: Rules, of: int, now: int, step: int) -> bool:
    """Whether ``now`` is too near to the end of the session that ``of`` lies in, or behind it."""
    if rules.flatten is None:
        return False
    close = next((close for begin, close in SESSIONS if begin <= of < close), None)
    return close is not None and (now >= close - rules.flatten or now + step > close - rules.flatten)


class Desk:
    """What is to be: an exit that works or waits, and what is to be opened behind it."""

    def __init__(self, rules: Rules, step: int = 0) -> None:
        self.rules, self.step = rules, step
        self.position: Position | None = None
        self.exit: str | None = None  # works: fills at the next event
        self.waits: tuple[str, bool] | None = None  # for a session: its reason, and whether no wish calls it off
        self.entry: tuple[int, str] | None = None  # behind the exit, or at once
        self.newer = False  # the entry is of a later wish than the exit
        self.closed = False
        self.told: list[Told] = []

    @property
    def sign(self) -> int:
        return 0 if self.position is None else self.position.sign

    def fill(self, row: int, side: int, price: int, reason: str) -> None:
        self.told.append((row, side, price * TICK, reason))

    def open_market(self, row: int, ts: int, buy: int, sell: int) -> bool:
        """The first prices behind the last event: what works fills. True when a position was opened."""
        if self.exit is not None:
            self.fill(row, -self.sign, sell if self.sign > 0 else buy, self.exit)
            self.position = self.exit = None
            if self.entry is not None and (self.entry[0] == 0 or self.closed or is_ending(self.rules, ts, ts, self.step)):
                self.entry = None
        self.newer = False
        if self.entry is None:
            return False
        (side, reason), self.entry = self.entry, None
        if side == self.sign:
            return False
        price = buy if side > 0 else sell
        self.fill(row, side, price, reason)
        self.position = Position(self.rules, side, price, ts)
        return True

    def leave(self, row: int, price: int, reason: str) -> None:
        """A level was touched."""
        self.fill(row, -self.sign, price, reason)
        self.position = None

    def decide(self, now: int, wish: tuple[int, str] | None, *, closed: bool) -> None:
        """An event behind the fills and touches of its prices."""
        self.closed = closed
        late = None if self.position is None or self.exit or self.waits else self.position.late(now, self.step)
        if wish is not None and self.waits is not None and not self.waits[1]:
            self.waits = None
        if self.waits is not None:
            if not closed:
                self.exit, self.waits = self.waits[0], None
            return
        if self.exit is not None:
            self.entry, self.newer = (wish, True) if wish is not None else (self.entry, self.newer)
        elif self.position is not None and wish is not None and wish[0] != self.sign:
            self.order_exit(wish[1], wish, protective=False)
        elif late is not None:
            self.order_exit(late, None, protective=True)
        elif wish is not None and wish[0] not in (0, self.sign) and not closed and not is_ending(self.rules, now, now, self.step):
            self.entry = wish

    def order_exit(self, reason: str, then: tuple[int, str] | None, *, protective: bool) -> None:
        if self.closed:
            self.waits = (reason, protective)
        else:
            self.exit, self.entry = reason, then

    def end(self, row: int, price: int) -> list[Told]:
        """The data is over."""
        if self.position is not None:
            reason = "end_of_data"
            if self.waits is not None and self.waits[1]:
                reason = self.waits[0]
            elif self.exit is not None and self.newer and self.entry is not None and self.entry[0] != self.sign:
                reason = self.entry[1]
            self.fill(row, -self.sign, price, reason)
        return self.told


# --- ticks ---


class Over(NamedTuple):
    """A bar that is over: its stamp, its last row, and whether the session ends with it."""

    ts: int
    row: int
    closes: bool


def events_of(walk: Walk, timeframe: Timeframe) -> Iterator[int | Over]:
    """Rows of ticks, and the bars that are over before or behind them."""
    rows: list[int] = []
    begin = end = close = 0
    for row, ts in enumerate(walk.ts.tolist()):
        if rows and ts >= end:
            yield Over(walk.ts[rows[-1]] if timeframe.is_tick else end, rows[-1], end == close)
            rows = []
        session = next((session for session in SESSIONS if session[0] <= ts < session[1]), None)
        if session is None:
            continue
        begin, close = session
        if not rows:
            end = close if timeframe.is_tick else min(ts - (ts - begin) % timeframe.length_ns + timeframe.length_ns, close)
        rows.append(row)
        yield row
        if timeframe.is_tick and len(rows) == timeframe.length:
            yield Over(ts, row, False)
            rows = []


def of_ticks(walk: Walk, timeframe: Timeframe, seed: int, rules: Rules, *, quotes: bool) -> list[Told]:
    desk, last = Desk(rules), -1
    for event in events_of(walk, timeframe):
        if isinstance(event, Over):
            if desk.position is not None:
                desk.position.bars += 1
            wish = wish_of(event.row, seed)
            desk.decide(int(event.ts), None if wish is None else (wish, f"b{event.row}"), closed=event.closes)
            continue
        row = last = event
        ts, price = int(walk.ts[row]), walk.price[row]
        buy, sell = (walk.ask[row], walk.bid[row]) if quotes else (price, price)
        entered = desk.open_market(row, ts, buy, sell)
        held = desk.position
        if held is not None and not entered and desk.exit is None and desk.waits is None and (touch := held.touched(price)) is not None:
            desk.leave(row, sell if held.sign > 0 else buy, touch[1])
        elif held is not None and not entered:
            held.follow(price)
        desk.decide(ts, None, closed=False)
    return desk.end(last, walk.price[last]) if last >= 0 else []


def walk_of(seed: int) -> Walk:
    """A random walk over the ends of sessions, some of it while they are closed."""
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 250))
    price = 80_000 + np.cumsum(dice.integers(-3, 4, count) + dice.choice([0, 25, -25], count, p=[0.94, 0.03, 0.03]))
    steps = dice.choice([0, 1, SECOND, 17 * SECOND, 5 * MINUTE, 40 * MINUTE, 5 * HOUR], count, p=[0.15, 0.05, 0.3, 0.25, 0.2, 0.04, 0.01])
    ts = int(dice.choice([OPEN, CLOSE - 150 * MINUTE, CLOSE - 70 * MINUTE, CLOSE - 12 * MINUTE])) + np.cumsum(steps)
    ts[::9] = np.maximum.accumulate(ts)[::9] // MINUTE * MINUTE  # at the edges of minutes
    ts = np.minimum(np.maximum.accumulate(ts), SESSIONS[-1][1] - 1).astype(np.int64)
    bid, ask = price - dice.integers(0, 3, count), price + dice.integers(0, 3, count)
    return Walk(ts, price.tolist(), bid.tolist(), ask.tolist())


def rules_of(*times: int) -> st.SearchStrategy[Rules]:
    ticks = st.sampled_from([None, None, 1, 3, 8, 20])
    limits = st.sampled_from([(None, None), (1, None), (2, None), (5, None), *((None, time) for time in times)])
    ends = st.sampled_from([None, 61 * SECOND, 10 * MINUTE, 40 * MINUTE, HOUR])

    def rules(levels: tuple[int | None, ...], limit: tuple[int | None, int | None], end: int | None) -> Rules:
        return Rules._make((*levels, *limit, end))

    return st.builds(rules, st.tuples(ticks, ticks, ticks, ticks), limits, ends)


OPTIONS: dict[str, Any] = {"quantity": Decimal(1), "calendar": None}


@settings(max_examples=500, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    timeframe=st.sampled_from(["1t", "2t", "7t", "30s", "1", "5", "1h"]),
    rules=rules_of(SECOND, 90 * SECOND, 30 * MINUTE),
    quotes=st.booleans(),
)
def test_every_fill_on_ticks_is_where_the_rules_say(seed: int, timeframe: str, rules: Rules, quotes: bool) -> None:
    walk = walk_of(seed)
    options = {**OPTIONS, "timeframe": timeframe, "params": {"seed": str(seed)}}
    test = backtest(walk.table(quotes=quotes), Foretold, exits=rules.parsed, **options)
    expected = of_ticks(walk, Timeframe.parse(timeframe), seed, rules, quotes=quotes)
    for result in (test.run(), on_desk(test)):
        assert [(fill.seq, fill.side.sign, float(fill.price), fill.reason) for fill in result.fills] == expected


class Timed(Foretold):
    """Some of its signals have exits of their own, which only the desk can tell."""

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        signal = super().on_new_bar(bar, current_position)
        own = ExitRules.parse("9ticks", break_even="2ticks", time_stop="2bars", flatten_before="40min")
        return signal if signal is None or bar.seq % 23 else msgspec.structs.replace(signal, exits=own)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    timeframe=st.sampled_from(["1t", "2t", "7t", "5", "1h", "1d"]),
    fills=st.sampled_from([FillModel(), FillModel("last", 1)]),
    flatten=st.booleans(),
)
def test_exits_of_a_signal_are_told_by_no_shorter_way(seed: int, timeframe: str, fills: FillModel, flatten: bool) -> None:
    options = {**OPTIONS, "timeframe": timeframe, "params": {"seed": str(seed)}, "fills": fills, "flatten": flatten}
    same(backtest(walk_of(seed).table(quotes=False), Timed, exits=ExitRules.parse("4ticks"), **options))


@pytest.mark.parametrize("next_day", [True, False], ids=["short bar", "end of data"])
def test_a_signal_just_before_the_end_is_refused_whichever_way_is_taken(next_day: bool) -> None:
    class Last(Foretold):
        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
            return Signal(Target.LONG, "late", exits=ExitRules.parse(flatten_before="40min")) if bar.seq == 9 else None

    ts = np.array([CLOSE - (20 - place) * MINUTE for place in range(10)] + [CLOSE + HOUR] * next_day, np.int64)
    price = [80_000] * len(ts)
    table = Walk(ts, price, price, price).table(quotes=False)
    result = same(backtest(table, Last, timeframe="7t" if next_day else "5t", **OPTIONS))
    assert [denial.code for denial in result.denials] == [DenialCode.SESSION_ENDING]


# --- ready-made bars ---


class Bars(NamedTuple):
    """Minute bars in ticks; ``ts`` is where each begins."""

    ts: Any
    open: Any
    high: Any
    low: Any
    close: Any

    def table(self) -> BarTable:
        count = len(self.ts)
        opened, high, low, close = (np.array(column) * TICK for column in self[1:])
        volume, ticks, complete = np.ones(count), np.zeros(count, np.int64), np.ones(count, np.bool_)
        times = Timeframe.parse("1"), self.ts, self.ts + MINUTE
        return BarTable(*times, opened, high, low, close, volume, close, ticks, complete, FileReport(count))


def bars_of(seed: int) -> Bars:
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 120))
    close = 80_000 + np.cumsum(dice.integers(-9, 10, count))
    opened = close + dice.integers(-8, 9, count)
    high = np.maximum(opened, close) + dice.integers(0, 9, count)
    low = np.minimum(opened, close) - dice.integers(0, 9, count)
    start = int(dice.choice([OPEN, CLOSE - 100 * MINUTE, CLOSE - 70 * MINUTE, CLOSE - 15 * MINUTE]))
    ts = start + np.cumsum(dice.choice([1, 2, 9, 50], count, p=[0.85, 0.1, 0.04, 0.01])) * MINUTE
    within = np.zeros(count, bool)
    for begin, end in SESSIONS:
        within |= (begin <= ts) & (ts < end)
    return Bars(*(column[within] for column in (ts.astype(np.int64), opened, high, low, close)))


def of_bars(bars: Bars, seed: int, rules: Rules) -> list[Told]:
    desk = Desk(rules, MINUTE)
    for row, (begin, opened, high, low) in enumerate(zip(*(column.tolist() for column in bars[:4]), strict=True)):
        entered = desk.open_market(row, begin, opened, opened)
        held = desk.position
        touch = None
        if held is not None and desk.exit is None and desk.waits is None:
            worst, best = (low, high) if held.sign > 0 else (high, low)
            gap = None if entered else held.touched(opened)
            touch = gap or held.touched(worst) or held.touched(best)
            if touch is not None:
                level, reason = touch
                if gap is None and reason == "stop_loss" and (both := held.touched(best)) is not None and both[1] == "take_profit":
                    reason = BOTH
                desk.leave(row, opened if gap else level, reason)
        if held is not None:
            held.follow(high if held.sign > 0 else low)
            held.bars += 1
        end, wish = begin + MINUTE, wish_of(row, seed)
        desk.decide(end, None if wish is None else (wish, f"b{row}"), closed=any(end == session[1] for session in SESSIONS))
    return desk.end(len(bars.ts) - 1, int(bars.close[-1])) if len(bars.ts) else []


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), rules=rules_of(SECOND, 90 * SECOND, 3 * MINUTE))
def test_every_fill_on_ready_made_bars_is_where_the_rules_say(seed: int, rules: Rules) -> None:
    bars = bars_of(seed)
    options = {**OPTIONS, "timeframe": "1", "bars_timeframe": "1", "params": {"seed": str(seed)}}
    asked = backtest(walk_of(0).table(quotes=False), Foretold, exits=rules.parsed, **options).options
    result = Backtest(asked, Data(bars=bars.table()), Foretold).run()
    expected = of_bars(bars, seed, rules)
    assert [(fill.seq, fill.side.sign, float(fill.price), fill.reason) for fill in result.fills] == expected
