"""From a table of numbers to points, best first.

Owns how many are kept and tested, and what is said of those without metrics.
"""

from collections.abc import Iterator, Mapping, Sequence

from fortified.domain.errors import ConfigError, StrategyError
from fortified.research.batch import METRICS
from fortified.research.optimize.findings import Findings
from fortified.research.optimize.objective import Objective, as_metrics, order
from fortified.research.optimize.result import Metrics, Point
from fortified.research.optimize.robustness import at_the_edge, lonely_peak
from fortified.research.optimize.space import Space

TESTED = 50
"""The best points that are tested, besides all that no other beats."""
KEPT = 100_000
"""The best points that a result holds, and the first that failed."""


class Ranking:
    """The findings in their order.

    Raises:
        ConfigError: the strategy refused every point. StrategyError: it raised at every point that it did not refuse.
    """

    def __init__(self, space: Space, findings: Findings, objectives: Sequence[Objective]) -> None:
        self._space, self._findings, self._objectives = space, findings, objectives
        self._numbers, self._rows = findings.table()
        if not self._numbers and findings.failed:
            raise StrategyError(f"every point failed; the first: {next(iter(findings.failed.values()))}")
        if not self._numbers and findings.refused:
            raise ConfigError(f"the strategy refuses every point; the first: {next(iter(findings.refused.values()))}")
        self._best_first, self.unbeaten = order(self._rows, objectives)

    @property
    def best(self) -> int:
        """The number of the best point; there must be one."""
        return self._numbers[int(self._best_first[0])]

    def to_test(self) -> list[int]:
        """The numbers of the points that are worth a test, best first."""
        return [self._numbers[place] for place in self._best_first[: max(TESTED, self.unbeaten)]]

    def metrics(self, number: int) -> Metrics:
        """The metrics of a point."""
        return as_metrics(self._rows[self._numbers.index(number)])

    def points(self, tests: Mapping[int, Metrics]) -> list[Point]:
        """Points with metrics, best first, then those that failed. ``tests`` by number."""
        params, numbers = self._space.params, self._numbers
        found = [
            Point(params(numbers[place]), as_metrics(self._rows[place]), tests.get(numbers[place]))
            for place in self._best_first[:KEPT].tolist()
        ]
        nothing: Metrics = dict.fromkeys(METRICS)
        return found + [Point(params(number), nothing, None, error) for number, error in sorted(self._findings.failed.items())[:KEPT]]

    def remarks(self) -> Iterator[str]:
        """What is to be said of the search as a whole, and of the best point among its neighbours."""
        refused, failed = self._findings.refused, self._findings.failed
        if self._numbers:
            yield from lonely_peak(self._space, self._numbers, self._rows, int(self._best_first[0]), self._objectives[0])
            yield from at_the_edge(self._space, self.best)
        if self._space.refused or refused:
            because = f"; the first: {next(iter(refused.values()))}" if refused else ""
            yield f"{self._space.refused + len(refused)} combinations were skipped, because the strategy refuses them{because}"
        if failed:
            yield f"{len(failed)} points failed; the first: {next(iter(failed.values()))}"
        if len(self._numbers) > KEPT:
            yield f"{len(self._numbers)} points were evaluated; the best {KEPT} are given"
