"""Moving averages by name."""

from typing import Literal

from fortified.indicators.base import SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.sma import SMA
from fortified.indicators.wma import WMA

AverageType = Literal["EMA", "SMA", "WMA"]

_TYPES: dict[AverageType, type[EMA] | type[SMA] | type[WMA]] = {"EMA": EMA, "SMA": SMA, "WMA": WMA}


def moving_average(kind: AverageType, period: int) -> SeriesIndicator:
    """A fresh moving average of ``kind`` over ``period`` bars."""
    return _TYPES[kind](period)
