"""`fortified doctor`: what it says of plugins."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.plugins.plugin_files import RISING, write


@pytest.fixture(autouse=True)
def _own_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.delenv("FORTIFIED_PLUGINS_DIR", raising=False)


def findings(out: str) -> list[tuple[str, str]]:
    return [(finding["state"], finding["text"]) for finding in json.loads(out) if finding["check"] == "plugins"]


def test_without_plugins_all_is_well(run: Command, tmp_path: Path) -> None:
    ended = run("doctor", "--json")
    assert findings(ended.out) == [("ok", "none; there is no directory plugins")]
    assert ended.code == 0
    (tmp_path / "plugins").mkdir()
    assert findings(run("doctor", "--json").out) == [("ok", "none in plugins")]


def test_a_broken_plugin_is_bad_and_the_others_are_named(run: Command, tmp_path: Path) -> None:
    broken = RISING.replace("[int, msgspec.Meta(ge=1)] = 1", "[str, msgspec.Meta(pattern='[a-c]+')] = 'x'")
    write(tmp_path / "plugins", rising=RISING, sore="x = = 1", odd=broken)
    ended = run("doctor", "--json")
    assert ended.code == 1
    usable, odd, sore = findings(ended.out)
    assert usable == ("ok", "rising (plugins/rising.py)")
    assert odd[0] == sore[0] == "bad"
    assert odd[1].startswith("plugins/odd.py, line 10: the default of parameter 'period' is not possible: ")
    assert sore[1] == "plugins/sore.py, line 1: invalid syntax"
    said = run("doctor").out
    assert all(f"plugins: {text}" in said for _, text in (usable, odd, sore))
