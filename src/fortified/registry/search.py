"""Where plugins are looked for: a file, a directory, the installed packages.

Owns which files and entry points count. What one of them does wrong is a ``Problem`` of its own.
"""

import contextlib
import inspect
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Final

from fortified.registry.examine import candidates, examine, line_of, names_in
from fortified.registry.module import run_file
from fortified.registry.plugin import KINDS, Contents, Kind, Plugin, Problem, Unusable, shown

GROUPS: Final = ("fortified.strategies", "fortified.brokers", "fortified.data_sources")
_LEFT_OUT: Final = (".", "_", "test_", "conftest.")


def in_file(path: Path) -> Contents:
    """The plugins of the Python file ``path`` (absolute)."""
    place, source = shown(path), ""
    try:
        source = path.read_text(encoding="utf-8", errors="replace")
        return _held_by(run_file(path), path, source)
    except Unusable as error:
        line, text = error.line, error.text
    except OSError as error:
        line, text = None, f"it cannot be read: {error.strerror}"
    except Exception as error:  # its classes are the user's: even looking at them may raise
        line, text = None, f"{type(error).__name__}: {error}"
    return Contents(problems=(Problem(place, line, text, (path.stem, *names_in(source))),))


def _held_by(module: ModuleType, path: Path, source: str) -> Contents:
    place, plugins, problems = shown(path), list[Plugin](), list[Problem]()
    for kind, made in candidates(module):
        try:
            line = line_of(source, *made.__qualname__.split("."))
            plugins.append(Plugin(kind, examine(made, path.stem, source), place, line, made))
        except Unusable as error:
            name = vars(made).get("name", path.stem)
            problems.append(Problem(place, error.line, error.text, (str(name),)))
    return Contents(tuple(plugins), tuple(problems))


def files_of(directory: Path) -> list[Path]:
    """The files of ``directory`` that may hold plugins, sorted; none where there is no directory.

    Raises:
        OSError: the directory cannot be read.
    """
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    return [path for path in found if path.suffix == ".py" and not path.name.startswith(_LEFT_OUT) and path.is_file()]


def in_packages() -> Contents:
    """The plugins that installed packages name in their entry points."""
    points = entry_points()
    parts = [_in_entry_point(point) for group in GROUPS for point in sorted(points.select(group=group), key=lambda point: point.name)]
    return Contents(
        tuple(plugin for part in parts for plugin in part.plugins), tuple(problem for part in parts for problem in part.problems)
    )


def _in_entry_point(point: EntryPoint) -> Contents:
    place = f"entry point {point.name} = {point.value}"
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made = point.load()
        kind = _kind_of(made)
        return Contents((Plugin(kind, examine(made, point.name, ""), place, None, made),))
    except Unusable as error:
        return Contents(problems=(Problem(place, error.line, error.text, (point.name,)),))
    except (Exception, SystemExit) as error:  # the package is somebody's: whatever it raises is its own fault
        steps = [step for step in extract_tb(error.__traceback__)[1:] if "importlib" not in step.filename]
        where = f" (in {steps[-1].filename}, line {steps[-1].lineno})" if steps else ""
        return Contents(problems=(Problem(place, None, f"{type(error).__name__}: {error}{where}", (point.name,)),))


def _kind_of(made: object) -> Kind:
    for kind, base in KINDS.items():
        if inspect.isclass(made) and issubclass(made, base):
            return kind
    raise Unusable(None, f"it names {made!r}; name a subclass of BaseStrategy, BaseBroker or BaseDataSource")
