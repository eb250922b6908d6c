"""The system's clock. The only place of the shell that reads it for trading."""

import time


class SystemClock:
    """UTC nanoseconds of this machine."""

    def now_ns(self) -> int:
        return time.time_ns()
