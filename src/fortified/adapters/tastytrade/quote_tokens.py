"""The token of the market data stream that is in use, and when it needs another.

Owns its keeping: one request at a time, renewed before it ends, never used again once it was refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fortified.adapters.tastytrade.quote_token import QuoteToken
from fortified.ports import Clock

_MARGIN_NS: Final = 10 * 60 * 10**9
_log = structlog.get_logger(__name__)


class QuoteTokens:
    """``ask`` gets a new token; what it raises is passed on."""

    def __init__(self, ask: Callable[[], Awaitable[QuoteToken]], clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._lock = asyncio.Lock()
        self.current: QuoteToken | None = None

    @property
    def is_due(self) -> bool:
        """Whether the token in use will end soon."""
        return self.current is not None and self._clock.now_ns() >= self.current.ts_expires - _MARGIN_NS

    async def get(self) -> QuoteToken:
        """A token that is good for a while."""
        async with self._lock:
            if self.current is None or self.is_due:
                self.current = await self._ask()
                if self.current.is_delayed:
                    _log.warning("market data is not live", venue="tastytrade", url=self.current.url, level=self.current.level)
            return self.current

    def reject(self, token: QuoteToken | None) -> None:
        """The venue refused ``token``."""
        if self.current is token:
            self.current = None
