"""The price chart shows every line of every indicator, each in its place, and nothing as known that was not."""

import math
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
import pytest
from tests.research.reported import run

from fortified.domain.market import Bar
from fortified.indicators.base import Floats, SeriesIndicator
from fortified.indicators.ema import EMA
from fortified.indicators.hull import HullAverage
from fortified.indicators.reversal_arrows import ReversalArrows
from fortified.indicators.sma import SMA
from fortified.indicators.supertrend import SuperTrend
from fortified.indicators.zigzag import TREND_REVERSAL, Reversal, ZigZagHighLow
from fortified.indicators.zigzag_chart import points, trend_reversal
from fortified.research.report.lines import indicator_lines
from fortified.research.report.prices import PriceChart
from fortified.research.report.watch import Watch, Watched
from fortified.research.report.zigzags import chart_arrows, chart_points, pivots
from fortified.research.result import BacktestResult
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition
from fortified.strategies.supertrend import SuperTrendStrategy
from fortified.strategies.triple_ema_zigzag import TripleEMAZigZagStrategy

ZONE = "America/Chicago"


def figure(result: BacktestResult) -> go.Figure:
    return PriceChart(result, ZONE, indicator_lines(result)).figure()


def traces(result: BacktestResult) -> dict[str, Any]:
    """The traces of indicators by name; of two that share one, the first."""
    return {trace.name: trace for trace in reversed(figure(result).data) if trace.meta in ("line", "state", "legs", "mark")}


@pytest.fixture(scope="module")
def triple() -> BacktestResult:
    return run(30_000, TripleEMAZigZagStrategy, params={}, timeframe="40t")


@pytest.fixture(scope="module")
def live() -> BacktestResult:
    return run(30_000, TripleEMAZigZagStrategy, params={"signal_mode": "tos_live"}, timeframe="40t")


@pytest.fixture(scope="module")
def turning() -> BacktestResult:
    return run(30_000, SuperTrendStrategy, params={}, timeframe="40t")


def test_the_triple_ema_zigzag_is_drawn_whole(triple: BacktestResult) -> None:
    found = traces(triple)
    shown = {name for name, trace in found.items() if trace.visible in (None, True)}
    assert shown == {"trend: fast EMA 9", "trend: medium EMA 14", "trend: slow EMA 21", "swing: legs", "trend", "swing", "swing.atr: ATR 5"}
    asked_for = {
        "swing: ZigZagHighLow",
        "swing: max_high",
        "swing: min_low",
        "swing: price_high EMA 5",
        "swing: price_low EMA 5",
        "swing: flip",
    }
    assert found.keys() - shown == asked_for | {"swing: as a chart draws it (repaints)"}
    assert found["swing.atr: ATR 5"].yaxis == "y3"
    assert set(np.unique(found["trend"].z)) == {-1, 0, 1}
    assert np.array_equal(found["trend: fast EMA 9"].y, EMA(9).compute(triple.bars.close)["value"].astype(np.float32))


def test_a_line_that_two_indicators_tell_is_drawn_once(triple: BacktestResult) -> None:
    drawn = [trace.y.tobytes() for trace in figure(triple).data if trace.meta == "line"]
    assert len(drawn) == len(set(drawn)) == 9


def test_arrows_are_drawn_when_they_are_told_and_those_of_a_chart_apart(live: BacktestResult) -> None:
    found = traces(live)
    told, kept = found["swing: arrow"], found["swing: arrows as a chart keeps them (repaint)"]
    bars = live.bars
    lines = ReversalArrows(ZigZagHighLow(TREND_REVERSAL)).compute(bars.high, bars.low, bars.close)
    assert told.x.tolist() == np.flatnonzero(lines["arrow"] > 0).tolist()
    assert told.y.tolist() == live.bars.low[told.x.astype(int)].tolist()
    assert (told.visible, told.marker.symbol) == (True, "arrow-up")
    assert (kept.visible, kept.marker.symbol) == ("legendonly", "arrow-up-open")
    assert {"swing", "swing: signal", "swing.zigzag"} <= found.keys()


