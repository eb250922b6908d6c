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
    ordered = sorted(trades, key=lambda trade: (trade.ts_exit, trade.trade_id))
    results = [trade.net_pnl for trade in ordered]
    wins = [result for result in results if result > ZERO]
    losses = [result for result in results if result < ZERO]
    won, lost, net = sum(wins, ZERO), sum(losses, ZERO), sum(results, ZERO)
    return TradeStatistics(
        trades=len(results),
        wins=len(wins),
        losses=len(losses),
        net_pnl=net,
        gross_pnl=sum((trade.gross_pnl for trade in ordered), ZERO),
        fees=sum((trade.fees for trade in ordered), ZERO),
        win_rate=_ratio(Decimal(len(wins)), len(results)),
        average_win=_ratio(won, len(wins)),
        average_loss=_ratio(lost, len(losses)),
        profit_factor=won / -lost if lost else None,
        expectancy=_ratio(net, len(results)),
        max_drawdown=_max_drawdown(results),
        longest_losing_streak=_longest_losing_streak(results),
    )


def _ratio(total: Decimal, count: int) -> Decimal | None:
    return total / count if count else None


def _max_drawdown(results: Sequence[Decimal]) -> Decimal:
    equity = peak = worst = ZERO
    for result in results:
        equity += result
        peak = max(peak, equity)
        worst = max(worst, peak - equity)
    return worst


def _longest_losing_streak(results: Sequence[Decimal]) -> int:
    longest = current = 0
    for result in results:
        current = current + 1 if result < ZERO else 0
        longest = max(longest, current)
    return longest
