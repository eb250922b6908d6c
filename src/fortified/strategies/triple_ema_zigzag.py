"""The trend of three exponential averages, joined by the legs of a zigzag."""

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from fortified.domain.errors import ConfigError
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.triple_ema import PERIODS, TripleEMA, TripleEMATrend
from fortified.indicators.zigzag import TREND_REVERSAL, Method, PriceSource, Reversal, ZigZagHighLow
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

Length = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Side = Literal["both", "long", "short"]

_NAMES: Final = {1: "long", -1: "short", 0: "flat"}
_JUDGED_AT: Final = 199
"""Number of a bar by which the averages are warm."""


class TripleEMAZigZagStrategy(BaseStrategy):
    """Long while three averages and the zigzag both say up, short while both say down, else flat.

    The trend begins with fast > medium > slow on a bar that lies wholly above the fast average, and ends with fast ≤ medium; short is the
    mirror image. The zigzag's leg turns when the price has come back from its extreme by the sum of the amounts. Entry when the second of
    the two joins, exit when one of them leaves. The defaults are those of thinkorswim's "Trend Reversal Indicator with Signals".
    """

    name: ClassVar[str] = "triple_ema"
    title: ClassVar[str] = "Triple EMA with ZigZag"

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters, under the names of the study's inputs."""

        fast_length: Annotated[Length, msgspec.Meta(description="Bars of the fast average of the close")] = PERIODS[0]
        medium_length: Annotated[Length, msgspec.Meta(description="Bars of the medium average")] = PERIODS[1]
        slow_length: Annotated[Length, msgspec.Meta(description="Bars of the slow average")] = PERIODS[2]
        displace: Annotated[
            int, msgspec.Meta(ge=-1_000, le=0, description="0, or below it: the averages are those of so many bars ago")
        ] = 0
        method: Annotated[Method, msgspec.Meta(description="average: the amounts are added; else that amount alone is used")] = "average"
        price_source: Annotated[
            PriceSource, msgspec.Meta(description="What the zigzag reads: averages of highs and lows, or highs and lows")
        ] = TREND_REVERSAL.source
        average_length: Annotated[Length, msgspec.Meta(description="Bars of the averages of highs and lows")] = (
            TREND_REVERSAL.average_length
        )
        percent_amount: Annotated[float, msgspec.Meta(ge=0, le=100, description="Way back in % of the extreme: 0.01 is 0.01 %")] = (
            TREND_REVERSAL.percent
        )
        rev_amount: Annotated[float, msgspec.Meta(ge=0, le=1e9, description="Way back in points")] = TREND_REVERSAL.absolute
        atr_reversal: Annotated[float, msgspec.Meta(ge=0, le=1_000, description="Way back in average true ranges")] = (
            TREND_REVERSAL.atr_multiple
        )
        atr_length: Annotated[Length, msgspec.Meta(description="Bars of the average true range")] = TREND_REVERSAL.atr_length
        signal_mode: Annotated[
            Literal["confirmed", "tos_live", "tos_chart"],
            msgspec.Meta(description="confirmed: legs of the zigzag; tos_live: arrows at their bar's close; tos_chart: for charts only"),
        ] = "confirmed"
        direction: Annotated[Side, msgspec.Meta(description="Sides to trade")] = "both"

        def __post_init__(self) -> None:
            if self.signal_mode == "tos_chart":
                raise ConfigError(
                    "signal_mode 'tos_chart' cannot be traded: the chart puts arrows onto bars that have closed, and takes about half "
                    "of them away again; use 'confirmed', or 'tos_live', which acts on each arrow at the close of its bar"
                )
            self.reversal()

        def reversal(self) -> Reversal:
            """The threshold of the zigzag."""
            return Reversal(
                percent=self.percent_amount,
                absolute=self.rev_amount,
                atr_length=self.atr_length,
                atr_multiple=self.atr_reversal,
                source=self.price_source,
                average_length=self.average_length,
            ).by(self.method)

    params: Params

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        params, zigzag = self.params, ZigZagHighLow(self.params.reversal())
        self.trend = TripleEMATrend(TripleEMA(params.fast_length, params.medium_length, params.slow_length, params.displace))
        self.swing: ZigZagHighLow | ReversalArrows = zigzag if params.signal_mode == "confirmed" else ReversalArrows(zigzag)
        self.aligned = 0
        """The side that both say, and that is traded."""

    def warmup_periods(self) -> int:
        params = self.params
        longest = max(params.fast_length, params.medium_length, params.slow_length, params.average_length, params.atr_length)
        return max(200, 10 * longest) - params.displace

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        self.trend.update(bar.high, bar.low, bar.close)
        self.swing.update(bar.high, bar.low, bar.close)
        if self.zigzag.bar == _JUDGED_AT:
            self._judge_width(bar.close)
        side = self.trend.direction
        joined = side == self.swing.direction and self.params.direction in ("both", _NAMES[side])
        before, self.aligned = self.aligned, side if joined else 0
        if self.aligned == before:
            return None
        return Signal(Target(side), f"entry_{_NAMES[side]}") if self.aligned else Signal(Target.FLAT, f"exit_{_NAMES[before]}")

    @property
    def zigzag(self) -> ZigZagHighLow:
        return self.swing if isinstance(self.swing, ZigZagHighLow) else self.swing.zigzag

    def _judge_width(self, close: float) -> None:
        """Averages of highs and lows lie apart; a threshold below that distance turns on almost every bar."""
        threshold, width = self.zigzag.threshold(close), self.zigzag.price_high - self.zigzag.price_low
        if self.params.price_source == "average" and threshold is not None and threshold < width:
            self.logger.warning(
                "the zigzag turns after %g points, but the averages of highs and lows lie %g apart: it will turn on almost every bar; "
                "raise its amounts, or use price_source high_low",
                threshold,
                width,
            )
