"""Fortified: automated trading of futures and equities, self-hosted.

These are the names that authors of plugins use, and those of backtests, which are imported when they are first used; nothing inside
imports this module.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.indicators.atr import ATR
from fortified.indicators.base import BarIndicator, Indicator, SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.sma import SMA
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.triple_ema import TripleEMA
from fortified.indicators.wilders import WildersAverage
from fortified.indicators.wma import WMA
from fortified.indicators.zigzag import ZigZagHighLow
from fortified.strategies.base import Answers, BaseStrategy, Logger, StrategyConfig, StrategyPosition

if TYPE_CHECKING:
    from fortified.ports import BaseBroker, BaseDataSource
    from fortified.research.interface import Ticks, load_bars, load_ticks, run_backtest
    from fortified.research.result import BacktestResult

_LATER = {
    **dict.fromkeys(("Ticks", "load_bars", "load_ticks", "run_backtest"), "fortified.research.interface"),
    **dict.fromkeys(("BaseBroker", "BaseDataSource"), "fortified.ports"),
    "BacktestResult": "fortified.research.result",
}
"""A strategy's author does not wait for the libraries of backtests."""

__all__ = [
    "ATR",
    "EMA",
    "SMA",
    "WMA",
    "Answers",
    "BacktestResult",
    "Bar",
    "BarIndicator",
    "BarUpdate",
    "BaseBroker",
    "BaseDataSource",
    "BaseStrategy",
    "ConfigError",
    "ExitRules",
    "HullAverage",
    "Indicator",
    "Logger",
    "OrderSide",
    "ReversalArrows",
    "SeriesIndicator",
    "Signal",
    "StrategyConfig",
    "StrategyPosition",
    "SuperTrend",
    "Target",
    "Ticks",
    "TripleEMA",
    "WildersAverage",
    "ZigZagHighLow",
    "load_bars",
    "load_ticks",
    "run_backtest",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
