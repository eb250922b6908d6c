"""The market that all simulated venues see: prints come in, and whoever listens is told.

Owns the last price, the day's figures and the minute bars of each symbol. Knows no order and no socket.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

_MINUTE_NS: Final = 60_000_000_000
_KEPT_BARS: Final = 3_000
_BOOK_SIZE: Final = 200


class Print(msgspec.Struct, frozen=True):
    """One trade with the quote around it. ``ts_ns`` UTC; ``number`` grows with each print of a symbol."""

    symbol: str
    ts_ns: int
    price: Decimal
    size: int
    bid: Decimal
    ask: Decimal
    number: int = 0


class Candle(msgspec.Struct):
    """A bar that begins at ``start_ns``."""

    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class Ticker(msgspec.Struct):
    """What is known of one symbol since its first print."""

    last: Print
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: int
    minutes: deque[Candle]
    bid_size: int = _BOOK_SIZE
    ask_size: int = _BOOK_SIZE


class Market:
    """All symbols. Listeners are told in the order they were added: the matching engine first, so that streams tell what it did."""

    def __init__(self) -> None:
        self.tickers: dict[str, Ticker] = {}
        self.listeners: list[Callable[[Print], None]] = []

    def last(self, symbol: str) -> Print | None:
        """The last print of ``symbol``."""
        ticker = self.tickers.get(symbol)
        return ticker.last if ticker else None

    def publish(self, event: Print) -> None:
        """Take in ``event`` and tell everyone."""
        ticker = self.tickers.get(event.symbol)
        if ticker is None:
            ticker = Ticker(event, event.price, event.price, event.price, event.price, 0, deque(maxlen=_KEPT_BARS))
            self.tickers[event.symbol] = ticker
        ticker.last = event
        ticker.high, ticker.low = max(ticker.high, event.price), min(ticker.low, event.price)
        ticker.volume += event.size
        _into_minutes(ticker.minutes, event)
        for listener in list(self.listeners):
            listener(event)

    def push(self, symbol: str, ts_ns: int, price: Decimal, size: int = 1, bid: Decimal | None = None, ask: Decimal | None = None) -> Print:
        """Publish one print; without a quote, both sides are at its price."""
        last = self.last(symbol)
        number = last.number + 1 if last else 1
        event = Print(symbol, ts_ns, price, size, price if bid is None else bid, price if ask is None else ask, number)
        self.publish(event)
        return event


def _into_minutes(minutes: deque[Candle], event: Print) -> None:
    start = event.ts_ns // _MINUTE_NS * _MINUTE_NS
    if not minutes or minutes[-1].start_ns < start:
        minutes.append(Candle(start, event.price, event.price, event.price, event.price, 0))
    bar = minutes[-1]
    bar.high, bar.low, bar.close = max(bar.high, event.price), min(bar.low, event.price), event.price
    bar.volume += event.size
