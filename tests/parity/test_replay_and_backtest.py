"""Replay (Redis, streams, consumer group) and backtest (arrays) give the same bars, orders, fills, trades, P&L and digest."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fortified.bootstrap_replay import Progress, run_replay
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.engine.fills import FillModel
from fortified.engine.result import RunResult
from fortified.engine.sizing import FIXED, Sizing
from fortified.registry import Registry
from fortified.research.data import load
from fortified.research.run import Backtest
from fortified.runs import RunOptions
from fortified.settings import Settings

SECOND = 1_000_000_000
MUCH = Decimal(50_000_000)
SUNDAY_OPEN = 1_772_402_400 * SECOND  # 2026-03-01 17:00 in Chicago; the clocks go forward a week later
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "ticks"

ON_TICK = '''
from fortified import BaseStrategy, Signal, Target


class Breaker(BaseStrategy):
    """In on the first tick above the last bar's high, out on the first below its low."""

    name = "breaker"

    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.high = self.low = 0.0

    def warmup_periods(self):
        return 2

    def on_new_bar(self, bar, current_position):
        self.high, self.low = bar.high, bar.low

    def on_tick(self, tick, current_position):
        if tick.price > self.high:
            return Signal(Target.LONG, "above")
        if tick.price < self.low:
            return Signal(Target.FLAT, "below")
        return None
'''


LEVELS = '''
from fortified import BaseStrategy, ExitRules, Signal, Target


class Levels(BaseStrategy):
    """Waits for a price at a limit, at a stop or at both, one after the other, and for nothing on each fourth bar."""

    name = "levels"

    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.count = 0

    def warmup_periods(self):
        return 2

    def on_new_bar(self, bar, current_position):
        self.count += 1
        turn = self.count % 8
        if turn == 1:
            return Signal(Target.LONG, "dip", limit=bar.close - 1.5, exits=ExitRules.parse("6ticks", "12ticks"))
        if turn == 3:
            return Signal(Target.SHORT, "break", stop=bar.low - 0.25)
        if turn == 5:
            return Signal(Target.LONG, "retest", stop=bar.high + 0.5, limit=bar.high + 1.0)
        if turn == 7:
            return Signal(Target.FLAT, "out")
        return None
'''

EXITS = {
    "stop": ExitRules.parse("8ticks"),
    "bracket": ExitRules.parse("3pts", "0.02%"),
    "trailing": ExitRules.parse(trailing="10ticks"),
    "all in atr": ExitRules.parse("1.5atr", "3atr", "2atr"),
    "break-even": ExitRules.parse("12ticks", break_even="3ticks"),
    "break-even in atr": ExitRules.parse(None, "6atr", break_even="0.5atr"),
    "bars": ExitRules.parse("30ticks", time_stop="2bars"),
    "minutes": ExitRules.parse(time_stop="7min"),
    "session": ExitRules.parse(trailing="20ticks", flatten_before="6h"),
}
PROTECTIVE = ("stop_loss", "take_profit", "trailing_stop", "break_even", "time_stop", "session_end")

TWO_SPEEDS = '''
from zlib import crc32

from fortified import BaseStrategy, Signal, Target


class TwoSpeeds(BaseStrategy):
    """Crosses of the own timeframe, taken only in the direction of the last bars of three others."""

    name = "two_speeds"

    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.before = 0.0
        self.trend = {}
        self.seen = 0

    def warmup_periods(self):
        return 3

    def timeframes(self):
        return {"1h": 2, "30m": 1, "50t": 4}

    def on_other_bar(self, bar):
        told = (bar.timeframe, bar.ts_open, bar.ts_close, bar.close, bar.volume, bar.vwap, bar.ticks, bar.seq, bar.complete, int(bar.flags))
        self.seen = crc32(repr(told).encode(), self.seen)
        self.trend[bar.timeframe] = 1 if bar.close > bar.open else -1

    def on_new_bar(self, bar, current_position):
        up, self.before = bar.close > self.before, bar.close
        if len(self.trend) < 3:
            return None
        side = sum(self.trend.values())
        if up and side > 0:
            return Signal(Target.LONG, f"up {self.seen}")
        if not up and side < 0:
            return Signal(Target.SHORT, f"down {self.seen}")
        return Signal(Target.FLAT, "apart") if side == 0 else None
