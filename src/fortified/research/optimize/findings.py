"""What has been evaluated so far.

Owns the table of points and their metrics over one span of bars. Who adds sees to it that a point comes once.
"""

import numpy as np

from fortified.research.batch import METRICS
from fortified.research.optimize.evaluate import Answer
from fortified.research.optimize.objective import Rows


class Findings:
    """Points by their number, with a row of metrics each. ``refused`` and ``failed`` are points without, and why."""

    def __init__(self) -> None:
        self.refused: dict[int, str] = {}
        self.failed: dict[int, str] = {}
        self._numbers: list[int] = []
        self._rows: list[Rows] = []

    def __len__(self) -> int:
        return len(self._numbers) + len(self.refused) + len(self.failed)

    def add(self, answer: Answer) -> None:
        """Take an answer in."""
        self.refused.update(answer.refused)
        self.failed.update(answer.failed)
        without = answer.refused.keys() | answer.failed.keys()
        kept = [place for place, number in enumerate(answer.numbers) if number not in without]
        self._numbers.extend(answer.numbers[place] for place in kept)
        self._rows.append(answer.rows[kept] if without else answer.rows)

    def table(self) -> tuple[list[int], Rows]:
        """The numbers of the points that have metrics, in the order of the grid, and their rows."""
        rows = np.concatenate([np.empty((0, len(METRICS))), *self._rows])
        in_order = sorted(range(len(self._numbers)), key=self._numbers.__getitem__)
        return [self._numbers[place] for place in in_order], rows[in_order]
