"""Whether prints were lost: the day's volume that trades tell against the sizes of the prints.

Owns the comparison. Both come by ways of their own, so one may be ahead for a moment; what is lost is lost for good. Therefore the smallest
shortfall within a window counts, and only its rise from one window to the next.
"""

import math
from typing import Final

_TOLERANCE: Final = 0.5
"""Units; volumes of equities may be fractions."""


class VolumeCheck:
    """One symbol. ``on_print`` and ``on_volume`` as they come; ``on_time`` ends windows of ``window_ns``."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._day: int | None = None
        self._told: float | None = None
        """Volume of the day minus the prints that were seen of it: grows by what was missed."""
        self._smallest = math.inf
        self._accepted: float | None = None
        self._refused: float | None = None
        self._day_volume = 0.0
        self._began_ns = 0
        self._moved = False

    def on_print(self, size: float) -> None:
        """A print of ``size`` was seen; a cancelled one counts below zero."""
        if self._told is not None:
            self._told -= size
            self._smallest = min(self._smallest, self._told)

    def on_volume(self, day: int | None, day_volume: float, now_ns: int) -> None:
        """A trade told the volume of its day so far."""
        if math.isnan(day_volume):
            return
        if self._told is None or day != self._day:
            self._day, self._told, self._accepted = day, day_volume, None
            self._smallest, self._began_ns = day_volume, now_ns
        else:
            self._told += day_volume - self._day_volume
            self._smallest = min(self._smallest, self._told)
        self._day_volume, self._moved = day_volume, True

    def on_time(self, now_ns: int) -> float | None:
        """What is missing since the last window that was accepted, 0 within tolerance; None before a window ends."""
        if self._told is None or not self._moved or now_ns - self._began_ns < self._window_ns:
            return None
        smallest, self._smallest, self._began_ns, self._moved = self._smallest, self._told, now_ns, False
        if self._accepted is None:
            self._accepted = smallest
            return 0.0
        missing = smallest - self._accepted
        if missing <= _TOLERANCE:
            self._accepted = min(self._accepted, smallest)
            return 0.0
        self._refused = smallest
        return missing

    def accept(self) -> None:
        """What is missing cannot be had: count from here."""
        self._accepted = self._refused
