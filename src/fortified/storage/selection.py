"""Which rows a query means, in the same words for Redis and its in-memory twin. Pure."""

from collections.abc import Iterable

from fortified.domain.account import mode_of, venue_of
from fortified.domain.position import Position
from fortified.domain.trade import Trade
from fortified.ports import TradeQuery

MODES = ("paper", "live")


def selects(query: TradeQuery, trade: Trade) -> bool:
    """Whether ``trade`` is one that ``query`` means."""
    return (
        (query.strategy is None or trade.strategy == query.strategy)
        and (query.symbol is None or trade.symbol == query.symbol)
        and (query.venue is None or venue_of(trade.account) == query.venue)
        and (query.mode is None or mode_of(trade.account) == query.mode)
        and (query.side is None or trade.side == query.side)
        and (query.start_ns is None or trade.ts_exit >= query.start_ns)
        and (query.end_ns is None or trade.ts_exit < query.end_ns)
    )


def page(query: TradeQuery, trades: Iterable[Trade]) -> list[Trade]:
    """The page of ``query`` out of selected trades in any order. Equal exits are ordered by trade id."""
    ranked = sorted(trades, key=lambda trade: (trade.ts_exit, trade.trade_id), reverse=query.descending)
    end = None if query.limit is None else query.offset + query.limit
    return ranked[query.offset : end]


def by_place(positions: Iterable[Position]) -> list[Position]:
    """Positions in an order that never varies."""
    return sorted(positions, key=lambda position: (position.strategy, position.symbol, position.account))
