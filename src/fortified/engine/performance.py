"""The equity curve of a run, what it says of the run, and its trades in groups.

Owns the formulas that need prices or a calendar; those of trades alone are in ``statistics``. A curve is float64, as market data is; money
that is reported is Decimal, in the instrument's currency. Knows no files and no strategies.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.calendar import CONTINUOUS, Calendar
from fortified.domain.errors import ConfigError
from fortified.domain.order import Fill
from fortified.domain.timeframe import NS_PER_SECOND, SECONDS_PER_DAY
from fortified.domain.trade import Trade
from fortified.engine.statistics import TradeStatistics, trade_statistics

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

DAYS_PER_YEAR: Final = 252
_NS_PER_DAY: Final = SECONDS_PER_DAY * NS_PER_SECOND
_EPOCH_ORDINAL: Final = datetime(1970, 1, 1).toordinal()
_NOISE: Final = 1e-9
"""What a sum of float64 may be off by: smaller positions are none."""
_FLAT: Final = 1e-12
"""Daily returns that differ by less do not differ."""


class Equity(msgspec.Struct, frozen=True, eq=False):
    """What the account was worth at the close of each bar, marked to its close. All columns are as long as the bars.

    ``value`` = cash + realized P&L + open P&L − fees, in money; ``position`` is in signed units, 0.0 while flat; ``ts_ns`` are the bars'
    ``ts_close``. ``cash`` is the equity before the first bar.
    """

    ts_ns: Ints
    value: Floats
    position: Floats
    cash: Decimal


class Statistics(TradeStatistics, frozen=True):
    """The statistics of the trades, and of the equity curve. E is equity, E_d that at the last bar of trading day d, E_0 = cash.

    - ``final_equity`` = E at the last bar, with open P&L
    - ``return_percent`` = 100 · (final_equity / cash − 1)
    - ``equity_drawdown`` = max(P − E) over the bars, where P is the running maximum of E, cash included; ≥ 0, in money
    - ``equity_drawdown_percent`` = 100 · max((P − E) / P)
    - ``sharpe`` = mean(r) / std(r, ddof=1) · √252, where r_d = E_d / E_{d−1} − 1
    - ``sortino`` = mean(r) / √mean(min(r, 0)²) · √252
    - ``exposure_percent`` = 100 · bars at whose close a position was open / bars
    - ``days`` = trading days with a bar

    The risk-free rate is 0. Sharpe and Sortino are None with fewer than 2 days, with a divisor of 0, and where an E_d is not above 0.
    """

    cash: Decimal
    final_equity: Decimal
    return_percent: float
    equity_drawdown: Decimal
    equity_drawdown_percent: float
    sharpe: float | None
    sortino: float | None
    exposure_percent: float
    days: int


class Group(msgspec.Struct, frozen=True):
    """Some of the trades, by what they have in common. Ratios are those of ``TradeStatistics``; ``average`` = net_pnl / trades."""

    name: str
    trades: int
    wins: int
    net_pnl: Decimal
    win_rate: Decimal
    profit_factor: Decimal | None
    average: Decimal


def equity_curve(ts_close: Ints, seq: Ints, close: Floats, fills: Sequence[Fill], multiplier: Decimal, cash: Decimal) -> Equity:
    """The curve over bars that end at ``ts_close`` with event ``seq`` at price ``close``, of ``fills`` in the same symbol, in any order.

    A fill counts from the first bar whose ``seq`` is not below its own. Numbers decide, for time cannot: a fill at the close of a bar and
    one at the open of the next may bear the same stamp.
    """
    return equity_from_columns(
        ts_close,
        close,
        np.searchsorted(seq, np.array([fill.seq for fill in fills], np.int64)),
        np.array([float(fill.quantity) * fill.side.sign for fill in fills], np.float64),
        np.array([float(fill.price) for fill in fills], np.float64),
        np.array([float(fill.fee) for fill in fills], np.float64),
        multiplier,
        cash,
    )


def equity_from_columns(
    ts_close: Ints, close: Floats, bar: Ints, quantity: Floats, price: Floats, fee: Floats, multiplier: Decimal, cash: Decimal
) -> Equity:
    """The curve of fills by column: ``bar`` is the index of the first bar at whose close the fill counts, ``quantity`` is signed.

    Fills behind the last bar count at its close, so the curve ends with all that was traded. Without bars it is empty.
    """
    bars = len(close)
    if not bars:
        return Equity(ts_close, close, close, cash)
    at = np.minimum(bar, bars - 1)
    position = np.cumsum(np.bincount(at, quantity, bars))
    position[np.abs(position) < _NOISE] = 0.0
    paid = np.cumsum(np.bincount(at, quantity * price, bars))
    fees = np.cumsum(np.bincount(at, fee, bars))
    return Equity(ts_close, float(cash) + (position * close - paid) * float(multiplier) - fees, position, cash)


def trading_days(ts_close: Ints, calendar: Calendar) -> NDArray[np.int32]:
    """The trading day of each bar by its end, as ``date.toordinal`` counts; ``ts_close`` does not fall.

    A bar that ends when a session closes belongs to that session, one that ends between two sessions to the later.
    """
    if not len(ts_close):
        return np.empty(0, np.int32)
    if calendar.name == CONTINUOUS:
        return ((ts_close - 1) // _NS_PER_DAY + _EPOCH_ORDINAL).astype(np.int32)
    first, last = int(ts_close[0]), int(ts_close[-1])
    sessions = list(calendar.sessions(first - 1, last + 1))
    if not sessions or sessions[-1].close_ns < last:
        sessions.append(calendar.session_after(last))
    closes = np.array([session.close_ns for session in sessions], np.int64)
    days = np.array([session.trading_day.toordinal() for session in sessions], np.int32)
    return days[np.searchsorted(closes, ts_close)]


def statistics(trades: Sequence[Trade], equity: Equity, day_of_bar: NDArray[np.int32]) -> Statistics:
    """The statistics of a run; ``day_of_bar`` as ``trading_days`` gives it, for the bars of ``equity``.

    Raises:
        ConfigError: the run began without cash, so nothing has a return.
    """
    cash = float(equity.cash)
    if cash <= 0:
        raise ConfigError(f"cash {equity.cash} is not possible; give an amount above 0")
    of_trades = trade_statistics(trades)
    value = equity.value if len(equity.value) else np.array([cash + float(of_trades.net_pnl)])
    peak = np.maximum(np.maximum.accumulate(value), cash)
    fall = peak - value
    last_of_day = np.flatnonzero(np.diff(day_of_bar, append=-1))
    sharpe, sortino = _ratios(np.concatenate(([cash], value[last_of_day])))
    return Statistics(
        **msgspec.structs.asdict(of_trades),
        cash=equity.cash,
        final_equity=_money(value[-1]),
        return_percent=float(100 * (value[-1] / cash - 1)),
        equity_drawdown=_money(fall.max()),
        equity_drawdown_percent=float(100 * (fall / peak).max()),
        sharpe=sharpe,
        sortino=sortino,
        exposure_percent=float(100 * np.count_nonzero(equity.position) / len(value)),
        days=len(last_of_day),
    )


def by_symbol(trades: Sequence[Trade]) -> list[Group]:
    """The trades of each symbol."""
    return _groups(trades, lambda trade: trade.symbol)


def by_month(trades: Sequence[Trade], calendar: Calendar) -> list[Group]:
    """The trades of each month (``2025-03``), by the trading day of the exit."""
    return _groups(trades, lambda trade: _day(trade.ts_exit, calendar)[:7])


def by_day(trades: Sequence[Trade], calendar: Calendar) -> list[Group]:
    """The trades of each trading day (``2025-03-04``) of the exit; an exit at a session's close belongs to that session."""
    return _groups(trades, lambda trade: _day(trade.ts_exit, calendar))


