"""Strategies that cheat, forget or are warm too late are found out, each by the check that names its fault; honest ones pass."""

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fortified.domain.errors import ConfigError, DataError, StrategyError
from fortified.engine.fills import FillModel
from fortified.registry import BUILT_IN
from fortified.research.check.run import check_files
from fortified.research.check.verdict import Finding, Verdict
from fortified.runs import RunOptions

SECOND = 1_000_000_000
SUNDAY_OPEN = 1_772_402_400 * SECOND  # 2026-03-01 17:00 in Chicago
TICKS, PER_BAR = 4_000, 10

HEAD = """
import gc, os, random, sys
from datetime import datetime
from pathlib import Path
import msgspec
import polars
from fortified import EMA, SMA, Bar, BaseStrategy, Signal, Target

class Base(BaseStrategy):
    name = "mine"
    warm = 6
    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.average = SMA(5)
        self.last = None
    def warmup_periods(self):
        return self.warm
    def cross(self, close):
        last, before = self.last, self.average.value
        self.last, now = close, self.average.update(close)
        if before is None or now is None or (close > now) == (last > before):
            return None
        return Signal(Target.LONG if close > now else Target.SHORT, "cross")
    def if_up(self, up):
        return Signal(Target.LONG if up else Target.SHORT, "knows")
"""
HONEST = """
class Mine(Base):
    def on_new_bar(self, bar, position):
        return self.cross(bar.close)
"""
ON_TICK = """
class Mine(Base):
    def on_new_bar(self, bar, position):
        self.cross(bar.close)
    def on_tick(self, tick, position):
        if self.last is None or tick.fill < 0.5 or abs(tick.price - self.last) < 2:
            return None
        return self.if_up(tick.price > self.last)
"""


def answering(what: str) -> str:
    """A strategy that answers a bar so."""
    return HONEST.replace("self.cross(bar.close)", what)


def market(path: Path) -> Path:
    """A seeded walk, a tick a second."""
    dice = np.random.default_rng(4)
    price = 5_000 + 0.25 * np.cumsum(dice.integers(-2, 3, TICKS))
    stamps = SUNDAY_OPEN + np.arange(TICKS) * SECOND
    pl.DataFrame({"ts_ns": stamps, "price": price, "size": dice.integers(1, 5, TICKS)}).write_csv(path)
    return path


