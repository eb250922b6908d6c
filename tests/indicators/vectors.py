"""Reference vectors that lie beside the project on machines that have them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "indicators"
needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference vectors are not here")

type Floats = NDArray[np.float64]


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def columns(name: str) -> dict[str, Floats]:
    """The columns of numbers; an empty cell is NaN."""
    table = rows(name)
    names = [column for column in table[0] if column not in ("time", "case")]
    return {column: np.array([float(row[column] or "nan") for row in table]) for column in names}


def assert_near(found: Floats, expected: Floats) -> None:
    """Equal to 1e-9, relative, and NaN at the same places."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0.0, equal_nan=True)
