"""Whether ``warmup_periods`` bars of history are enough: from L and from 2 L bars the same numbers and the same signals.

Owns where histories begin, what is compared, and the advice: the length from which it is as with the whole history. An average that never
forgets its first value is never exactly the same, so numbers that differ alone are told and are no fault.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from fortified.indicators.base import Indicator
from fortified.research.check.feed import Feed
from fortified.research.check.lookahead import spread
from fortified.research.check.past import Past
from fortified.research.check.recording import Answer, Player, Progress, Subject, first_difference, record
from fortified.research.check.verdict import Difference, Finding, ValueRow, utc
from fortified.strategies.base import BaseStrategy

STARTS = 16
LEAST_AHEAD = 50
LONG = 16
"""Multiples of the warm-up after which whatever fades has faded: of an average's first value e⁻³² is left."""

Values = Mapping[str, float | None]


class Outcome(msgspec.Struct, frozen=True):
    """After a history: the numbers, the indicators that are not warm, and what was said in the bars that followed."""

    values: Values
    unready: frozenset[str]
    answers: list[Answer]


def bars_ahead(warmup: int) -> int:
    """For how many bars the signals are compared."""
    return max(LEAST_AHEAD, warmup)


def bars_needed(warmup: int) -> int:
    """The least number of bars that can be checked."""
    return 4 * warmup + LEAST_AHEAD


class Histories:
    """The outcomes of histories of any length before a few starts, each played once."""

    def __init__(self, subject: Subject, feed: Feed, progress: Progress) -> None:
        self._subject, self._feed, self._progress = subject, feed, progress
        self.bars, self.past = feed.bars, Past(subject, feed)
        self._ahead, self._known = bars_ahead(subject.warmup), dict[tuple[int, int], Outcome]()
        self.starts = spread(self.past.start(self.length(2)), len(self.bars) - self._ahead, STARTS)
        self.past.hold(self.starts)
        self._planned = len(self.starts) + sum(len(starts) for _, starts in self.lengths())

    def length(self, times: int) -> int:
        """Bars of ``times`` L; for L = 0, which has no multiple, 0 and then ``times`` itself."""
        return self._subject.warmup * times if self._subject.warmup or times == 1 else times

    def lengths(self) -> Iterator[tuple[int, list[int]]]:
        """Growing lengths, each with the starts that have at least twice as many bars before them."""
        for times in _multiples():
            length = self.length(times)
            starts = [start for start in self.starts if start >= self.past.start(2 * length)]
            if not starts:
                return
            yield length, starts

    def outcome(self, start: int, length: int) -> Outcome:
        """With the ``length`` bars before bar ``start``."""
        known = self._known.get((start, length))
        return known if known is not None else self._known.setdefault((start, length), self._play(start, length))

    def whole(self, start: int) -> Outcome:
        """With all bars before bar ``start``."""
        return self.outcome(start, start)

    def bars_until_ready(self, names: frozenset[str]) -> int:
        """How many bars, from the first one on, it takes until the indicators of these names are warm."""
        player = Player(self._subject)
        for number in range(1, len(self.bars) + 1):
            player.warm(self.past.shown(number - 1, number))
            if not names & _unready(player.strategy):
                return number
        return len(self.bars)

    def _play(self, start: int, length: int) -> Outcome:
        self._progress("warm-up", len(self._known), self._planned)
        player = Player(self._subject, start)
        self.past.begin(player, start)
        player.warm(self.past.before(start, length))
        values, unready = _values(player.strategy), _unready(player.strategy)
        return Outcome(values, unready, record(player, self._feed.events(first_bar=start), bars=self._ahead))


def warm_up(subject: Subject, feed: Feed, tolerance: float, progress: Progress) -> tuple[Finding, list[ValueRow]]:
    """The finding, and the numbers that differ by more than ``tolerance``, relative."""
    histories = Histories(subject, feed, progress)
    if not histories.starts:
        text = f"it takes {histories.past.words(histories.length(2))} of history and {bars_ahead(subject.warmup)} bars behind it to tell"
        return Finding("warm-up", "warning", f"{text}; give more data"), []
    rows = _rows(histories, tolerance)
    return _unready_finding(histories, subject.warmup) or _signals_finding(histories, subject.warmup, rows), rows


def _unready_finding(histories: Histories, warmup: int) -> Finding | None:
    for start in histories.starts:
        unready = histories.outcome(start, warmup).unready - histories.whole(start).unready
        if unready:
            names, enough = ", ".join(sorted(unready)), histories.bars_until_ready(unready)
            text = f"after a warm-up of {warmup} bars {names} is not ready; it is after {enough}: return that from warmup_periods()"
            return Finding("warm-up", "failed", text)
    return None


