"""Plugins of a directory and of installed packages; one that is broken is told with file and line, and the others work."""

import sys
from pathlib import Path

import pytest
from tests.plugins.plugin_files import BROKER, RISING, SOURCE, write

from fortified.domain.errors import ConfigError, NotFound
from fortified.registry import BUILT_IN, Registry

NAMES = sorted(strategy.name for strategy in BUILT_IN)


def told(registry: Registry) -> list[str]:
    return [str(problem) for problem in registry.problems]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, in which files are named relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_directory_is_no_problem(tmp_path: Path) -> None:
    registry = Registry.discover(tmp_path / "plugins")
    assert (registry.names(), registry.plugins, registry.problems) == (NAMES, [], [])


def test_what_is_no_directory_is_one_problem(here: Path) -> None:
    (here / "plugins").write_text("")
    registry = Registry.discover(Path("plugins"))
    assert told(registry) == ["plugins: the directory cannot be read: Not a directory"]
    assert registry.names() == NAMES


def test_strategies_brokers_and_data_sources_are_found(here: Path) -> None:
    write(here / "plugins", desk=BROKER, rising=RISING, wire=SOURCE)
    registry = Registry.discover(Path("plugins"))
    assert told(registry) == []
    assert registry.names() == sorted([*NAMES, "rising"])
    assert registry.get("rising").__name__ == "Rising"
    assert registry.brokers["desk"].__name__ == "Desk"
    assert registry.data_sources["wire"].name == "wire"
    assert [(plugin.kind, plugin.name, plugin.place) for plugin in registry.plugins] == [
        ("broker", "desk", "plugins/desk.py"),
        ("strategy", "rising", "plugins/rising.py"),
        ("data_source", "wire", "plugins/wire.py"),
    ]


def test_tests_helpers_and_hidden_files_are_left_out(here: Path) -> None:
    files = dict.fromkeys(("_lib", "test_rising", "conftest", ".#rising"), "1 / 0")
    registry = Registry.discover(write(here / "plugins", **files))
    assert (registry.plugins, told(registry)) == ([], [])


BROKEN = {
    "syntax": ("x = 1\ny = = 2\n", "line 2: invalid syntax"),
    "raises": ("x = 1\n\nx / 0\n", "line 3: ZeroDivisionError: division by zero"),
    "exits": ("raise SystemExit('bye')\n", "line 1: SystemExit: bye"),
    "empty": ("x = 1\n", None),
    "no_warmup": (RISING.replace("def warmup_periods", "def warmup"), "line 6: Rising has no warmup_periods; define what is missing"),
    "default": (RISING.replace("= 1\n", "= 0\n"), "line 10: the default of parameter 'period' is not possible: Expected `int` >= 1"),
    "kind_of_params": (RISING.replace("(msgspec.Struct, frozen=True)", ""), "line 9: Params of Rising is no msgspec.Struct; write "),
    "odd_params": (RISING.replace("Annotated[int, msgspec.Meta(ge=1)]", "BaseStrategy"), "line 9: Params of Rising cannot be used: "),
    "name": (RISING.replace("last = 0.0", "name = 'a/b'"), "line 12: Rising has the name 'a/b'; use a text without / : { }"),
    "no_name": (RISING.replace("last = 0.0", "name = ''"), "line 12: Rising has the name ''; use a text"),
    "title": (RISING.replace("last = 0.0", "title = 3"), "line 12: Rising has the title 3; use a text"),
    "no_broker": (BROKER.replace("restore", "resume"), "line 4: Desk has no restore; define what is missing"),
}


