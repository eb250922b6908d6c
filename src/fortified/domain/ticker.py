"""Ticker configurations: which strategy trades which symbol, how much of it where, with which parameters.

Owns the one canonical shape. The two documented request bodies are translated at the edge of the HTTP layer.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from fortified.domain.order import ZERO


class TickerConfig(msgspec.Struct, frozen=True):
    """Configuration of one symbol for one strategy.

    ``quantities`` maps a venue to the units it trades (0 or absent: not there); ``symbols`` maps a venue to another symbol to trade there;
    ``parameters`` are the strategy's own, validated by it. The protective exits (``ExitRules``) are texts as a trader writes them.
    ``leg_failure`` is what becomes of the legs that were filled when another one was refused: ``alert`` holds them and calls a person.
    ``sizing`` says how many units an entry is, ``cash`` is the money at the start of each account, which sizing by cash spends.
    """

    strategy: str
    symbol: str
    timeframe: str
    trade_enabled: bool = True
    quantities: Mapping[str, Decimal] = msgspec.field(default_factory=dict)
    symbols: Mapping[str, str] = msgspec.field(default_factory=dict)
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)
    demo: bool = False
    stop_loss: str | None = None
    take_profit: str | None = None
    trailing: str | None = None
    break_even: str | None = None
    time_stop: str | None = None
    flatten_before: str | None = None
    leg_failure: Literal["hold", "alert", "unwind"] = "hold"
    sizing: str = "fixed"
    cash: Decimal = Decimal(100_000)

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that trade this ticker, in an order that never varies."""
        return tuple(sorted(venue for venue, quantity in self.quantities.items() if quantity > ZERO))
