"""What an engine is told once, and what it knows of the moment of each event.

Owns these two shapes, which the stages of the engine share, and how long a warm-up has to be.
"""

from decimal import Decimal

import msgspec

from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.domain.instrument import Instrument
from fortified.engine.inputs import Leg
from fortified.engine.risk import RiskLimits
from fortified.engine.sizing import FIXED, Sizing
from fortified.indicators.atr import ATR_PERIOD


class EngineConfig(msgspec.Struct, frozen=True):
    """What an engine trades and within which limits. ``warmup`` is the number of closed bars before the first order.

    ``cash`` is the money at the start of each account, which sizing by cash spends.
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


def warmup_bars(own: int, exits: ExitRules) -> int:
    """Closed bars before the first order: the strategy's ``own`` number, and enough for a distance in average true ranges."""
    return max(own, ATR_PERIOD) if exits.needs_atr else own


class Moment(msgspec.Struct, frozen=True):
    """The event being processed, as far as orders care. ``bars`` were seen to warm up."""

    ts_event: int
    seq: int
    price: float
    session_open: bool
    fresh: bool
    warm: bool
    bars: int