@pytest.mark.parametrize(("text", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_and_hurts_nothing_else(here: Path, text: str, fault: str | None) -> None:
    write(here / "plugins", broken=text, rising=RISING)
    registry = Registry.discover(Path("plugins"))
    assert registry.names() == sorted([*NAMES, "rising"])
    [problem] = told(registry)
    assert problem.startswith(
        f"plugins/broken.py, {fault}" if fault else "plugins/broken.py: it holds no strategy, broker or data source; "
    )


def test_asking_for_a_strategy_of_a_broken_file_tells_its_line(here: Path) -> None:
    named = RISING.replace("last = 0.0", "name = 'upward'")
    write(
        here / "plugins",
        sore=named + "\n1 / 0\n",
        half=named.replace("Rising", "Half").replace("upward", "half") + "\nclass Other(Half: pass",
    )
    registry = Registry.discover(Path("plugins"))
    for name in ("sore", "upward"):  # by its file, and by the name that it would have had
        with pytest.raises(ConfigError, match=rf"^strategy '{name}' cannot be used: plugins/sore\.py, line 21: ZeroDivisionError") as told:
            registry.resolve(name)
        assert not isinstance(told.value, NotFound)
    with pytest.raises(ConfigError, match=r"plugins/half\.py, line \d+: "):
        registry.get("half")
    with pytest.raises(NotFound, match="unknown strategy 'other'; known are: ema"):
        registry.get("other")


def test_a_taken_name_is_a_fault_of_the_later_file(here: Path) -> None:
    named = RISING.replace("last = 0.0", "name = 'rising'")
    write(here / "plugins", a=named, b=named.replace("Rising(", "Later("), c=named.replace("'rising'", "'ema'"))
    registry = Registry.discover(Path("plugins"))
    assert told(registry) == [
        "plugins/b.py, line 6: Later: the name 'rising' is taken by plugins/a.py; use another",
        "plugins/c.py, line 6: Rising: the name 'ema' is taken by a built-in one; use another",
    ]
    assert registry.get("rising").__name__ == "Rising"
    assert registry.get("ema") in BUILT_IN


def test_several_of_a_file_share_a_base_and_one_that_is_broken_stays_alone(here: Path) -> None:
    text = (
        RISING.replace("def on_new_bar", "def take")
        + """
class Up(Rising):
    name = "up"
    def on_new_bar(self, bar, position): return self.take(bar, position)
Alias = Up
class Down(Up):
    name = "down"
class Nowhere(Up):
    name = ""
class _Unfinished(BaseStrategy):
    pass
"""
    )
    registry = Registry.discover(write(here / "plugins", pair=text))
    assert [plugin.name for plugin in registry.plugins] == ["up", "down"]
    assert told(registry) == ["plugins/pair.py, line 28: Nowhere has the name ''; use a text without / : { }, and no .py at its end"]


def test_a_file_may_import_helpers_beside_it_and_nobody_else_sees_them(here: Path) -> None:
    first = write(here / "plugins", _lib="import _deep\nPERIOD = _deep.PERIOD", _deep="import _lib\nPERIOD = 7", a=RISING, b=RISING)
    second = write(here / "more", _lib="PERIOD = 9", a=RISING)
    path, modules = list(sys.path), set(sys.modules)
    for file in (first / "a.py", first / "b.py", second / "a.py"):
        file.write_text("import _lib\n" + RISING.replace("= 1\n", "= _lib.PERIOD\n"))
    registries = [Registry.discover(directory) for directory in (first, second, first)]
    assert [told(registry) for registry in registries] == [[], [], []]
    assert [registry.get("a").Params().period for registry in registries] == [7, 9, 7]  # type: ignore[attr-defined]  # the file's own Params
    assert sys.path == path
    assert {name for name in set(sys.modules) - modules if not name.startswith("fortified_plugin_")} == set()
    with pytest.raises(ModuleNotFoundError):
        __import__("_lib")


def test_a_helper_may_hold_what_strategies_share(here: Path) -> None:
    shared = RISING.replace("class Rising", "class Shared").replace("def on_new_bar", "def take")
    own = "from _lib import Shared\nclass Mine(Shared):\n    def on_new_bar(self, bar, position): return self.take(bar, position)\n"
    registry = Registry.discover(write(here / "plugins", _lib=shared, mine=own))
    assert told(registry) == []
    assert registry.get("mine").Params().period == 1  # type: ignore[attr-defined]  # the file's own Params
    write(here / "plugins", _lib=shared.replace("= 1\n", "= 5\n"))
    assert Registry.discover(here / "plugins").get("mine").Params().period == 5  # type: ignore[attr-defined]  # as above


def test_a_class_that_cannot_even_be_looked_at(here: Path) -> None:
    odd = "class Odd:\n    @property\n    def __class__(self): raise RuntimeError('do not look')\nodd = Odd()\n"
    registry = Registry.discover(write(here / "plugins", odd=odd, rising=RISING))
    assert told(registry) == ["plugins/odd.py: RuntimeError: do not look"]
    assert "rising" in registry.names()


def test_a_broken_helper_is_told_with_both_lines(here: Path) -> None:
    write(here / "plugins", _lib="x = 1\nx / 0\n", _odd="x = = 1", a="\nimport _lib\n", b="import _odd\n")
    registry = Registry.discover(Path("plugins"))
    assert told(registry) == [
        "plugins/a.py, line 2: ZeroDivisionError: division by zero (in _lib.py, line 2)",
        "plugins/b.py, line 1: invalid syntax (in _odd.py, line 1)",
    ]


def test_what_a_plugin_prints_does_not_get_into_the_output(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Registry.discover(write(here / "plugins", a=RISING + "\nprint('loaded')\n"))
    assert capsys.readouterr() == ("", "loaded\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with entry points, on the path of this process."""
    site = write(tmp_path / "site", acme_trading=RISING.replace("Rising(", "Acme(") + SOURCE, acme_broken="x = 1\nx / 0\n")
    info = site / "acme_trading-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-trading\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fortified.strategies]\nacme = acme_trading:Acme\nsore = acme_broken:Sore\nodd = acme_trading:Annotated\n"
        "[fortified.data_sources]\nacme_wire = acme_trading:Wire\n"
    )
    monkeypatch.syspath_prepend(site)
    return site


def test_entry_points_of_installed_packages_are_plugins(installed: Path, tmp_path: Path) -> None:
    registry = Registry.discover(tmp_path / "plugins")
    assert [(plugin.kind, plugin.name) for plugin in registry.plugins] == [("strategy", "acme"), ("data_source", "acme_wire")]
    odd, sore = told(registry)
    assert odd.startswith("entry point odd = acme_trading:Annotated: it names ")
    assert sore.startswith("entry point sore = acme_broken:Sore: ZeroDivisionError: division by zero (in ")
    assert sore.endswith("acme_broken.py, line 2)")
    with pytest.raises(ConfigError, match="strategy 'sore' cannot be used: entry point sore"):
        registry.get("sore")


@pytest.mark.usefixtures("installed")
def test_a_process_that_knows_only_the_name_finds_an_entry_point() -> None:
    registry = Registry()
    assert registry.names() == NAMES
    assert registry.resolve("acme").__name__ == "Acme"


def test_what_is_located_is_found_by_a_registry_that_knows_no_directory(here: Path, installed: Path) -> None:
    named = RISING.replace("last = 0.0", "name = 'up'")
    sore = RISING.replace("Rising(", "Sore(").replace("def warmup", "def warm")
    taken = RISING.replace("Rising(", "Taken(").replace("last = 0.0", "name = 'ema'")
    plugins = write(here / "plugins", rising=RISING, up=named + sore, mixed=named.replace("'up'", "'mixed'") + taken)
    registry = Registry.discover(plugins)
    assert registry.locate("rising") == str(plugins / "rising.py")
    assert registry.locate("up") == f"{plugins / 'up.py'}:up"
    assert (registry.locate("ema"), registry.locate("acme")) == ("ema", "acme")
    for name in ("ema", "rising", "up", "mixed", "acme"):
        assert Registry().resolve(registry.locate(name)).__name__ == registry.get(name).__name__