def test_the_supertrend_is_one_line_in_two_colours(turning: BacktestResult) -> None:
    up, down = (trace for trace in figure(turning).data if trace.name == "supertrend: SuperTrend 10 × 3")
    assert (up.line.color, down.line.color) == ("var(--up)", "var(--down)")
    assert not np.any(np.isfinite(up.y) & np.isfinite(down.y))
    whole = SuperTrend().compute(turning.bars.high, turning.bars.low, turning.bars.close)
    assert np.array_equal(np.where(np.isfinite(up.y), up.y, down.y), whole["value"].astype(np.float32), equal_nan=True)
    assert np.array_equal(np.isfinite(up.y), whole["direction"] > 0)
    assert traces(turning)["supertrend: lower"].visible == "legendonly"


class Force(SeriesIndicator):
    """Of another size than the prices."""

    fields: ClassVar[tuple[str, ...]] = ("value", "ready", "smooth")
    lines: ClassVar[tuple[str, ...]] = ("value", "double")

    def __init__(self) -> None:
        self.value: float | None = None
        self.ready = False
        self.smooth = EMA(3)

    @property
    def double(self) -> float | None:
        return None if self.value is None else 2 * self.value

    def update(self, value: float) -> float:
        self.value, self.ready = value - self.smooth.update(value), True
        return self.value

    def peek(self, value: float) -> float:
        return value - self.smooth.peek(value)

    def compute(self, values: Floats) -> dict[str, Floats]:
        value = values - self.smooth.compute(values)["value"]
        return {"value": value, "double": 2 * value}


class Many(BaseStrategy):
    """More averages than there are colours, and a panel."""

    name = "many"

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        for period in range(3, 10):
            setattr(self, f"average_{period}", EMA(period))
        self.hull, self.force = HullAverage(9), Force()

    def warmup_periods(self) -> int:
        return 1

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> None:
        for value in vars(self).values():
            if isinstance(value, SeriesIndicator):
                value.update(bar.close)


@pytest.fixture(scope="module")
def many() -> BacktestResult:
    return run(10_000, Many, params={}, timeframe="40t")


def test_every_line_of_a_users_strategy_is_drawn(many: BacktestResult) -> None:
    found = traces(many)
    assert {f"average_{period}: EMA {period}" for period in range(3, 10)} <= found.keys()
    assert found["hull: HullAverage 9"].visible
    assert found["hull.half: WMA 4"].visible == "legendonly"
    assert [found[f"force: {name}"].yaxis for name in ("Force", "double")] == ["y3", "y3"]
    assert "force.smooth: EMA 3" not in found, "that of average_3 is the same line"


def test_panels_stand_below_the_prices_and_make_the_chart_higher(triple: BacktestResult, many: BacktestResult) -> None:
    layout = figure(triple).layout
    assert layout.yaxis3.domain[0] == pytest.approx(0)
    assert layout.yaxis3.domain[1] < layout.yaxis2.domain[0] < layout.yaxis2.domain[1] < layout.yaxis.domain[0]
    assert layout.xaxis.anchor == "y3"
    assert [label.text for label in layout.annotations[:2]] == ["trend", "swing"]
    plain = PriceChart(many, ZONE, indicator_lines(run(10)))
    assert PriceChart(many, ZONE, indicator_lines(many)).height > plain.height


