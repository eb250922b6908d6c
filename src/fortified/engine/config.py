"""What an engine is told once, and what it knows of the moment of each event.

Owns these two shapes, which the stages of the engine share, and how long a warm-up has to be.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.domain.instrument import Instrument
from fortified.domain.timeframe import Timeframe
from fortified.engine.inputs import Leg
from fortified.engine.risk import RiskLimits
from fortified.engine.sizing import FIXED, Sizing
from fortified.indicators.atr import ATR_PERIOD


class EngineConfig(msgspec.Struct, frozen=True):
    """What an engine trades and within which limits. ``warmup`` is the number of closed bars before the first order.

    ``timeframes`` are others that the strategy reads, each with its number of closed bars. ``cash`` is the money at the start of each
    account, which sizing by cash spends.
    """

    strategy: str
    timeframe: str
    instrument: Instrument
    legs: tuple[Leg, ...]
    warmup: int
    trade_enabled: bool = True
    live_allowed: bool = False
    limits: RiskLimits = RiskLimits()
    exits: ExitRules = NO_EXITS
    sizing: Sizing = FIXED
    cash: Decimal = Decimal(100_000)
    timeframes: Mapping[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.exits.flatten_before is not None and Timeframe.parse(self.timeframe).is_daily:
            raise ConfigError("flatten_before cannot act on daily bars, which end with their session; choose a shorter timeframe")


def warmup_bars(own: int, exits: ExitRules) -> int:
    """Closed bars before the first order: the strategy's ``own`` number, and enough for a distance in average true ranges."""
    return max(own, ATR_PERIOD) if exits.needs_atr else own


class Moment(msgspec.Struct, frozen=True):
    """The event being processed, as far as orders care. ``bars`` were seen to warm up; ``missing`` says what else is to be seen.

    ``step``: where only bars are known, the time (ns) in which nothing can be done after the event.
    """

    ts_event: int
    seq: int
    price: float
    session_open: bool
    fresh: bool
    warm: bool
    bars: int
    step: int = 0
    missing: str = ""
