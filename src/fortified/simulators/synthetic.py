"""Prices that are a pure function of seed, symbol and time: the history of a minute ago is what the ticks were.

Owns the shape of the invented market. Knows no clock and no venue.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from fortified.simulators.instruments import Listed
from fortified.simulators.market import Candle, Print

_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * _NS
_WAVES: Final = ((17, 6), (240, 30), (3_600, 90), (86_400, 240))
"""Seconds between turning points, and the height in ticks."""
_LARGEST: Final = 12


class Synthetic(msgspec.Struct, frozen=True):
    """The invented prints of all symbols: one in each slot of ``period_ns``."""

    seed: int = 1
    period_ns: int = _NS // 10

    def prints(self, listed: Listed, start_ns: int, end_ns: int) -> Iterator[Print]:
        """The prints in (start, end]."""
        for slot in range(start_ns // self.period_ns + 1, end_ns // self.period_ns + 1):
            yield self.at(listed, slot)

    def at(self, listed: Listed, slot: int) -> Print:
        """The print of ``slot``."""
        ts_ns = slot * self.period_ns
        dice = _mixed(self.seed, listed.symbol, slot)
        price = self._level(listed, ts_ns) * listed.tick
        bought = bool(dice & 1)
        bid = price - listed.tick if bought else price
        return Print(listed.symbol, ts_ns, price, 1 + (dice >> 1) % _LARGEST, bid, bid + listed.tick, slot)

    def candle(self, listed: Listed, start_ns: int, length_ns: int) -> Candle:
        """The bar that begins at ``start_ns``, from samples of the same prices."""
        step = max(length_ns // 8, 1)
        prices = [self._level(listed, ts_ns) * listed.tick for ts_ns in range(start_ns, start_ns + length_ns, step)]
        volume = length_ns // self.period_ns * (1 + _LARGEST // 2)
        return Candle(start_ns, prices[0], max(prices), min(prices), prices[-1], max(1, volume))

    def _level(self, listed: Listed, ts_ns: int) -> int:
        """The price in ticks."""
        second = ts_ns / _NS
        total = 0.0
        for number, (cell, height) in enumerate(_WAVES):
            at = second / cell
            left, right = (_unit(self.seed, listed.symbol, number, int(at) + side) for side in (0, 1))
            share = at - int(at)
            total += height * (left + (right - left) * share * share * (3 - 2 * share))
        return max(1, int(listed.base / listed.tick) + round(total))


def _mixed(seed: int, symbol: str, number: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{symbol}:{number}".encode(), digest_size=8).digest())


@lru_cache(maxsize=65_536)
def _unit(seed: int, symbol: str, wave: int, cell: int) -> float:
    """[-1, 1)."""
    return _mixed(seed, f"{symbol}:{wave}", cell) / 2.0**63 - 1.0
