"""What a run did, in the one form that replay and backtest share."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from fortified.domain.order import Fill
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
