"""Optimizations: a space of parameters in, its points out, best first.

Owns the order of the work: search, test of the best, folds, doubts. What is interrupted keeps what it has.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec

from fortified.bootstrap import product_version
from fortified.domain.errors import ConfigError
from fortified.registry import Registry
from fortified.research.data import Report, load
from fortified.research.optimize.adaptive import AdaptiveSearch, Shared, open_study
from fortified.research.optimize.evaluate import Evaluator, Job
from fortified.research.optimize.findings import Findings
from fortified.research.optimize.folds import TRAIN_SHARE, Cut, Span, split, walk_forward
from fortified.research.optimize.grid import search_grid
from fortified.research.optimize.objective import as_metrics, parse_objectives
from fortified.research.optimize.outcome import Ranking
from fortified.research.optimize.pool import LocalPool
from fortified.research.optimize.ray_pool import RayPool
from fortified.research.optimize.result import Fold, Metrics, OptimizeResult
from fortified.research.optimize.robustness import doubts
from fortified.research.optimize.space import check_grid, parse_space
from fortified.research.optimize.workers import ThisProcess, Workers
from fortified.research.run import check
from fortified.runs import RunOptions

TRIALS: Final = 200
TRIED: Final = 1_000
"""Combinations that are looked at before the data is, to find one the strategy takes."""

Method = Literal["grid", "tpe", "nsga2"]
METHODS: Final[tuple[Method, ...]] = ("grid", "tpe", "nsga2")
Progress = Callable[[int, int], None]
"""Told the points that are done, and all points."""


class Search(msgspec.Struct, frozen=True):
    """What to search and how. ``params`` are texts as ``parse_space`` reads them; ``jobs`` None: one for each core.

    ``train`` is the part of the bars that chooses, the rest tests; None: all of them choose. ``folds`` 0: no walk forward.
    """

    params: dict[str, str]
    objective: str = "net_pnl"
    method: Method = "grid"
    trials: int = TRIALS
    seed: int = 1
    train: float | None = None
    folds: int = 0
    jobs: int | Literal["ray"] | None = None
    shared: Shared | None = None


class Optimization:
    """One search, ready to run. ``interrupted`` tells that Ctrl-C ended it early; the result is then of what was done.

    With more than one job the workers are new Python processes: a script that calls this guards its own code with
    ``if __name__ == "__main__"``. With several workers the order of trials of tpe and nsga2 depends on who is done first.

    Raises:
        ConfigError: an option, a range or a parameter is not possible. DataError: a file cannot be used.
    """

    def __init__(self, options: RunOptions, search: Search, report: Report) -> None:
        self.options = msgspec.structs.replace(options, params={})
        self.search = search
        self.strategy = Registry().resolve(options.strategy)
        self.objectives = parse_objectives(search.objective)
        self.space = parse_space(self.strategy, search.params)
        self.interrupted = False
        self._check()
        self._data = load(self.options, report)
        self._here = Evaluator(self.options, self._data, self.strategy, self.space)
        self.bars = self._here.bars
        cut = None if search.train is None else split(self.bars, search.train)
        self._span = Span(0, self.bars) if cut is None else cut.train
        self._test_span = None if cut is None else cut.test
        self._folds = walk_forward(self.bars, search.folds, search.train or TRAIN_SHARE) if search.folds else []
        self._done = 0

    def run(self, progress: Progress) -> OptimizeResult:
        """Search.

        Raises:
            ConfigError: the strategy refuses every point. StrategyError: it raised at every point. FortifiedError: a worker ended.
        """
        findings, folds, tests = Findings(), list[Fold](), dict[int, Metrics]()
        workers = self._workers()
        try:
            self._explore(self._span, "", workers, findings, progress)
            if self._test_span is not None:
                tests = self._test(self._ranking(findings).to_test(), self._test_span, workers)
            for number, cut in enumerate(self._folds, start=1):
                folds.append(self._fold(number, cut, workers, progress))
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            workers.close()
        return self._result(findings, tests, folds)

    def _check(self) -> None:
        """Look at every option before the data is loaded."""
        search = self.search
        if search.method == "nsga2" and len(self.objectives) < 2:
            raise ConfigError(f"nsga2 weighs two or more objectives; give --objective {search.objective},max_drawdown, or use --method tpe")
        if search.method == "grid":
            check_grid(self.space)
            if search.shared is not None:
                raise ConfigError("a study is shared by --method tpe or nsga2; a grid is searched by one machine, or with --jobs ray")
        if isinstance(search.jobs, int) and search.jobs < 1:
            raise ConfigError(f"--jobs {search.jobs} is not possible; give a number of processes, or ray")
        if search.trials < 1:
            raise ConfigError(f"--trials {search.trials} is not possible; give a number above 0")
        refusal = None
        for number in range(min(TRIED, self.space.size)):
            try:
                check(msgspec.structs.replace(self.options, params=self.space.params(number)), self.strategy)
                return
            except ConfigError as error:
                refusal = refusal or error
            except Exception:  # the strategy is the user's: what it raises is told of that point, by whoever evaluates it
                return
        if refusal is not None and self.space.size <= TRIED:
            raise refusal

    def _workers(self) -> Workers:
        jobs, size = self.search.jobs, min(self.space.size, self._total)
        if jobs == "ray":
            return RayPool(self.options, self._data, self.space)
        count = min(jobs or _cores(), size)
        return ThisProcess(self._here) if count == 1 else LocalPool(self.options, self._data, self.space, count)

    @property
    def _each(self) -> int:
        """The points of one search."""
        return self.space.size if self.search.method == "grid" else min(self.space.size, self.search.trials)

    @property
    def _total(self) -> int:
        return self._each * (1 + len(self._folds))

    def _explore(self, span: Span, part: str, workers: Workers, findings: Findings, progress: Progress) -> None:
        def told(more: int) -> None:
            self._done += more
            progress(self._done, max(self._total, self._done))

        search = self.search
        if search.method == "grid":
            search_grid(self.space, span, workers, findings, told)
            return
        shared = search.shared
        if shared is not None:
            shared = msgspec.structs.replace(shared, name=shared.name + part)
        study = open_study(search.method, self.space, self.objectives, search.trials, search.seed, shared, self._about(span))
        AdaptiveSearch(study, self.space, self.objectives, search.trials, findings, told).run(span, workers)

    @property
    def _objective(self) -> str:
        return ",".join(objective.name for objective in self.objectives)

    def _about(self, span: Span) -> dict[str, Any]:
        """What all machines that share a study must have alike."""
        fixed = {name: value for name, value in msgspec.structs.asdict(self.options).items() if name not in ("files", "strategy")}
        space = {dimension.name: dimension.values for dimension in self.space.dimensions}
        return {
            "strategy": self.strategy.name,
            **fixed,
            "space": space,
            "objective": self._objective,
            "bars": [*span, *self._here.period(span)],
        }

    def _test(self, numbers: list[int], span: Span, workers: Workers) -> dict[int, Metrics]:
        jobs = (Job(span, (number,), warm=True) for number in numbers)
        return {number: as_metrics(row) for answer in workers.run(jobs) for number, row in zip(answer.numbers, answer.rows, strict=True)}

    def _fold(self, number: int, cut: Cut, workers: Workers, progress: Progress) -> Fold:
        findings = Findings()
        self._explore(cut.train, f"/fold-{number}", workers, findings, progress)
        ranking = self._ranking(findings)
        test = self._test([ranking.best], cut.test, workers)[ranking.best]
        return Fold(
            number,
            *self._here.period(cut.train),
            *self._here.period(cut.test),
            self.space.params(ranking.best),
            ranking.metrics(ranking.best),
            test,
        )

    def _ranking(self, findings: Findings) -> Ranking:
        return Ranking(self.space, findings, self.objectives)

    def _result(self, findings: Findings, tests: dict[int, Metrics], folds: list[Fold]) -> OptimizeResult:
        ranking = self._ranking(findings)
        points = ranking.points(tests)
        tested = self._test_span is not None or bool(self._folds)
        return OptimizeResult(
            objective=self._objective,
            method=self.search.method,
            space={dimension.name: list(dimension.values) for dimension in self.space.dimensions},
            points=points,
            folds=folds,
            warnings=[
                *self._interruption(),
                *doubts(points, folds, self.objectives[0], tested=tested),
                *ranking.remarks(),
            ],
            symbol=self._here.symbol,
            timeframe=self._here.timeframe,
            strategy=self.strategy.name,
            bars=self.bars,
            version=product_version(),
        )

    def _interruption(self) -> Iterator[str]:
        if self.interrupted:
            yield f"interrupted after {self._done} of {self._total} points"


def _cores() -> int:
    """The cores this process may use; not every system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
