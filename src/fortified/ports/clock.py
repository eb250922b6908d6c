"""The seam to the clock."""

from typing import Protocol


class Clock(Protocol):
    """The time of the process: the system's, or the events' in a replay."""

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        ...
