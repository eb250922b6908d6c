"""An invented market that is a pure function of (seed, symbol, tick number): any stretch of it can be made again at any time.

Owns when the ticks are and what they say. Integer hashes and the four operations of arithmetic only, so that every machine and every cut
into chunks gives the same bits. Knows no clock.
"""

import hashlib
from itertools import repeat
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.futures import futures_root
from fortified.domain.instrument import AssetClass, Instrument
from fortified.domain.market import Tick
from fortified.domain.timeframe import NS_PER_SECOND

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]


class Wave(msgspec.Struct, frozen=True):
    """A part of the price: ``cell_s`` seconds between its turning points, at most ``ticks`` above and below the middle."""

    cell_s: int
    ticks: float


class Profile(msgspec.Struct, frozen=True):
    """How a market behaves, in ticks of price and ticks per second.

    The ``swing`` turns at every cell, so that averages keep crossing; the ``drifts`` are slow enough not to hide it.
    """

    base_ticks: int
    rate: int
    lookback_s: int
    swing: Wave
    drifts: tuple[Wave, ...]


_DRIFT_CELLS: Final = (0.3, 12, 120, 720, 17_280)
_DRIFT_TICKS: Final = (0.08, 0.12, 0.7, 3, 30)


def _profile(base_ticks: int, rate: int, lookback_s: int, swing: Wave) -> Profile:
    """The drifts are in proportion to the swing."""
    drifts = (Wave(max(1, round(cell * swing.cell_s)), ticks * swing.ticks) for cell, ticks in zip(_DRIFT_CELLS, _DRIFT_TICKS, strict=True))
    return Profile(base_ticks, rate, lookback_s, swing, tuple(drifts))


PROFILES: Final = {
    "/NQ": _profile(100_000, 120, 180, Wave(5, 32)),
    "SPY": _profile(68_000, 12, 2_400, Wave(900, 80)),
}
"""By symbol; a contract has that of its root."""
_OTHER_FUTURE: Final = _profile(20_000, 30, 600, Wave(30, 16))
_OTHER_SHARE: Final = _profile(20_000, 6, 2_400, Wave(900, 40))

_SWING_JITTER: Final = 0.2
_LARGE_EVERY: Final = 250
_LARGE_FACTOR: Final = 12
_MAX_SIZE: Final = 20
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def profile_of(instrument: Instrument) -> Profile:
    """The profile of ``instrument``, or one that fits its kind."""
    future = instrument.asset_class is AssetClass.FUTURE
    name = f"/{futures_root(instrument.symbol)}" if future else instrument.symbol
    return PROFILES.get(name, _OTHER_FUTURE if future else _OTHER_SHARE)


class SyntheticMarket:
    """The ticks of one instrument. Tick ``i`` lies in slot ``i`` of ``slot_ns`` since the UTC epoch, so times grow strictly with ``i``."""

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.profile = profile_of(instrument)
        self.slot_ns = NS_PER_SECOND // self.profile.rate
        self._step, self._parts = instrument.tick_size.as_integer_ratio()
        self._seed = f"{seed}:{instrument.symbol}"
        self._time_key, self._print_key, self._swing_key = self._key("time"), self._key("print"), self._key("swing")
        self._drift_keys = [self._key(f"drift {number}") for number in range(len(self.profile.drifts))]

    def end(self, now_ns: int) -> int:
        """How many ticks there are up to ``now_ns`` (inclusive): the number of the first one after it."""
        number = now_ns // self.slot_ns
        return number + (self.time(number) <= now_ns)

    def time(self, number: int) -> int:
        """When tick ``number`` is, UTC ns."""
        return int(self._times(np.array([number], np.int64))[0])

    def ticks(self, start: int, stop: int) -> list[Tick]:
        """The ticks ``start`` to ``stop`` (exclusive); ``seq`` is the tick number."""
        numbers = np.arange(start, stop, dtype=np.int64)
        stamps = self._times(numbers)
        steps = np.rint(self.profile.base_ticks + self._swing(stamps) + self._drift(stamps)).astype(np.int64)
        chance = _hash(self._print_key, numbers)
        lifted = (chance & np.uint64(1)).astype(np.int64)  # a buyer paid the ask, or a seller hit the bid
        prices, bids, asks = (self._price(level).tolist() for level in (steps, steps - lifted, steps - lifted + 1))
        times = stamps.tolist()
        return list(map(Tick, repeat(self.symbol), range(start, stop), times, times, prices, _sizes(chance).tolist(), bids, asks))

    def _times(self, numbers: Ints) -> Ints:
        jitter = (_hash(self._time_key, numbers) % np.uint64(self.slot_ns)).astype(np.int64)
        return numbers * self.slot_ns + jitter

    def _price(self, steps: Ints) -> Floats:
        """The float nearest to ``steps`` tick sizes."""
        return steps * self._step / self._parts

    def _swing(self, stamps: Ints) -> Floats:
        """Up and down in turn. Heights and the times of the turning points vary, the direction does not."""
        cell_ns = self.profile.swing.cell_s * NS_PER_SECOND
        cells = stamps // cell_ns
        cells = cells - (stamps < self._turn(cells, cell_ns))
        begin, end = self._turn(cells, cell_ns), self._turn(cells + 1, cell_ns)
        return self.profile.swing.ticks * _blend((stamps - begin) / (end - begin), self._height(cells), self._height(cells + 1))

    def _turn(self, cells: Ints, cell_ns: int) -> Ints:
        return cells * cell_ns + (_SWING_JITTER * cell_ns * _unit(_hash(self._swing_key, cells * 2))).astype(np.int64)

    def _height(self, cells: Ints) -> Floats:
        return (1.0 - 2.0 * (cells & 1)) * (0.7 + 0.3 * _unit(_hash(self._swing_key, cells * 2 + 1)))

    def _drift(self, stamps: Ints) -> Floats:
        """Value noise of several octaves."""
        total = np.zeros(len(stamps))
        for key, wave in zip(self._drift_keys, self.profile.drifts, strict=True):
            cell_ns = wave.cell_s * NS_PER_SECOND
            cells = stamps // cell_ns
            left, right = (2.0 * _unit(_hash(key, lattice)) - 1.0 for lattice in (cells, cells + 1))
            total += wave.ticks * _blend((stamps - cells * cell_ns) / cell_ns, left, right)
        return total

    def _key(self, purpose: str) -> np.uint64:
        return np.uint64(int.from_bytes(hashlib.blake2b(f"{self._seed}:{purpose}".encode(), digest_size=8).digest()))


def _hash(key: np.uint64, numbers: Ints) -> NDArray[np.uint64]:
    """64 well mixed bits per number (splitmix64)."""
    mixed = numbers.astype(np.uint64) * _GOLDEN + key
    for shift, factor in _MIX:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * factor
    return mixed ^ (mixed >> np.uint64(31))


def _unit(bits: NDArray[np.uint64]) -> Floats:
    """[0, 1) from the upper 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53


def _blend(share: Floats, left: Floats, right: Floats) -> Floats:
    """From ``left`` to ``right`` with no slope at either end."""
    return left + (right - left) * (share * share * (3.0 - 2.0 * share))


def _sizes(chance: NDArray[np.uint64]) -> Floats:
    """1 to 20, small ones more often, and now and then a large one."""
    unit = _unit(chance)
    small = 1.0 + np.floor(unit * unit * _MAX_SIZE)
    large = (chance >> np.uint64(1)) % np.uint64(_LARGE_EVERY) == 0
    return np.where(large, small * _LARGE_FACTOR, small)
