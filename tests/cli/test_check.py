"""`fortified check` on the command line: what it prints and writes, and how it ends."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.data import ticks

ON = ("--symbol", "/ES", "--timeframe", "5t", "--calendar", "24/7")
STRATEGY = """
import random
from fortified import BaseStrategy, Signal, Target

class Mine(BaseStrategy):
    name = "mine[1]"
    def warmup_periods(self): return 2
    def on_new_bar(self, bar, position): return Signal(Target.LONG if UP else Target.SHORT, "entry_up")
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Prices that wander, the same in every run: sums of three unequal waves."""
    return ticks(tmp_path / "t.csv", ((i * 0.5, 5000 + 0.25 * (i % 37 - i % 23 + i % 101), 1) for i in range(1500)))


def strategy(up: str) -> str:
    Path("mine.py").write_text(STRATEGY.replace("UP", up))
    return "mine.py"


def test_a_clean_strategy_ends_well(run: Command, data: Path) -> None:
    ended = run("check", strategy("bar.close > bar.open"), data, *ON)
    assert ended.code == 0, ended
    assert ended.err == ""
    assert ended.out.startswith("mine[1] on /ES 5t: 300 bars, 300 signals, warm-up 2 bars")
    assert ended.out.rstrip().endswith("6 ok")
    assert all(name in ended.out for name in ("determinism", "surroundings", "look-ahead", "inputs", "durability", "warm-up"))


def test_a_fault_is_told_with_its_place_and_ends_with_1(run: Command, data: Path) -> None:
    ended = run("check", strategy("random.random() < 0.5"), data, *ON)
    assert ended.code == 1, ended
    said = " ".join(ended.out.split())
    assert "determinism failed a second run over the same data gave another answer" in said
    assert "2025-06-16 15:" in said
    assert "'entry_up' instead of" in said
    assert "1 ok, 1 failed, 4 undecided" in said


def test_a_warning_fails_only_when_strict_and_its_numbers_are_shown(run: Command, data: Path) -> None:
    words = ("check", "ema", data, *ON, "--param", "period_2=15", "--param", "period_1=4")
    ended = run(*words)
    assert ended.code == 0, ended
    assert "5 ok, 1 warning" in ended.out
    assert "use --warmup" in " ".join(ended.out.split())
    assert "line_2" in ended.out
    assert run(*words, "--strict").code == 1
    lax = run(*words, "--strict", "--tolerance", "1", "--warmup", "120", "--json", "-")
    assert lax.code == 2
    assert "needs at least 530" in lax.err


def test_the_verdict_as_json(run: Command, data: Path) -> None:
    ended = run("check", "ema", data, *ON, "--param", "period_2=15", "--param", "period_1=4", "--strict", "--cuts", "5", "--json", "-")
    assert ended.code == 1
    verdict = json.loads(ended.out)
    assert verdict.items() >= {"passed": False, "strategy": "ema", "symbol": "/ES", "timeframe": "5t", "bars": 300, "warmup": 15}.items()
    assert [finding["status"] for finding in verdict["findings"]] == ["ok"] * 5 + ["warning"]
    assert verdict["findings"][2]["text"].startswith("5 histories")
    assert verdict["findings"][5]["difference"].keys() == {"bar", "ts_ns", "moment", "expected", "found"}
    assert {row["name"] for row in verdict["values"]} >= {"line_2"}
    to_file = run("check", strategy("bar.close > bar.open"), data, *ON, "--json", "out.json")
    assert to_file.code == 0
    assert json.loads(Path("out.json").read_text())["passed"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("emu", "t.csv", *ON), "known are: ema"),
        (("nothing.py", "t.csv", *ON), "nothing.py does not exist"),
        (("ema", "nothing.csv", *ON), "nothing.csv"),
        (("ema", "t.csv", *ON, "--param", "perios=3"), "it has: direction, period_1"),
        (("ema", "t.csv", *ON, "--param", "period_2=200"), "the data makes 300 bars of 5t, and the check needs at least 850"),
        (("ema", "t.csv", *ON, "--cuts", "0"), "cuts"),
        (("ema", "t.csv", *ON, "--tolerance", "-1"), "tolerance -1.0"),
        (("ema", "t.csv", "--symbol", "/QQQQ", "--timeframe", "1"), "/QQQQ"),
        (("ema", "t.csv", *ON, "--json", "missing/out.json"), "missing"),
        (("ema",), "files"),
    ],
)
def test_bad_input_ends_with_2(run: Command, data: Path, words: tuple[str, ...], said: str) -> None:
    ended = run("check", *words)
    assert ended.code == 2, ended
    assert ended.out == ""
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_a_strategy_that_raises_ends_with_its_line(run: Command, data: Path) -> None:
    ended = run("check", strategy("1 / 0"), data, *ON)
    assert ended.code == 1
    assert "mine.py, line 8: ZeroDivisionError" in ended.err


PLUGIN = """
import random
from fortified import BaseStrategy, Signal, Target

