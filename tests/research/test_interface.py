"""The names for Python users: the documented lines work, arrays of any kind are taken, and what cannot be is refused in words."""

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from tests.cli.conftest import Command, run  # noqa: F401  # the fixture that calls the command line

import fortified
from fortified import BacktestResult, Bar, BaseStrategy, Signal, StrategyPosition, Target, Ticks, load_bars, load_ticks, run_backtest
from fortified.domain.errors import ConfigError, DataError, FortifiedError, StrategyError
from fortified.strategies.base import Answers

COUNT = 6_000
SECOND = 1_000_000_000
START = 1_750_086_000 * SECOND  # a Monday, 15:00 UTC: the middle of every session
TS = START + np.arange(COUNT) * SECOND
PRICE = 20_000 + 0.25 * (np.abs(np.arange(COUNT) % 900 - 450) + np.arange(COUNT) * 7 % 9)
SIZE = 1.0 + np.arange(COUNT) % 3
SNIPPET = r"""
from fortified import load_ticks, Ticks, run_backtest
ticks = load_ticks("day.parquet")                       # or Ticks(ts_ns=…, price=…, size=…) from numpy arrays
result = run_backtest(ticks, symbol="/NQ", timeframe="144t", strategy="ema", params={"period_1": 9, "period_2": 21}, \
    fill="next", fee="2.00/contract")
result.fills, result.trades, result.stats, result.equity, result.digest
"""
FILE = """
from fortified import BaseStrategy, Signal, Target

class Higher(BaseStrategy):
    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.last = 0.0
    def warmup_periods(self):
        return 1
    def on_new_bar(self, bar, current_position):
        rose, self.last = bar.close > self.last, bar.close
        return Signal(Target.LONG if rose else Target.FLAT, "rose" if rose else "fell")
"""


class Higher(BaseStrategy):
    """As in FILE."""

    name: ClassVar[str] = "higher"
    last = 0.0

    def warmup_periods(self) -> int:
        return 1

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        rose, self.last = bar.close > self.last, bar.close
        return Signal(Target.LONG if rose else Target.FLAT, "rose" if rose else "fell")


def backtest(data: Any = None, **options: Any) -> BacktestResult:
    """A run of `ema` over the ticks above, with other ``options``."""
    plain = {"symbol": "/NQ", "timeframe": "20t", "strategy": "ema", "params": {"period_1": 3, "period_2": 8}}
    return run_backtest(Ticks(TS, PRICE, SIZE) if data is None else data, **(plain | options))


def day(folder: Path) -> Path:
    path = folder / "day.parquet"
    pl.DataFrame({"ts_ns": TS, "price": PRICE, "size": SIZE}).write_parquet(path)
    return path


# --- the documented lines ---


def test_the_documented_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(SNIPPET, "snippet", "exec"), names)
    result = names["result"]
    assert isinstance(result, BacktestResult)
    assert len(result.fills) == result.orders == 2 * len(result.trades) + abs(result.open_quantity) > 10
    assert result.stats.fees == 4 * len(result.trades)
    assert result.stats.net_pnl == sum(trade.net_pnl for trade in result.trades)
    assert len(result.equity.value) == len(result.bars) == COUNT // 144
    assert float(result.stats.final_equity) == result.equity.value[-1]
    assert len(bytes.fromhex(result.digest)) == 32


def test_every_name_is_there() -> None:
    assert [name for name in fortified.__all__ if not hasattr(fortified, name)] == []
    with pytest.raises(AttributeError, match="module 'fortified' has no attribute 'run_backtests'"):
        _ = fortified.run_backtests


def test_importing_the_names_of_strategies_imports_nothing_heavy() -> None:
    code = "import sys, fortified; from fortified import BaseStrategy, EMA, Signal; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "fortified.strategies.base" in loaded
    assert {"polars", "numba", "pyarrow", "plotly", "optuna", "redis"}.isdisjoint(loaded)


# --- ticks ---


