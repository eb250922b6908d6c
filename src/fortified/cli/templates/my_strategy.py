"""My strategy: say here what it does and why that should earn money."""

from typing import Annotated, ClassVar

import msgspec

from fortified import SMA, Bar, BaseStrategy, Logger, Signal, StrategyConfig, StrategyPosition, Target


class MyStrategy(BaseStrategy):
    """Long on a close above the average by a band, flat on a close below the average."""

    name: ClassVar[str] = "my_strategy"
    title: ClassVar[str] = "My strategy"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """What can be configured. The bounds are checked, the descriptions are shown."""

        period: Annotated[int, msgspec.Meta(ge=2, le=1_000, description="Bars of the average")] = 20
        band: Annotated[float, msgspec.Meta(ge=0, le=10, description="Percent above the average at which to buy")] = 0.01

    params: Params

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        # Indicators, numbers, texts, lists and dicts on self come back after a restart.
        self.average = SMA(self.params.period)

    def warmup_periods(self) -> int:
        """Closed bars it must have seen before it may enter."""
        return self.params.period

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        """Where to be from now on. Saying it again changes nothing, so the position need not be looked at."""
        average = self.average.update(bar.close)
        if average is None:
            return None
        if bar.close > average * (1 + self.params.band / 100):
            return Signal(Target.LONG, "entry_above_average")
        if bar.close < average:
            return Signal(Target.FLAT, "exit_below_average")
        return None

    # Where it is defined, it is called after each tick, with the bar as far as it has come. Import BarUpdate for it.
    #
    # def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> Signal | None:
    #     if current_position is not None and tick.price < current_position.average_price * 0.999:
    #         return Signal(Target.FLAT, "exit_loss")
    #     return None
