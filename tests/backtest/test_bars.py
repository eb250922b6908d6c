"""Bars of whole arrays are bit for bit those of the aggregators, with compiled loops and without."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.builders import HOUR, MINUTE, SECOND, ns

import fortified
from fortified.adapters.files import load_ticks
from fortified.aggregation.factory import create_aggregator
from fortified.backtest import bars as backtest_bars
from fortified.backtest.bars import Built, build_bars
from fortified.backtest.columns import TickColumns
from fortified.domain.calendar import Calendar, get_calendar
from fortified.domain.market import Bar, BarFlag, Tick
from fortified.domain.timeframe import Timeframe

TIMEFRAMES = ["1", "5", "30s", "1h", "4h", "1d", "1t", "2t", "3t", "144t"]
CALENDARS = ["24/7", "CME_INDEX", "CME_GRAINS", "NYSE"]
ANCHORS = [
    ns("2025-03-04 22:00"),  # a close of futures, in winter
    ns("2025-03-09 22:00"),  # the open after clocks went forward
    ns("2025-11-02 07:00"),  # the night in which they go back
    ns("2025-03-05 13:45"),  # the morning break of grains
    ns("2025-03-05 19:20"),  # their close
    ns("2025-11-28 18:00"),  # shares close early
    ns("2025-03-07 21:00"),  # a close of shares
]
DATA = Path(__file__).parents[3] / "shared" / "data" / "ticks"


class Columns(SimpleNamespace):
    ts_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    bid: None = None
    ask: None = None


def columns(stamps: list[int], prices: list[float], sizes: list[float]) -> Columns:
    return Columns(ts_ns=np.array(stamps, np.int64), price=np.array(prices, np.float64), size=np.array(sizes, np.float64))


def fed(ticks: TickColumns, timeframe: Timeframe, calendar: Calendar) -> tuple[list[Bar], int, int, list[bool]]:
    """What an aggregator makes of the ticks, one by one."""
    aggregator = create_aggregator("X", timeframe, calendar)
    bars, accepted = [], []
    for row, (ts, price, size) in enumerate(zip(ticks.ts_ns.tolist(), ticks.price.tolist(), ticks.size.tolist(), strict=True)):
        tick = Tick("X", row, ts, ts, price, size)
        bars.append(aggregator.before(tick))
        accepted.append(aggregator.add(tick))
        bars.append(aggregator.after())
    return [bar for bar in bars if bar is not None], aggregator.late, aggregator.out_of_session, accepted


def bits(bars: list[Bar]) -> list[str]:
    """Every field as text that tells -0.0 from 0.0, and NaN from no NaN."""
    return [repr(msgspec.structs.replace(bar, flags=int(bar.flags))) for bar in bars]


def check(ticks: TickColumns, timeframe_name: str, calendar_name: str) -> Built:
    timeframe, calendar = Timeframe.parse(timeframe_name), get_calendar(calendar_name)
    built = build_bars(ticks, timeframe, calendar)
    bars, late, out_of_session, accepted = fed(ticks, timeframe, calendar)
    assert bits(built.bars.bars("X", timeframe.name)) == bits(bars)
    assert len(built.bars) == len(bars)
    assert (built.late, built.out_of_session) == (late, out_of_session)
    assert (None if built.accepted is None else built.accepted.tolist()) == (None if all(accepted) else accepted)
    return built


@st.composite
def tapes(draw: st.DrawFn, back: bool = False) -> Columns:
    """Ticks around a boundary, close together or over days, some exactly on it; ``back``: some stamped earlier than those before."""
    dice = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, spread = draw(st.integers(0, 400)), draw(st.sampled_from([SECOND, 10 * MINUTE, 3 * HOUR, 20 * HOUR, 90 * HOUR]))
    offsets = np.concatenate((dice.integers(-spread, spread, count), dice.integers(-1, 2, draw(st.integers(0, 9)))))
    stamps = draw(st.sampled_from(ANCHORS)) + np.sort(dice.choice(offsets, len(offsets)) if len(offsets) else offsets)
    if back:
        stamps -= dice.choice([0, 0, 0, 1, SECOND, spread // 4], len(stamps))
    low, high = draw(st.sampled_from([(-8, 400), (-2, 1), (0, 2)]))
    price, size = dice.integers(low, high, len(stamps)) / 4, dice.integers(0, 4, len(stamps)).astype(np.float64)
    if draw(st.booleans()):  # sums that depend on their order
        price, size = price + dice.normal(size=len(stamps)), size * dice.random(len(stamps))
    return Columns(ts_ns=stamps.astype(np.int64), price=np.where(price == 0, dice.choice([-0.0, 0.0], len(stamps)), price), size=size)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_bars, "kernels", lambda: None)


@settings(max_examples=400)
@given(tapes(), st.sampled_from(TIMEFRAMES), st.sampled_from(CALENDARS))
def test_bars_are_those_of_the_aggregators(ticks: Columns, timeframe: str, calendar: str) -> None:
    check(ticks, timeframe, calendar)


@given(tapes(back=True), st.sampled_from(TIMEFRAMES), st.sampled_from(CALENDARS))
def test_also_where_time_runs_backwards(ticks: Columns, timeframe: str, calendar: str) -> None:
    check(ticks, timeframe, calendar)


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_also_without_numba(timeframe: str, calendar: str) -> None:
    check(busy_week(2_000), timeframe, calendar)


def busy_week(count: int) -> Columns:
    """Ticks over a week with a change of clocks; many in a bar, many with the stamp of the one before, every boundary crossed."""
    dice = np.random.default_rng(11)
    steps = dice.integers(0, 4 * 8 * 24 * HOUR // count, count) * dice.integers(0, 2, count)
    price = 100 + np.cumsum(dice.normal(size=count)) * 0.1
    return Columns(ts_ns=ns("2025-03-05 00:00") + np.cumsum(steps), price=price, size=dice.integers(0, 9, count) * 0.1)


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_busy_week(timeframe: str, calendar: str) -> None:
    built = check(busy_week(20_000), timeframe, calendar)
    assert len(built.bars) > 3
    assert (built.out_of_session > 0) == (calendar != "24/7")


def test_a_day_goes_on_behind_its_break_without_the_prints_in_it() -> None:
    night, pause, day = ns("2025-03-05 13:00"), ns("2025-03-05 14:00"), ns("2025-03-05 15:00")
    ticks = columns([night, pause, day, ns("2025-03-05 19:20")], [1.0, 9.0, 2.0, 9.0], [1.0] * 4)
    built = check(ticks, "1d", "CME_GRAINS")
    [bar] = built.bars.bars("ZC", "1d")
    assert (bar.high, bar.ticks, bar.seq, bar.flags) == (2.0, 2, 2, 0)
    assert (built.out_of_session, built.accepted is not None and built.accepted.tolist()) == (2, [True, False, True, False])


def test_a_stamp_behind_the_close_proves_the_short_bar() -> None:
    close = ns("2025-03-04 22:00")
    assert len(check(columns([close - 2, close - 1], [1.0, 2.0], [1.0, 1.0]), "3t", "CME_INDEX").bars) == 0
    built = check(columns([close - 2, close - 1, close], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]), "3t", "CME_INDEX")
    assert (built.bars.complete.tolist(), built.bars.flags.tolist(), built.bars.ticks.tolist()) == ([False], [BarFlag.SESSION_END], [2])


@pytest.mark.parametrize("calendar", [*CALENDARS, "NYSE_EXTENDED"])  # the last was open at 0
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize(
    "stamps", [[], [0], [-5, -1], [-5, 0, 7], [2**63 - 2 * HOUR, 2**63 - 3, 2**63 - 2]], ids=["none", "one", "negative", "zero", "end"]
)
def test_the_ends_of_time(stamps: list[int], timeframe: str, calendar: str) -> None:
    check(columns(stamps, [1.5] * len(stamps), [2.0] * len(stamps)), timeframe, calendar)


@pytest.mark.parametrize("row", [1, 4095, 4096, 4097, 9999])
def test_a_step_back_of_one_nanosecond_is_seen(row: int) -> None:
    compiled = backtest_bars.kernels()
    assert compiled is not None
    stamps = np.repeat(np.arange(5_000), 2)
    assert compiled.forward(stamps)
    stamps[row:] -= stamps[row] - stamps[row - 1] + 1
    assert not compiled.forward(stamps)


@pytest.mark.parametrize("timeframe", ["1", "3t"])
def test_numbers_that_are_none(timeframe: str) -> None:
    nan, inf = float("nan"), float("inf")
    stamps = [ns("2025-03-05 15:00") + row * 10 * SECOND for row in range(40)]
    check(columns(stamps, [nan, 1.0, inf, -0.0, 0.0, 2.0, nan, -inf] * 5, [0.0, nan, 1.0, inf] * 10), timeframe, "24/7")


@pytest.mark.parametrize("change", [lambda column: column[::2], lambda column: column.astype(column.dtype.newbyteorder())])
def test_columns_of_any_layout_and_read_only(change: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> None:
    week = busy_week(500)
    ticks = Columns(**{name: change(column) for name, column in vars(week).items()})
    for column in vars(ticks).values():
        column.flags.writeable = False
    check(ticks, "1", "CME_INDEX")


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not in the project")
@pytest.mark.parametrize("timeframe", ["1", "30s", "1h", "1d", "144t"])
@pytest.mark.parametrize(("file", "calendar"), [("ESU4_20240701T2358_trades.csv.gz", "CME_INDEX"), ("SPY_20131007_trades.csv.gz", "NYSE")])
def test_real_ticks(file: str, calendar: str, timeframe: str) -> None:
    check(load_ticks([DATA / file]), timeframe, calendar)


PROBE = """
import sys
import fortified.backtest.bars
{setup}
print(fortified.backtest.bars.kernels() is not None)
"""
COMMANDS = """
import fortified.cli.bars, fortified.cli.serve
assert "numba" not in sys.modules
sys.modules["numba"] = None
"""
READ_ONLY = """
import tempfile
def refuse(*_, **__): raise PermissionError("read only")
tempfile.TemporaryFile = refuse
import builtins, io
def read_only(file, mode="r", *rest, **options): return refuse() if "w" in mode else io.open(file, mode, *rest, **options)
builtins.open = read_only
"""


def probe(setup: str, **environment: str) -> list[str]:
    """What a fresh interpreter says that builds bars after ``setup``."""
    given = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | environment
    done = subprocess.run([sys.executable, "-c", PROBE.format(setup=setup)], env=given, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_no_command_imports_numba_to_begin_with_and_none_needs_it() -> None:
    assert probe(COMMANDS) == ["False"]


@pytest.mark.timeout(180)  # it compiles twice
def test_a_tree_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    shutil.copytree(Path(fortified.__file__).parent, tmp_path / "fortified", ignore=shutil.ignore_patterns("__pycache__", "static"))
    tree = {"PYTHONPATH": str(tmp_path), "NUMBA_DEBUG_CACHE": "1"}
    assert probe(READ_ONLY, **tree) == ["True"]  # compiled, and nothing kept
    *saved, answer = probe("", **tree)
    assert answer == "True"
    compiled = (Path(fortified.__file__).parent / "backtest" / "kernels.py").read_text().count("@kernel(")
    assert sum("data saved" in line for line in saved) == compiled
    *loaded, answer = probe(READ_ONLY, **tree)
    assert answer == "True"
    assert sum(f"data loaded from '{tmp_path}" in line for line in loaded) == compiled
