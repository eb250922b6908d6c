"""The searches that learn from what they have seen: TPE and NSGA-II of Optuna.

Owns how a point of the space is a trial, and that no point is evaluated twice, here or by another process of the same study.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.storages import JournalStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from fortified.domain.errors import ConfigError
from fortified.research.optimize.evaluate import Answer, Job
from fortified.research.optimize.findings import Findings
from fortified.research.optimize.folds import Span
from fortified.research.optimize.grid import Told
from fortified.research.optimize.objective import Objective, as_metrics, as_row
from fortified.research.optimize.space import Space
from fortified.research.optimize.study import RedisJournal
from fortified.research.optimize.workers import Workers

WORST = -1e15
"""Score of a point without a value: finite, because samplers subtract scores."""
POPULATION = 50
GENERATIONS = 5
"""At least, when there are few trials: then the population is smaller."""
PATIENCE = 20
"""Questions per trial: a sampler that knows a small part of the space only is not asked for ever."""

Method = Literal["tpe", "nsga2"]


class Shared(msgspec.Struct, frozen=True):
    """A study in Redis that others may join; ``revive`` is called while Redis is away."""

    url: str
    name: str
    revive: Callable[[], object]


def open_study(
    method: Method, space: Space, objectives: Sequence[Objective], trials: int, seed: int, shared: Shared | None, about: Mapping[str, Any]
) -> Study:
    """A new study, or the one of that name. ``about`` is what all who join must search alike.

    In a shared study the seed is not used: all processes would begin with the same points.

    Raises:
        ConfigError: the study of that name searches something else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler: BaseSampler
    first = seed if shared is None else None
    if method == "tpe":
        sampler = TPESampler(seed=first)
    else:
        sampler = NSGAIISampler(seed=first, population_size=max(8, min(POPULATION, trials // GENERATIONS)))
    directions = [StudyDirection.MAXIMIZE] * len(objectives)
    if shared is None:
        return optuna.create_study(sampler=sampler, directions=directions)
    storage = JournalStorage(RedisJournal(shared.url, shared.name, shared.revive))
    known = next((study.user_attrs for study in storage.get_all_studies()), {}).get("about")
    mine = json.loads(json.dumps(about, default=str))
    if known is not None and known != mine:
        differs = next(key for key in mine if mine[key] != known.get(key))
        raise ConfigError(
            f"study {shared.name!r} searches something else: {differs} is {known.get(differs)} there and {mine[differs]} here; "
            "give the same options, or another name"
        )
    study = optuna.create_study(study_name=shared.name, storage=storage, sampler=sampler, directions=directions, load_if_exists=True)
    study.set_user_attr("about", mine)
    return study


class AdaptiveSearch:
    """Asks a study for points until ``trials`` different ones are done, by whomever."""

    def __init__(self, study: Study, space: Space, objectives: Sequence[Objective], trials: int, findings: Findings, told: Told) -> None:
        self._study, self._space, self._objectives, self._trials = study, space, objectives, trials
        self._findings, self._told = findings, told
        self._distributions = {dimension.name: _distribution(dimension.ordered, len(dimension.values)) for dimension in space.dimensions}
        self._scores: dict[int, list[float]] = {}
        self._waiting: dict[int, list[Trial]] = {}
        self._absorbed: set[int] = set()
        self._asked = 0

    def run(self, span: Span, workers: Workers) -> None:
        """Evaluate over ``span``.

        Raises:
            FortifiedError: a worker ended; StoreUnavailable: the shared study cannot be reached.
        """
        self._absorb()
        for answer in workers.run(self._jobs(span)):
            self._settle(answer)
        self._absorb()

    def _jobs(self, span: Span) -> Iterator[Job]:
        while self._goes_on():
            trial = self._study.ask(self._distributions)
            self._asked += 1
            number = self._space.number(trial.params)
            if number in self._scores:
                self._tell(trial, self._scores[number])  # known: told, not evaluated again
            elif number in self._waiting:
                self._waiting[number].append(trial)
            else:
                self._waiting[number] = [trial]
                yield Job(span, (number,))
                self._absorb()

    def _goes_on(self) -> bool:
        points = len(self._scores) + len(self._waiting)
        return points < min(self._trials, self._space.size) and self._asked < PATIENCE * self._trials

    def _settle(self, answer: Answer) -> None:
        (number,) = answer.numbers
        self._findings.add(answer)
        reason = answer.refused.get(number) or answer.failed.get(number)
        scores = [max(WORST, float(objective.scores(answer.rows)[0])) for objective in self._objectives]
        self._scores[number] = scores
        self._told(1)
        for trial in self._waiting.pop(number):
            trial.set_user_attr("metrics", as_metrics(answer.rows[0]))
            if reason is not None:
                trial.set_user_attr("refused" if number in answer.refused else "failed", reason)
            self._tell(trial, scores)

    def _tell(self, trial: Trial, scores: list[float]) -> None:
        self._study.tell(trial, scores)
        self._absorbed.add(trial.number)

    def _absorb(self) -> None:
        """Take in what other processes of the study have finished."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.number in self._absorbed:
                continue
            self._absorbed.add(trial.number)
            number = self._space.number(trial.params)
            if number in self._scores or number in self._waiting or "metrics" not in trial.user_attrs:
                continue
            self._scores[number] = trial.values
            self._told(1)
            self._findings.add(_answer(number, trial))


def _distribution(ordered: bool, count: int) -> BaseDistribution:
    """Places, not values: equal steps for numbers, and nothing between them."""
    return IntDistribution(0, count - 1) if ordered else CategoricalDistribution(range(count))


def _answer(number: int, trial: FrozenTrial) -> Answer:
    attributes = trial.user_attrs
    without = {kind: {number: str(attributes[kind])} if kind in attributes else {} for kind in ("refused", "failed")}
    return Answer((number,), np.array([as_row(attributes["metrics"])]), without["refused"], without["failed"], 0.0)