class Dice(BaseStrategy):
    name = "dice"
    def warmup_periods(self): return 2
    def on_new_bar(self, bar, position): return Signal(Target.LONG if random.random() < 0.5 else Target.SHORT, "thrown")
"""


def test_all_strategies_in_turn(run: Command, data: Path) -> None:
    """The built-in ones pass, save for what the ema is known for; those of plugins are found, and one that cannot run is named."""
    words = ("check", "--all", data, "--symbol", "/ES", "--timeframe", "1t", "--calendar", "24/7", "--cuts", "4")
    ended = run(*words)
    assert ended.code == 0, ended
    header, *rows = ended.out.splitlines()
    assert header.split() == [
        *("strategy", "bars", "signals", "warm-up", "of"),
        *("determinism", "surroundings", "look-ahead", "inputs", "durability", "warm-up"),
    ]
    assert [row.split()[:2] for row in rows[:3]] == [["ema", "1500"], ["supertrend", "1500"], ["triple_ema", "1500"]]
    assert "failed" not in ended.out
    Path("plugins").mkdir()
    Path("plugins/dice.py").write_text(PLUGIN)
    Path("plugins/broken.py").write_text("import nothing_like_this")
    ended = run(*words, "--json", "out.json")
    assert ended.code == 1, ended
    said = " ".join(ended.out.split())
    assert "dice, determinism: a second run over the same data gave another answer" in said
    assert "plugins/broken.py, line 1: ModuleNotFoundError" in said
    assert said.endswith("1 not checked")
    result = json.loads(Path("out.json").read_text())
    assert result["passed"] is False
    assert {one["strategy"]: one["passed"] for one in result["strategies"]} == {
        **{"ema": True, "supertrend": True, "triple_ema": True},
        **{"dice": False, "plugins/broken.py, line 1": False},
    }


def test_a_strategy_that_needs_more_data_does_not_keep_the_others_from_it(run: Command, data: Path) -> None:
    ended = run("check", "--all", data, *ON, "--cuts", "2")
    assert ended.code == 1, ended
    assert ended.out.splitlines()[1].split()[:2] == ["ema", "300"]
    assert "supertrend: the data makes 300 bars of 5t, and the check needs at least 850" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("t.csv", *ON, "--param", "period_1=3"), "--all checks each with its defaults"),
        (("nothing.csv", *ON), "nothing.csv"),
        (("t.csv", "--symbol", "/ES", "--timeframe", "5x"), "5x"),
        (("t.csv", "--symbol", "/QQQQ", "--timeframe", "1"), "/QQQQ"),
        (("t.csv", *ON, "--tolerance", "-1"), "tolerance -1.0"),
    ],
)
def test_bad_input_to_all_ends_with_2(run: Command, data: Path, words: tuple[str, ...], said: str) -> None:
    ended = run("check", "--all", *words)
    assert ended.code == 2, ended
    assert said in " ".join(ended.err.split())
