"""Stand-in until research.batch is there. To be deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from fortified.research.run import Backtest


def evaluate_batch(test: Backtest, points: Sequence[Mapping[str, Any]]) -> list[dict[str, float | None]] | None:
    return None
