"""Very many runs of a built-in strategy over the same bars.

Owns which points of a search need no call of the strategy. Nothing of a run is kept but its metrics.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.backtest.batch import METRICS, crossing_of
from fortified.research.run import Backtest, is_plain
from fortified.runs import RunOptions, build_engine
from fortified.strategies.base import parse_params

__all__ = ["METRICS", "evaluate_batch"]


def evaluate_batch(test: Backtest, points: Sequence[Mapping[str, Any]]) -> NDArray[np.float64] | None:
    """The metrics of each point, a row of ``METRICS``, NaN where there is no value; None when the strategy has to be called.

    In the row of a point that only a run of its own can tell, ``trades`` is NaN.

    Raises:
        ConfigError: a parameter is not possible.
    """
    if test.tape is None or not is_plain(test.options, test.built) or not points:
        return None
    crossings = [crossing_of(test.strategy, parse_params(test.strategy, point)) for point in points]
    known = [crossing for crossing in crossings if crossing is not None]
    if len(known) < len(points):
        return None
    config = build_engine(_with(test.options, points[0]), test.instrument, test.timeframe, test.strategy).config
    batch = test.batch(config, test.tape)
    if not batch.is_possible:
        return None
    return batch.evaluate(known, test.options.warmup, test.calendar)


def _with(options: RunOptions, params: Mapping[str, Any]) -> RunOptions:
    return msgspec.structs.replace(options, params=dict(params))
