"""`fortified new`: what it writes works, and what it refuses. Its templates are typed like all of the sources."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.cli.conftest import Command

from fortified.cli.new import class_name
from fortified.registry import Registry
from fortified.strategies.base import BaseStrategy

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORTIFIED_PLUGINS_DIR", raising=False)


def tool(*words: object) -> subprocess.CompletedProcess[str]:
    """A tool of this Python, on files wherever they are."""
    return subprocess.run([sys.executable, "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_new_strategy_is_clean_and_passes_its_own_test(run: Command, tmp_path: Path) -> None:
    ended = run("new", "strategy", "rising_closes")
    assert (ended.code, ended.err) == (0, "")
    files = [tmp_path / "plugins" / name for name in ("rising_closes.py", "test_rising_closes.py")]
    assert sorted(files[0].parent.iterdir()) == files
    assert "class RisingClosesStrategy(BaseStrategy):" in files[0].read_text()
    assert not any("my_strategy" in file.read_text().lower() for file in files)
    config = ROOT / "pyproject.toml"
    for words in (("ruff", "check", "--no-cache"), ("ruff", "format", "--no-cache", "--check")):
        done = tool(*words, "--config", config, *files)
        assert done.returncode == 0, done.stdout
    done = tool("pytest", "-q", "-c", config, "--rootdir", tmp_path, files[1])
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_a_new_strategy_is_found_and_says_what_to_do_next(run: Command, tmp_path: Path) -> None:
    ended = run("new", "strategy", "rising")
    assert ended.out.splitlines() == [
        "plugins/rising.py and plugins/test_rising.py are written. Now:",
        "",
        "  ./run_tests.sh plugins/test_rising.py",
        "  ./fortified new ticks ticks.csv --symbol /NQ",
        "  ./fortified check rising ticks.csv --symbol /NQ --timeframe 30t",
        "  ./fortified backtest ticks.csv --symbol /NQ --timeframe 30t --strategy rising",
    ]
    registry = Registry.discover(tmp_path / "plugins")
    assert (registry.problems, [plugin.name for plugin in registry.plugins]) == ([], ["rising"])
    made = registry.get("rising")
    assert issubclass(made, BaseStrategy)
    assert (made.title, made.wants_ticks()) == ("Rising", False)


def test_elsewhere_it_is_named_by_its_file(run: Command, tmp_path: Path) -> None:
    ended = run("new", "strategy", "rising", "--directory", "own/lab")
    assert "./fortified check own/lab/rising.py ticks.csv" in ended.out
    assert (tmp_path / "own" / "lab" / "test_rising.py").is_file()
    assert not (tmp_path / "plugins").exists()


def test_the_setting_says_where(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORTIFIED_PLUGINS_DIR", "mine")
    assert "--strategy rising\n" in run("new", "strategy", "rising").out
    assert (tmp_path / "mine" / "rising.py").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Rising-Closes", "use small letters, digits and _, such as rising_closes"),
        ("2fast", "such as fast"),
        ("../up", "such as up"),
        ("", "such as my_strategy"),
        ("x" * 41, "such as " + "x" * 40),
        ("class", "use my_class"),
        ("test_up", "use my_test_up"),
        ("ema", "taken by a built-in strategy or reserved for one; use my_ema"),
        ("zeroday", "use my_zeroday"),
        ("base_strategy", "use my_base_strategy"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(run: Command, tmp_path: Path, name: str, said: str) -> None:
    ended = run("new", "strategy", "--", name)
    assert ended.code == 2
    assert ended.err.startswith(f"fortified: ERROR: name {name!r} ")
    assert ended.err.rstrip().endswith(said)
    assert not (tmp_path / "plugins").exists()


def test_a_file_that_exists_is_replaced_only_by_force(run: Command, tmp_path: Path) -> None:
    run("new", "strategy", "rising")
    path, test = tmp_path / "plugins" / "rising.py", tmp_path / "plugins" / "test_rising.py"
    fresh = path.read_text()
    path.write_text("mine = 1\n")
    refused = run("new", "strategy", "rising")
    assert refused.code == 2
    assert "plugins/rising.py exists; choose another name, or replace it with --force" in refused.err
    assert path.read_text() == "mine = 1\n"
    path.unlink()
    assert "plugins/test_rising.py exists" in run("new", "strategy", "rising").err
    assert not path.exists()
    test.write_text("")
    assert run("new", "strategy", "rising", "--force").code == 0
    assert path.read_text() == fresh
    assert test.read_text() != ""


def test_a_name_that_another_file_uses_is_refused(run: Command, tmp_path: Path) -> None:
    run("new", "strategy", "rising")
    (tmp_path / "plugins" / "rising.py").rename(tmp_path / "plugins" / "other.py")
    ended = run("new", "strategy", "rising")
    assert ended.code == 2
    assert "name 'rising' is taken by plugins/other.py; choose another" in ended.err


def test_a_directory_that_cannot_be_written(run: Command, tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("")
    ended = run("new", "strategy", "rising")
    assert ended.code == 2
    assert "plugins/rising.py cannot be written: " in ended.err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rising", "RisingStrategy"),
        ("my_strategy", "MyStrategy"),
        ("rsi2_pullback", "Rsi2PullbackStrategy"),
        ("strategy", "StrategyStrategy"),
        ("signal", "SignalStrategy"),
    ],
)
def test_the_class_is_named_after_the_strategy(name: str, expected: str) -> None:
    assert class_name(name) == expected


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ticks_are_the_same_for_the_same_seed_and_in_order(run: Command, tmp_path: Path, suffix: str) -> None:
    ended = run("new", "ticks", f"a.{suffix}", "--symbol", "spy", "--minutes", "3")
    assert ended.out == f"a.{suffix}: 2160 ticks of SPY from 2025-06-16 15:00 UTC on\n"
    run("new", "ticks", f"b.{suffix}", "--symbol", "SPY", "--minutes", "3")
    run("new", "ticks", f"c.{suffix}", "--symbol", "SPY", "--minutes", "3", "--seed", "8")
    one, same, other = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "abc")
    assert one == same
    assert one != other
    frame = (pl.read_csv if suffix == "csv" else pl.read_parquet)(tmp_path / f"a.{suffix}")
    assert frame.columns == ["ts_ns", "price", "size", "bid", "ask"]
    assert frame["ts_ns"].is_sorted()


def test_ticks_can_be_made_into_bars(run: Command) -> None:
    run("new", "ticks", "t.csv", "--minutes", "1")
    ended = run("bars", "t.csv", "--symbol", "/NQ", "--timeframe", "144t")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 1 + 7200 // 144


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("t.txt",), "t.txt: name a file that ends with .csv or .parquet"),
        (("none/t.csv",), "none/t.csv cannot be written: there is no directory none"),
        (("t.csv", "--symbol", "/XX"), "/XX"),
    ],
)
def test_ticks_that_cannot_be_written(run: Command, words: tuple[str, ...], said: str) -> None:
    ended = run("new", "ticks", *words)
    assert ended.code == 2
    assert said in ended.err