Check = Callable[..., Verdict]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks a strategy, by name or by the code that follows HEAD, over the market or a file."""

    def checked(code: str, *, file: Path | None = None, tolerance: float = 1e-6, **asked: Any) -> Verdict:
        strategy, data = tmp_path / "mine.py", file or market(tmp_path / "ticks.csv")
        strategy.write_text(HEAD + code.replace("DATA", repr(str(data))))
        fields: dict[str, Any] = {
            **{"files": (data,), "symbol": "/ES", "timeframe": f"{PER_BAR}t", "strategy": str(strategy) if "class" in code else code},
            **{"params": {}, "quantity": Decimal(1), "fills": FillModel(), "fee": "0", "warmup": None, "calendar": "24/7"},
            **{"tick_size": None, "multiplier": None, "flatten": False, "speed": None},
        }
        options = RunOptions(**(fields | asked))
        return check_files(options, tolerance=tolerance, progress=lambda *_: None, report=lambda _: None)

    return checked


def found(verdict: Verdict, name: str) -> Finding:
    return next(finding for finding in verdict.findings if finding.check == name)


def statuses(verdict: Verdict) -> dict[str, str]:
    return {finding.check: finding.status for finding in verdict.findings}


CLEAN = dict.fromkeys(("determinism", "surroundings", "look-ahead", "inputs", "durability", "warm-up"), "ok")


@pytest.mark.parametrize("code", [HONEST, ON_TICK], ids=["bars", "ticks"])
def test_an_honest_strategy_passes(check: Check, code: str) -> None:
    verdict = check(code)
    assert statuses(verdict) == CLEAN, verdict.findings
    assert verdict.bars == TICKS // PER_BAR
    assert verdict.signals > 20
    assert verdict.values == ()


def test_an_average_that_never_forgets_is_warned_of_and_the_advice_holds(check: Check) -> None:
    verdict = check("ema", params={"period_1": "3", "period_2": "12"})
    assert statuses(verdict) == CLEAN | {"warm-up": "warning"}, verdict.findings
    warm = found(verdict, "warm-up")
    assert "another signal from 12 bars of history than from 24" in warm.text
    assert warm.difference is not None
    assert "nothing" in str(warm.difference)
    assert "cross_" in str(warm.difference)
    slow = verdict.values[-1]
    assert slow.name == "line_2"
    assert slow.after_l is not None
    assert slow.after_2l is not None
    assert slow.relative == abs(slow.after_l - slow.after_2l) / max(slow.after_l, slow.after_2l) > 1e-6
    assert slow.settles_after is not None
    assert slow.settles_after > 12
    advised = check("ema", params={"period_1": "3", "period_2": "12"}, warmup=int(warm.text.split("--warmup ")[1].split(",")[0]))
    assert statuses(advised) == CLEAN
    assert advised.values == ()


@pytest.mark.parametrize("name", [strategy.name for strategy in BUILT_IN])
def test_every_built_in_strategy_as_it_is_by_default(check: Check, name: str) -> None:
    """Each is what it is meant to be; the average of the ema alone is not settled by its own warm-up, and it says so."""
    verdict = check(name, timeframe="4t")
    assert statuses(verdict) == CLEAN | ({"warm-up": "warning"} if name == "ema" else {}), verdict.findings
    assert verdict.signals > 5


COUNTS = HONEST.replace("return", "self.bars = getattr(self, 'bars', 0) + 1\n        return")


def test_numbers_that_differ_alone_are_told_and_no_fault(check: Check) -> None:
    verdict = check(COUNTS)
    assert statuses(verdict) == CLEAN
    assert [(row.name, row.after_l, row.after_2l, row.settles_after) for row in verdict.values] == [("bars", 6, 12, None)]


READS = COUNTS.replace("self.cross(bar.close)", "self.if_up(PRICES[min(10 * self.bars + 9, 3999)] > bar.close)")
FRAMES = """
class Mine(Base):
    def on_new_bar(self, bar, position):
        frame = sys._getframe()
        while "events" not in frame.f_locals:
            frame = frame.f_back
            if frame is None:
                return None
        events = frame.f_locals["events"]
        while hasattr(events, "gi_frame"):
            events = events.gi_frame.f_locals["events"]
        bars = events.__reduce__()[1][0].__reduce__()[1][0]
        return self.if_up(bars[-1].close > bar.close)
"""
MEMORY = """
bars = []
class Mine(Base):
    def on_new_bar(self, bar, position):
        global bars
        if not bars:
            bars = max((one for one in gc.get_objects() if type(one) is list and one and type(one[0]) is Bar), key=len)
        return self.if_up(bars[-1].close > bar.close)
"""


@pytest.mark.parametrize(
    "loaded",
    [
        "PRICES = [float(row.split(',')[1]) for row in Path(DATA).read_text().splitlines()[1:]]",
        pytest.param(
            "PRICES = polars.read_csv(DATA)['price'].to_list()",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only the kernel sees what polars opens"),
        ),
    ],
    ids=["csv", "polars"],
)
def test_a_list_filled_from_the_file_is_seen(check: Check, tmp_path: Path, loaded: str) -> None:
    verdict = check(loaded + READS)
    assert found(verdict, "inputs").status == "failed"
    assert f"{tmp_path / 'ticks.csv'} was opened" in found(verdict, "inputs").text


def test_the_bars_behind_a_cut_are_not_there(check: Check) -> None:
    verdict = check(FRAMES)
    cut = found(verdict, "look-ahead")
    assert cut.status == "failed"
    assert "cut behind row" in cut.text
    assert cut.difference is not None
    assert "'knows' instead of" in str(cut.difference)


def test_the_memory_of_another_process_holds_no_later_bars(check: Check, tmp_path: Path) -> None:
    cut = found(check(MEMORY), "look-ahead")
    assert cut.status == "failed"
    assert "holds 300 of 400 rows" in cut.text
    assert cut.difference is not None
    assert cut.difference.bar <= 300


@pytest.mark.parametrize(
    "code",
    [
        answering("self.if_up(random.random() < 0.5)"),
        "SEEN = []" + answering("self.if_up(len(SEEN) % 7)").replace("return", "SEEN.append(bar)\n        return"),
        """
