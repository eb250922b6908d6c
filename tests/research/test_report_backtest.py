"""The report of a backtest says what the result says, loads nothing, and survives whatever it is given."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from tests.research.reported import Page, run

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.engine.fills import FillModel
from fortified.engine.sizing import Sizing
from fortified.indicators.ema import EMA
from fortified.research.report.assumptions import assumptions, not_modelled
from fortified.research.report.backtest import backtest_report, write_backtest_report
from fortified.research.report.figures import distribution_figure, drawdown_percent, equity_figure, excursion_figure
from fortified.research.report.lines import indicator_lines
from fortified.research.report.local_time import wall_seconds
from fortified.research.report.markup import money, number
from fortified.research.report.prices import MAX_CANDLES, PriceChart
from fortified.research.report.thinning import candles, extremes
from fortified.research.result import BacktestResult
from fortified.strategies.base import BaseStrategy, Logger, StrategyConfig, StrategyPosition

ZONE = "America/Chicago"
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return run()


@pytest.fixture(scope="module")
def html(result: BacktestResult) -> str:
    return backtest_report(result)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_part_is_there(page: Page) -> None:
    assert {"equity", "prices", "results", "calendar", "trades", "run"} <= page.ids()
    assert {"equity-chart", "price", "distribution", "excursions"} <= page.ids()
    for anchor in (link["href"] for link in page.named("a")):
        assert anchor is not None
        assert anchor.removeprefix("#") in page.ids()


def test_nothing_is_loaded(html: str, page: Page) -> None:
    without_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert "http" not in re.sub(r"http-equiv", "", without_scripts)
    assert "@import" not in html
    assert "url(" not in without_scripts
    assert not page.named("link")
    assert all("src" not in attributes for _, attributes in page.tags)
    assert html.count("plotly.js v") == 1


def test_only_the_two_own_scripts_may_run(page: Page) -> None:
    policy = next(found["content"] for found in page.named("meta") if found.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "script-src 'unsafe" not in policy


def test_the_figures_are_those_of_the_result(page: Page, result: BacktestResult) -> None:
    stats = result.stats
    assert page.rows["trade-list"] == len(result.trades) + 1
    for shown in (number(stats.profit_factor), money(stats.final_equity, "USD"), f"{stats.trades:,}", result.digest):
        assert shown in page.text
    assert "America/Chicago" in page.text
    assert "period_1" in page.text


def test_charts_carry_readable_json(page: Page) -> None:
    for name in ("equity-chart", "price", "distribution", "excursions"):
        figure = json.loads(page.texts[f"{name}-data"])
        assert figure["data"]
        assert len(figure["layout"]["template"]["data"]) <= 1  # no theme of the library's, which would weigh more than the data


def test_the_equity_chart_ends_with_the_equity(result: BacktestResult) -> None:
    figure = equity_figure(result.equity, "USD", ZONE)
    assert figure.data[1].y[-1] == result.equity.value[-1]
    assert figure.data[1].y.min() == result.equity.value.min()
    assert figure.data[2].y.min() == pytest.approx(-result.stats.equity_drawdown_percent)


def test_drawdown_begins_at_the_cash() -> None:
    assert drawdown_percent(np.array([90.0, 120.0, 60.0]), 100.0).tolist() == [-10.0, 0.0, -50.0]


def test_every_trade_is_in_the_distribution_and_the_excursions(result: BacktestResult) -> None:
    bars = distribution_figure(result.trades, "USD").data[0]
    assert sum(bars.y) == len(result.trades)
    red = [count for count, colour in zip(bars.y, bars.marker.color, strict=True) if colour == "var(--down)"]
    assert sum(red) == result.stats.losses
    clouds = excursion_figure(result.trades, "USD").data[:4]
    assert [len(cloud.x) for cloud in clouds] == [result.stats.wins, result.stats.trades - result.stats.wins] * 2


def test_every_trade_is_marked_where_it_was(result: BacktestResult) -> None:
    figure = PriceChart(result, ZONE, indicator_lines(result)).figure()
    marks = {trace.name: trace for trace in figure.data}
    longs = [trade for trade in result.trades if trade.side == "LONG"]
    assert len(marks["Long entry"].x) == len(longs)
    assert len(marks["Long entry"].x) + len(marks["Short entry"].x) == len(marks["Exit"].x) == len(result.trades)
    for x, trade in zip(marks["Long entry"].x, longs, strict=True):
        assert result.bars.ts_open[int(x)] <= trade.ts_entry
        assert int(x) + 1 == len(result.bars) or trade.ts_entry < result.bars.ts_open[int(x) + 1]
    assert np.array_equal(figure.data[0].close, result.bars.close.astype(np.float32))
    assert {trace.name for trace in figure.data if trace.meta == "line"} == {"line_1: EMA 3", "line_2: EMA 8"}


def test_a_long_run_is_joined_and_thinned_and_says_so(result: BacktestResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fortified.research.report.prices.MAX_CANDLES", 50)
    monkeypatch.setattr("fortified.research.report.trade_traces.MAX_MARKED", 4)
    chart = PriceChart(result, ZONE, indicator_lines(result))
    figure = chart.figure()
    assert len(figure.data[0].close) <= 50 < MAX_CANDLES
    assert figure.data[0].high.max() == np.float32(result.bars.high.max())
    assert sum(len(trace.x) for trace in figure.data if trace.meta == "entry") <= 4
    assert len(chart.notes) == 2
    assert max(figure.data[-1].x) < 50


def test_joined_candles_keep_open_high_low_and_close(result: BacktestResult) -> None:
    opens, highs, lows, closes = candles(result.bars, 7)
    assert (opens[1], closes[0]) == (result.bars.open[7], result.bars.close[6])
    assert (highs[1], lows[1]) == (result.bars.high[7:14].max(), result.bars.low[7:14].min())
    assert closes[-1] == result.bars.close[-1]


def test_thinning_keeps_ends_and_extremes() -> None:
    values = np.random.default_rng(3).normal(size=10_000)
    places = extremes(values, 500)
    assert len(places) <= 500
    assert (places[0], places[-1]) == (0, 9_999)
    assert {int(values.argmin()), int(values.argmax())} <= set(places.tolist())
    assert extremes(values[:20], 500).tolist() == list(range(20))


def test_times_are_the_local_clock_on_both_sides_of_a_change() -> None:
    stamps = np.array([1_772_956_799, 1_772_956_800], np.int64) * 1_000_000_000  # Sunday 2026-03-08, when Chicago goes to summer time
    assert wall_seconds(stamps, ZONE).astype("datetime64[s]").astype(str).tolist() == ["2026-03-08T01:59:59", "2026-03-08T03:00:00"]


class Evil(BaseStrategy):
    """Every text of its own is markup."""

    name = EVIL
    title = EVIL

    class Params(msgspec.Struct, frozen=True):
        comment: str = "</script><script>alert(2)</script>"

    def __init__(self, config: StrategyConfig, logger: Logger) -> None:
        super().__init__(config, logger)
        setattr(self, EVIL, EMA(3))
        self.count = 0

    def warmup_periods(self) -> int:
        return 1

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal:
        getattr(self, EVIL).update(bar.close)
        self.count += 1
        return Signal(Target.LONG if self.count % 20 < 10 else Target.FLAT, f"{EVIL}&amp;")


def test_what_a_user_wrote_is_shown_and_never_run() -> None:
    html = backtest_report(run(10_000, Evil, params={"comment": "</script><script>alert(2)</script>"}))
    assert "<script>alert" not in html
    page = Page(html)
    assert [found.get("type") for found in page.named("script")].count(None) == 2
    assert EVIL in page.text
    assert f"{EVIL}&amp;" in page.texts["trade-list"]
    lines = [trace["name"] for trace in json.loads(page.texts["price-data"])["data"]]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: EMA 3" in lines


class Moody(BaseStrategy):
    """Fails when it is run a second time."""

    name = "moody"
    runs: ClassVar[int] = 0

    def warmup_periods(self) -> int:
        return 1

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Signal | None:
        if Moody.runs:
            raise ValueError("not <again>")
        return None


def test_a_strategy_that_fails_costs_its_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = run(5_000, Moody, params={})
    monkeypatch.setattr(Moody, "runs", 1)
    page = Page(backtest_report(finished))
    assert "The indicators are not drawn: the strategy failed when it was run again (ValueError: not <again>)." in page.text
    assert "price" in page.ids()


def test_a_run_without_trades_or_bars_has_a_report() -> None:
    quiet = Page(backtest_report(run(2_000, params={"period_1": "900", "period_2": "990"})))
    assert {"equity", "prices", "run"} <= quiet.ids()
    assert "trades" not in quiet.ids()
    empty = Page(backtest_report(run(50, timeframe="1000000t", flatten=False, calendar="24/7")))
    assert "run" in empty.ids()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "first tick after the decision"),
        ({}, "1 tick worse where no quote is known"),
        ({"fills": FillModel("last", slippage_ticks=2)}, "Every market order fills 2 ticks worse."),
        ({"fills": FillModel("last")}, "expect less"),
        ({"fills": FillModel("next", latency_ns=50_000_000)}, "50 ms from the decision"),
        ({"fills": FillModel("next", touch=True)}, "at its price or through it"),
        ({}, "$2.25 per contract, on each fill."),
        ({"fee": "0"}, "None. Add --fee"),
        ({"fee": "0.1%"}, "0.1 % of the money moved"),
        ({"exits": ExitRules.parse("20ticks", None, "1.5%")}, "stop loss 20ticks, trailing stop 1.5%"),
        ({"exits": ExitRules.parse(break_even="10ticks")}, "The stop moves to the entry once the price has come 10ticks."),
        ({"exits": ExitRules.parse(time_stop="20bars", flatten_before="10min")}, "20bars at most. Out 10min before a session ends"),
        ({}, "None: only the strategy's signals close a position."),
        ({"sizing": Sizing.parse("25%")}, "25 % of the equity"),
        ({"warmup": 40}, "40 bars before the first entry."),
        ({}, "Calendar CME_INDEX, clock of America/Chicago."),
        ({}, "What was open was closed at the last price."),
    ],
)
def test_assumptions_follow_from_the_options(result: BacktestResult, options: dict[str, object], words: str) -> None:
    asked = BacktestResult.__new__(BacktestResult)
    vars(asked).update(vars(result) | {"options": msgspec.structs.replace(result.options, **options)})
    said = " ".join(text for _, text in assumptions(asked, get_calendar(result.instrument.calendar)))
    assert words in said


def test_what_is_not_modelled_depends_on_the_instrument(result: BacktestResult) -> None:
    assert any("Queue position" in text for text in not_modelled(result))
    assert any("roll" in text for text in not_modelled(result))
    share = run(2_000, symbol="SPY", calendar="24/7", fee="0")
    assert any("Dividends" in text for text in not_modelled(share))


def test_numbers_are_written_as_people_read_them() -> None:
    assert money(Decimal("-1234.5"), "USD") == "\N{MINUS SIGN}$1,234.50"
    assert money(Decimal(12), "EUR", sign=True) == "+12.00 EUR"
    assert number(-0.001) == "0.00"
    assert number(None) == "\N{EN DASH}"


def test_the_file_is_written_or_the_reason_said(result: BacktestResult, tmp_path: Path) -> None:
    write_backtest_report(tmp_path / "report.html", result)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_backtest_report(tmp_path / "missing" / "report.html", result)