def _signals_finding(histories: Histories, warmup: int, rows: Sequence[ValueRow]) -> Finding:
    ahead, double = bars_ahead(warmup), histories.length(2)
    at, found = _first_other_signal(histories, warmup, double)
    settled = _settles(histories, lambda start, length: _part(histories.outcome(start, length), histories.whole(start)) is None)
    where = f"in the {ahead} bars after each of {len(histories.starts)} starts"
    same = f"the same signals from {warmup} and from {double} bars of history, {where}"
    if found is None and settled == warmup:
        differ = f"; numbers differ by up to {max(row.relative for row in rows):.1e}" if rows else ""
        return Finding("warm-up", "ok", same + differ)
    if found is None:
        text = f"{same}, but not from the whole history"
    else:
        text = f"another signal from {warmup} bars of history than from {double}, for a start at {utc(at)}"
    if settled is not None and settled > warmup:
        return Finding("warm-up", "warning", f"{text}; {_advice(settled, rows)}", found)
    enough = 2 * histories.length(LONG)
    if histories.starts[-1] < histories.past.start(enough):
        needed = f"{enough + ahead} bars" if enough <= histories.starts[-1] else histories.past.words(enough, ahead)
        return Finding("warm-up", "warning", f"{text}; to see when they settle, {needed} are needed", found)
    return Finding("warm-up", "failed", f"{text}; no length of history gives the same signals as the whole one", found)


def _advice(settled: int, rows: Sequence[ValueRow]) -> str:
    """Signals settle where numbers happen to be near enough in this file; numbers that settle say it for any."""
    known = [row.settles_after for row in rows if row.settles_after is not None]
    if known and len(known) == len(rows):
        enough = max(settled, *known)
        return f"signals settle after {settled} bars, numbers after {max(known)}: use --warmup {enough}, or return it"
    return f"signals settle after {settled} bars: use --warmup {settled}, or return it"


def _first_other_signal(histories: Histories, warmup: int, double: int) -> tuple[int, Difference | None]:
    for start in histories.starts:
        found = _part(histories.outcome(start, double), histories.outcome(start, warmup))
        if found is not None:
            return histories.bars[start].ts_open, found
    return 0, None


def _rows(histories: Histories, tolerance: float) -> list[ValueRow]:
    """For each number that differs by more than ``tolerance`` at a start: where it differs most."""
    short, double = histories.length(1), histories.length(2)
    worst: dict[str, tuple[float, float | None, float | None]] = {}
    for start in histories.starts:
        one, other = histories.outcome(start, short).values, histories.outcome(start, double).values
        for name in one.keys() | other.keys():
            pair = one.get(name), other.get(name)
            relative = _relative(*pair)
            if relative > max(tolerance, worst[name][0] if name in worst else -1.0):
                worst[name] = (relative, *pair)

    def settled(name: str) -> int | None:
        def near(start: int, length: int) -> bool:
            values, whole = histories.outcome(start, length).values, histories.whole(start).values
            return _relative(values.get(name), whole.get(name)) <= tolerance

        return _settles(histories, near)

    return [ValueRow(name, one, other, relative, settled(name)) for name, (relative, one, other) in sorted(worst.items())]


def _settles(histories: Histories, same: Callable[[int, int], bool]) -> int | None:
    """The length of history from which on it is as with the whole one, at every start that can tell."""
    settled: int | None = None
    for length, starts in histories.lengths():
        if not all(same(start, length) for start in starts):
            settled = None
        elif settled is None:
            settled = length
    return settled


def _part(expected: Outcome, found: Outcome) -> Difference | None:
    """Where the wishes part; their reasons and prices may hold numbers, and those are compared elsewhere."""
    return first_difference(
        expected.answers, found.answers, lambda answer: (answer.number, answer.raised, [signal.target for signal in answer.signals])
    )


def _values(strategy: BaseStrategy) -> Values:
    """The values of indicators, and attributes that are numbers or none yet."""
    found: dict[str, float | None] = {}
    for name, value in vars(strategy).items():
        if isinstance(value, Indicator):
            found[name] = value.value
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            found[name] = value
    return found


def _unready(strategy: BaseStrategy) -> frozenset[str]:
    return frozenset(name for name, value in vars(strategy).items() if isinstance(value, Indicator) and not value.ready)


def _relative(one: float | None, other: float | None) -> float:
    if one == other or (one is not None and other is not None and math.isnan(one) and math.isnan(other)):
        return 0.0
    if one is None or other is None or not math.isfinite(one) or not math.isfinite(other):
        return math.inf
    return abs(one - other) / max(abs(one), abs(other))


def _multiples() -> Iterator[int]:
    """1 2 3 4 6 8 12 16 24 …"""
    yield 1
    power = 2
    while True:
        yield power
        yield power + power // 2
        power *= 2
