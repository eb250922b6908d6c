"""The forms in which indicators appear on a chart of prices.

Owns the shapes of the data. Knows neither indicators nor colours.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.indicators.base import Floats

type Places = NDArray[np.int64]
"""Numbers of bars, ascending."""


class Line(msgspec.Struct, frozen=True, eq=False):
    """``values``: one per bar, NaN where there was none. ``panel``: below the prices, or "" with them.

    ``side``, +1 or −1 per bar, is there when the line has two colours.
    """

    name: str
    values: Floats
    panel: str = ""
    hidden: bool = False
    side: Floats | None = None


class State(msgspec.Struct, frozen=True, eq=False):
    """One of +1, 0 and −1 per bar, NaN where there was none."""

    name: str
    values: Floats


class Legs(msgspec.Struct, frozen=True, eq=False):
    """Points joined in their order; a NaN ends what is joined. ``repaints``: more bars would have moved them."""

    name: str
    places: Places
    values: Floats
    repaints: bool = False


class Marks(msgspec.Struct, frozen=True, eq=False):
    """The bars with an arrow up, and those with one down. ``repaints``: they were put there when later bars were known."""

    name: str
    up: Places
    down: Places
    hidden: bool = False
    repaints: bool = False


class Drawn(msgspec.Struct, frozen=True):
    """All that is drawn of a strategy's indicators, and in ``problem`` what is not, and why."""

    lines: tuple[Line, ...] = ()
    states: tuple[State, ...] = ()
    legs: tuple[Legs, ...] = ()
    marks: tuple[Marks, ...] = ()
    problem: str = ""

    @property
    def panels(self) -> tuple[str, ...]:
        """Names of the panels below the prices."""
        return tuple(dict.fromkeys(line.panel for line in self.lines if line.panel))
