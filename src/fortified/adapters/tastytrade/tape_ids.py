"""Which prints of one symbol were seen, and the numbers their ticks get.

Owns ``seq``: the print's index at the venue (second, millisecond, sequence), counted from 2020 so that the ids of stream entries, which are
four times as large, fit into 64 bits. So the same print has the same number in every run. One that comes behind a later print gets the next
number after that one.
"""

from typing import Final

from fortified.adapters.tastytrade.dxlink_events import ts_of_index

_BASE: Final = 1_577_836_800 << 32
_KEPT: Final = 65_536


class PrintIds:
    """``after`` is the last number that was given in an earlier run, None for none; ``foreign``: not by us, so only its order counts."""

    def __init__(self, after: int | None, *, foreign: bool = False) -> None:
        self.seq = -1 if after is None else after
        self.newest = -1 if after is None or foreign else after + _BASE
        """The greatest index that was seen; -1 for none."""
        self._floor = self.newest
        self._known: dict[int, float] = {}
        self._known_before: dict[int, float] = {}

    def is_new(self, index: int, size: float) -> bool:
        """Take note of a print; False when it was seen before, or is too old to tell."""
        if index <= self.newest:
            if index <= self._floor or index in self._known or index in self._known_before:
                return False
        else:
            self.newest = index
        self._known[index] = size
        if len(self._known) > _KEPT:
            self._floor = max(self._floor, *self._known_before) if self._known_before else self._floor
            self._known, self._known_before = {}, self._known
        return True

    def knows(self, index: int) -> float | None:
        """The size of a print that was seen; None when it was not, or too long ago."""
        size = self._known.get(index)
        return self._known_before.get(index) if size is None else size

    def number(self, index: int) -> int:
        """The number of the next tick."""
        seq = index - _BASE
        self.seq = seq if seq > self.seq else self.seq + 1
        return self.seq


def ts_of_seq(seq: int) -> int:
    """When the print of that number was, ns."""
    return ts_of_index(seq + _BASE)
