"""Every bad input: the name of what is wrong and the way to mend it, exit code 2, nothing written."""

import gzip
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.data import HEADER, START, wave

GOOD = f"{START},5000,1\n"
FILES: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "empty"),
    "header.csv": (HEADER.encode(), "no rows"),
    "torn.csv.gz": (gzip.compress(HEADER.encode() + GOOD.encode() * 500)[:-30], "torn"),
    "torn.parquet": (b"PAR1 and no more", "torn"),
    "column.csv": (b"ts_ns,price\n1,2\n", "size"),
    "words.csv": (b"hello\nworld\n", "price"),
    "kind.txt": (HEADER.encode() + GOOD.encode(), ".csv"),
}
ROWS = {
    "nan": (f"{START + 1},nan,1", "price is not finite"),
    "negative size": (f"{START + 1},5000,-1", "size is negative"),
    "backwards": (f"{START - 1},5000,1", "time runs backwards"),
    "no number": (f"{START + 1},dear,1", "price is not a number"),
    "no time": ("yesterday,5000,1", "time is not"),
}
STRATEGY = """
from fortified.strategies.base import BaseStrategy

class One(BaseStrategy):
    def warmup_periods(self): return 1
    def on_new_bar(self, bar, position): return None
"""


def refused(run: Command, *words: object) -> str:
    """Runs a command that has to be refused before it wrote anything."""
    before = sorted(Path().iterdir())
    ended = run(*words)
    assert ended.code == 2, ended
    assert sorted(path for path in Path().iterdir() if path.name != "data") == before
    assert ended.out == ""
    return " ".join(ended.err.replace("│", " ").split())


def bars(path: object, *more: object) -> tuple[object, ...]:
    return ("bars", path, "--symbol", "/ES", "--timeframe", "20t", "--out", "out.csv", *more)


def replay(path: object, *more: object) -> tuple[object, ...]:
    return ("replay", path, "--symbol", "/ES", "--timeframe", "20t", "--json", "out.json", *more)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["bars", "replay"])
def test_a_file_that_cannot_be_read(run: Command, tmp_path: Path, command: str, name: str) -> None:
    content, word = FILES[name]
    (tmp_path / name).write_bytes(content)
    said = refused(run, *(bars(name) if command == "bars" else replay(name, "--strategy", "ema")))
    assert name in said
    assert word in said


def test_a_file_that_is_missing(run: Command) -> None:
    assert "nothing.csv does not exist" in refused(run, *bars("nothing.csv"))
    assert "nothing.csv" in refused(run, *replay("nothing.csv", "--strategy", "ema"))


@pytest.mark.parametrize("case", ROWS)
def test_bad_rows_are_refused_when_strict_and_told_of_otherwise(run: Command, tmp_path: Path, case: str) -> None:
    row, reason = ROWS[case]
    (tmp_path / "t.csv").write_text(f"{HEADER}{GOOD}{row}\n{START + 2},5000,1\n")
    said = refused(run, *bars("t.csv", "--strict"))
    assert "t.csv:3" in said
    assert reason in said
    ended = run(*bars("t.csv"))
    assert ended.code == 0
    assert "1 of 3 rows were left out" in ended.err
    assert reason in ended.err


def test_a_file_without_a_good_row(run: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{HEADER}{START},nan,1\n")
    assert "none of its 1 rows" in refused(run, *bars("t.csv"))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--symbol", "/QQQQ"), "/QQQQ"),
        (("--symbol", ""), "symbol"),
        (("--timeframe", "7parsecs"), "7parsecs"),
        (("--timeframe", "0t"), "0t"),
        (("--timeframe", "-5"), "-5"),
        (("--calendar", "moon"), "moon"),
        (("--out", "missing/out.csv"), "missing"),
        (("--out", "."), "directory"),
    ],
)
def test_options_of_bars(run: Command, tmp_path: Path, options: tuple[str, str], word: str) -> None:
    assert word in refused(run, *bars(wave(tmp_path / "t.csv"), *options))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--symbol", "/QQQQ"), "/QQQQ"),
        (("--timeframe", "0t"), "0t"),
        (("--strategy", "emu"), "known are: ema"),
        (("--strategy", "nothing.py"), "nothing.py does not exist"),
        (("--param", "perios=3"), "it has: direction, period_1"),
        (("--param", "period_1=0"), "period_1"),
        (("--param", "period_1=x"), "period_1"),
        (("--param", "period_1"), "name=value"),
        (("--param", "=3"), "name=value"),
        (("--param", "trend_line_1=HMA"), "trend_line_1"),
        (("--fee", "much"), "much"),
        (("--fee", "-1/contract"), "-1"),
        (("--fill", "never"), "next or last"),
        (("--calendar", "moon"), "moon"),
        (("--quantity", "0"), "quantity"),
        (("--quantity", "1.5"), "quantity"),
        (("--quantity", "much"), "much"),
        (("--speed", "warp"), "warp"),
        (("--speed", "0"), "speed"),
        (("--speed", "-3"), "speed"),
        (("--tick-size", "0"), "tick size"),
        (("--tick-size", "0.25", "--multiplier", "nan"), "multiplier"),
        (("--slippage-ticks", "-1"), "slippage"),
        (("--warmup", "-1"), "warmup"),
        (("--json", "missing/out.json"), "missing"),
        (("--trades", "missing/out.csv"), "missing"),
    ],
)
def test_options_of_replay(run: Command, tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    strategy = () if "--strategy" in options else ("--strategy", "ema")
    assert word in refused(run, *replay(wave(tmp_path / "t.csv"), *strategy, *options))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("class Broken(:\n    pass\n", ("s.py, line 1", "syntax")),
        pytest.param(
            "x = 1\ny = x / 0\n",
            ("s.py, line 2", "ZeroDivisionError"),
        ),
        (STRATEGY + STRATEGY.replace("One", "Two"), ("holds 2 strategies", "exactly one")),
        ("x = 1\n", ("holds 0 strategies", "exactly one")),
    ],
    ids=["syntax", "raises", "two", "none"],
)
def test_a_strategy_file_that_cannot_be(run: Command, tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    (tmp_path / "s.py").write_text(content)
    said = refused(run, *replay(wave(tmp_path / "t.csv"), "--strategy", "s.py"))
    assert all(word in said for word in words), said


def test_a_strategy_that_raises_fails_with_its_own_line(run: Command, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(STRATEGY.replace("return None", "return bar.close / 0"))
    ended = run(*replay(wave(tmp_path / "t.csv"), "--strategy", "s.py"))
    assert ended.code == 1, ended
    assert "s.py, line 6" in ended.err
    assert "ZeroDivisionError" in ended.err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("nonsense",), "nonsense"),
        (("bars",), "file"),
        (("user", "add", "nobody"), "e-mail"),
        (("user", "add", "a@example.com", "--role", "king"), "king"),
        (("user", "add", "a@example.com", "--password", "short"), "8 characters"),
        (("user", "password", "a@example.com", "--password", "long enough"), "a@example.com"),
        (("state", "show", "--strategy"), "--strategy"),
    ],
)
def test_bad_usage_of_other_commands(run: Command, words: tuple[str, ...], word: str) -> None:
    assert word in refused(run, *words)
