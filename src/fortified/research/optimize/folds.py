"""Which bars are for choosing, and which for judging.

Owns the cuts. Knows bars by their number only.
"""

from typing import NamedTuple

from fortified.domain.errors import ConfigError

TRAIN_SHARE = 0.7
"""The part of a fold that trains, when nobody says."""


class Span(NamedTuple):
    """The bars ``first`` to ``stop`` (exclusive)."""

    first: int
    stop: int


class Cut(NamedTuple):
    """Train, and the test right behind it."""

    train: Span
    test: Span


def split(bars: int, share: float) -> Cut:
    """The first ``share`` of the bars trains, the rest tests.

    Raises:
        ConfigError: a side would have no bars, or the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"--train {share:g} is not possible; give the part of the bars that trains, such as 0.7")
    at = round(bars * share)
    if not 0 < at < bars:
        raise ConfigError(f"--train {share:g} leaves a side of the {bars} bars empty; give more data")
    return Cut(Span(0, at), Span(at, bars))


def walk_forward(bars: int, folds: int, share: float) -> list[Cut]:
    """Rolling windows of the same length; the tests follow one another without gap to the last bar.

    Each window begins where it must for its train part to have ``share`` of it.

    Raises:
        ConfigError: there are too few bars.
    """
    if folds < 1:
        raise ConfigError(f"--walk-forward {folds} is not possible; give the number of folds, such as 5")
    if not 0 < share < 1:
        raise ConfigError(f"--train {share:g} is not possible; give the part of each fold that trains, such as 0.7")
    window = bars / (share + folds * (1 - share))
    edges = [round(window * (share + number * (1 - share))) for number in range(folds)] + [bars]
    starts = [round(window * number * (1 - share)) for number in range(folds)]
    cuts = [Cut(Span(start, at), Span(at, stop)) for start, at, stop in zip(starts, edges[:-1], edges[1:], strict=True)]
    if any(span.first >= span.stop for cut in cuts for span in cut):
        raise ConfigError(f"{bars} bars are too few for {folds} folds; give fewer folds, or more data")
    return cuts