def test_joined_candles_keep_the_last_value_of_each_line(triple: BacktestResult, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = traces(triple)
    monkeypatch.setattr("fortified.research.report.prices.MAX_CANDLES", 100)
    chart = PriceChart(triple, ZONE, indicator_lines(triple))
    joined = {trace.name: trace for trace in chart.figure().data}
    last = np.minimum(np.arange(0, len(triple.bars), chart.step) + chart.step, len(triple.bars)) - 1
    assert np.array_equal(joined["trend: slow EMA 21"].y, whole["trend: slow EMA 21"].y[last])
    assert np.array_equal(joined["swing"].z[0], whole["swing"].z[0][last])
    assert np.array_equal(joined["swing: legs"].x, whole["swing: legs"].x / chart.step)


def watched(high: Floats, low: Floats, starts: tuple[int, ...], untold: tuple[int, ...] = ()) -> Watch:
    """A zigzag of 1 point that begins anew at ``starts`` and is not shown the bars ``untold``."""
    told = np.ones(len(high), np.bool_)
    told[list(untold)] = False
    names = ZigZagHighLow.lines
    columns = {name: np.full(len(high), np.nan) for name in names}
    for start, end in zip(starts, (*starts[1:], len(high)), strict=True):
        zigzag = ZigZagHighLow(ONE_POINT)
        for bar in range(start, end):
            if told[bar]:
                zigzag.update(high[bar], low[bar], low[bar])
                for name in names:
                    value = getattr(zigzag, name)
                    columns[name][bar] = np.nan if value is None else value
    return Watch((Watched("zigzag", ZigZagHighLow(ONE_POINT), columns),), told, starts)


ONE_POINT = Reversal(percent=0, absolute=1, atr_multiple=0)
HIGH = np.array([5, 6, 7, 5, 4, 5, 6, 6, 4, 3, 9, 8, 7, 8, 9, 9, 7, 5, 6.0])


def test_legs_join_the_pivots_and_break_where_the_strategy_began_anew() -> None:
    seen = watched(HIGH, HIGH - 0.5, (0, 10), untold=(5, 12))
    places, values = pivots(seen.indicators[0], seen.starts)
    first, second = [(0, 4.5), (2, 7.0), (4, 3.5), (7, 6.0)], [(10, 9.0), (13, 7.5), (15, 9.0), (17, 4.5)]
    assert list(zip(places.tolist(), values.tolist(), strict=True)) == [*first, (10, pytest.approx(np.nan, nan_ok=True)), *second]


def test_legs_of_a_longer_past_begin_with_those_of_a_shorter_one() -> None:
    dice = np.random.default_rng(5)
    high = np.rint(np.cumsum(dice.normal(0, 1, 400))) + 100
    whole = pivots(watched(high, high - 0.5, (0,)).indicators[0], (0,))
    for length in (50, 133, 271, 399):
        part = pivots(watched(high[:length], high[:length] - 0.5, (0,)).indicators[0], (0,))
        assert part[0].tolist() == whole[0][: len(part[0])].tolist()
        assert part[1].tolist() == whole[1][: len(part[0])].tolist()
    assert len(whole[0]) > 50


def test_what_a_chart_draws_is_what_the_chart_study_gives(live: BacktestResult) -> None:
    bars = live.bars
    seen = Watch((), np.ones(len(bars), np.bool_), (0,))
    places, values = chart_points(bars, seen, TREND_REVERSAL)
    line = points(ZigZagHighLow(TREND_REVERSAL).compute(bars.high, bars.low, bars.close))
    assert places[:-1].tolist() == np.flatnonzero(np.isfinite(line)).tolist()
    assert values[:-1].tolist() == line[np.isfinite(line)].tolist()
    arrows = trend_reversal(bars.high, bars.low, bars.close)["arrow"]
    arrows[:10] = 0
    assert [found.tolist() for found in chart_arrows(bars, seen, TREND_REVERSAL)] == [
        np.flatnonzero(arrows > 0).tolist(),
        np.flatnonzero(arrows < 0).tolist(),
    ]


class Wider(Many):
    """Feeds indicators with bars of another timeframe."""

    name = "wider"

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        self.hourly, self.legs = SMA(1), ZigZagHighLow(Reversal(percent=0.5))

    def timeframes(self) -> dict[str, int]:
        return {"1h": 0}

    def on_other_bar(self, bar: Bar) -> None:
        self.hourly.update(bar.close)
        self.legs.update(bar.high, bar.low, bar.close)

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> None:
        self.hull.update(bar.close)


def test_an_indicator_of_another_timeframe_is_drawn_as_it_was_known_at_each_bar() -> None:
    result = run(3_000, Wider, params={}, timeframe="40t")
    closes, known = [], math.nan
    assert result.others is not None
    for others in result.others():
        known = others[-1].close if others else known
        closes.append(known)
    found = traces(result)
    assert np.isfinite(closes).sum() > 50
    assert np.array_equal(found["hourly: SMA 1"].y, np.asarray(closes, np.float32), equal_nan=True)
    assert not [name for name in found if "legs: legs" in name or "as a chart" in name]  # it counts other bars
    assert indicator_lines(result).problem == ""
