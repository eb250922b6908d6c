"""Running a user's file, and saying in which of its lines it broke.

Owns the names under which such modules are known, and how the files of a directory see each other. Nothing is written beside them.
"""

import contextlib
import sys
import zlib
from collections.abc import Buffer, Iterator
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from fortified.registry.plugin import Unusable


class _Loader(SourceFileLoader):
    """Writes nothing beside a user's file."""

    def set_data(self, path: bytes | str, data: Buffer, *, _mode: int = 0o666) -> None:
        return


class _Helpers:
    """Finds the files ``_*.py`` of one directory, where nothing installed is called so."""

    def __init__(self, directory: Path) -> None:
        self.found: list[str] = []
        self._finder = FileFinder(str(directory), (_Loader, [".py"]))

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = self._finder.find_spec(name, target) if path is None and name.startswith("_") else None
        if spec is None or spec.submodule_search_locations is not None:
            return None
        self.found.append(name)
        return spec


def run_file(path: Path) -> ModuleType:
    """The module that ``path`` (absolute) makes. What it prints goes to standard error.

    Raises:
        Unusable: it does not run.
    """
    name = f"fortified_plugin_{path.stem}_{zlib.crc32(bytes(path.parent)):08x}"
    spec = spec_from_loader(name, _Loader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        with _helpers_of(path.parent), contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file is the user's: whatever it raises is a fault of that file alone
        del sys.modules[name]
        raise broken(error, path) from None
    return module


def broken(error: BaseException, path: Path) -> Unusable:
    """``error``, which the file ``path`` raised, in words."""
    steps = [(step.filename, step.lineno) for step in extract_tb(error.__traceback__)]
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        steps.append((error.filename, error.lineno))
        text = error.msg
    near = [(file, line) for file, line in steps if Path(file).parent == path.parent]
    own = [line for file, line in near if file == str(path)]
    if near and near[-1][0] != str(path):
        text += f" (in {Path(near[-1][0]).name}, line {near[-1][1]})"
    return Unusable(own[-1] if own else None, text)


@contextlib.contextmanager
def _helpers_of(directory: Path) -> Iterator[None]:
    """Within the block, ``import _name`` finds files of ``directory``. They belong to who imported them: nobody else sees them."""
    finder = _Helpers(directory)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.found:
            sys.modules.pop(name, None)
