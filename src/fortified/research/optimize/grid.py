"""The search that leaves nothing out.

Owns how the grid is dealt out: chunks that take a worker about as long as a person waits for a progress bar to move.
"""

from collections.abc import Callable, Iterator

from fortified.research.optimize.evaluate import Job
from fortified.research.optimize.findings import Findings
from fortified.research.optimize.folds import Span
from fortified.research.optimize.space import Space
from fortified.research.optimize.workers import Workers

CHUNK_S = 0.25
FIRST_CHUNK = 4
LARGEST_CHUNK = 32_768

type Told = Callable[[int], None]
"""Told how many more points are done."""


def search_grid(space: Space, span: Span, workers: Workers, findings: Findings, told: Told) -> None:
    """Evaluate every point of ``space`` over ``span`` into ``findings``."""
    chunk = FIRST_CHUNK

    def jobs() -> Iterator[Job]:
        start = 0
        while start < space.size:
            fair = -(-(space.size - start) // workers.slots)  # so that all end together
            stop = start + min(chunk, fair)
            yield Job(span, range(start, stop))
            start = stop

    for answer in workers.run(jobs()):
        findings.add(answer)
        told(len(answer.numbers))
        pace = len(answer.numbers) / max(answer.seconds, 1e-6)
        chunk = max(1, min(LARGEST_CHUNK, int(pace * CHUNK_S)))
