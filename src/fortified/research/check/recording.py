"""What a strategy answers when it is shown a feed, and where two such records part.

Owns the play of a strategy alone: as in the engine it is told bars and ticks, answers in any form, and stands where it wished to be, at
once and at the price of that moment; entries before it is warm are not made. Knows no orders and no fills.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal

import msgspec

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import FortifiedError, StrategyError
from fortified.domain.market import Bar
from fortified.domain.signal import Signal, Target
from fortified.engine.timeframes import OtherTimeframes
from fortified.research.check.feed import Event, Events
from fortified.research.check.verdict import Difference
from fortified.strategies.base import BaseStrategy, StrategyConfig, StrategyPosition, failure, moment_of, signals_of

SILENT = logging.Logger("check", logging.CRITICAL + 1)
"""A strategy is played dozens of times; what it logs would be said as often."""

Progress = Callable[[str, int, int], None]
"""Told which check is made, the rows that are done, and all rows."""
EVERY = 4096


class Answer(msgspec.Struct, frozen=True):
    """What a strategy said, if it said anything: ``number`` counts the events it was shown, ``row`` is that of the feed."""

    number: int
    row: int
    bar: int
    ts_ns: int
    moment: Literal["bar", "tick"]
    signals: tuple[Signal, ...] = ()
    raised: str = ""

    def __str__(self) -> str:
        return self.raised or " then ".join(_words(signal) for signal in self.signals)


class Subject(msgspec.Struct, frozen=True):
    """The strategy under check; ``warmup`` in bars, ``quantity`` the units of its positions, ``calendar`` that of its symbol.

    ``timeframes`` are the others that it reads, each with the bars it asks for.
    """

    strategy: type[BaseStrategy]
    config: StrategyConfig
    warmup: int
    quantity: float
    calendar: str
    timeframes: Mapping[str, int] = {}

    def new(self) -> BaseStrategy:
        """A new instance.

        Raises:
            StrategyError: it cannot be made.
        """
        try:
            return self.strategy(self.config, SILENT)
        except FortifiedError:
            raise
        except Exception as error:
            raise StrategyError(f"strategy {self.strategy.name!r} cannot be created: {type(error).__name__}: {error}") from error

    def others(self) -> OtherTimeframes | None:
        """What makes the bars of the others, before the first event; None where it reads none."""
        if not self.timeframes:
            return None
        return OtherTimeframes(self.config.symbol, self.config.timeframe, self.timeframes, get_calendar(self.calendar))


class Player:
    """One instance at play. ``bar`` is the number of the bar before the first event it will be shown."""

    def __init__(self, subject: Subject, bar: int = 0) -> None:
        self.subject, self.bar = subject, bar
        self.strategy = subject.new()
        self.others = subject.others()
        self._seen = self._number = 0
        self._position: StrategyPosition | None = None

    def warm(self, bars: Sequence[Bar]) -> None:
        """Bars of the past, of all timeframes, which are never acted on."""
        for bar in bars:
            if self.others is not None and bar.timeframe != self.subject.config.timeframe:
                if self.others.warm(bar):
                    self._show(bar)
            else:
                self._ask(bar)
                self._seen += 1

    def take(self, row: int, event: Event) -> Answer | None:
        """The answer to an event.

        Raises:
            StrategyError: the strategy raised. ConfigError: its answer is none.
        """
        self._number += 1
        if self.others is not None:
            for other in self.others.of_bar(event) if isinstance(event, Bar) else self.others.of_update(event):
                self._show(other)
        warm = self._seen >= self.subject.warmup and (self.others is None or self.others.is_warm)
        if isinstance(event, Bar):
            self.bar += 1
            self._seen += 1
        signals = self._ask(event)
        if not signals:
            return None
        self._stand(signals[-1].target, event.close, warm)
        return self._answer(row, event, signals=tuple(signals))

    def failed(self, row: int, event: Event, error: FortifiedError) -> Answer:
        """An error in the place of an answer."""
        return self._answer(row, event, raised=f"an error ({error})")

    def _show(self, other: Bar) -> None:
        """A bar of another timeframe."""
        try:
            self.strategy.on_other_bar(other)
        except FortifiedError:
            raise
        except Exception as error:
            raise failure(self.strategy, error, moment_of(other)) from error

    def _ask(self, event: Event) -> list[Signal]:
        strategy, position = self.strategy, self._position
        target = position.target if position is not None else Target.FLAT
        try:
            if isinstance(event, Bar):
                return signals_of(strategy.on_new_bar(event, position), target, event.symbol)
            return signals_of(strategy.on_tick(event, position), target, event.symbol)
        except FortifiedError:
            raise
        except Exception as error:
            moment = f"the bar that opened at {event.ts_open}" if isinstance(event, Bar) else f"tick {event.seq}"
            raise failure(strategy, error, moment) from error

    def _stand(self, target: Target, price: float, warm: bool) -> None:
        if self._position is not None and target is self._position.target:
            return
        enters = warm and target is not Target.FLAT
        self._position = StrategyPosition(target, target * self.subject.quantity, price) if enters else None

    def _answer(self, row: int, event: Event, **said: Any) -> Answer:
        if isinstance(event, Bar):
            return Answer(self._number, row, self.bar, event.ts_close, "bar", **said)
        return Answer(self._number, row, self.bar + 1, event.ts_event, "tick", **said)


def record(player: Player, events: Events, *, bars: int | None = None, tolerant: bool = True) -> list[Answer]:
    """All that ``player`` says to ``events``, or until ``bars`` of them are bars.

    A tolerant record ends with the error of a strategy that raised; otherwise that error is raised.
    """
    said: list[Answer] = []
    last = None if bars is None else player.bar + bars
    for row, event in events:
        try:
            answer = player.take(row, event)
        except FortifiedError as error:
            if not tolerant:
                raise
            said.append(player.failed(row, event, error))
            break
        if answer is not None:
            said.append(answer)
        if player.bar == last:
            break
    return said


def watched(events: Events, tell: Callable[[int], None]) -> Iterator[tuple[int, Event]]:
    """``events``, telling of rows now and then."""
    told = -EVERY
    for row, event in events:
        if row >= told + EVERY:
            tell(row)
            told = row
        yield row, event


def first_difference(
    expected: Sequence[Answer], found: Sequence[Answer], key: Callable[[Answer], object] = lambda answer: answer
) -> Difference | None:
    """Where two records of the same events part first; ``key`` is what counts of an answer. None: nowhere."""
    for one, other in zip_longest(expected, found):
        if one is not None and other is not None and key(one) == key(other):
            continue
        at = min((answer for answer in (one, other) if answer is not None), key=lambda answer: answer.number)
        texts = (str(answer) if answer is not None and answer.number == at.number else "nothing" for answer in (one, other))
        return Difference(at.bar, at.ts_ns, at.moment, *texts)
    return None


def _words(signal: Signal) -> str:
    details = (f"{name} {value}" for name in Signal.__struct_fields__[2:] if (value := getattr(signal, name)) is not None)
    return " ".join((signal.target.name, repr(signal.reason), *details))
