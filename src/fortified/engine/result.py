"""What a run did, in the one form that replay and backtest share."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby

import msgspec

from fortified.domain.order import ZERO, Fill, Purpose
from fortified.domain.trade import Trade
from fortified.engine.statistics import TradeStatistics


class RunResult(msgspec.Struct, frozen=True):
    """``digest`` fingerprints bars, fills and trades: two runs with the same one did the same to the last bit.

    ``late`` and ``out_of_session`` count ticks that were left out; ``open_quantity`` is the position at the end, in signed units.
    """

    bars: int
    orders: int
    fills: Sequence[Fill]
    trades: Sequence[Trade]
    stats: TradeStatistics
    digest: str
    late: int
    out_of_session: int
    open_quantity: Decimal


def in_order(fills: Iterable[Fill]) -> list[Fill]:
    """The fills of one account as they happened: by tick, and those of one tick so that every exit follows its entry."""
    ordered: list[Fill] = []
    position = ZERO
    for _, same in groupby(sorted(fills, key=lambda fill: fill.seq), key=lambda fill: fill.seq):
        waiting = list(same)
        while waiting:
            fill = next((fill for fill in waiting if _follows(fill, position)), waiting[0])
            waiting.remove(fill)
            position += fill.quantity * fill.side.sign
            ordered.append(fill)
    return ordered


def _follows(fill: Fill, position: Decimal) -> bool:
    return fill.purpose is Purpose.EXIT and fill.side.sign * position < 0 if position else fill.purpose is Purpose.ENTRY


def by_exit(trades: Iterable[Trade], fills: Sequence[Fill]) -> list[Trade]:
    """The trades of ``fills``, which are in order, as they happened; several may have ended at one time."""
    place = {fill.fill_id: index for index, fill in enumerate(fills)}
    return sorted(trades, key=lambda trade: place.get(trade.trade_id, -1))