made = 0
class Mine(Base):
    def __init__(self, config, logger):
        global made
        made += 1
        super().__init__(config, logger)
        self.second = made > 4
    def on_new_bar(self, bar, position):
        if self.second:
            raise LookupError("only once")
        return self.cross(bar.close)
""",
    ],
    ids=["chance", "module", "raises"],
)
def test_what_a_second_run_does_not_repeat(check: Check, code: str) -> None:
    verdict = check(code)
    assert statuses(verdict) == dict.fromkeys(CLEAN, "undecided") | {"determinism": "failed", "inputs": "ok"}, verdict.findings
    assert found(verdict, "determinism").difference is not None
    if "only once" in code:
        assert "mine.py, line" in str(found(verdict, "determinism").difference)


@pytest.mark.parametrize(
    "up",
    [
        "next(iter({f'up {bar.seq}', f'down {bar.seq}'})).startswith('up')",
        "hash(str(bar.seq)) % 2",
        "datetime.fromtimestamp(bar.ts_close / 1e9).minute < 30",
    ],
    ids=["set", "hash", "local time"],
)
def test_what_another_process_does_not_repeat(check: Check, up: str) -> None:
    verdict = check(answering(f"self.if_up({up})"))
    assert statuses(verdict).items() >= {"determinism": "ok", "surroundings": "failed", "look-ahead": "ok"}.items()
    assert found(verdict, "surroundings").difference is not None


@pytest.mark.parametrize(
    ("ends", "said"),
    [("os._exit(3)", "code 3: it said nothing"), ("sys.exit('enough')", "SystemExit: enough"), ("int('x')", "ValueError")],
)
def test_a_strategy_that_runs_only_here(check: Check, ends: str, said: str) -> None:
    verdict = check(f"if os.environ.get('TZ') == 'CHECK-13:17':\n    {ends}\n{HONEST}")
    assert statuses(verdict) == CLEAN | {"surroundings": "failed", "inputs": "undecided"}
    assert said in found(verdict, "surroundings").text


FORGETS = """
class Mine(Base):
    def __init__(self, config, logger):
        super().__init__(config, logger)
        self.bars = 0
    {methods}
    def on_new_bar(self, bar, position):
        self.bars += 1
        return self.if_up(True) if self.bars % 7 == 0 else None
