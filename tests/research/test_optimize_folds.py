"""Train and test never share a bar, and the tests of a walk forward cover the end of the data without gap."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fortified.domain.errors import ConfigError
from fortified.research.optimize.folds import split, walk_forward


def test_split() -> None:
    assert split(1_000, 0.7) == ((0, 700), (700, 1_000))


def test_walk_forward_by_hand() -> None:
    assert walk_forward(100, 3, 0.4) == [((0, 18), (18, 45)), ((27, 45), (45, 73)), ((55, 73), (73, 100))]


@given(bars=st.integers(200, 100_000), folds=st.integers(1, 12), share=st.floats(0.2, 0.9))
def test_walk_forward(bars: int, folds: int, share: float) -> None:
    cuts = walk_forward(bars, folds, share)
    assert len(cuts) == folds
    assert cuts[0].train.first == 0
    assert cuts[-1].test.stop == bars
    assert all(cut.train.stop == cut.test.first for cut in cuts)
    assert all(before.test.stop == cut.test.first for before, cut in itertools.pairwise(cuts))
    lengths = {
        kind: [span.stop - span.first for span in spans] for kind, spans in zip(("train", "test"), zip(*cuts, strict=True), strict=True)
    }
    assert all(max(found) - min(found) <= 2 for found in lengths.values())
    whole = cuts[0].test.stop - cuts[0].train.first
    assert abs(lengths["train"][0] - share * whole) <= 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_shares_that_are_refused(share: float) -> None:
    for cut in (lambda: split(100, share), lambda: walk_forward(100, 3, share)):
        with pytest.raises(ConfigError, match=r"such as 0\.7"):
            cut()


def test_too_few_bars() -> None:
    with pytest.raises(ConfigError, match="5 bars are too few for 20 folds"):
        walk_forward(5, 20, 0.7)
    with pytest.raises(ConfigError, match="leaves a side of the 1 bars empty"):
        split(1, 0.7)
