"""`fortified optimize`: its table, its JSON, its report, and how it ends when it is interrupted or asked for the impossible."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.data import wave
from tests.research.optimize_stage import own, start

WORDS = ("--symbol", "/ES", "--timeframe", "5t", "--calendar", "24/7", "--jobs", "1")
GRID = ("--strategy", "ema", "--param", "period_1=2..4", "--param", "period_2=5..9:2")
GONE_S = 30.0
SLOW = "Path('slow').touch()"


def test_json_holds_the_whole_result(run: Command, tmp_path: Path) -> None:
    path = wave(tmp_path / "t.csv", 2_000)
    ended = run("optimize", path, *WORDS, *GRID, "--train", "0.6", "--walk-forward", "2", "--json", "-")
    assert ended.code == 0, ended
    result = json.loads(ended.out)
    assert result.keys() == {
        *("objective", "method", "space", "points", "folds", "warnings"),
        *("symbol", "timeframe", "strategy", "bars", "version"),
    }
    assert result["space"] == {"period_1": [2, 3, 4], "period_2": [5, 7, 9]}
    assert (len(result["points"]), len(result["folds"])) == (9, 2)
    point = result["points"][0]
    assert point["train"].keys() == point["test"].keys() >= {"net_pnl", "sharpe", "trades", "max_drawdown"}
    assert result["folds"][0].keys() >= {"number", "train_start_ns", "test_end_ns", "params", "train", "test"}

    words = ("--strategy", "ema", *(f"--param={name}={value}" for name, value in point["params"].items()))
    whole = run("optimize", path, *WORDS, *words, "--json", "-")
    single = run("backtest", path, *WORDS[:-2], *words, "--json", "-")
    assert json.loads(whole.out)["points"][0]["train"]["net_pnl"] == json.loads(single.out)["stats"]["net_pnl"]


def test_the_table_has_the_best_ten_and_the_doubts(run: Command, tmp_path: Path) -> None:
    ended = run(
        "optimize", wave(tmp_path / "t.csv", 2_000), *WORDS, "--strategy", "ema", "--param", "period_1=2..15", "--param", "period_2=20"
    )
    assert ended.code == 0, ended
    assert "ema on /ES 5t, by net_pnl" in ended.out
    assert "period_1" in ended.out
    assert "period_2" not in ended.out
    assert "the best 10 of 14 points" in ended.out
    assert "nothing was held back" in ended.err


@pytest.mark.parametrize("name", ["out.html", "out.json"])
def test_files_are_written(run: Command, tmp_path: Path, name: str) -> None:
    option = "--report" if name == "out.html" else "--json"
    ended = run("optimize", wave(tmp_path / "t.csv", 2_000), *WORDS, *GRID, option, name)
    assert ended.code == 0, ended
    assert "period_1" in (tmp_path / name).read_text(encoding="utf-8")
    assert "net_pnl" in ended.out


REFUSED = [
    (("--strategy", "ema", "--param", "period_3=1..2"), "has no parameter 'period_3'"),
    (("--strategy", "ema", "--param", "period_1=9..2"), "period_1=2..9"),
    (("--strategy", "ema", "--param", "period_1=-9..0"), "takes no value of period_1"),
    (("--strategy", "ema", "--param", "period_1"), "write name=value"),
    (("--strategy", "ema", "--param", "period_1=1..5000", "--param", "period_2=1..5000"), "let --method tpe --trials 1000"),
    (("--strategy", "none"), "unknown strategy 'none'"),
    ((*GRID, "--objective", "luck"), "'luck' is unknown; choose of net_pnl"),
    ((*GRID, "--method", "guess"), "choose grid, tpe, nsga2"),
    ((*GRID, "--method", "nsga2"), "two or more objectives"),
    ((*GRID, "--train", "70"), "such as 0.7"),
    ((*GRID, "--walk-forward", "500"), "too few for 500 folds"),
    ((*GRID, "--jobs", "many"), "a number of processes, or ray"),
    ((*GRID, "--jobs", "0"), "--jobs 0 is not possible"),
    ((*GRID, "--study", "s"), "--method tpe or nsga2"),
    ((*GRID, "--method", "tpe", "--study", " "), "give the study a name"),
    ((*GRID, "--method", "tpe", "--study", "s", "--storage", "disk"), "is not the address of a Redis"),
    ((*GRID, "--report", "nowhere/out.html"), "there is no directory"),
    ((*GRID, "--fee", "much"), "fee 'much' is not understood"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(run: Command, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ended = run("optimize", wave(tmp_path / "t.csv"), *WORDS, *words, "--json", "out.json")
    assert ended.code == 2, ended
    assert said in ended.err
    assert ended.out == ""
    assert not (tmp_path / "out.json").exists()


def test_ctrl_c_ends_all_workers_and_shows_the_best_so_far(tmp_path: Path) -> None:
    own(tmp_path / "own.py", f"if self.params.a > 30: {SLOW}; time.sleep(3600)")
    wave(tmp_path / "t.csv", 2_000)
    words = ("t.csv", "--symbol", "/ES", "--timeframe", "5t", "--calendar", "24/7", "--strategy", "own.py", "--param", "a=1..40")
    process = start(tmp_path, *words, "--jobs", "2")
    # The first thirty points are quick, the rest never end: who has begun one of these has answered before.
    wait_for((tmp_path / "slow").exists)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=GONE_S)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"interrupted after" in err
    assert b"own on /ES 5t, by net_pnl" in out
    assert "│ 1  │".encode() in out
    wait_for(lambda: is_empty(process.pid))


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GONE_S
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.01)


def is_empty(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False
