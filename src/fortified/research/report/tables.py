"""The tables of a run: its statistics, its calendar and its trades.

Owns their columns and the wording of their heads; the formulas are the engine's.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal

from fortified.domain.calendar import Calendar
from fortified.domain.order import ZERO
from fortified.domain.trade import Trade
from fortified.engine.performance import Group, Statistics, by_day, by_hour, by_month
from fortified.engine.statistics import TradeStatistics, trade_statistics
from fortified.research.report.local_time import stamp
from fortified.research.report.markup import NONE, Html, element, money, number, percent, tone

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_ROWS = 5_000

type Cell = str | Html


def table(head: Iterable[Cell], rows: Iterable[Html], **attributes: object) -> Html:
    """A table; a head that is markup, and the ``rows``, are ready."""
    heads = (cell if isinstance(cell, Html) else element("th", cell, scope="col") for cell in head)
    return element("table", element("thead", element("tr", *heads)), element("tbody", *rows), **attributes)


def row(name: Cell, *cells: object, **attributes: object) -> Html:
    """A row with its name first; a cell that is no markup is set as a number."""
    return element(
        "tr", element("th", name, scope="row"), *(cell if isinstance(cell, Html) else element("td", cell) for cell in cells), **attributes
    )


def amount(value: Decimal | float | None, currency: str) -> Html:
    """A cell with a coloured amount."""
    return element("td", money(value, currency), class_=tone(value))


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and what they are."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs), class_="facts")


def trade_table(trades: Sequence[Trade], currency: str) -> Html:
    """The statistics of all trades, of the long and of the short ones, side by side."""
    sides = [trades, [trade for trade in trades if trade.side == "LONG"], [trade for trade in trades if trade.side != "LONG"]]
    stats = [trade_statistics(side) for side in sides]

    def coloured(name: str, value: Callable[[TradeStatistics], Decimal | None]) -> Html:
        return row(name, *(amount(value(one), currency) for one in stats))

    def plain(name: str, value: Callable[[TradeStatistics], str]) -> Html:
        return row(name, *(value(one) for one in stats))

    held = [_mean([trade.bars_held for trade in side]) for side in sides]
    rows = [
        coloured("Net P&L", lambda one: one.net_pnl),
        coloured("Gross P&L", lambda one: one.gross_pnl),
        plain("Fees", lambda one: money(one.fees, currency)),
        plain("Trades", lambda one: f"{one.trades:,}"),
        plain("Won / lost", lambda one: f"{one.wins:,} / {one.losses:,}"),
        plain("Win rate", lambda one: percent(None if one.win_rate is None else one.win_rate * 100)),
        coloured("Average win", lambda one: one.average_win),
        coloured("Average loss", lambda one: one.average_loss),
        plain("Profit factor", lambda one: number(one.profit_factor)),
        coloured("Expectancy per trade", lambda one: one.expectancy),
        plain("Drawdown of closed trades", lambda one: money(one.max_drawdown, currency)),
        plain("Longest losing streak", lambda one: f"{one.longest_losing_streak:,}"),
        row("Bars held, on average", *(number(mean, 1) for mean in held)),
    ]
    return table(("", "All", "Long", "Short"), rows, class_="numbers")


def equity_table(stats: Statistics, currency: str) -> Html:
    """The statistics of the equity curve."""
    rows = [
        row("At the start", money(stats.cash, currency)),
        row("At the end, with open P&L", money(stats.final_equity, currency)),
        row("Return", element("td", percent(stats.return_percent, 2, sign=True), class_=tone(stats.return_percent))),
        row("Deepest drawdown", money(stats.equity_drawdown, currency)),
        row("Deepest drawdown, of the peak", percent(stats.equity_drawdown_percent, 2)),
        row("Sharpe, daily, annualised", number(stats.sharpe)),
        row("Sortino, daily, annualised", number(stats.sortino)),
        row("Bars in the market", percent(stats.exposure_percent)),
        row("Trading days", f"{stats.days:,}"),
    ]
    return table(("", "Equity"), rows, class_="numbers")


def month_table(trades: Sequence[Trade], calendar: Calendar, currency: str) -> Html:
    """Net P&L by year and month of the exit, shaded by its size."""
    found = {group.name: group.net_pnl for group in by_month(trades, calendar)}
    years = sorted({name[:4] for name in found})
    largest = max((abs(value) for value in found.values()), default=ZERO)

    def cells(year: str) -> Iterable[Html]:
        values = [found.get(f"{year}-{month:02}") for month in range(1, 13)]
        yield from (_shaded(value, largest, currency) for value in values)
        total = sum((value for value in values if value is not None), ZERO)
        yield element("td", money(total, currency, 0), class_=f"total {tone(total) or ''}".strip())

    return table(("", *MONTHS, "Year"), (row(year, *cells(year)) for year in years), class_="numbers months")


def hour_table(trades: Sequence[Trade], timezone: str, currency: str) -> Html:
    """Trades by the local hour of their entry."""
    return _group_table("Hour", by_hour(trades, timezone), lambda name: f"{name}:00", currency)


def weekday_table(trades: Sequence[Trade], calendar: Calendar, currency: str) -> Html:
    """Trades by the weekday of the trading day of their exit."""
    days: defaultdict[int, list[Group]] = defaultdict(list)
    for group in by_day(trades, calendar):
        days[date.fromisoformat(group.name).weekday()].append(group)
    return _group_table("Weekday", [_joined(str(day), days[day]) for day in sorted(days)], lambda name: WEEKDAYS[int(name)], currency)


def reason_table(trades: Sequence[Trade], currency: str) -> Html:
    """Trades by what ended them."""
    reasons: defaultdict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        reasons[trade.exit_reason].append(trade)
    groups = [
        Group(name, len(some), sum(trade.net_pnl > 0 for trade in some), net, ZERO, None, net / len(some))
        for name, some in sorted(reasons.items(), key=lambda item: -len(item[1]))
        for net in [sum((trade.net_pnl for trade in some), ZERO)]
    ]
    return _group_table("Exit", groups, str, currency)


def trade_list(trades: Sequence[Trade], timezone: str, currency: str, decimals: int, place: Callable[[int], float]) -> Html:
    """Every trade, the first ``MAX_ROWS`` of a long run. ``place`` tells where on the price chart a stamp is."""
    head = ("#", "Side", "Quantity", "Entry", "Price", "Why", "Exit", "Price", "Why", "Bars", "MAE", "MFE", "Fees", "Net P&L", "Total")
    rows, total = [], ZERO
    for count, trade in enumerate(trades[:MAX_ROWS], start=1):
        total += trade.net_pnl
        cells = (
            *(trade.side.title(), f"{trade.quantity.normalize():f}"),
            *(stamp(trade.ts_entry, timezone), number(trade.entry_price, decimals), trade.entry_reason),
            *(stamp(trade.ts_exit, timezone), number(trade.exit_price, decimals), trade.exit_reason),
            *(trade.bars_held, number(trade.mae, decimals), number(trade.mfe, decimals)),
            *(money(trade.fees, currency), amount(trade.net_pnl, currency), money(total, currency)),
        )
        rows.append(row(str(count), *cells, data_from=f"{place(trade.ts_entry):g}", data_to=f"{place(trade.ts_exit):g}"))
    return element("div", table(head, rows, class_="numbers trades", id="trade-list"), class_="scroll", tabindex="0")


def denial_table(codes: Iterable[str]) -> Html | None:
    """How many orders were not made, by the reason."""
    counts: defaultdict[str, int] = defaultdict(int)
    for code in codes:
        counts[code] += 1
    rows = [row(element("code", code), f"{count:,}") for code, count in sorted(counts.items(), key=lambda item: -item[1])]
    return table(("Orders that were not made", "Times"), rows, class_="numbers") if rows else None


def _group_table(head: str, groups: Sequence[Group], label: Callable[[str], str], currency: str) -> Html:
    largest = max((abs(group.net_pnl) for group in groups), default=ZERO)
    rows = (
        row(
            label(group.name),
            *(f"{group.trades:,}", percent(100 * Decimal(group.wins) / group.trades, 0), money(group.average, currency)),
            amount(group.net_pnl, currency),
            element("td", _bar(group.net_pnl, largest), class_="bar-cell"),
        )
        for group in groups
    )
    return table((head, "Trades", "Won", "Average", "Net P&L", ""), rows, class_="numbers")


def _joined(name: str, groups: Sequence[Group]) -> Group:
    trades, wins = sum(group.trades for group in groups), sum(group.wins for group in groups)
    net = sum((group.net_pnl for group in groups), ZERO)
    return Group(name, trades, wins, net, Decimal(wins) / trades, None, net / trades)


def _bar(value: Decimal, largest: Decimal) -> Html:
    """A bar from the middle, to the right for a gain and to the left for a loss."""
    share = 50 * abs(value) / largest if largest else ZERO
    start = Decimal(50) if value > 0 else 50 - share
    return element("i", class_=tone(value), style=f"margin-left:{start:.1f}%;width:{share:.1f}%")


def _shaded(value: Decimal | None, largest: Decimal, currency: str) -> Html:
    if value is None:
        return element("td", NONE, class_="none")
    strength = 10 + 50 * abs(value) / largest if largest else ZERO
    return element("td", money(value, currency, 0), class_=f"shade {tone(value) or ''}".strip(), style=f"--share:{strength:.0f}%")


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
