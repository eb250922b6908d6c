"""Fortified: automated trading of futures and equities, self-hosted.

These are the names that authors of strategies use; nothing inside imports this module.
"""

from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.indicators.atr import ATR
from fortified.indicators.ema import EMA
from fortified.indicators.sma import SMA
from fortified.indicators.wma import WMA
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition

__all__ = [
    "ATR",
    "EMA",
    "SMA",
    "WMA",
    "Bar",
    "BarUpdate",
    "BaseStrategy",
    "ExitRules",
    "OrderSide",
    "Signal",
    "StrategyConfig",
    "StrategyPosition",
    "Target",
]
