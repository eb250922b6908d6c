"""Which instrument of a file is meant by a symbol.

Owns when a name in a file is the symbol that was asked for. Knows nothing of formats.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fortified.domain.errors import ConfigError, DataError
from fortified.domain.futures import FuturesSymbol
from fortified.domain.instrument import normalise_symbol

_FRONT: Final = re.compile(r"/?([A-Z0-9]+)\.[CNV]\.0")
"""A vendor's continuous future: root, kind of roll, and 0 for the front month."""
_SHOWN: Final = 12


def choose(path: Path, present: Sequence[str], wanted: str | None) -> str:
    """The name among ``present`` that ``wanted`` means; None means the only one there is.

    A name is meant when it is spelled the same after normalisation, with or without the slash of a future. A root also means its front
    month ``NQ.c.0``, else the one contract of it that is there.

    Raises:
        DataError: none or several are meant; lists those that are there.
    """
    if wanted is None:
        if len(present) == 1:
            return present[0]
        raise DataError(f"{path} holds several symbols: {_listed(present)}. Say which with --symbol.")
    wanted = normalise_symbol(wanted)
    spelled = [name for name in present if wanted in _readings(name, wanted)]
    if len(spelled) > 1:
        raise DataError(f"{path} spells {wanted} in several ways: {_listed(spelled)}. Spell it in one.")
    meant = spelled or [name for name in present if _root(name) == wanted]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise DataError(f"{path} holds several contracts of {wanted}: {_listed(meant)}. Name one of them with --symbol.")
    raise DataError(f"{path} holds no {wanted}; its symbols are {_listed(present)}. Give one of them, or rename it in the file.")


def canonical(name: str, *, future: bool, year: int) -> str | None:
    """The symbol that ``name`` is, None when it is none of a single instrument. ``year`` is near that of a contract of one digit."""
    try:
        return FuturesSymbol.parse("/" + name.strip().removeprefix("/"), year).canonical() if future else normalise_symbol(name)
    except ConfigError:
        return None


def _readings(name: str, wanted: str) -> set[str]:
    """What ``name`` may spell, in the manner of ``wanted``."""
    front = _FRONT.fullmatch(name.strip().upper())
    if front is not None:
        return {"/" + front[1]}
    if not wanted.startswith("/"):
        return {canonical(name, future=False, year=0) or ""}
    future = _future(wanted)
    return {wanted} if future == _future(name, future.year if future else None, future.exchange if future else None) else set()


def _future(name: str, year: int | None = None, exchange: str | None = None) -> FuturesSymbol | None:
    """``name`` as a future. Without a year or exchange of its own it has those given."""
    try:
        found = FuturesSymbol.parse("/" + name.strip().removeprefix("/"), year or 2000)
    except ConfigError:
        return None
    return FuturesSymbol(found.root, found.month, found.year, found.exchange or exchange)


def _root(name: str) -> str | None:
    """The root of a contract."""
    future = _future(name)
    return f"/{future.root}" if future is not None and future.is_contract else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
