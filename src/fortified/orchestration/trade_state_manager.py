"""TradeStateManager: the only writer of positions.

Holds the net position of every account, strategy and symbol, and turns fills into positions and round trips. What changes is written into
the caller's unit of work, so it becomes durable with its cause.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from fortified.domain.account import AccountId
from fortified.domain.order import Fill
from fortified.domain.position import FillContext, Position, apply_fill
from fortified.domain.trade import Trade
from fortified.ports import LedgerUnit

PositionKey = tuple[AccountId, str, str]


class TradeStateManager:
    """Unified positions across accounts."""

    def __init__(self) -> None:
        self._positions: dict[PositionKey, Position] = {}

    def position(self, account: AccountId, strategy: str, symbol: str) -> Position | None:
        """The position of that account, strategy and symbol; None when it never had one."""
        return self._positions.get((account, strategy, symbol))

    def apply(self, fill: Fill, multiplier: Decimal, context: FillContext, unit: LedgerUnit) -> tuple[Position, Trade | None]:
        """Book ``fill``; returns the position after it, and the round trip it closed.

        Raises:
            InvariantError: the fill would carry the position through zero.
        """
        key = (fill.account, fill.strategy, fill.symbol)
        before = self._positions.get(key) or Position(fill.account, fill.strategy, fill.symbol, multiplier)
        position, trade = apply_fill(before, fill, context)
        self._positions[key] = position
        unit.positions.append(position)
        if trade is not None:
            unit.trades.append(trade)
        return position, trade

    def restore(self, strategy: str, symbols: Collection[str], positions: Iterable[Position]) -> None:
        """Take over the positions of the ledger; what was held of that strategy and those symbols is forgotten.

        Other symbols are left alone: their runners may have booked what the ledger does not show yet.
        """
        for key in [key for key in self._positions if key[1] == strategy and key[2] in symbols]:
            del self._positions[key]
        for position in positions:
            if position.strategy == strategy and position.symbol in symbols:
                self._positions[position.account, position.strategy, position.symbol] = position

    def positions(self, strategy: str | None = None) -> Sequence[Position]:
        """All positions, of one strategy or of all, in an order that never varies."""
        return [self._positions[key] for key in sorted(self._positions) if strategy is None or key[1] == strategy]