'''

TWO_SPEEDS_ON_TICKS = (
    TWO_SPEEDS
    + """
    def on_tick(self, tick, current_position):
        if len(self.trend) == 3 and self.trend["50t"] > 0 and tick.price > self.before + 2:
            return Signal(Target.LONG, f"jump {self.seen}")
        return None
"""
)


def market(path: Path, *, quotes: bool, seed: int) -> Path:
    """Nine days of sparse prints: sessions, breaks, a weekend, prints out of session, on boundaries and in one nanosecond."""
    dice = np.random.default_rng(seed)
    count = 9_000
    gaps = [0, 1, SECOND, 20 * SECOND, 60 * SECOND, 180 * SECOND, 900 * SECOND]
    step = dice.choice(gaps, count, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.17, 0.03])
    ts = SUNDAY_OPEN - 600 * SECOND + np.cumsum(step)
    ts[::50] = ts[::50] // (60 * SECOND) * (60 * SECOND)
    ts = np.maximum.accumulate(ts)
    price = 20_000 + 0.25 * np.cumsum(dice.integers(-3, 4, count))
    columns: dict[str, Any] = {"ts_ns": ts, "price": price, "size": dice.integers(0, 5, count)}
    if quotes:
        known = dice.random(count) > 0.1
        columns |= {"bid": np.where(known, price - 0.25, np.nan), "ask": np.where(known, price + 0.25, np.nan)}
    pl.DataFrame(columns).write_parquet(path)
    return path


def both(redis_url: str, **asked: Any) -> tuple[RunResult, RunResult]:
    fields: dict[str, Any] = {
        **{"symbol": "/NQ", "timeframe": "20t", "strategy": "ema", "params": {"period_1": "3", "period_2": "8"}, "quantity": Decimal(2)},
        **{"fills": FillModel(), "fee": "2.00/contract", "warmup": None, "calendar": None, "tick_size": None, "multiplier": None},
        **{"flatten": True, "speed": None},
    }
    options = RunOptions(**(fields | asked))
    settings = Settings(redis_url=redis_url, _env_file=None)  # type: ignore[arg-type,call-arg]  # pydantic makes the secret of it
    replayed = asyncio.run(run_replay(settings, options, Progress(), lambda _: None))
    test = Backtest(options, load(options, lambda _: None), Registry().resolve(options.strategy))
    return replayed, test.run().summary()


@pytest.mark.parametrize("quotes", [True, False], ids=["quotes", "prices"])
@pytest.mark.parametrize("fills", [FillModel(), FillModel("last", 1), FillModel("next", 2, 90 * SECOND)], ids=["next", "last", "latency"])
@pytest.mark.parametrize("timeframe", ["20t", "5", "1h"])
def test_ema_over_sessions(redis_url: str, tmp_path: Path, timeframe: str, fills: FillModel, quotes: bool) -> None:
    file = market(tmp_path / "ticks.parquet", quotes=quotes, seed=len(timeframe) + 7 * quotes)
    replayed, tested = both(redis_url, files=(file,), timeframe=timeframe, fills=fills)
    assert len(replayed.trades) > 2
    assert replayed.out_of_session > 0
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(), FillModel("next", 2, 90 * SECOND)], ids=["next", "latency"])
@pytest.mark.parametrize("exits", ["none", "bracket"])
@pytest.mark.parametrize(
    ("strategy", "params"),
    [
        ("supertrend", {"period": "3", "multiplier": "1.5"}),
        ("triple_ema", {"price_source": "high_low", "rev_amount": "3", "atr_reversal": "1"}),
        ("triple_ema", {"signal_mode": "tos_live", "displace": "-2"}),
    ],
    ids=["supertrend", "triple_ema", "triple_ema live"],
)
def test_the_other_built_in_strategies(
    redis_url: str, tmp_path: Path, strategy: str, params: dict[str, str], exits: str, fills: FillModel
) -> None:
    file = market(tmp_path / "ticks.parquet", quotes=True, seed=11)
    rules = EXITS.get(exits, NO_EXITS)
    replayed, tested = both(redis_url, files=(file,), strategy=strategy, params=params, fills=fills, exits=rules, warmup=30)
    assert len(replayed.trades) > 2
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(), FillModel("last", 1), FillModel("next", 2, 90 * SECOND)], ids=["next", "last", "latency"])
@pytest.mark.parametrize("timeframe", ["20t", "5"])
@pytest.mark.parametrize("exits", EXITS)
def test_protective_exits(redis_url: str, tmp_path: Path, exits: str, timeframe: str, fills: FillModel) -> None:
    quotes = (len(exits) + len(timeframe) + fills.slippage_ticks) % 2 == 0
    file = market(tmp_path / "ticks.parquet", quotes=quotes, seed=len(exits) + 7 * quotes)
    replayed, tested = both(redis_url, files=(file,), timeframe=timeframe, fills=fills, exits=EXITS[exits])
    reasons = Counter(trade.exit_reason for trade in replayed.trades)
    assert sum(reasons[name] for name in PROTECTIVE) > 2
    assert reasons["break_even"] or EXITS[exits].break_even is None
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(), FillModel("next", 2, 90 * SECOND)], ids=["next", "latency"])
@pytest.mark.parametrize("timeframe", ["20t", "5", "4h"])
@pytest.mark.parametrize("source", [TWO_SPEEDS, TWO_SPEEDS_ON_TICKS], ids=["bars", "ticks"])
def test_several_timeframes(redis_url: str, tmp_path: Path, source: str, timeframe: str, fills: FillModel) -> None:
    strategy = tmp_path / "two_speeds.py"
    strategy.write_text(source)
    file = market(tmp_path / "ticks.parquet", quotes=True, seed=17)
    asked = {"strategy": str(strategy), "params": {}, "timeframe": timeframe, "fills": fills, "exits": EXITS["stop"]}
    replayed, tested = both(redis_url, files=(file,), **asked)
    assert len(replayed.trades) > 2
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(touch=True), FillModel("last"), FillModel("next", 1, SECOND)], ids=["next", "last", "latency"])
def test_entries_at_a_level(redis_url: str, tmp_path: Path, fills: FillModel) -> None:
    strategy = tmp_path / "levels.py"
    strategy.write_text(LEVELS)
    file = market(tmp_path / "ticks.parquet", quotes=False, seed=13)
    replayed, tested = both(redis_url, files=(file,), strategy=str(strategy), params={}, fills=fills, exits=EXITS["trailing"])
    assert {trade.entry_reason for trade in replayed.trades} == {"dip", "break", "retest"}
    assert {"stop_loss", "take_profit", "trailing_stop"} <= {trade.exit_reason for trade in replayed.trades}
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(), FillModel("last")], ids=["next", "last"])
def test_days_trade_on_the_next_day(redis_url: str, tmp_path: Path, fills: FillModel) -> None:
    file = market(tmp_path / "ticks.parquet", quotes=True, seed=5)
    params = {"period_1": "1", "period_2": "2"}
    replayed, tested = both(redis_url, files=(file,), timeframe="1d", params=params, warmup=0, fills=fills, exits=EXITS["stop"])
    assert replayed.trades
    assert tested == replayed


@pytest.mark.parametrize("direction", ["long", "short"])
def test_one_direction_left_open_at_the_end(redis_url: str, tmp_path: Path, direction: str) -> None:
    file = market(tmp_path / "ticks.parquet", quotes=True, seed=3)
    params = {"period_1": "2", "period_2": "5", "trend_line_1": "WMA", "trend_line_2": "SMA", "direction": direction}
    replayed, tested = both(redis_url, files=(file,), params=params, calendar="24/7", flatten=False, warmup=0)
    assert {trade.side for trade in replayed.trades} == {direction.upper()}
    assert tested == replayed


@pytest.mark.parametrize("fills", [FillModel(), FillModel("last")], ids=["next", "last"])
def test_a_strategy_that_wants_every_tick(redis_url: str, tmp_path: Path, fills: FillModel) -> None:
    strategy = tmp_path / "breaker.py"
    strategy.write_text(ON_TICK)
    file = market(tmp_path / "ticks.parquet", quotes=True, seed=11)
    replayed, tested = both(redis_url, files=(file,), strategy=str(strategy), params={}, fills=fills)
    assert len(replayed.trades) > 10
    assert tested == replayed


@pytest.mark.parametrize("exits_name", ["", *EXITS])
@pytest.mark.parametrize("timeframe", ["1", "5"])
def test_ready_made_bars(redis_url: str, tmp_path: Path, timeframe: str, exits_name: str) -> None:
    dice = np.random.default_rng(5)
    minutes = np.flatnonzero(dice.random(4_000) > 0.2)
    close = 20_000 + 0.25 * np.cumsum(dice.integers(-9, 10, len(minutes)))
    opened = close + 0.25 * dice.integers(-4, 5, len(minutes))
    high, low = np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.75
    columns = {"ts_open": SUNDAY_OPEN + minutes * 60 * SECOND, "open": opened, "high": high, "low": low, "close": close}
    file = tmp_path / "bars.csv"
    pl.DataFrame(columns | {"volume": dice.integers(1, 99, len(minutes))}).write_csv(file)
    exits = EXITS[exits_name] if exits_name else ExitRules()
    sizing = Sizing.parse("all_in") if exits_name == "bracket" else FIXED
    replayed, tested = both(redis_url, files=(file,), timeframe=timeframe, bars_timeframe="1", exits=exits, sizing=sizing, cash=MUCH)
    assert len(replayed.trades) > 10
    assert (len({trade.quantity for trade in replayed.trades}) > 1) == sizing.by_cash
    assert tested == replayed


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real ticks are not here")
@pytest.mark.parametrize(("name", "symbol", "timeframe"), [("CLF0_20191216_trades", "/CL", "144t"), ("ESH4_20231225_trades", "/ES", "1")])
def test_real_ticks(redis_url: str, name: str, symbol: str, timeframe: str) -> None:
    replayed, tested = both(redis_url, files=(SHARED / f"{name}.csv.gz",), symbol=symbol, timeframe=timeframe)
    assert replayed.bars > 50
    assert tested == replayed