"""


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ("def snapshot(self): return {}", "not in snapshot()"),
        ("def restore(self, state): pass", "not in snapshot()"),
        ("def snapshot(self): return {'bars': object()}", "cannot be stored"),
        ("def restore(self, state): self.bars = state['beers']", "KeyError"),
        (
            "kept = property(lambda self: 0, lambda self, value: vars(self).update(kept={value}))",
            "'kept' of type set cannot be made durable",
        ),
    ],
)
def test_what_a_restart_loses(check: Check, methods: str, said: str) -> None:
    code = FORGETS.format(methods=methods).replace(
        "self.bars = 0", "self.bars = 0\n        self.kept = 0" if "kept" in methods else "self.bars = 0"
    )
    finding = found(check(code), "durability")
    assert finding.status == "failed"
    assert said in finding.text


def test_a_restart_in_the_middle_of_a_bar_loses_nothing_of_the_ticks(check: Check) -> None:
    kept = ON_TICK.replace("if self.last", "self.ticks = getattr(self, 'ticks', 0) + 1\n        if self.ticks % 3 or self.last")
    assert found(check(kept), "durability").status == "ok"
    finding = found(check(kept.replace("self.ticks", "type(self).ticks").replace("getattr(self", "getattr(type(self)")), "determinism")
    assert finding.status == "failed"
    assert finding.difference is not None
    assert finding.difference.moment == "tick"


def test_an_indicator_that_is_not_ready_is_a_fault(check: Check) -> None:
    finding = found(check(HONEST.replace("(Base):", "(Base):\n    warm = 3")), "warm-up")
    assert finding.status == "failed"
    assert "after a warm-up of 3 bars average is not ready; it is after 5: return that" in finding.text


def test_signals_that_depend_on_where_the_history_begins_are_a_fault(check: Check) -> None:
    finding = found(check(FORGETS.format(methods="")), "warm-up")
    assert finding.status == "failed"
    assert "no length of history gives the same signals" in finding.text
    assert finding.difference is not None


def test_a_short_file_says_what_it_cannot_tell(check: Check) -> None:
    finding = found(check(FORGETS.format(methods=""), warmup=20), "warm-up")
    assert finding.status == "warning"
    assert "690 bars are needed" in finding.text


def test_a_strategy_that_needs_no_history(check: Check) -> None:
    assert statuses(check(answering("self.if_up(bar.close > bar.open)").replace("(Base):", "(Base):\n    warm = 0"))) == CLEAN


def test_changed_bars_and_other_files(check: Check, tmp_path: Path) -> None:
    (tmp_path / "levels.txt").write_text("5000")
    changes = answering("msgspec.structs.force_setattr(bar, 'close', 1.0)")
    with pytest.raises(StrategyError, match="changed bars"):
        check(changes)
    reads = f"LEVEL = float(Path({str(tmp_path / 'levels.txt')!r}).read_text())" + answering("self.if_up(bar.close > LEVEL)")
    finding = found(check(reads), "inputs")
    assert finding.status == "warning"
    assert "levels.txt" in finding.text


def test_bars_are_enough_unless_ticks_are_wanted(check: Check, tmp_path: Path) -> None:
    dice = np.random.default_rng(5)
    close = 5_000 + 0.25 * np.cumsum(dice.integers(-5, 6, 600))
    columns = {"ts_open": SUNDAY_OPEN + np.arange(600) * 60 * SECOND, "open": close, "high": close, "low": close, "close": close}
    pl.DataFrame(columns).write_csv(tmp_path / "bars.csv")
    asked: dict[str, Any] = {"file": tmp_path / "bars.csv", "timeframe": "5", "bars_timeframe": "1"}
    verdict = check(HONEST, **asked)
    assert statuses(verdict) == CLEAN
    assert verdict.bars == 120
    assert statuses(check(ON_TICK, **asked)) == CLEAN | {"ticks": "warning"}


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"timeframe": "1000t"}, DataError, "the data makes 4 bars of 1000t, and the check needs at least 74"),
        ({"tolerance": float("nan")}, ConfigError, "tolerance nan"),
        ({"tolerance": -1.0}, ConfigError, "tolerance -1.0"),
        ({"params": {"perios": "3"}}, ConfigError, "period_1"),
    ],
)
def test_what_cannot_be_checked(check: Check, asked: dict[str, Any], error: type[Exception], said: str) -> None:
    code = "ema" if "params" in asked else HONEST
    with pytest.raises(error, match=said):
        check(code, **asked)


def test_a_strategy_that_raises_is_no_finding(check: Check) -> None:
    with pytest.raises(StrategyError, match=r"mine.py, line \d+: ZeroDivisionError"):
        check(answering("1 / 0"))
    with pytest.raises(StrategyError, match="'mine' cannot be created: ZeroDivisionError"):
        check(HONEST.replace("(Base):", "(Base):\n    def __init__(self, config, logger): 1 / 0"))


@pytest.mark.parametrize("warm", ["-1", "2.5", "'9'"])
def test_a_warm_up_that_is_no_number_of_bars(check: Check, warm: str) -> None:
    with pytest.raises(ConfigError, match=rf"warmup_periods\(\) gave {warm}"):
        check(HONEST.replace("(Base):", f"(Base):\n    warm = {warm}"))
