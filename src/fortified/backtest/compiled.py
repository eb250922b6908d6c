"""How kernels are compiled, and where their machine code is kept.

Owns the options of the compiler and its cache: ``NUMBA_CACHE_DIR`` when set, else the package's ``__pycache__``, also where that can only
be read, else the user's cache; without any the kernel is compiled in each process. Importing this imports numba, which takes long.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from numba import config, njit, types
from numba.core.caching import InTreeCacheLocator

INTS: Final = types.Array(types.int64, 1, "C", readonly=True)
"""A contiguous int64 argument that the kernel does not write; writable arrays are accepted as well."""
FLOATS: Final = types.Array(types.float64, 1, "C", readonly=True)
LINES: Final = types.Array(types.float64, 2, "C", readonly=True)
"""One line after the other, each a contiguous row."""
INT: Final = types.int64
FLOAT: Final = types.float64


def tuples(*parts: Any) -> Any:
    """The type of a tuple of such arguments."""
    return _types.Tuple(parts)


_types: Any = types
_settings: Any = config  # its fields are made when it is imported

_OWN: Final = f"{__name__}.ShippedCacheLocator"
_LOCATORS: Final = f"UserProvidedCacheLocator,InTreeCacheLocator,{_OWN},UserWideCacheLocator"


class ShippedCacheLocator(InTreeCacheLocator):
    """The package's ``__pycache__`` of a tree that cannot be written: what was compiled when it was installed."""

    def ensure_cache_path(self) -> None:
        path = Path(self._py_file).parent / "__pycache__"
        if not any(path.glob(f"{Path(self._py_file).stem}.*.nbi")):
            raise FileNotFoundError(path)


def kernel[F: Callable[..., Any]](*arguments: Any) -> Callable[[F], F]:
    """Compile a function for these argument types when it is defined, or take it from the cache; it runs without the interpreter's lock.

    Sums keep their order: the fast-math options stay off.
    """

    def compile_(function: F) -> F:
        before = _settings.CACHE_LOCATOR_CLASSES
        for locators, cache in ((before or _LOCATORS, True), ("UserWideCacheLocator", True), ("", False)):
            _settings.CACHE_LOCATOR_CLASSES = locators
            try:
                return cast("F", njit([arguments], cache=cache, nogil=True)(function))
            except (OSError, RuntimeError):  # what is kept is of another version and cannot be replaced; or there is no place
                if not cache:
                    raise
            finally:
                _settings.CACHE_LOCATOR_CLASSES = before
        raise AssertionError("the last way keeps nothing")

    return compile_


def inner[F: Callable[..., Any]](function: F) -> F:
    """A part of kernels of the same file."""
    return cast("F", njit(nogil=True)(function))
