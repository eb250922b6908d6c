"""Crossing of two moving averages."""

from typing import Annotated, ClassVar, Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar
from fortified.domain.market_hours import Window
from fortified.domain.signal import Signal, Target
from fortified.indicators.base import SeriesIndicator
from fortified.indicators.moving_average import AverageType, moving_average
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

Period = Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Bars the average looks back")]
TrendFilter = Annotated[Literal["none", AverageType], msgspec.Meta(description="Average on whose side the close must be for an entry")]
TrendPeriod = Annotated[int, msgspec.Meta(ge=0, le=10_000, description="Bars of the trend filter's average; 0 is no filter")]
Session = Annotated[str, msgspec.Meta(max_length=100, description="Entries only then: [mon-fri] 09:30-15:45 America/New_York")]


class EMACrossoverStrategy(BaseStrategy):
    """Long when line 1 crosses above line 2, short when it crosses below: in, out and around at each cross.

    Cross up: a > b now and a ≤ b on the bar before; cross down: a < b now and a ≥ b before (thinkScript's Crosses). The lines are warm
    after the longer period, and signals before that are not acted on. Both lines read the close.

    With a trend filter it goes long only where the close is above the average of the trend, and short only where it is below. With a
    session it enters only with bars that close within it. A cross that may not enter still ends a position of the other side.
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
        trend_filter: TrendFilter = "none"
        trend_period: TrendPeriod | None = None
        session: Session | None = None

        def __post_init__(self) -> None:
            if self.trend_filter != "none" and self.trend_period is None:
                raise ConfigError(f"trend_filter {self.trend_filter!r} needs trend_period: a number of bars, or 0 for no filter")
            if self.trend_filter == "none" and self.trend_period:
                raise ConfigError(f"trend_period {self.trend_period} needs trend_filter: EMA, SMA or WMA; or leave trend_period out")
            if self.session is not None:
                _window(self.session)

        @property
        def is_filtered(self) -> bool:
            """Whether some crosses are not acted on."""
            return bool(self.trend_period) or self.session is not None

    params: Params

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        params = self.params
        self.line_1 = moving_average(params.trend_line_1, params.period_1)
        self.line_2 = moving_average(params.trend_line_2, params.period_2)
        self.trend: SeriesIndicator | None = None
        if params.trend_filter != "none" and params.trend_period:
            self.trend = moving_average(params.trend_filter, params.trend_period)

    def warmup_periods(self) -> int:
        return max(self.params.period_1, self.params.period_2, self.params.trend_period or 0)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        before_1, before_2 = self.line_1.value, self.line_2.value
        now_1, now_2 = self.line_1.update(bar.close), self.line_2.update(bar.close)
        if self.trend is not None:
            self.trend.update(bar.close)
        if before_1 is None or before_2 is None or now_1 is None or now_2 is None:
            return None
        if now_1 > now_2 and before_1 <= before_2:
            return self._crossed(Target.LONG, "cross_up", bar, current_position)
        if now_1 < now_2 and before_1 >= before_2:
            return self._crossed(Target.SHORT, "cross_down", bar, current_position)
        return None

    def _crossed(self, side: Target, reason: str, bar: Bar, position: StrategyPosition | None) -> Signal | None:
        """What a cross to ``side`` asks for: to be there, else not to be on the other one."""
        if self.params.direction not in ("both", side.name.lower()):
            return Signal(Target.FLAT, reason)
        if self._admits(side, bar):
            return Signal(side, reason)
        held = position is not None and position.target is side  # it was opened by hand, and no cross speaks against it
        return None if held else Signal(Target.FLAT, reason)

    def _admits(self, side: Target, bar: Bar) -> bool:
        """Whether the filters let an entry pass."""
        if self.params.session is not None and not _window(self.params.session).contains(bar.ts_close):
            return False
        if self.trend is None:
            return True
        average = self.trend.value
        return average is not None and (bar.close - average) * side > 0


def _window(text: str) -> Window:
    """No attribute of the strategy: its state is numbers, and the text is compiled once for all."""
    try:
        return Window.parse(text)
    except ConfigError as error:
        raise ConfigError(f"session: {error}") from None
