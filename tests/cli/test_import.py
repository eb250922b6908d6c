"""`fortified import`: the report, its JSON, and what a catalogue is to the other commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.data import HEADER, START, ticks, wave

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "ticks"
DAY = 86_400
STRATEGY = ("--strategy", "ema", "--param", "period_1=3", "--param", "period_2=5")


def imported(run: Command, *words: object) -> dict[str, Any]:
    ended = run("import", *words, "--out", "c", "--json", "-")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def digest(run: Command, *words: object) -> object:
    ended = run("backtest", *words, *STRATEGY, "--json", "-")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["digest"]


def test_days_and_gaps_as_a_table_and_as_json(run: Command, tmp_path: Path) -> None:
    ticks(tmp_path / "t.csv", [(0, 5000, 1), (0, 5000, 1), (1800, 5001, 2), (2 * DAY, 5002, 1)])
    report = imported(run, "t.csv", "--symbol", "/ES")
    days = report["days"]
    assert [(day["day"], day["change"], day["rows"]) for day in days] == [
        ("2025-06-16", "new", 3),
        ("2025-06-17", "missing", 0),
        ("2025-06-18", "new", 1),
    ]
    assert (days[0]["first_ns"], days[0]["duplicates"], days[1]["empty_sessions"]) == (START, 1, 1)
    assert report["files"] == {"rows": 4, "bad_rows": 0, "reasons": {}, "samples": []}
    shown = run("import", "t.csv", "--symbol", "/ES", "--out", "c")
    assert "2 days unchanged, 1 day missing in c" in shown.out
    assert "1 of 1" in shown.out


def test_bad_rows_are_told_of_with_their_line(run: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{HEADER}{START},1,1\n{START - 1},1,1\n{START + 1},dear,1\n")
    ended = run("import", "t.csv", "--symbol", "/ES", "--out", "c")
    assert ended.code == 0
    assert "2 of 3 rows were left out" in ended.err
    assert "t.csv:3: time runs backwards" in ended.err
    refused = run("import", "t.csv", "--symbol", "/ES", "--out", "d", "--strict")
    assert (refused.code, refused.out) == (2, "")
    assert not (tmp_path / "d").exists()


def test_a_catalogue_gives_the_digest_of_the_file(run: Command, tmp_path: Path) -> None:
    wave(tmp_path / "t.csv")
    imported(run, "t.csv", "--symbol", "/ES")
    options = ("--symbol", "/ES", "--timeframe", "20t")
    expected = digest(run, "t.csv", *options)
    assert digest(run, "c", *options) == expected
    replayed = run("replay", "c", *options, *STRATEGY, "--json", "-")
    assert json.loads(replayed.out)["digest"] == expected
    assert run("bars", "c", *options).out == run("bars", "t.csv", *options).out


def test_several_symbols_come_in_at_once(run: Command, tmp_path: Path) -> None:
    rows = "".join(f"{START + i},{name},{5000 + i},1\n" for i in range(4) for name in ("/ES", "SPY", "A B"))
    (tmp_path / "t.csv").write_text("ts_ns,symbol,price,size\n" + rows)
    report = imported(run, "t.csv")
    assert [(day["symbol"], day["rows"]) for day in report["days"]] == [("/ES", 4), ("SPY", 4)]
    assert report["skipped"] == ["A B"]
    said = run("import", "t.csv", "--out", "d").err
    assert "left out, as they are no single instrument: A B" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing.csv", "--symbol", "/ES"), "nothing.csv does not exist"),
        (("empty", "--symbol", "/ES"), "empty is a directory without data files"),
        (("t.csv",), "t.csv does not say whose data it is; name the symbol with --symbol"),
        (("t.csv", "--symbol", "/QQQQ"), "--calendar"),
        (("t.csv", "--symbol", "/ES", "--calendar", "moon"), "moon"),
        (("b.csv", "--symbol", "/ES"), "--bars-timeframe"),
        (("b.csv", "--symbol", "/ES", "--bars-timeframe", "7parsecs"), "7parsecs"),
        (("t.csv", "b.csv", "--symbol", "/ES", "--bars-timeframe", "5"), "Give files of one kind"),
        (("t.csv", "--symbol", "/ES", "--json", "missing/x.json"), "missing"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(run: Command, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    wave(tmp_path / "t.csv")
    (tmp_path / "b.csv").write_text(f"ts_open,open,high,low,close\n{START},1,1,1,1\n")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    ended = run("import", *words, "--out", "c")
    assert (ended.code, ended.out) == (2, "")
    assert says in " ".join(ended.err.replace("│", " ").split())
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared market data is not here")
@pytest.mark.parametrize(("name", "symbol", "timeframe"), [("GCZ13_20131007", "/GC", "144t"), ("IBM_20131007", "IBM", "1")])
def test_real_ticks_give_the_digest_of_their_file(run: Command, name: str, symbol: str, timeframe: str) -> None:
    file = SHARED / f"{name}_trades.csv.gz"
    imported(run, file, "--symbol", symbol)
    options = ("--symbol", symbol, "--timeframe", timeframe)
    assert digest(run, "c", *options) == digest(run, file, *options)
