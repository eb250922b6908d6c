"""Reasons not to believe the best point.

Owns the signs of overfitting, and how they are told: plainly, with numbers. Knows no search and no data.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fortified.research.optimize.objective import MINIMISED, NEUTRAL, WITHOUT_SIGN, Objective, Rows
from fortified.research.optimize.result import Fold, Metrics, Point
from fortified.research.optimize.space import Space

FEW_TRADES = 30
FEW_NEIGHBOURS = 3
FAR_BELOW = 0.5


def lonely_peak(space: Space, numbers: Sequence[int], rows: Rows, best: int, objective: Objective) -> Iterator[str]:
    """Compare point ``numbers[best]`` with those that are one step away, in one dimension or in several."""
    dimensions = [place for place, dimension in enumerate(space.dimensions) if dimension.ordered and len(dimension.values) > 1]
    if not dimensions:
        return
    steps = _steps(space, numbers, numbers[best])
    near = (np.abs(steps) <= 1).all(axis=1) & (np.delete(steps, dimensions, axis=1) == 0).all(axis=1)
    near[best] = False
    values, value = rows[near, objective.column], float(rows[best, objective.column])
    possible = _possible_neighbours(space, numbers[best], dimensions)
    if len(values) < min(FEW_NEIGHBOURS, 3 ** len(dimensions) - 1):
        mend = "it lies at the edge of the space: widen it" if possible < FEW_NEIGHBOURS else "search the grid around it"
        count = f"{len(values)} of the {possible} neighbours of the best point were evaluated"
        yield f"{count}, too few to tell whether it is a lonely peak; {mend}"
        return
    known = values[~np.isnan(values)]
    median = float(np.median(known)) if len(known) else None
    if median is not None and not _is_far_below(median, value, objective):
        return
    said = "have no value" if median is None else f"have a median of {median:.4g}"
    yield (
        f"the best point is a lonely peak: its {objective.name} is {value:.4g}, its {len(values)} neighbours one step away {said}. "
        "It is probably luck; prefer a point on a plateau"
    )


def at_the_edge(space: Space, number: int) -> Iterator[str]:
    """Name the parameters of a point whose value is the first or the last that was searched."""
    for dimension, place in zip(space.dimensions, space.places(number), strict=True):
        last = len(dimension.values) - 1
        if dimension.ordered and last > 1 and place in (0, last):
            side = "smallest" if place == 0 else "largest"
            yield f"{dimension.name} of the best point is {dimension.values[place]}, the {side} that was searched: better may lie beyond"


def doubts(points: Sequence[Point], folds: Sequence[Fold], objective: Objective, *, tested: bool) -> Iterator[str]:
    """What train, test and the number of trades say against the best point."""
    if not points or points[0].error is not None:
        return
    best = points[0]
    trades = best.train["trades"]
    if trades is None or trades < FEW_TRADES:
        yield f"the best point made {trades or 0:.0f} trades, fewer than {FEW_TRADES}: its numbers are mostly chance"
    name = "net_pnl" if objective.name in WITHOUT_SIGN else objective.name
    if best.test is not None and _earns(best.train, name) and not _earns(best.test, name):
        yield f"the best point is good in train and bad in test: {name} is {_said(best.train[name])} and then {_said(best.test[name])}"
    lost = [fold for fold in folds if _earns(fold.train, name) and not _earns(fold.test, name)]
    if lost:
        numbers = ", ".join(str(fold.number) for fold in lost)
        yield f"{len(lost)} of {len(folds)} folds are good in train and bad in test ({name}; fold {numbers})"
    if not tested:
        yield "nothing was held back to test the best point on; use --train 0.7 or --walk-forward 5"


def _steps(space: Space, numbers: Sequence[int], center: int) -> NDArray[np.int64]:
    """How far each point is from ``center``, in places of each dimension."""
    sizes = [len(dimension.values) for dimension in space.dimensions]
    left = np.array(numbers, dtype=np.int64 if space.size < 2**63 else object)
    columns = []
    for size in reversed(sizes):
        columns.append((left % size).astype(np.int64))
        left = left // size
    steps: NDArray[np.int64] = np.column_stack(columns[::-1]) - np.array(space.places(center))
    return steps


def _possible_neighbours(space: Space, number: int, dimensions: Sequence[int]) -> int:
    places = space.places(number)
    reach = [1 + (places[at] > 0) + (places[at] < len(space.dimensions[at].values) - 1) for at in dimensions]
    return int(np.prod(reach)) - 1


def _is_far_below(median: float, best: float, objective: Objective) -> bool:
    sign = -1 if objective.name in MINIMISED else 1
    return sign * median < sign * best - FAR_BELOW * abs(best)


def _earns(metrics: Metrics, name: str) -> bool:
    value = metrics[name]
    return value is not None and value > NEUTRAL.get(name, 0.0)


def _said(value: float | None) -> str:
    return "without a value" if value is None else f"{value:.4g}"
