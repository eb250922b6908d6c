"""Finding strategies: built in, and one per file of the user's; a broken file is named with its line."""

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = = 2\n", r"bad\.py, line 2: invalid syntax"),
        ("x = 1\n\nx / 0\n", r"bad\.py, line 3: ZeroDivisionError"),
        ("import no_such_module_anywhere\n", r"bad\.py, line 1: ModuleNotFoundError"),
        ("x = 1\n", "holds 0 strategies"),
        (GOOD.format(name="") + GOOD.format(name="").replace("Mine", "Other"), "holds 2 strategies"),
        (GOOD.format(name="").replace("def on_new_bar", "def on_bar"), "holds 0 strategies"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_file(Path(written(tmp_path / "bad.py", text)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.py does not exist"):
        Registry().resolve(str(tmp_path / "gone.py"))


def test_a_name_belongs_to_one_strategy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two strategies are named 'ema': EMACrossoverStrategy and Mine; rename one"):
        Registry().resolve(written(tmp_path / "a.py", GOOD.format(name="name = 'ema'")))


def test_a_file_can_be_resolved_twice(tmp_path: Path) -> None:
    registry, path = Registry(), written(tmp_path / "a.py", GOOD.format(name="name = 'mine'"))
    assert registry.resolve(path).name == registry.resolve(path).name == "mine"


def test_a_file_that_exits_is_only_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        load_file(Path(written(tmp_path / "bad.py", "import sys\nsys.exit(3)\n")))
