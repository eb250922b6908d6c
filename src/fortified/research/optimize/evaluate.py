"""Evaluates points of a space over a span of bars. Runs in this process, in a worker process, or on another machine.

Owns the job, its answer, and which of a strategy's refusals and failures hurt one point only. Knows no pool and no search.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fortified.domain.errors import ConfigError, StrategyError
from fortified.research.batch import METRICS, evaluate_batch
from fortified.research.data import Data
from fortified.research.optimize.folds import Span
from fortified.research.optimize.objective import Days, Rows, as_row, days_of, metrics
from fortified.research.optimize.result import Metrics
from fortified.research.optimize.space import Space
from fortified.research.run import Backtest
from fortified.runs import RunOptions, build_engine
from fortified.strategies.base import BaseStrategy

TRADES = METRICS.index("trades")
KEPT_PARTS = 3
"""Parts of the data whose bars a worker keeps: the folds are searched one after another."""


class Job(msgspec.Struct, frozen=True):
    """Points to evaluate over the bars of ``span``; ``warm``: trading begins at its first bar, the bars before it warm up."""

    span: Span
    numbers: Sequence[int]
    warm: bool = False


class Answer(msgspec.Struct, frozen=True):
    """``rows[i]`` belongs to ``numbers[i]``. ``refused`` and ``failed`` say why a point has no metrics, by its number."""

    numbers: Sequence[int]
    rows: Rows
    refused: dict[int, str]
    failed: dict[int, str]
    seconds: float


class Part:
    """A backtest over some of the bars, and what all its runs have in common."""

    def __init__(self, test: Backtest) -> None:
        self.test = test
        self._days: Days | None = None

    def evaluate(self, params: Mapping[str, Any]) -> Metrics:
        """The metrics of one run."""
        result = self.test.run(params)
        if self._days is None:
            self._days = days_of(result)
        return metrics(result, self._days)

    def evaluate_all(self, points: Sequence[Mapping[str, Any]]) -> Rows | None:
        """The metrics of many runs at once, where the strategy can do that; ``trades`` is NaN where it cannot."""
        try:
            return evaluate_batch(self.test, points)
        except ConfigError:  # a combination is refused: one by one it is known which
            return None


class Evaluator:
    """A strategy, its data and a space; bars are built once."""

    def __init__(self, options: RunOptions, data: Data, strategy: type[BaseStrategy], space: Space) -> None:
        self._space, self._strategy = space, strategy
        self._whole = Backtest(options, data, strategy)
        self.bars = self._whole.bars_count()
        self.symbol, self.timeframe = self._whole.instrument.symbol, self._whole.timeframe.name
        self._parts = {Span(0, self.bars): Part(self._whole)}

    def evaluate(self, job: Job) -> Answer:
        """The answer to a job. What a strategy raises is a fault of the point."""
        began = time.perf_counter()
        points = [self._space.params(number) for number in job.numbers]
        rows = None if job.warm else self._part(job.span).evaluate_all(points)
        if rows is None:
            rows = np.full((len(points), len(METRICS)), np.nan)
        refused: dict[int, str] = {}
        failed: dict[int, str] = {}
        for place in np.flatnonzero(np.isnan(rows[:, TRADES])).tolist():
            number, params = job.numbers[place], points[place]
            try:
                rows[place] = as_row(self._part_for(job, params).evaluate(params))
            except ConfigError as error:
                refused[number] = str(error)
            except StrategyError as error:
                failed[number] = str(error)
            except Exception as error:  # the strategy is the user's: whatever it raises is a fault of this point alone
                failed[number] = f"strategy {self._strategy.name!r} failed: {type(error).__name__}: {error}"
        return Answer(job.numbers, rows, refused, failed, time.perf_counter() - began)

    def period(self, span: Span) -> tuple[int, int]:
        """When the first of these bars opens and the last one closes, UTC nanoseconds."""
        test = self._whole
        bars = test.data.bars if test.tape is None else test.tape.bars
        assert bars is not None
        return int(bars.ts_open[span.first]), int(bars.ts_close[span.stop - 1])

    def _part_for(self, job: Job, params: Mapping[str, Any]) -> Part:
        if not job.warm:
            return self._part(job.span)
        test = self._whole
        options = msgspec.structs.replace(test.options, params=dict(params))
        warmup = build_engine(options, test.instrument, test.timeframe, test.strategy).config.warmup
        return self._part(Span(max(0, job.span.first - warmup), job.span.stop))

    def _part(self, span: Span) -> Part:
        if span not in self._parts:
            while len(self._parts) > KEPT_PARTS:
                del self._parts[list(self._parts)[1]]  # the first one is the whole
            self._parts[span] = Part(self._whole.part(*span))
        return self._parts[span]
