"""Statistics of closed round trips.

Owns the formulas. Money is Decimal in the instrument's currency. Only trades go in, so the same function serves paper, live, replay and
backtest.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from fortified.domain.order import ZERO
from fortified.domain.trade import Trade


class TradeStatistics(msgspec.Struct, frozen=True):
    """A win has net P&L > 0, a loss < 0. Ratios are None where their divisor is zero.

    - ``net_pnl`` = Σ net P&L = ``gross_pnl`` − ``fees``, each the sum over the trades
    - ``win_rate`` = wins / trades
    - ``average_win`` = Σ net of wins / wins, ``average_loss`` = Σ net of losses / losses (≤ 0)
    - ``profit_factor`` = Σ net of wins / |Σ net of losses|
    - ``expectancy`` = net_pnl / trades
    - ``max_drawdown`` = largest fall of the cumulated net P&L from its running maximum (which starts at 0), ≥ 0
    - ``longest_losing_streak`` = most losses in a row
    """

    trades: int
    wins: int
    losses: int
    net_pnl: Decimal
    gross_pnl: Decimal
    fees: Decimal
    win_rate: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    profit_factor: Decimal | None
    expectancy: Decimal | None
    max_drawdown: Decimal
    longest_losing_streak: int


def trade_statistics(trades: Sequence[Trade]) -> TradeStatistics:
    """Statistics of ``trades``, which are taken in the order of their exits."""
    wins = losses = streak = longest = 0
    won = lost = net = gross = fees = peak = fall = ZERO
    for trade in sorted(trades, key=lambda trade: (trade.ts_exit, trade.trade_id)):
        result = trade.net_pnl
        net, gross, fees = net + result, gross + trade.gross_pnl, fees + trade.fees
        if result < ZERO:
            losses, lost, streak = losses + 1, lost + result, streak + 1
            longest, fall = max(longest, streak), max(fall, peak - net)
        else:
            peak, streak = max(peak, net), 0
            if result > ZERO:
                wins, won = wins + 1, won + result
    return TradeStatistics(
        trades=len(trades),
        wins=wins,
        losses=losses,
        net_pnl=net,
        gross_pnl=gross,
        fees=fees,
        win_rate=_ratio(Decimal(wins), len(trades)),
        average_win=_ratio(won, wins),
        average_loss=_ratio(lost, losses),
        profit_factor=_profit_factor(won, lost),
        expectancy=_ratio(net, len(trades)),
        max_drawdown=fall,
        longest_losing_streak=longest,
    )


def _ratio(total: Decimal, count: int) -> Decimal | None:
    return total / count if count else None


def _profit_factor(won: Decimal, lost: Decimal) -> Decimal | None:
    if not lost:
        return None
    return won / -lost if won else ZERO  # 0 / 26.80 is spelt 0E+2
