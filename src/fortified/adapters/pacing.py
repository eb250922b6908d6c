"""How fast a venue may be asked, and how long to wait before asking again.

Owns the token buckets of the routes and the back-off between attempts. Knows neither HTTP nor which venue it is for.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from fortified.domain.errors import RateLimited

Sleep = Callable[[float], Awaitable[None]]
GLOBAL = "*"
"""The route whose rate holds for all requests together."""


class Rate(msgspec.Struct, frozen=True):
    """``per_s`` requests a second, ``burst`` of them at once."""

    per_s: float
    burst: int = 1


class Backoff(msgspec.Struct, frozen=True):
    """Delays in s that double from ``first`` up to ``cap``, each shortened by chance to between half and all of it."""

    first: float = 0.25
    cap: float = 8.0

    def delay(self, attempt: int, chance: float) -> float:
        """Before attempt ``attempt`` + 1 (0: the first repetition); ``chance`` is in 0 to 1."""
        full = min(self.cap, self.first * 2.0 ** min(attempt, 32))
        return full * (0.5 + chance / 2)


def chance() -> float:
    """A number in 0 to 1 that keeps several clients from asking in step."""
    return random.random()  # noqa: S311 - spreads load, guards nothing


class Pacer:
    """Token buckets by route. A request reserves its place at once, so that those who wait keep their order.

    ``wait_limit_s`` bounds the wait: who would wait longer is refused, and nothing was sent.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate],
        *,
        wait_limit_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._rates = rates
        self._wait_limit_s = wait_limit_s
        self._monotonic, self._sleep = monotonic, sleep
        self._free_at: dict[str, float] = {}
        self._held_until: dict[str, float] = {}

    async def pass_through(self, route: str) -> None:
        """Wait for the turn of a request on ``route``. Raises RateLimited when that is too far away."""
        wait_s = self._reserve(route)
        if wait_s > 0:
            await self._sleep(wait_s)

    def hold(self, route: str, seconds: float) -> None:
        """The venue asked for a pause on ``route``."""
        self._held_until[route] = max(self._held_until.get(route, 0.0), self._monotonic() + seconds)

    def _reserve(self, route: str) -> float:
        now = self._monotonic()
        wait_s = self._held_until.get(route, now) - now
        planned: dict[str, float] = {}
        for name in {GLOBAL, route} & self._rates.keys():
            rate = self._rates[name]
            # When the next request would be due if all came evenly: this one number is a whole bucket.
            due = max(self._free_at.get(name, now), now)
            wait_s = max(wait_s, due - now - (rate.burst - 1) / rate.per_s)
            planned[name] = due + 1 / rate.per_s
        if wait_s > self._wait_limit_s:
            raise RateLimited(f"{route!r} is asked more often than the venue allows: its next turn is in {wait_s:.1f} s. Ask less often.")
        self._free_at.update(planned)
        return wait_s