def by_hour(trades: Sequence[Trade], timezone: str) -> list[Group]:
    """The trades of each hour of the day (``09``) of the entry, in the IANA zone ``timezone``, as a rule that of the calendar."""
    zone = ZoneInfo(timezone)
    return _groups(trades, lambda trade: f"{datetime.fromtimestamp(trade.ts_entry // NS_PER_SECOND, zone):%H}")


def _ratios(equity: Floats) -> tuple[float | None, float | None]:
    """Sharpe and Sortino of the daily equity, that of the start first."""
    if len(equity) < 3 or equity.min() <= 0:
        return None, None
    returns = equity[1:] / equity[:-1] - 1
    mean, year = returns.mean(), math.sqrt(DAYS_PER_YEAR)
    deviation, downside = returns.std(ddof=1), math.sqrt(np.square(np.minimum(returns, 0)).mean())
    return (
        float(mean / deviation * year) if deviation > _FLAT else None,
        float(mean / downside * year) if downside > _FLAT else None,
    )


def _money(value: float) -> Decimal:
    """The amount a float stands for; its last digits are noise."""
    return Decimal(str(round(float(value), 6)))


def _day(ts_ns: int, calendar: Calendar) -> str:
    return str(calendar.trading_day(ts_ns if calendar.session_at(ts_ns) else ts_ns - 1))


def _groups(trades: Sequence[Trade], name: Callable[[Trade], str]) -> list[Group]:
    """The groups in the order of their names."""
    groups: defaultdict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        groups[name(trade)].append(trade)
    return [_group(name, groups[name]) for name in sorted(groups)]


def _group(name: str, trades: Sequence[Trade]) -> Group:
    of = trade_statistics(trades)
    assert of.win_rate is not None
    assert of.expectancy is not None
    return Group(name, of.trades, of.wins, of.net_pnl, of.win_rate, of.profit_factor, of.expectancy)
