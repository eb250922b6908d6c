"""Finding strategies by name and by path; a file that cannot be used is named with its line."""

from pathlib import Path

import pytest

from fortified.domain.errors import ConfigError, NotFound
from fortified.registry import BUILT_IN, Registry, load_file
from fortified.strategies.base import BaseStrategy

GOOD = """
from fortified.strategies.base import BaseStrategy
from fortified.strategies.ema_crossover import EMACrossoverStrategy

class Mine(BaseStrategy):
    {name}
    def warmup_periods(self):
        return 3
    def on_new_bar(self, bar, current_position):
        return None
"""
TWO = GOOD.format(name="name = 'mine'") + GOOD.format(name="name = 'other'").replace("Mine", "Other")


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_the_built_in_ones_are_known() -> None:
    assert Registry().names() == sorted(strategy.name for strategy in BUILT_IN)
    assert Registry().get("ema").title == "Moving average crossover"


def test_an_unknown_name_is_told_what_is_known() -> None:
    with pytest.raises(NotFound, match="unknown strategy 'emma'; known are: ema, supertrend, triple_ema"):
        Registry().resolve("emma")


def test_a_file_gives_its_one_strategy_under_its_name_or_that_of_the_file(tmp_path: Path) -> None:
    registry = Registry()
    assert registry.resolve(written(tmp_path / "a.py", GOOD.format(name="name = 'mine'"))).name == "mine"
    assert registry.resolve(written(tmp_path / "quiet.py", GOOD.format(name=""))).name == "quiet"
    assert registry.names() == ["ema", "mine", "quiet", "supertrend", "triple_ema"]
    assert issubclass(registry.get("mine"), BaseStrategy)


def test_a_subclass_of_a_built_in_one_does_not_take_its_name(tmp_path: Path) -> None:
    text = "from fortified.strategies.ema_crossover import EMACrossoverStrategy\nclass Mine(EMACrossoverStrategy): pass\n"
    registry = Registry()
    assert registry.resolve(written(tmp_path / "faster.py", text)).name == "faster"
    assert registry.get("ema").__name__ == "EMACrossoverStrategy"


def test_one_of_several_in_a_file_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.py", TWO)
    registry = Registry()
    assert [registry.resolve(f"{path}:{name}").__name__ for name in ("mine", "other")] == ["Mine", "Other"]
    with pytest.raises(ConfigError, match=r"a\.py holds no strategy 'third'; it holds mine, other"):
        registry.resolve(f"{path}:third")
    with pytest.raises(ConfigError, match=r"a\.py holds 2 strategies; .* be told which: .*a\.py:mine, .*a\.py:other"):
        registry.resolve(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = = 2\n", r"bad\.py, line 2: invalid syntax"),
        ("x = 1\n\nx / 0\n", r"bad\.py, line 3: ZeroDivisionError: division by zero$"),
        ("import no_such_module_anywhere\n", r"bad\.py, line 1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", r"bad\.py, line 2: SystemExit: 3"),
        ("x = 1\n", r"bad\.py holds 0 strategies; it must hold exactly one subclass of BaseStrategy$"),
        ("x = '\0'\n", r"bad\.py: SyntaxError: .*null bytes"),
        (GOOD.format(name="").replace("def on_new_bar", "def on_bar"), r"bad\.py, line 5: Mine has no on_new_bar; define what is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_file(Path(written(tmp_path / "bad.py", text)))


def test_a_file_is_named_as_a_person_would_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    path = written(tmp_path / "mine" / "bad.py", "x / 0")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^strategy file mine/bad\.py, line 1: NameError"):
        Registry().resolve(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"strategy file .*gone\.py does not exist"):
        Registry().resolve(str(tmp_path / "gone.py"))


def test_a_name_belongs_to_one_strategy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two strategies are named 'ema': EMACrossoverStrategy and Mine; rename one"):
        Registry().resolve(written(tmp_path / "a.py", GOOD.format(name="name = 'ema'")))


def test_a_file_can_be_resolved_twice(tmp_path: Path) -> None:
    registry, path = Registry(), written(tmp_path / "a.py", GOOD.format(name="name = 'mine'"))
    assert registry.resolve(path) is registry.resolve(path)
    assert registry.resolve(path) is registry.get("mine")


def test_files_of_the_same_name_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one = load_file(Path(written(tmp_path / "mine.py", GOOD.format(name=""))))
    two = load_file(Path(written(tmp_path / "b" / "mine.py", GOOD.format(name=""))))
    assert one.__module__ != two.__module__


def test_nothing_is_written_beside_a_users_file(tmp_path: Path) -> None:
    written(tmp_path / "_lib.py", "VALUE = 3\n")
    load_file(Path(written(tmp_path / "a.py", "import _lib\n" + GOOD.format(name=""))))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_lib.py", "a.py"]
