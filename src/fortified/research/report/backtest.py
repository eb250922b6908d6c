"""The report of a backtest.

Owns the order in which a run is told: what came of it, how it came, when, trade by trade, and on which assumptions.
"""

from pathlib import Path

from fortified.bootstrap import product_version
from fortified.domain.calendar import Calendar, get_calendar
from fortified.domain.errors import ConfigError
from fortified.research.report.assumptions import assumptions, not_modelled
from fortified.research.report.figures import distribution_figure, equity_figure, excursion_figure
from fortified.research.report.lines import indicator_lines
from fortified.research.report.local_time import local, stamp
from fortified.research.report.markup import Html, element, join, money, number, percent, plural, price_decimals, tone
from fortified.research.report.page import Section, Tile, chart, page
from fortified.research.report.prices import PriceChart
from fortified.research.report.tables import (
    MAX_ROWS,
    denial_table,
    equity_table,
    facts,
    hour_table,
    month_table,
    reason_table,
    trade_list,
    trade_table,
    weekday_table,
)
from fortified.research.result import BacktestResult


def write_backtest_report(path: Path, result: BacktestResult) -> None:
    """Write the report of ``result`` to ``path``.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.write_text(backtest_report(result), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; name another file") from None


def backtest_report(result: BacktestResult) -> str:
    """The report of ``result``: one HTML document that loads nothing."""
    calendar = get_calendar(result.instrument.calendar)
    return page(
        kind="Backtest",
        title=f"{result.instrument.symbol} · {result.timeframe.name} · {result.strategy.title or result.strategy.name}",
        subtitle=_span(result, calendar),
        tiles=_tiles(result),
        sections=_sections(result, calendar),
        foot=f"Fortified {product_version()} · digest {result.digest}",
    )


def _span(result: BacktestResult, calendar: Calendar) -> str:
    if not len(result.bars):
        return "No bar was made of the data."
    first, last = local(int(result.bars.ts_open[0]), calendar.timezone), local(int(result.bars.ts_close[-1]), calendar.timezone)
    span = f"{first:%-d %B %Y %H:%M} to {last:%-d %B %Y %H:%M}"
    return f"{span}, {calendar.timezone} time · {plural(len(result.bars), 'bar')} · {plural(result.stats.days, 'trading day')}"


def _tiles(result: BacktestResult) -> list[Tile]:
    stats, currency = result.stats, result.instrument.currency
    return [
        Tile(
            "Net P&L",
            money(stats.net_pnl, currency, 0, sign=True),
            f"{percent(stats.return_percent, 2, sign=True)} with open P&L",
            tone(stats.net_pnl),
        ),
        Tile("Deepest drawdown", money(stats.equity_drawdown, currency, 0), percent(stats.equity_drawdown_percent, 2)),
        Tile("Sharpe", number(stats.sharpe), f"Sortino {number(stats.sortino)}"),
        Tile("Profit factor", number(stats.profit_factor), f"{money(stats.expectancy, currency, sign=True)} per trade"),
        Tile("Win rate", percent(None if stats.win_rate is None else stats.win_rate * 100), f"{stats.wins:,} won, {stats.losses:,} lost"),
        Tile("Trades", f"{stats.trades:,}", f"{percent(stats.exposure_percent, 0)} in the market"),
    ]


def _sections(result: BacktestResult, calendar: Calendar) -> list[Section]:
    zone, currency = calendar.timezone, result.instrument.currency
    prices = PriceChart(result, zone, indicator_lines(result))
    found = []
    if len(result.bars):
        drawn = chart("price", prices.figure(), prices.height, "Prices with trades")
        found = [
            Section(
                "equity", "Equity", _equity(result, zone), f"Marked to the close of each bar, {zone} time. Below: how far under its peak."
            ),
            Section("prices", "Price and trades", drawn, _price_note(prices, zone)),
        ]
    if result.trades:
        others = element("div", weekday_table(result.trades, calendar, currency), reason_table(result.trades, currency))
        by_time = element("div", hour_table(result.trades, zone, currency), others, class_="two")
        months = element("div", month_table(result.trades, calendar, currency), class_="wide")
        listed = trade_list(result.trades, zone, currency, price_decimals(result.instrument.tick_size), prices.place)
        found += [
            Section(
                "results",
                "Results of trades",
                _results(result),
                "Net of fees. Excursions are the worst and the best price while a trade was open.",
            ),
            Section(
                "calendar",
                "Calendar",
                join([months, by_time]),
                f"Months and weekdays by the exit's trading day, hours by the entry, {zone} time.",
            ),
            Section("trades", "Trades", listed, _list_note(len(result.trades), zone)),
        ]
    return [*found, Section("run", "The run", _run(result, calendar))]


def _equity(result: BacktestResult, zone: str) -> Html:
    figure = equity_figure(result.equity, result.instrument.currency, zone)
    return chart("equity-chart", figure, 420, "Equity and drawdown")


def _results(result: BacktestResult) -> Html:
    currency = result.instrument.currency
    left = chart("distribution", distribution_figure(result.trades, currency), 340, "Distribution of results")
    right = chart("excursions", excursion_figure(result.trades, currency), 340, "Excursions of trades")
    charts = element("div", left, right, class_="two")
    return join([charts, element("div", trade_table(result.trades, currency), equity_table(result.stats, currency), class_="two")])


def _price_note(prices: PriceChart, zone: str) -> str:
    how = (
        f"{zone} time, nights and weekends left out. Drag across to zoom in, double-click to see all, click a trade in the list to find it."
    )
    return " ".join([how, *prices.notes])


def _list_note(count: int, zone: str) -> str:
    some = "" if count <= MAX_ROWS else f"The first {MAX_ROWS:,} of {count:,}; all of them with --trades FILE. "
    return f"{some}{zone} time. MAE and MFE in points. Click a head to sort, a row to see the trade on the chart."


def _run(result: BacktestResult, calendar: Calendar) -> Html:
    said = facts(assumptions(result, calendar))
    missing = element("ul", *(element("li", text) for text in not_modelled(result)))
    return element(
        "div",
        element("div", element("h3", "Strategy"), _parameters(result), element("h3", "Data"), _data(result, calendar)),
        element("div", element("h3", "Assumed"), said, element("h3", "Not modelled"), missing),
        denial_table(denial.code for denial in result.denials),
        class_="two run",
    )


def _parameters(result: BacktestResult) -> Html:
    asked = result.params or result.options.params
    return facts([("Strategy", result.strategy.name), *((name, value) for name, value in asked.items())])


def _data(result: BacktestResult, calendar: Calendar) -> Html:
    instrument, bars = result.instrument, result.bars
    span = (
        [("First bar", stamp(int(bars.ts_open[0]), calendar.timezone)), ("Last bar", stamp(int(bars.ts_close[-1]), calendar.timezone))]
        if len(bars)
        else []
    )
    return facts(
        (
            ("Symbol", f"{instrument.symbol} {instrument.name}".strip()),
            ("Timeframe", result.timeframe.name),
            ("Files", ", ".join(path.name for path in result.options.files) or "given in memory"),
            *span,
            ("Bars", f"{len(bars):,}"),
            ("Tick size, point value", f"{instrument.tick_size:f}, {money(instrument.multiplier, instrument.currency)}"),
            ("Orders, fills", f"{result.orders:,}, {len(result.fills):,}"),
            ("Digest", element("code", result.digest)),
        )
    )
