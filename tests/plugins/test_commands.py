"""Commands find plugins by their names, in their own process and in others; one that is broken is told with its line."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command, run  # noqa: F401  # the fixture
from tests.cli.data import wave
from tests.plugins.plugin_files import RISING, write

ON = ("--symbol", "/ES", "--timeframe", "5t", "--calendar", "24/7")
PAIR = "import _lib\n" + RISING.replace("last = 0.0", "name = 'one'") + "\nclass Other(Rising):\n    name = 'two'\n"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("FORTIFIED_PLUGINS_DIR", raising=False)
    pair = PAIR.replace("name = 'one'", "name = 'one'\n    last = 0.0")
    write(tmp_path / "plugins", rising=RISING, pair=pair, _lib="", sore="x = 1\nx / 0\n")
    return str(wave(tmp_path / "t.csv", 1500))


@pytest.mark.parametrize("name", ["rising", "two"])
@pytest.mark.parametrize("command", ["backtest", "replay"])
def test_a_plugin_trades_by_its_name(run: Command, data: str, command: str, name: str) -> None:  # noqa: F811  # the fixture
    ended = run(command, data, *ON, "--strategy", name, "--json", "-")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["stats"]["trades"] > 5


@pytest.mark.parametrize("name", ["rising", "two"])
def test_workers_of_a_search_find_it_too(run: Command, data: str, name: str) -> None:  # noqa: F811  # the fixture
    ended = run("optimize", data, *ON, "--strategy", name, "--param", "period=1..4", "--jobs", "2", "--json", "-")
    assert ended.code == 0, ended
    assert json.loads(ended.out)["strategy"] == name


@pytest.mark.parametrize("name", ["rising", "two"])
def test_a_check_finds_it_in_its_other_processes(run: Command, data: str, name: str) -> None:  # noqa: F811  # the fixture
    ended = run("check", name, data, *ON, "--json", "-")
    assert ended.code == 0, ended
    verdict = json.loads(ended.out)
    assert (verdict["strategy"], verdict["passed"]) == (name, True)
    assert [finding["status"] for finding in verdict["findings"]] == ["ok"] * 6, verdict


@pytest.mark.parametrize("command", ["backtest", "replay", "optimize"])
def test_a_broken_plugin_is_told_with_file_and_line(run: Command, data: str, command: str) -> None:  # noqa: F811  # the fixture
    ended = run(command, data, *ON, "--strategy", "sore")
    assert ended.code == 2
    assert ended.err == "fortified: ERROR: strategy 'sore' cannot be used: plugins/sore.py, line 2: ZeroDivisionError: division by zero\n"


def test_an_unknown_name_is_told_with_the_plugins_that_there_are(run: Command, data: str) -> None:  # noqa: F811  # the fixture
    ended = run("check", "raising", data, *ON)
    assert ended.code == 2
    assert "unknown strategy 'raising'; known are: ema, one, rising, supertrend, triple_ema, two" in ended.err
