"""What an optimization gives back.

Owns the one shape that the report, JSON and Python users read.
"""

from typing import Any

import msgspec

type Metrics = dict[str, float | None]
"""By name (see ``research/batch.py:METRICS``); None where a ratio has no value."""


class Point(msgspec.Struct, frozen=True):
    """One set of parameters with its metrics. ``test`` None: it was not tested. ``error``: the strategy raised, and said this."""

    params: dict[str, Any]
    train: Metrics
    test: Metrics | None
    error: str | None = None


class Fold(msgspec.Struct, frozen=True):
    """One step of a walk forward: the best parameters of the train bars, and what they did on the bars behind them.

    Times are UTC nanoseconds, from the opening of the first bar to the close of the last one.
    """

    number: int
    train_start_ns: int
    train_end_ns: int
    test_start_ns: int
    test_end_ns: int
    params: dict[str, Any]
    train: Metrics
    test: Metrics


class OptimizeResult(msgspec.Struct, frozen=True):
    """``points`` are best first; with several objectives those that no other point beats in all of them come first.

    ``space`` has the values each parameter was searched over, in their order; ``bars`` counts all bars of the data.
    """

    objective: str
    method: str
    space: dict[str, list[Any]]
    points: list[Point]
    folds: list[Fold]
    warnings: list[str]
    symbol: str
    timeframe: str
    strategy: str
    bars: int
    version: str