@pytest.mark.parametrize(
    "ticks",
    [
        lambda: Ticks(ts_ns=TS, price=PRICE, size=SIZE),
        lambda: Ticks(TS.tolist(), PRICE.tolist(), SIZE.tolist()),
        lambda: Ticks(tuple(TS), tuple(PRICE), tuple(SIZE)),
        lambda: Ticks(TS.view("datetime64[ns]"), PRICE, SIZE),
        lambda: Ticks((TS // SECOND).astype("datetime64[s]"), PRICE, SIZE.astype(np.int32)),
        lambda: Ticks(TS.astype(np.uint64), PRICE, SIZE.astype(np.float32)),
        lambda: Ticks(np.repeat(TS, 2)[::2], np.repeat(PRICE, 2)[::2], SIZE),
        lambda: Ticks(pl.Series(TS), pl.Series(PRICE), pl.Series(SIZE)),
    ],
    ids=["numpy", "lists", "tuples", "datetime64[ns]", "datetime64[s]", "other types", "strided", "polars"],
)
def test_arrays_of_any_kind(tmp_path: Path, ticks: Callable[[], Ticks]) -> None:
    assert len(ticks()) == COUNT
    assert backtest(ticks()).digest == backtest(load_ticks(day(tmp_path))).digest


def test_a_size_that_is_not_given_is_one() -> None:
    assert backtest(Ticks(TS, PRICE)).digest == backtest(Ticks(TS, PRICE, np.ones(COUNT))).digest
    assert backtest(Ticks(TS, PRICE)).digest != backtest().digest


def test_quotes_are_what_orders_pay() -> None:
    """A buy at the ask, a sell at the bid; where there is none, the price."""
    unknown = np.arange(COUNT) % 3 == 0
    ticks = Ticks(TS, PRICE, SIZE, bid=np.where(unknown, np.nan, PRICE - 0.25), ask=np.where(unknown, np.nan, PRICE + 0.25))
    offsets = {
        (fill.side.sign * (float(fill.price) - PRICE[(fill.ts_event - START) // SECOND]), bool(unknown[(fill.ts_event - START) // SECOND]))
        for fill in backtest(ticks).fills
    }
    assert offsets == {(0.25, False), (0.0, True)}


@pytest.mark.parametrize(
    ("ticks", "says"),
    [
        (
            lambda: Ticks(TS.astype(float), PRICE),
            "ts_ns is of type float64, which holds no exact time; give int64 UTC nanoseconds or datetime64",
        ),
        (lambda: Ticks(["2025-06-16"], [1]), "ts_ns is of type <U10, which holds no exact time; give int64 UTC nanoseconds or datetime64"),
        (lambda: Ticks(TS.reshape(2, -1), PRICE), "ts_ns has 2 dimensions; give one column"),
        (lambda: Ticks([-1, 2], [1, 2]), "ts_ns is before 1970: -1 at place 0; leave such ticks out"),
        (
            lambda: Ticks(np.array(["2025-06-16", "NaT"], "datetime64[ns]"), [1, 2]),
            f"ts_ns is before 1970: {np.iinfo(np.int64).min} at place 1; leave such ticks out",
        ),
        (lambda: Ticks(TS, PRICE[:-1]), "price has the shape (5999,), ts_ns has 6000 rows; give columns of the same length"),
        (lambda: Ticks(TS, PRICE, [1]), "size has the shape (1,), ts_ns has 6000 rows; give columns of the same length"),
        (lambda: Ticks(TS, PRICE, bid=PRICE[1:]), "bid has the shape (5999,), ts_ns has 6000 rows; give columns of the same length"),
        (lambda: Ticks(TS, PRICE, ask=5.0), "ask has the shape (1,), ts_ns has 6000 rows; give columns of the same length"),
        (lambda: Ticks([1, 2], ["dear", "cheap"]), "price holds no numbers; give float64"),
        (lambda: Ticks([1, 2], [1, 2], size=["x", "y"]), "size holds no numbers; give float64"),
        (lambda: Ticks([1, 2], [1, np.nan]), "price is not finite: nan at place 1; leave such ticks out"),
        (lambda: Ticks([1, 2], [np.inf, 1]), "price is not finite: inf at place 0; leave such ticks out"),
        (lambda: Ticks([1, 2], [1, 2], ask=[np.inf, 1]), "ask is infinite: inf at place 0; leave such ticks out"),
        (lambda: Ticks([1, 2], [1, 2], [1, -1]), "size is not finite, or negative: -1.0 at place 1; leave such ticks out"),
        (lambda: Ticks([1, 2], [1, 2], [np.nan, 1]), "size is not finite, or negative: nan at place 0; leave such ticks out"),
    ],
)
def test_arrays_that_cannot_be(ticks: Callable[[], Ticks], says: str) -> None:
    with pytest.raises(DataError) as caught:
        ticks()
    assert str(caught.value) == says


def test_times_that_run_backwards_are_late() -> None:
    """As in a feed: a print that is too old for its bar is counted and left out."""
    swapped = TS.copy()
    swapped[3_000] -= 600 * SECOND
    result = backtest(Ticks(swapped, PRICE, SIZE), timeframe="1")
    assert (result.late, int(result.bars.ticks.sum())) == (1, COUNT - 60 - 1)  # the last minute is not over


def test_no_ticks_give_an_empty_result() -> None:
    nothing = np.empty(0)
    result = backtest(Ticks(nothing.astype(np.int64), nothing))
    assert (len(result.bars), len(result.fills), len(result.equity.value), result.stats.trades) == (0, 0, 0, 0)
    assert result.stats.final_equity == 100_000


# --- strategies ---


def test_a_strategy_by_name_file_or_class(tmp_path: Path) -> None:
    file = tmp_path / "higher.py"
    file.write_text(FILE)
    results = [backtest(strategy=given, params=None) for given in (Higher, file, str(file))]
    assert len(results[0].trades) > 5
    assert len({result.digest for result in results}) == 1
    assert backtest(strategy="ema").digest != results[0].digest


def test_a_class_without_a_name_gets_its_own() -> None:
    class Nameless(Higher):
        pass

    del Higher.name
    try:
        assert backtest(strategy=Nameless, params=None).strategy.name == "nameless"
    finally:
        Higher.name = "higher"


def test_parameters_come_as_they_are_or_as_text() -> None:
    assert backtest(params={"period_1": "3", "period_2": "8"}).digest == backtest().digest
    assert backtest(params={"period_1": 3}).params == {
        "period_1": 3,
        "period_2": 21,
        "trend_line_1": "EMA",
        "trend_line_2": "EMA",
        "direction": "both",
        "trend_filter": "none",
        "trend_period": None,
        "session": None,
    }


def test_a_class_that_raises_is_told_of_with_its_line() -> None:
    class Broken(Higher):
        def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
            raise KeyError("nothing")

    line = Broken.on_new_bar.__code__.co_firstlineno + 1
    with pytest.raises(StrategyError, match=rf"test_interface\.py, line {line}: KeyError: 'nothing'"):
        backtest(strategy=Broken, params=None)


def test_a_class_of_a_session_without_files_is_told_of_too() -> None:
    code = (
        "from fortified import BaseStrategy, Ticks, run_backtest\n"
        "class Mine(BaseStrategy):\n"
        "    def warmup_periods(self): return 1\n"
        "    def on_new_bar(self, bar, current_position): return 1 / 0\n"
        "try: run_backtest(Ticks([1, 2], [5, 5]), symbol='/ES', timeframe='1t', strategy=Mine, calendar='24/7')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("StrategyError strategy 'mine' failed on the 1t bar of /ES")
    assert ended.stdout.endswith("at <string>, line 4: ZeroDivisionError: division by zero\n")


# --- the same as the command line ---


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--fill", "last", "--slippage-ticks", "1"), {"fill": "last", "slippage_ticks": 1}),
        (
            ("--fee", "2.00/contract", "--quantity", "3", "--flatten-at-end"),
            {"fee": "2.00/contract", "quantity": 3, "flatten_at_end": True},
        ),
        (("--latency-ms", "1500"), {"latency_ms": 1500}),
        (
            ("--stop-loss", "8ticks", "--take-profit", "0.1%", "--trailing", "1.5atr"),
            {"stop_loss": "8ticks", "take_profit": "0.1%", "trailing": "1.5atr"},
        ),
        (("--sizing", "50%", "--cash", "5000000.50"), {"sizing": "50%", "cash": 5_000_000.50}),
        (("--sizing", "all_in", "--cash", "5000000"), {"sizing": "all_in", "cash": Decimal(5_000_000)}),
        (("--warmup", "40", "--calendar", "24/7"), {"warmup": 40, "calendar": "24/7"}),
        (
            ("--tick-size", "0.05", "--multiplier", "7", "--slippage-ticks", "1"),
            {"tick_size": 0.05, "multiplier": "7", "slippage_ticks": 1},
        ),
    ],
)
def test_the_options_are_those_of_the_command(run: Command, tmp_path: Path, words: tuple[str, ...], options: dict[str, Any]) -> None:  # noqa: F811  # it is the fixture
    strategy = ("--strategy", "ema", "--param", "period_1=3", "--param", "period_2=8")
    ended = run("backtest", day(tmp_path), "--symbol", "/NQ", "--timeframe", "20t", *strategy, *words, "--json", "-")
    assert ended.code == 0, ended
    said = json.loads(ended.out)
    found = backtest(**options)
    assert (found.digest, len(found.trades)) == (said["digest"], len(said["trades"]))
    assert len(found.trades) > 5
    assert float(found.stats.final_equity) == said["stats"]["final_equity"]
    assert (found.digest != backtest().digest) == bool(words)


def test_bars_of_a_file(run: Command, tmp_path: Path) -> None:  # noqa: F811  # it is the fixture
    made = run("bars", day(tmp_path), "--symbol", "/NQ", "--timeframe", "1", "--out", "bars.csv")
    assert made.code == 0, made
    words = ("--symbol", "/NQ", "--timeframe", "1", "--strategy", "ema", "--param", "period_1=3", "--param", "period_2=8")
    said = json.loads(run("backtest", "bars.csv", "--bars-timeframe", "1", *words, "--json", "-").out)
    found = backtest(load_bars(tmp_path / "bars.csv", "1m"), timeframe="1")
    assert (len(found.bars), found.digest) == (100, said["digest"])
    assert found.digest != backtest(timeframe="1").digest  # of ticks the fill is the next tick, of bars the next open


def test_files_one_after_the_other(tmp_path: Path) -> None:
    whole = load_ticks(day(tmp_path))
    for name, part in (("a", slice(None, 2_500)), ("b", slice(2_500, None))):
        pl.DataFrame({"ts_ns": TS[part], "price": PRICE[part], "size": SIZE[part]}).write_csv(tmp_path / f"{name}.csv")
    assert backtest(load_ticks(tmp_path / "a.csv", str(tmp_path / "b.csv"))).digest == backtest(whole).digest
    with pytest.raises(DataError, match="Give the files in the order of time"):
        load_ticks(tmp_path / "b.csv", tmp_path / "a.csv")


def test_the_symbol_of_a_file_with_several(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ts_ns,symbol,price,size\n" + "".join(f"{START + i},{name},5,1\n" for i in range(3) for name in ("/ES", "/NQ", "/NQ")))
    assert len(load_ticks(path, symbol="/NQ")) == 6
    with pytest.raises(DataError, match=r"t\.csv holds several symbols: /ES, /NQ"):
        load_ticks(path)


def test_progress_counts_to_the_last_row() -> None:
    told: list[tuple[int, int]] = []
    backtest(strategy=Higher, params=None, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (COUNT, COUNT)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# --- what cannot be ---


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"symbol": "/QQQQ"}, "The future /QQQQ is not known"),
        ({"symbol": ""}, "'' is not a symbol"),
        ({"timeframe": "0t"}, "'0t' is not a timeframe"),
        ({"strategy": "emu"}, "unknown strategy 'emu'; known are: ema"),
        ({"strategy": "nothing.py"}, "nothing.py does not exist"),
        ({"strategy": Path("nothing.py")}, "nothing.py does not exist"),
        ({"params": {"perios": 1}}, "strategy 'ema' has no parameter 'perios'; it has: direction, period_1"),
        ({"params": {"period_1": "x"}}, "strategy 'ema': Expected `int`, got `str`"),
        ({"params": {"period_1": 0}}, "period_1"),
        ({"quantity": 0}, "quantity 0 is not possible; give a whole number above 0"),
        ({"quantity": Decimal("1.5")}, "quantity 1.5 is not possible"),
        ({"quantity": "much"}, "quantity 'much' is not a number"),
        ({"quantity": float("inf")}, "quantity inf is not a finite number"),
        ({"sizing": "much"}, "sizing 'much' is not understood; write fixed, all_in, or a share of the equity"),
        ({"cash": float("nan")}, "cash nan is not a finite number"),
        ({"cash": 0}, "cash 0 is not possible; give an amount above 0"),
        ({"slippage_ticks": -1}, "slippage_ticks -1 is not possible; give 0 or more"),
        ({"slippage_ticks": 1.5}, "slippage_ticks 1.5 is not possible; give a whole number, 0 or more"),
        ({"latency_ms": -1}, "latency_ms -1 is not possible; give 0 or more"),
        ({"latency_ms": float("inf")}, "latency_ms inf is not a finite number"),
        ({"warmup": -1}, "warmup -1 is not possible; give 0 or more"),
        ({"warmup": "much"}, "warmup 'much' is not a number"),
        ({"fee": 2.0}, "fee '2.0' is not understood; write 0, 2.00/contract"),
        ({"stop_loss": 20}, "stop_loss: distance '20' is not understood; write 20ticks"),
        ({"strategy": object}, "strategy <class 'object'> is none; give a registered name, a Python file, or a subclass of BaseStrategy"),
        ({"strategy": BaseStrategy}, "is none; give a registered name"),
        ({"strategy": 3}, "strategy 3 is none; give a registered name"),
        ({"fill": "never"}, "fill 'never' is unknown; choose next or last"),
        ({"fee": "much"}, "fee 'much' is not understood; write 0, 2.00/contract, 0.005/share or 0.1%"),
        ({"stop_loss": "20"}, "stop_loss: distance '20' is not understood; write 20ticks, 10pts, 0.5% or 1.5atr"),
        ({"take_profit": "-1pts"}, "take_profit: distance '-1pts' is not understood"),
        ({"trailing": "0%"}, "trailing: distance '0%' is not understood"),
        ({"calendar": "moon"}, "There is no calendar 'moon'. Use one of: 24/7, CME_INDEX"),
        ({"tick_size": 0}, "tick size 0 is not possible; give a number above 0"),
        ({"tick_size": "x"}, "tick_size 'x' is not a number"),
        ({"multiplier": float("nan")}, "multiplier nan is not a finite number"),
    ],
    ids=str,
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        backtest(**options)
    assert says in str(caught.value)


@pytest.mark.parametrize("data", [[1, 2], TS])
def test_data_that_is_none(data: Any) -> None:
    with pytest.raises(DataError, match="is no data to run over; give Ticks"):
        backtest(data)


@pytest.mark.parametrize(
    ("load", "says"),
    [
        (lambda: load_ticks("nothing.parquet"), "nothing.parquet does not exist"),
        (load_ticks, "No tick file is given. Give at least one"),
        (lambda: load_bars("nothing.csv", "1"), "nothing.csv does not exist"),
        (lambda: load_bars("nothing.csv", "7parsecs"), "'7parsecs' is not a timeframe"),
    ],
)
def test_files_that_cannot_be(load: Callable[[], object], says: str) -> None:
    with pytest.raises(FortifiedError) as caught:
        load()
    assert says in str(caught.value)
