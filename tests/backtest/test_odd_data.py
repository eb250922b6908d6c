"""Backtests of data that is thin, odd or hostile: the lane and the desk agree, and what fails is said."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.backtest.test_lane import OPEN, Dice, DiceTicks, backtest, on_desk, same
from tests.builders import HOUR, MINUTE, SECOND

from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.backtest.lane_outcome import LaneOutcome
from fortified.domain.errors import ConfigError, DataError, StrategyError
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.research.data import Data
from fortified.research.run import Backtest
from fortified.strategies.base import Answers, BaseStrategy, StrategyConfig, StrategyPosition

NAN = float("nan")
ALL = ExitRules.parse("4ticks", "6ticks", "5ticks")
Fills = list[tuple[int, str, float, str]]


def table(prices: Sequence[float], *, start: int = OPEN, step: int = SECOND, bid: Any = None, ask: Any = None) -> TickTable:
    price = np.array(prices, np.float64)
    quotes = [None if quote is None else np.array(quote, np.float64) for quote in (bid, ask)]
    ts = start + np.arange(len(price), dtype=np.int64) * step
    return TickTable(ts, price, np.ones(len(price)), quotes[0], quotes[1], FileReport(len(price)))


def wave(count: int, middle: float, tick: float = 0.25) -> list[float]:
    dice = np.random.default_rng(count)
    return [round((round(middle / tick) + int(step)) * tick, 10) for step in np.cumsum(dice.integers(-3, 4, count))]


def fills(test: Backtest) -> Fills:
    lane, desk = test.run(), on_desk(test)
    made = [(fill.seq, fill.side.value, float(fill.price), fill.reason) for fill in lane.fills]
    assert [(fill.seq, fill.side.value, float(fill.price), fill.reason) for fill in desk.fills] == made
    return made


class LongOnce(BaseStrategy):
    """In with the first bar, out with ``FLAT`` from the bar that ends with tick ``leave`` on."""

    name: ClassVar[str] = "long_once"
    leave: ClassVar[int] = 10**9

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.bars = 0

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        self.bars += 1
        if bar.seq >= self.leave:
            return Signal(Target.FLAT, "out")
        return Signal(Target.LONG, "in") if self.bars == 1 else None


class LongUntilTen(LongOnce):
    leave: ClassVar[int] = 10


# --- thin data ---


@pytest.mark.parametrize("strategy", [Dice, DiceTicks])
@pytest.mark.parametrize("timeframe", ["1t", "5", "1d"])
@pytest.mark.parametrize(
    ("count", "start", "step"),
    [(0, OPEN, 1), (1, OPEN, 1), (3, OPEN, 0), (50, OPEN - 40 * MINUTE, SECOND), (7, OPEN - HOUR + 59 * MINUTE + 57 * SECOND, SECOND)],
    ids=["none", "one", "one instant", "all out of session", "around the open"],
)
@pytest.mark.parametrize("model", [FillModel(), FillModel("last")], ids=["next", "last"])
def test_hardly_any_data(strategy: type[BaseStrategy], timeframe: str, count: int, start: int, step: int, model: FillModel) -> None:
    data = table(wave(count, 20_000.0), start=start, step=step)
    result = same(backtest(data, strategy, timeframe=timeframe, exits=ALL, fills=model, params={"one_in": "1"}, warmup=0))
    assert len(result.equity.value) == len(result.bars)
    assert result.open_quantity == 0


@pytest.mark.parametrize("strategy", [Dice, DiceTicks])
@pytest.mark.parametrize("middle", [-37.63, 0.0, 0.02, 1e6])
@pytest.mark.parametrize("model", [FillModel(), FillModel("last", 2)], ids=["next", "last"])
@pytest.mark.parametrize(
    "rules", [ALL, ExitRules.parse("1%", "2%", "1.5%"), ExitRules.parse("1atr", "2atr")], ids=["ticks", "percent", "atr"]
)
def test_prices_below_zero_at_zero_and_huge(strategy: type[BaseStrategy], middle: float, model: FillModel, rules: ExitRules) -> None:
    data = table(wave(400, middle, 0.01))
    result = same(backtest(data, strategy, symbol="/CL", calendar="24/7", timeframe="5t", exits=rules, fills=model, params={"one_in": "1"}))
    assert isinstance(result._outcome, LaneOutcome)
    assert len(result.trades) > 5


def test_quotes_that_are_known_now_and_then() -> None:
    dice = np.random.default_rng(3)
    prices = np.array(wave(500, 20_000.0))
    for known in ((True, False), (False, True), (True, True)):
        bid, ask = (
            np.where(dice.random(500) < 0.5, prices + off, NAN) if is_known else None for off, is_known in zip((-1, 1), known, strict=True)
        )
        same(backtest(table(prices.tolist(), bid=bid, ask=ask), Dice, exits=ALL, params={"one_in": "1"}))


def test_a_price_that_is_none_is_said() -> None:
    data = table([100.0, 100.25, 100.0, NAN, 100.0, 100.25])
    with pytest.raises(DataError, match="is not a price of /NQ: drop the row or repair the feed"):
        backtest(data, LongOnce, timeframe="3t", calendar="24/7").run().fills  # noqa: B018  # it is made when asked for


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "10001"])
def test_quantities_beyond_the_limits(quantity: str) -> None:
    test = backtest(table(wave(50, 20_000.0)), LongOnce, timeframe="5t", quantity=type(ALL.stop_loss.amount)(quantity))  # type: ignore[union-attr]  # it has one
    if quantity == "10001":
        assert {denial.code for denial in same(test).denials} == {DenialCode.MAX_ORDER_QUANTITY}
    else:
        with pytest.raises(ConfigError, match="give a whole number above 0"):
            test.run()


# --- exits that the venue learns of late, and bars ---


@pytest.mark.parametrize("level", ["stop", "target"])
def test_a_level_touched_before_the_exit_can_be_at_the_venue_is_left_as_soon_as_it_can(level: str) -> None:
    """The price comes back at once; the position does not stay open for it."""
    touch, rules = (90.0, ExitRules.parse("4pts")) if level == "stop" else (110.0, ExitRules.parse(take_profit="4pts"))
    data = table([100.0] * 5 + [touch] + [100.0] * 10, step=SECOND // 100)
    made = fills(backtest(data, LongUntilTen, timeframe="2t", exits=rules, fills=FillModel(latency_ns=25_000_000), calendar="24/7"))
    reason = "stop_loss" if level == "stop" else "take_profit"
    assert made == [(4, "BUY", 100.0, "in"), (7, "SELL", 100.0, reason)]


def bars(*rows: tuple[float, float, float, float]) -> Data:
    opened, high, low, close = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    ts, ones = OPEN + np.arange(count, dtype=np.int64) * MINUTE, np.ones(count)
    every = ones.astype(np.bool_)
    return Data(
        bars=BarTable(
            Timeframe.parse("1"), ts, ts + MINUTE, opened, high, low, close, ones, close, ones.astype(np.int64), every, FileReport(count)
        )
    )


QUIET = (100.0, 100.0, 100.0, 100.0)


def on_bars(rows: list[tuple[float, float, float, float]], strategy: type[BaseStrategy] = LongOnce, **asked: Any) -> Fills:
    asked.setdefault("exits", ExitRules.parse("4pts", "8pts"))
    template = backtest(table([]), strategy, timeframe="1", **asked)
    result = Backtest(template.options, bars(*rows), strategy).run()
    return [(fill.seq, fill.side.value, float(fill.price), fill.reason) for fill in result.fills]


@pytest.mark.parametrize(
    ("row", "price", "reason"),
    [
        ((100.0, 101.0, 95.0, 100.0), 96.0, "stop_loss"),
        ((100.0, 109.0, 99.0, 100.0), 108.0, "take_profit"),
        ((100.0, 109.0, 95.0, 100.0), 96.0, "stop_loss:target_in_the_same_bar"),
    ],
)
@pytest.mark.parametrize("later", [0, 1], ids=["the entry bar", "the bar behind it"])
def test_a_level_inside_of_a_bar_fills_in_that_bar(row: tuple[float, float, float, float], price: float, reason: str, later: int) -> None:
    made = on_bars([QUIET, *[QUIET] * later, row, QUIET, QUIET])
    assert made == [(1, "BUY", 100.0, "in"), (1 + later, "SELL", price, reason)]


@pytest.mark.parametrize(("opened", "reason"), [(90.0, "stop_loss"), (115.0, "take_profit")])
def test_a_gap_over_a_level_fills_at_the_open(opened: float, reason: str) -> None:
    made = on_bars([QUIET, QUIET, (opened, 120.0, 80.0, 100.0), QUIET])
    assert made == [(1, "BUY", 100.0, "in"), (2, "SELL", opened, reason)]


def test_a_limit_that_fills_inside_of_a_bar_takes_no_profit_from_what_may_have_come_before() -> None:
    class Dip(LongOnce):
        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
            return Signal(Target.LONG, "dip", limit=99.0) if bar.seq == 0 else None

    high_first = (100.0, 108.0, 98.5, 99.0)
    assert on_bars([QUIET, high_first, QUIET, QUIET], Dip) == [(1, "BUY", 99.0, "dip"), (3, "SELL", 100.0, "end_of_data")]
    assert on_bars([QUIET, (100.0, 108.0, 98.5, 107.5), QUIET], Dip)[1] == (1, "SELL", 107.0, "take_profit")


# --- strategies that misbehave ---


class Keeping(Dice):
    """Keeps all that it is given."""

    name: ClassVar[str] = "dice"

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.kept: list[Any] = []

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Any:
        self.kept.append(bar)
        assert [one.seq for one in self.kept] == sorted({one.seq for one in self.kept})
        for what in (bar, current_position):
            with pytest.raises(AttributeError):
                what.close = 0.0  # type: ignore[union-attr,misc]  # on purpose
        return super().on_new_bar(bar, current_position)


def test_what_a_strategy_is_given_can_be_kept_and_not_be_changed() -> None:
    data = table(wave(300, 20_000.0))
    assert backtest(data, Keeping, exits=ALL).run().summary() == backtest(data, Dice, exits=ALL).run().summary()


def _yielding() -> Iterator[Signal]:
    yield Signal(Target.LONG, "one")
    raise KeyError("lost")


BAD: list[Any] = [5, "LONG", {"reason": "x"}, {"side": "UP"}, [Signal(Target.LONG), 7], Signal(2, "x")]  # type: ignore[arg-type]  # wrong on purpose


class Failing(BaseStrategy):
    """Fails with the bar, or the tick, number 7."""

    name: ClassVar[str] = "failing"
    answer: ClassVar[Any] = None
    on_ticks: ClassVar[bool] = False

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Any:
        return None if self.on_ticks or bar.seq != 7 else self._fail()

    def _fail(self) -> Any:
        if self.answer is not None:
            return self.answer() if callable(self.answer) else self.answer
        raise KeyError("nothing")


class FailingTicks(Failing):
    on_ticks: ClassVar[bool] = True

    def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Any:
        return self._fail() if tick.seq == 7 else None


@pytest.mark.parametrize("strategy", [Failing, FailingTicks])
@pytest.mark.parametrize("answer", [None, *BAD, _yielding], ids=lambda answer: "yields" if callable(answer) else repr(answer))
def test_a_failure_names_the_strategy_and_the_moment(strategy: type[Failing], answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "answer", staticmethod(answer) if callable(answer) else answer)
    test = backtest(table(wave(20, 20_000.0)), strategy, timeframe="2t", params={})
    moment = "tick 7 of /NQ" if strategy is FailingTicks else r"the 2t bar of /NQ that opened at \d+"
    place = r"test_odd_data\.py, line \d+.*: KeyError: 'nothing'" if answer is None else r"test_odd_data\.py"
    runs: tuple[Callable[[], object], ...] = (test.run, lambda: on_desk(test))
    for run in runs:
        with pytest.raises(StrategyError, match=rf"strategy 'failing' failed on {moment}, at .*{place}"):
            run()


def test_parameters_may_come_as_text_and_a_wrong_one_is_named() -> None:
    data = table(wave(60, 20_000.0))
    assert backtest(data, Dice, params={"one_in": "2"}).run().summary() == backtest(data, Dice, params={"one_in": 2}).run().summary()
    with pytest.raises(ConfigError, match="one_in"):
        backtest(data, Dice, params={"one_in": "two"}).run()
    with pytest.raises(ConfigError, match="has no parameter 'one_of'"):
        backtest(data, Dice).run({"one_of": "2"})


# --- where the data ends ---


def test_an_exit_at_the_end_behind_a_bar_that_a_tick_out_of_session_closed_has_the_time_of_that_bar() -> None:
    """The bar is the last event then, not its last tick."""
    stamps = [OPEN - HOUR - 10 * MINUTE + number * SECOND for number in range(3)] + [OPEN - HOUR + MINUTE]
    price = np.array([100.0, 101.0, 100.5, 100.0])
    data = TickTable(np.array(stamps, np.int64), price, np.ones(4), None, None, FileReport(4))
    test = backtest(data, DiceTicks, timeframe="5", fills=FillModel("last"), params={"one_in": "1"}, warmup=0)
    same(test)
    held = same(backtest(data, InAtOnce, timeframe="5", params={}))
    assert [trade.ts_exit for trade in held.trades] == [OPEN - HOUR - 5 * MINUTE]


class InAtOnce(LongOnce):
    """In with the first tick."""

    def on_tick(self, tick: Any, current_position: StrategyPosition | None) -> Answers:
        return Signal(Target.LONG, "in") if tick.seq == 0 else None

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        return None


def test_a_distance_that_cannot_be_told_yet_is_said_by_the_lane_too() -> None:
    result = same(
        backtest(table(wave(30, 20_000.0)), InAtOnce, timeframe="20t", exits=ExitRules.parse("1atr", "4pts"), warmup=0, params={})
    )
    assert isinstance(result._outcome, LaneOutcome)
    assert [denial.code for denial in result.denials] == [DenialCode.NO_EXIT_LEVEL]
