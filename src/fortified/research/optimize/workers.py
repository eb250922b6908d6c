"""Who evaluates: the interface of pools, and the pool of one.

Owns what a pool promises. ``run`` takes the next job only when somebody is free for it, so a search may decide late.
"""

from collections.abc import Iterator
from typing import Protocol

from fortified.research.optimize.evaluate import Answer, Evaluator, Job


class Workers(Protocol):
    """Evaluates jobs. Answers come in the order in which they are ready."""

    @property
    def slots(self) -> int:
        """How many jobs are worked on at a time."""
        ...

    def run(self, jobs: Iterator[Job]) -> Iterator[Answer]:
        """Evaluate all jobs.

        Raises:
            FortifiedError: a worker ended, or could not begin.
        """
        ...

    def close(self) -> None:
        """End all workers at once, also in the middle of a job. May be called twice."""
        ...


class ThisProcess:
    """No worker: this process evaluates."""

    slots = 1

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def run(self, jobs: Iterator[Job]) -> Iterator[Answer]:
        return map(self._evaluator.evaluate, jobs)

    def close(self) -> None:
        return
