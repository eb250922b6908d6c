"""An event loop whose time passes only while nothing happens: an hour of waiting takes no time, and sockets stay real.

Owns the loop's clock. Everything that talks must be in this one process: what another one would do takes real time.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any

_LOOKS = 3
"""Before time passes: the kernel may still be handing over what was written a moment ago."""


class _Selector(selectors.DefaultSelector):
    """Looks at the sockets; where nothing happens, the time that was to be waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        for _ in range(_LOOKS):
            ready = ready or super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits, and nothing will ever happen")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time`` is 0 at the beginning."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor[*Ts, T](self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        raise RuntimeError(f"{func} would run in a thread, whose time is another one")


class LoopClock:
    """The wall clock that goes with the loop's time. Implements ``Clock``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int) -> None:
        self._loop, self._start_ns = loop, start_ns

    def now_ns(self) -> int:
        return self._start_ns + round(self._loop.time() * 1e9)


def run_virtually[T](main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
