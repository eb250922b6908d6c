"""Turns of the SuperTrend."""

from typing import Annotated, ClassVar, Literal

import msgspec

from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.indicators.supertrend import MULTIPLIER, PERIOD, SuperTrend
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition


class SuperTrendStrategy(BaseStrategy):
    """Long when the SuperTrend turns up, short when it turns down: in, out and around at each turn.

    It turns with a close beyond the band on the other side of the price. Where it stands after the warm-up is no signal, only its next turn
    is: the direction depends on the past for long, the first one is by definition down.
    """

    name: ClassVar[str] = "supertrend"
    title: ClassVar[str] = "SuperTrend"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the SuperTrend."""

        period: Annotated[int, msgspec.Meta(ge=1, le=1_000, description="Bars of the average true range")] = PERIOD
        multiplier: Annotated[float, msgspec.Meta(gt=0, le=100, description="Distance of the bands in average true ranges")] = MULTIPLIER
        direction: Annotated[
            Literal["both", "long", "short"], msgspec.Meta(description="Sides to trade; a turn to the other is an exit")
        ] = "both"

    params: Params

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.supertrend = SuperTrend(self.params.period, self.params.multiplier)

    def warmup_periods(self) -> int:
        return max(200, 10 * self.params.period)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        self.supertrend.update(bar.high, bar.low, bar.close)
        flip = self.supertrend.flip
        if flip > 0:
            return Signal(Target.FLAT if self.params.direction == "short" else Target.LONG, "trend_up")
        if flip < 0:
            return Signal(Target.FLAT if self.params.direction == "long" else Target.SHORT, "trend_down")
        return None
