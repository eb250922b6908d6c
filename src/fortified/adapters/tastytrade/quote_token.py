"""The token that opens TastyTrade's market data stream, and where that stream is."""

from typing import Any

import msgspec

from fortified.adapters.tastytrade.wire import Raw, text
from fortified.domain.errors import RemoteProtocolError

_DAY_NS = 24 * 3600 * 10**9


class QuoteToken(msgspec.Struct, frozen=True):
    """``url`` is the DXLink server, ``level`` what the token entitles to (``api``: live data). ``ts_expires`` is ns."""

    token: str
    url: str
    level: str
    ts_expires: int

    @property
    def is_delayed(self) -> bool:
        """Whether the data is not live, so that nothing may be traded on it."""
        return self.level != "api" or "delayed" in self.url

    def __repr__(self) -> str:
        return f"QuoteToken(url={self.url!r}, level={self.level!r}, ts_expires={self.ts_expires})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url), ("level", self.level), ("ts_expires", self.ts_expires)]


def read_quote_token(data: Raw, now_ns: int) -> QuoteToken:
    """The token in an answer of ``/api-quote-tokens``, good for a day from ``now_ns``."""
    token, url = text(data, "token"), text(data, "dxlink-url")
    if token is None or url is None:
        raise RemoteProtocolError("TastyTrade gives no token for market data. Complete the opening of the account at TastyTrade.")
    return QuoteToken(token, url, text(data, "level") or "", now_ns + _DAY_NS)
