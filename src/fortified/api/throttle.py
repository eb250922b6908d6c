"""Limits on logging in: attempts per address, failures per e-mail.

Owns the counters, in memory: a restart forgives. Knows no users and whether they exist.
"""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from fortified.api.errors import ApiError

_ATTEMPTS = RateLimitItemPerMinute(10, 1, "address")
_FAILURES = RateLimitItemPerMinute(5, 15, "failures")
_LOCK = RateLimitItemPerMinute(1, 15, "lock")


class LoginThrottle:
    """10 attempts per minute and address; 5 failures within 15 minutes lock an e-mail for 15 minutes."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def admit(self, address: str, email: str) -> None:
        """Count an attempt. 429 with Retry-After when there were too many."""
        if not await self._limiter.hit(_ATTEMPTS, address):
            raise await self._refusal(_ATTEMPTS, address, "Too many attempts to log in from this address.")
        if not await self._limiter.test(_LOCK, email):
            raise await self._refusal(_LOCK, email, "Too many failures for this e-mail; it is locked.")

    async def failed(self, email: str) -> None:
        """Count a failure; the fifth locks."""
        await self._limiter.hit(_FAILURES, email)
        if not await self._limiter.test(_FAILURES, email):
            await self._limiter.hit(_LOCK, email)
            await self._limiter.clear(_FAILURES, email)

    async def succeeded(self, email: str) -> None:
        await self._limiter.clear(_FAILURES, email)

    async def _refusal(self, item: RateLimitItem, key: str, text: str) -> ApiError:
        reset, _ = await self._limiter.get_window_stats(item, key)
        wait = max(1, math.ceil(reset - time.time()))
        return ApiError(429, "too_many_attempts", f"{text} Try again in {wait} s.", headers={"Retry-After": str(wait)})
