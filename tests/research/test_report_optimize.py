"""The report of an optimization shows the neighbourhood of its best point, what held on test data, and its warnings."""

import json

import pytest
from tests.research.reported import Page, metrics, search

from fortified.research.optimize.result import Point
from fortified.research.report.heat import heat_figure, line_figure, pairs
from fortified.research.report.optimize import optimize_report
from fortified.research.report.robustness import folds_figure, held_figure, rank_correlation

EVIL = "<script>alert(1)</script>"


def test_every_part_is_there() -> None:
    html = optimize_report(search())
    page = Page(html)
    assert {"space", "held", "folds", "points", "run", "heat-0", "held-chart", "folds-chart"} <= page.ids()
    assert "the best point is a lonely peak" in page.text
    assert page.text.index("lonely peak") < page.text.index("Best Sharpe")
    assert "Fortified 1.2.3" in page.text
    assert "<link" not in html
    assert all("src" not in attributes for _, attributes in page.tags)


def test_the_map_holds_each_point_and_leaves_blank_what_was_not_tried() -> None:
    result = search()
    assert pairs(result) == [("slow", "fast")]
    figure = heat_figure(result, "slow", "fast", "sharpe")
    cells = figure.data[0].z
    found = {(point.params["slow"], point.params["fast"]): point.train["sharpe"] for point in result.points}
    for row, fast in enumerate(result.space["fast"]):
        for column, slow in enumerate(result.space["slow"]):
            assert cells[row][column] == found.get((slow, fast))
    assert cells[1][1] is None
    frame = figure.layout.shapes[0]
    assert (frame.x0 + 0.5, frame.y0 + 0.5) == (2, 2)


def test_a_map_takes_the_other_parameters_from_the_best_point() -> None:
    points = [Point({"a": a, "b": b, "c": c}, metrics(10 * c + a - b), None) for c in (2, 1) for a in (1, 2) for b in (1, 2)]
    points.sort(key=lambda point: -(point.train["sharpe"] or 0))
    result = search(points=points, space={"a": [1, 2], "b": [1, 2], "c": [1, 2]}, folds=[])
    assert pairs(result) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [list(row) for row in heat_figure(result, "a", "b", "sharpe").data[0].z] == [[20.0, 21.0], [19.0, 20.0]]
    page = Page(optimize_report(result))
    assert len(page.named("option")) == 3
    hidden = [attributes["id"] for attributes in page.named("div") if "hidden" in attributes]
    assert hidden == ["map-1", "map-2"]


def test_one_parameter_gives_a_line_and_none_a_word() -> None:
    points = [Point({"a": a}, metrics(-abs(a - 2.0)), None) for a in (2, 1, 3)]
    one = search(points=points, space={"a": [1, 2, 3]}, folds=[], warnings=[])
    assert list(line_figure(one, "a", "sharpe").data[0].y) == [-1.0, 0.0, -1.0]
    page = Page(optimize_report(one))
    assert "line" in page.ids()
    assert "held" not in page.ids()
    assert "Nothing varied." in Page(optimize_report(search(points=points[:1], space={"a": [2]}))).text


def test_train_is_drawn_against_test() -> None:
    figure = held_figure(search(), "sharpe")
    assert (figure.data[1].x[0], figure.data[1].y[0]) == (2.0, pytest.approx(0.3))
    assert list(figure.data[2].x) == [2.0]


def test_rank_correlation_is_spearmans() -> None:
    def of(*pairs: tuple[float, float]) -> float | None:
        return rank_correlation([Point({}, metrics(train), metrics(test)) for train, test in pairs], "sharpe")

    assert of((1, 10), (2, 20), (9, 21)) == pytest.approx(1.0)
    assert of((1, 3), (2, 2), (3, 1)) == pytest.approx(-1.0)
    assert of((1, 1), (2, 1), (3, 2), (4, 2)) == pytest.approx(0.894427, abs=1e-6)
    assert of((1, 1), (2, 1)) is None
    assert of((1, 1), (2, 1), (3, 1)) is None


def test_folds_show_both_spans() -> None:
    result = search()
    train, test = folds_figure(result, "sharpe").data
    assert (list(train.y), list(test.y)) == ([1.5, 1.5], [-0.5, -0.5])
    page = Page(optimize_report(result))
    assert "2026-03-02 17:00 to 2026-03-05 17:00" in page.texts["folds"]
    assert "\N{MINUS SIGN}1,000.00" in page.texts["folds"]


def test_several_objectives_are_named_and_the_first_is_drawn() -> None:
    page = Page(optimize_report(search(objective="sharpe,max_drawdown")))
    assert "for the best Sharpe and Drawdown" in page.text
    assert json.loads(page.texts["heat-0-data"])["data"][0]["z"][2][2] == 2.0


def test_nothing_found_is_a_report_too() -> None:
    page = Page(optimize_report(search(points=[], folds=[], warnings=["every set failed: ValueError"])))
    assert "every set failed: ValueError" in page.text
    assert "heat-0" not in page.ids()


def test_what_a_user_wrote_is_shown_and_never_run() -> None:
    points = [Point({EVIL: value, "b": other}, metrics(1.0), metrics(1.0)) for value in (EVIL, "x") for other in (1, 2)]
    html = optimize_report(search(points=points, space={EVIL: [EVIL, "x"], "b": [1, 2]}, strategy=EVIL, warnings=[EVIL], folds=[]))
    assert "<script>alert" not in html
    assert EVIL in Page(html).text
