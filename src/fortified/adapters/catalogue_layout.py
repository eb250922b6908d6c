"""Where a catalogue keeps what: ``<symbol>/ticks/<day>.parquet`` and ``<symbol>/bars-<timeframe>/<day>.parquet``.

Owns the names in a catalogue. A file that marks the directory tells it from any other; days are trading days. Reads no data.
"""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from fortified.domain.errors import ConfigError, DataError
from fortified.domain.timeframe import NS_PER_SECOND, Timeframe

MARKER: Final = "fortified-catalogue.json"
TICKS: Final = "ticks"
_BARS: Final = "bars-"
_DAY_FILE: Final = re.compile(r"\d{4}-\d\d-\d\d\.parquet")
_LEAD: Final = timedelta(days=1)
_LAG: Final = timedelta(days=7)
"""A row outside of sessions belongs to the next trading day, which is a few days later over a holiday."""


def is_catalogue(path: Path) -> bool:
    """Whether ``path`` is the root of a catalogue, which what cannot be read is not."""
    try:
        return (path / MARKER).is_file()
    except OSError:
        return False


def kind_name(timeframe: Timeframe | None) -> str:
    """The folder of ticks (None) or of bars."""
    return TICKS if timeframe is None else f"{_BARS}{timeframe.name}"


def kind_of(name: str) -> Timeframe | None:
    """What ``kind_name`` gave the name for."""
    return None if name == TICKS else Timeframe.parse(name.removeprefix(_BARS))


def folder(root: Path, symbol: str, kind: str) -> Path:
    """The directory of the days of ``symbol``, which is normalised."""
    return root / symbol.replace("/", "_").replace(":", ".") / kind


def day_file(directory: Path, day: date) -> Path:
    """The file of a trading day."""
    return directory / f"{day.isoformat()}.parquet"


def symbols_in(root: Path) -> list[str]:
    """The symbols of the catalogue."""
    return sorted(path.name.replace("_", "/").replace(".", ":") for path in _directories(root))


def kinds_in(root: Path, symbol: str) -> list[str]:
    """``ticks`` and ``bars-<timeframe>``, as far as there are days of them."""
    return sorted(path.name for path in _directories(folder(root, symbol, TICKS).parent) if _days(path))


def choose_kind(root: Path, symbol: str, timeframe: Timeframe | None) -> str:
    """What of ``symbol`` is to be read: bars of ``timeframe``; without one its ticks, else its bars if they are of one timeframe.

    Raises:
        DataError: the catalogue has not this. ConfigError: it is not clear which bars are meant.
    """
    there = kinds_in(root, symbol)
    if not there:
        names = ", ".join(symbols_in(root)) or "none"
        raise DataError(f"The catalogue {root} holds no {symbol}; its symbols are {names}. Import it, or give one of them.")
    if timeframe is not None:
        if kind_name(timeframe) not in there:
            raise DataError(f"The catalogue {root} holds no {timeframe.name} bars of {symbol}, but {', '.join(there)}. Choose one of them.")
        return kind_name(timeframe)
    if TICKS in there or len(there) == 1:
        return TICKS if TICKS in there else there[0]
    raise ConfigError(f"The catalogue {root} holds {', '.join(there)} of {symbol}; say which with --bars-timeframe.")


def day_files(root: Path, symbol: str, kind: str, start_ns: int | None, end_ns: int | None) -> list[Path]:
    """The days in order, those that can hold data stamped in [start, end); all of them when none does."""
    days = _days(folder(root, symbol, kind))
    first = "" if start_ns is None else (_date(start_ns) - _LEAD).isoformat()
    last = "9" if end_ns is None else (_date(end_ns) + _LAG).isoformat()
    return [path for path in days if first <= path.stem <= last] or days


def _days(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _DAY_FILE.fullmatch(path.name))


def _directories(path: Path) -> list[Path]:
    return [child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")] if path.is_dir() else []


def _date(ts_ns: int) -> date:
    return datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC).date()
