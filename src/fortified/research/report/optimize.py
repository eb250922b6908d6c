"""The report of an optimization.

Owns the order in which it is told: what was found and what speaks against it, where it lies among its neighbours, and whether it held on
data that it was not chosen on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.instrument import get_instrument
from fortified.research.optimize.result import OptimizeResult, Point
from fortified.research.report.heat import heat_figure, line_figure, pairs, searched
from fortified.research.report.local_time import local
from fortified.research.report.markup import NONE, Html, element, join, number, plural, tone
from fortified.research.report.metrics import name, shown
from fortified.research.report.page import Section, Tile, chart, page
from fortified.research.report.robustness import folds_figure, held_figure, rank_correlation
from fortified.research.report.tables import facts, row, table

MAX_POINTS = 100
COLUMNS = ("net_pnl", "sharpe", "profit_factor", "trades", "max_drawdown")
"""The metrics that are shown besides the objective."""


def optimize_report(result: OptimizeResult) -> str:
    """The report of ``result``: one HTML document that loads nothing."""
    objective = " and ".join(name(metric.strip()) for metric in result.objective.split(","))
    sets, bars = plural(len(result.points), "set"), plural(result.bars, "bar")
    return page(
        kind="Optimization",
        title=f"{result.symbol} · {result.timeframe} · {result.strategy}",
        subtitle=f"{sets} of parameters by {result.method}, for the best {objective}, over {bars}",
        tiles=_tiles(result),
        sections=_sections(result),
        warnings=result.warnings,
        foot=f"Fortified {result.version}",
    )


def words(params: Mapping[str, Any]) -> str:
    """``period_1 9, period_2 21``."""
    return ", ".join(f"{param} {value}" for param, value in params.items())


def objective_of(result: OptimizeResult) -> str:
    """The metric that charts show: the first of several objectives."""
    return result.objective.split(",")[0].strip()


def _tiles(result: OptimizeResult) -> list[Tile]:
    if not result.points:
        return []
    best, metric = result.points[0], objective_of(result)
    held = "not tested" if best.test is None else f"{shown(metric, best.test.get(metric))} on test data"
    tiles = [Tile(f"Best {name(metric)}", shown(metric, best.train.get(metric)), held)]
    for other in COLUMNS:
        if other != metric:
            value = best.train.get(other)
            test = "" if best.test is None else f"{shown(other, best.test.get(other))} on test data"
            tiles.append(Tile(name(other), shown(other, value), test, tone(value) if other == "net_pnl" else None))
    return tiles


def _sections(result: OptimizeResult) -> list[Section]:
    found: list[Section] = []
    if result.points:
        metric = objective_of(result)
        best = join([element("p", "Best: ", element("b", words(result.points[0].params)), class_="best"), _maps(result, metric)])
        found.append(
            Section(
                "space", "Neighbourhood", best, f"{name(metric)} on the train data. A good point has good neighbours; blank was not tried."
            )
        )
        if any(point.test is not None for point in result.points):
            found.append(Section("held", "Train against test", _held(result, metric), _held_note(result, metric)))
    if result.folds:
        note = f"In each fold the best of the train span trades the span behind it. Times of {_zone(result)}."
        found.append(Section("folds", "Walk forward", _folds(result), note))
    if result.points:
        found.append(Section("points", "Best points", _points(result), _points_note(result)))
    return [*found, Section("run", "The search", _search(result))]


def _maps(result: OptimizeResult, metric: str) -> Html:
    names = pairs(result)
    if not names:
        single = searched(result)
        return (
            chart("line", line_figure(result, single[0], metric), 360, f"{name(metric)} over {single[0]}")
            if single
            else element("p", "Nothing varied.")
        )
    maps = [
        element(
            "div",
            chart(f"heat-{place}", heat_figure(result, across, up, metric), 520, f"{name(metric)} over {across} and {up}"),
            id=f"map-{place}",
            hidden=place > 0,
        )
        for place, (across, up) in enumerate(names)
    ]
    if len(maps) == 1:
        return maps[0]
    options = (element("option", f"{across} × {up}", value=f"map-{place}") for place, (across, up) in enumerate(names))
    choice = element("p", element("select", *options, aria_label="Parameters of the map"), " the others as in the best point")
    return join([choice, *maps])


def _held(result: OptimizeResult, metric: str) -> Html:
    return chart("held-chart", held_figure(result, metric), 420, f"{name(metric)} of train against test")


def _held_note(result: OptimizeResult, metric: str) -> str:
    tested = [point for point in result.points if point.test is not None]
    link = rank_correlation(tested, metric)
    said = "" if link is None else f" Their ranks correlate with {number(link)}: 1 is the same order, 0 is chance."
    dots = f"Each dot is one of the {len(tested):,} tested sets, the best one ringed"
    return f"{dots}; on the dotted line {name(metric)} is the same in both.{said}"


def _folds(result: OptimizeResult) -> Html:
    metric, zone = objective_of(result), _zone(result)
    metrics = list(dict.fromkeys((metric, "net_pnl")))
    rows = (
        row(
            str(fold.number),
            element("td", _days(fold.train_start_ns, fold.train_end_ns, zone), class_="text"),
            element("td", _days(fold.test_start_ns, fold.test_end_ns, zone), class_="text"),
            element("td", words(fold.params), class_="text"),
            *(_toned(each, part.get(each)) for each in metrics for part in (fold.train, fold.test)),
            shown("trades", fold.test.get("trades")),
        )
        for fold in result.folds
    )
    text = [element("th", cell, class_="text") for cell in ("Train", "Test", "Best of train")]
    head = ("Fold", *text, *(word for each in metrics for word in (f"{name(each)}, train", "test")), "Trades, test")
    total = sum(fold.test.get("net_pnl") or 0.0 for fold in result.folds)
    said = element("p", "Net P&L of all test spans together: ", element("b", number(total, sign=True), class_=tone(total)))
    figure = chart("folds-chart", folds_figure(result, metric), 300, f"{name(metric)} of each fold")
    return join([figure, element("div", table(head, rows, class_="numbers"), class_="wide"), said])


def _toned(metric: str, value: float | None) -> Html:
    return element("td", shown(metric, value), class_=tone(value) if metric == "net_pnl" else None)


def _points(result: OptimizeResult) -> Html:
    params, metrics = list(result.space), list(dict.fromkeys((objective_of(result), *COLUMNS)))
    head = ("#", *params, *(f"{name(metric)}{part}" for part in ("", ", test") for metric in metrics))
    rows = (
        row(str(place), *(str(point.params.get(param, NONE)) for param in params), *_metrics(point, metrics))
        for place, point in enumerate(result.points[:MAX_POINTS], start=1)
    )
    return element("div", table(head, rows, class_="numbers points"), class_="scroll", tabindex="0")


def _metrics(point: Point, metrics: list[str]) -> list[str]:
    return [NONE if part is None else shown(metric, part.get(metric)) for part in (point.train, point.test) for metric in metrics]


def _points_note(result: OptimizeResult) -> str:
    failed = sum(point.error is not None for point in result.points)
    some = f"The best {MAX_POINTS} of {len(result.points):,}. " if len(result.points) > MAX_POINTS else ""
    return f"{some}Click a head to sort." + (f" In {plural(failed, 'set')} the strategy failed." if failed else "")


def _search(result: OptimizeResult) -> Html:
    space = ((param, _values(values)) for param, values in result.space.items())
    return facts(
        (
            *(("Objective", result.objective), ("Method", result.method), *space),
            *(("Sets evaluated", f"{len(result.points):,}"), ("Bars", f"{result.bars:,}")),
        )
    )


def _values(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values)) if len(values) <= 20 else f"{values[0]} to {values[-1]}, {len(values)} values"


def _days(start_ns: int, end_ns: int, zone: str) -> str:
    start, end = local(start_ns, zone), local(end_ns, zone)
    form = "%Y-%m-%d %H:%M" if (end - start).days < 5 else "%Y-%m-%d"
    return f"{start.strftime(form)} to {end.strftime(form)}"


def _zone(result: OptimizeResult) -> str:
    try:
        return get_calendar(get_instrument(result.symbol).calendar).timezone
    except ConfigError:  # an instrument that only the options of the run described
        return "UTC"
