"""The job as a user of ours writes it: a file of one's own, so that no path for built-in strategies applies."""

import msgspec

from fortified import EMA, Bar, BarUpdate, BaseStrategy, Signal, StrategyConfig, StrategyPosition, Target
from fortified.strategies.base import Logger


class Crossing(BaseStrategy):
    """Stop and reverse where the averages cross."""

    name = "crossing"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Bars that the averages look back."""

        fast: int = 9
        slow: int = 21

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.fast, self.slow = EMA(self.params.fast), EMA(self.params.slow)
        self.above: bool | None = None
        self.below: bool | None = None

    def warmup_periods(self) -> int:
        return int(self.params.slow)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        fast, slow = self.fast.update(bar.close), self.slow.update(bar.close)
        was_above, was_below = self.above, self.below
        self.above, self.below = fast > slow, fast < slow
        if self.above and was_above is False:
            return Signal(Target.LONG, "cross_up")
        if self.below and was_below is False:
            return Signal(Target.SHORT, "cross_down")
        return None


class TickCrossing(Crossing):
    """As above, and it looks at every tick too."""

    name = "tick_crossing"

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.highest = 0.0

    def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> Signal | None:
        price = tick.price
        if price > self.highest:
            self.highest = price
        return None
