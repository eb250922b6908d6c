"""Crossing of two moving averages."""

from typing import Annotated, ClassVar, Literal

import msgspec

from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.indicators.moving_average import AverageType, moving_average
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

Period = Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Bars the average looks back")]


class EMACrossoverStrategy(BaseStrategy):
    """Long when line 1 crosses above line 2, short when it crosses below: in, out and around at each cross.

    Cross up: a > b now and a ≤ b on the bar before; cross down: a < b now and a ≥ b before (thinkScript's Crosses). The lines are warm
    after the longer period, and signals before that are not acted on. Both lines read the close.
    """

    name: ClassVar[str] = "ema"
    title: ClassVar[str] = "Moving average crossover"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the crossover."""

        period_1: Period = 9
        period_2: Period = 21
        trend_line_1: AverageType = "EMA"
        trend_line_2: AverageType = "EMA"
        direction: Literal["both", "long", "short"] = "both"

    params: Params

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.line_1 = moving_average(self.params.trend_line_1, self.params.period_1)
        self.line_2 = moving_average(self.params.trend_line_2, self.params.period_2)

    def warmup_periods(self) -> int:
        return max(self.params.period_1, self.params.period_2)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        before_1, before_2 = self.line_1.value, self.line_2.value
        now_1, now_2 = self.line_1.update(bar.close), self.line_2.update(bar.close)
        if before_1 is None or before_2 is None or now_1 is None or now_2 is None:
            return None
        if now_1 > now_2 and before_1 <= before_2:
            return Signal(Target.FLAT if self.params.direction == "short" else Target.LONG, "cross_up")
        if now_1 < now_2 and before_1 >= before_2:
            return Signal(Target.FLAT if self.params.direction == "long" else Target.SHORT, "cross_down")
        return None
