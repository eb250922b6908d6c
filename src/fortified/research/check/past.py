"""The history that a strategy is warmed up with: bars of its own timeframe and of the others it reads, in the order in which they came.

Owns how many bars of another timeframe belong to a history of so many own ones: they are to those it asks for as the own ones are to its
warm-up. Knows nothing of what the strategy answers.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from itertools import chain

from fortified.backtest.others import Shown
from fortified.domain.market import Bar
from fortified.engine.timeframes import Line, OtherTimeframes
from fortified.research.check.feed import Feed
from fortified.research.check.recording import Player, Subject


class Past:
    """The bars of a feed, the own ones by number."""

    def __init__(self, subject: Subject, feed: Feed) -> None:
        self._subject, self._feed, self._own = subject, feed, feed.bars
        self._wanted = subject.timeframes
        self._others = [shown for shown, _ in self._made()]
        """Before each own bar: those of other timeframes that came behind the one before it."""
        self._at: Mapping[str, list[int]] = {name: [] for name in self._wanted}
        """Of each other timeframe: the own bars that its bars came before."""
        for number, shown in enumerate(self._others):
            for bar in shown:
                self._at[bar.timeframe].append(number)
        self._open: dict[int, Mapping[str, Line]] = {}

    def start(self, length: int) -> int:
        """The first own bar with a history of ``length`` own ones; behind the last one where there is none."""
        found = length
        for name, at in self._at.items():
            need = self._need(name, length)
            if need:
                found = max(found, at[need - 1] + 1 if need <= len(at) else len(self._own) + 1)
        return found

    def words(self, length: int, ahead: int = 0) -> str:
        """How much a history of ``length`` own bars is, with ``ahead`` bars behind it."""
        return ", ".join([f"{length + ahead} bars", *(f"{self._need(name, length)} of {name}" for name in self._wanted)])

    def shown(self, begin: int, stop: int) -> list[Bar]:
        """The own bars ``begin`` to ``stop`` (exclusive), and the others before each."""
        if not self._wanted:
            return self._own[begin:stop]
        return list(chain.from_iterable((*self._others[number], self._own[number]) for number in range(begin, stop)))

    def before(self, start: int, length: int) -> list[Bar]:
        """The history of ``length`` own bars before bar ``start``; all there is where these are all own ones."""
        first = start - length
        if not first or not self._wanted:
            return self.shown(first, start)
        skipped = {name: max(0, bisect_right(at, start - 1) - self._need(name, length)) for name, at in self._at.items()}
        found: list[Bar] = []
        for number in range(start):
            for bar in self._others[number]:
                if not skipped[bar.timeframe]:
                    found.append(bar)
                else:
                    skipped[bar.timeframe] -= 1
            if number >= first:
                found.append(self._own[number])
        return found

    def hold(self, starts: Collection[int]) -> None:
        """Keep what is open before each of the bars ``starts``."""
        wanted = set(starts)
        self._open = {number: others.snapshot() for number, (_, others) in enumerate(self._made(), 1) if number in wanted}

    def begin(self, player: Player, start: int) -> None:
        """Let the other timeframes of ``player`` go on before bar ``start``, one of those that were held."""
        if player.others is not None:
            player.others.restore(self._open[start])
            player.others.recount()

    def _need(self, name: str, length: int) -> int:
        """How many bars of a timeframe belong to ``length`` own ones."""
        wanted, warmup = self._wanted[name], self._subject.warmup
        return -(-wanted * length // warmup) if warmup else wanted * max(1, length)

    def _made(self) -> Iterator[tuple[list[Bar], OtherTimeframes]]:
        """For each own bar the others before it, and what they are made with, as it is behind the own bar."""
        others = self._subject.others()
        if others is None:
            return
        shown = Shown(others)
        for _, event in self._feed.events():
            if isinstance(event, Bar):
                shown.on_bar(event)
                yield shown.before[-1], others
            else:
                shown.on_update(event)
