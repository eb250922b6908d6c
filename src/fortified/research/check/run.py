"""A strategy and files in, a verdict out.

Owns which checks are made, in which order, and which of them say nothing once another has failed.
"""

import math
from collections.abc import Iterable, Iterator

import msgspec

from fortified.domain.calendar import get_calendar
from fortified.domain.errors import ConfigError, DataError, FortifiedError
from fortified.domain.timeframe import Timeframe
from fortified.registry import Registry
from fortified.research.check.child import Job
from fortified.research.check.durability import durability
from fortified.research.check.elsewhere import findings as findings_elsewhere
from fortified.research.check.feed import Feed, TickFeed, bars_of_bars, bars_of_ticks
from fortified.research.check.lookahead import determinism, look_ahead, reference
from fortified.research.check.recording import Progress, Subject
from fortified.research.check.verdict import Finding, Unchecked, ValueRow, Verdict
from fortified.research.check.warmup import bars_needed, warm_up
from fortified.research.data import Data, Report, load
from fortified.research.run import check
from fortified.runs import RunOptions, resolve_instrument
from fortified.strategies.base import StrategyConfig, own_timeframes

TOLERANCE = 1e-6
CUTS = 20


def check_files(options: RunOptions, *, cuts: int = CUTS, tolerance: float = TOLERANCE, progress: Progress, report: Report) -> Verdict:
    """Check ``options.strategy`` over ``options.files``; ``report`` is told of bad rows once.

    ``cuts`` is how many histories that end earlier are played; ``tolerance`` is relative.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used or holds too few bars. StrategyError: the strategy raised.
    """
    _look_at(tolerance)
    subject = _subject(options)  # every option is looked at before a file is
    return _Check(options, load(options, report), subject, progress).verdict(cuts, tolerance)


def check_each(
    options: RunOptions, strategies: Iterable[str], *, cuts: int, tolerance: float, progress: Progress, report: Report
) -> Iterator[Verdict | Unchecked]:
    """Check each of ``strategies``, names or paths, with its default parameters over ``options.files``, which are read once. One that
    cannot be checked does not keep the others from it.

    Raises:
        ConfigError: an option is not valid. DataError: a file cannot be used.
    """
    _look_at(tolerance)
    resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    Timeframe.parse(options.timeframe)
    data = load(options, report)
    for name in strategies:
        own = msgspec.structs.replace(options, strategy=name, params={})
        try:
            yield _Check(own, data, _subject(own), progress).verdict(cuts, tolerance)
        except FortifiedError as error:
            yield Unchecked(name, str(error))


def _look_at(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance {tolerance} is not possible; give a number from 0 on, such as {TOLERANCE}")


def _subject(options: RunOptions) -> Subject:
    """The strategy of the options, with its own warm-up or theirs.

    Raises:
        ConfigError: an option is not possible, or the warm-up is no number of bars. StrategyError: it cannot be made.
    """
    strategy = Registry().resolve(options.strategy)
    instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
    config = StrategyConfig(instrument.symbol, Timeframe.parse(options.timeframe).name, options.params)
    subject = Subject(strategy, config, 0, float(options.quantity), instrument.calendar)
    first = subject.new()
    warmup = first.warmup_periods() if options.warmup is None else options.warmup
    if type(warmup) is not int or warmup < 0:
        raise ConfigError(f"strategy {strategy.name!r}: warmup_periods() gave {warmup!r}; return a whole number of bars, 0 or more")
    check(options, strategy)
    return msgspec.structs.replace(subject, warmup=warmup, timeframes=own_timeframes(first))


class _Check:
    def __init__(self, options: RunOptions, data: Data, subject: Subject, progress: Progress) -> None:
        self._options, self._data, self._subject, self._progress = options, data, subject, progress
        self._instrument = resolve_instrument(options.symbol, options.calendar, options.tick_size, options.multiplier)
        self._timeframe = Timeframe.parse(options.timeframe)
        self._feed = self._fed()

    def verdict(self, cuts: int, tolerance: float) -> Verdict:
        subject, feed, progress = self._subject, self._feed, self._progress
        bars, needed = len(feed.bars), bars_needed(subject.warmup)
        if bars < needed:
            raise DataError(
                f"the data makes {bars} bars of {self._timeframe.name}, and the check needs at least {needed}: "
                f"4 × the warm-up of {subject.warmup}, and 50; give more data, a smaller --timeframe, or shorter periods"
            )
        expected = reference(subject, feed, progress)
        repeated = determinism(subject, feed, expected, progress)
        made, values = [repeated], list[ValueRow]()
        progress("other processes", 0, 1)
        surroundings, inputs, memory = findings_elsewhere(self._job(), feed, expected)
        if repeated.status == "ok":
            cut = look_ahead(subject, feed, expected, cuts, progress)
            warm, values = warm_up(subject, feed, tolerance, progress)
            made += [surroundings, _joined(cut, memory), inputs, durability(subject, feed, expected, progress), warm]
        else:
            made += [_undecided("surroundings"), _undecided("look-ahead"), inputs, _undecided("durability"), _undecided("warm-up")]
        made += self._unasked()
        return Verdict(
            strategy=subject.strategy.name,
            symbol=self._instrument.symbol,
            timeframe=self._timeframe.name,
            bars=bars,
            signals=len(expected),
            warmup=subject.warmup,
            tolerance=tolerance,
            findings=tuple(made),
            values=tuple(values),
        )

    def _fed(self) -> Feed:
        place = self._instrument.symbol, self._timeframe, get_calendar(self._instrument.calendar)
        if self._data.ticks is None:
            assert self._data.bars is not None
            return bars_of_bars(*place, self._data.bars)
        if self._subject.strategy.wants_ticks() or self._subject.timeframes:  # other bars are made of its ticks
            return TickFeed(*place, self._data.ticks)
        return bars_of_ticks(*place, self._data.ticks)

    def _job(self) -> Job:
        return Job(
            strategy=self._options.strategy,
            config=self._subject.config,
            warmup=self._subject.warmup,
            quantity=self._subject.quantity,
            calendar=self._instrument.calendar,
            timeframes=self._subject.timeframes,
            watched=tuple(str(path.absolute()) for path in self._options.files),
        )

    def _unasked(self) -> list[Finding]:
        """What the strategy wants and is not shown here."""
        found: list[Finding] = []
        if self._data.ticks is None and self._subject.strategy.wants_ticks():
            text = "the file holds bars, so on_tick was never asked; check it with a file of ticks"
            found.append(Finding("ticks", "warning", text))
        return found


def _joined(cut: Finding, memory: Finding) -> Finding:
    """Both look for the same fault."""
    return Finding("look-ahead", memory.status, memory.text, memory.difference) if cut.status == "ok" and memory.status == "failed" else cut


def _undecided(check: str) -> Finding:
    return Finding(check, "undecided", "can be told when two runs give the same answers")
