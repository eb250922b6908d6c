"""Stamps as local wall time.

Owns the way from UTC nanoseconds to what a clock of the exchange's zone shows, for columns and for single stamps.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_NS_PER_SECOND = 1_000_000_000
_SECONDS_PER_QUARTER = 900  # offsets of zones change on quarters of an hour


def wall_seconds(ts_ns: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """Seconds since 1970-01-01 00:00 on the local clock, rounded down."""
    zone, seconds = ZoneInfo(timezone), ts_ns // _NS_PER_SECOND
    quarters, place = np.unique(seconds // _SECONDS_PER_QUARTER, return_inverse=True)
    offsets = [_offset(quarter * _SECONDS_PER_QUARTER, zone) for quarter in quarters.tolist()]
    return seconds + np.array(offsets, np.int64)[place]


def local(ts_ns: int, timezone: str) -> datetime:
    """The local time of one stamp, to the microsecond."""
    return datetime.fromtimestamp(ts_ns // _NS_PER_SECOND, ZoneInfo(timezone)).replace(microsecond=ts_ns % _NS_PER_SECOND // 1_000)


def stamp(ts_ns: int, timezone: str) -> str:
    """``2026-03-02 09:30:05``, local."""
    return local(ts_ns, timezone).strftime("%Y-%m-%d %H:%M:%S")


def _offset(seconds: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
