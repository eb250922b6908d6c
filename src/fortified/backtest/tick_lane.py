"""The fast lane for strategies that want every tick.

Owns the order of ``on_tick`` and ``on_new_bar``, and what a wish between two ticks comes to; all else is the lane's. A touched level cuts
the ticks into stretches, so that within one nothing but the strategy has to be asked.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from fortified.backtest.frame import Frame, LaneTick
from fortified.backtest.lane import BY_LEVEL, BY_TICK, MARKET, REFERENCE, TOUCH, Lane, Log, Unusual
from fortified.backtest.tape import Tape
from fortified.domain.calendar import Calendar
from fortified.domain.market import Bar
from fortified.domain.signal import Signal
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.strategies.base import Answers, BaseStrategy, failure

EVERY = 256
NOWHERE = 2**62


class TickLane(Lane):
    """One run over a tape, every tick shown."""

    def __init__(self, config: EngineConfig, fills: FillModel, tape: Tape, bars: Sequence[Bar]) -> None:
        super().__init__(config, fills, tape, bars)
        self._entry_bar = -1
        self._later: tuple[Signal, int] | None = None
        """A wish at the last tick of a bar: it is carried out once the bar is closed."""

    def run_ticks(
        self, strategy: BaseStrategy, timeframe: Timeframe, calendar: Calendar, progress: Callable[[int], None], *, flatten: bool
    ) -> Log:
        """As ``run``, with ``on_tick`` after each tick."""
        symbol, start = self._config.instrument.symbol, 0
        for number, bar in enumerate([*self._bars, None]):
            end = self._last if bar is None else self._ends[number]
            if start <= end:
                self._show(strategy, Frame(symbol, timeframe, calendar, self._tape, start, end + 1, bar), number)
            if bar is not None:
                self._ask_bar(strategy, number, bar)
            start = end + 1
            if number % EVERY == 0:
                progress(start)
        return self._ended(flatten)

    def _show(self, strategy: BaseStrategy, frame: Frame, number: int) -> None:
        """The ticks of bar ``number``."""
        ticks, place, end = frame.ticks(), frame.start, frame.stop - 1
        touch, reason = self._next_touch(place, end, frame.bar)
        while place <= end:
            if place == touch:
                self._close(place, TOUCH, number, reason, BY_LEVEL)
                self._at_touch(strategy, next(ticks), number)
                place, changed = place + 1, True
            else:
                place, changed = self._stretch(strategy, ticks, place, min(end + 1, touch), number)
            if changed:
                touch, reason = self._next_touch(place, end, None)

    def _stretch(self, strategy: BaseStrategy, ticks: Iterator[LaneTick], place: int, stop: int, number: int) -> tuple[int, bool]:
        """Ask at each tick before ``stop``, until a wish changes what is held; returns the next place, and whether one did."""
        ask, position = strategy.on_tick, self._position
        for tick in islice(ticks, stop - place):
            try:
                answer = ask(tick, position)  # type: ignore[arg-type]  # it reads as a BarUpdate
            except Exception as error:
                raise failure(strategy, error, _moment(tick)) from error
            if answer is not None and self._wish(strategy, answer, tick, number):
                return tick.place + 1, True
        return stop, False

    def _next_touch(self, place: int, end: int, bar: Bar | None) -> tuple[int, str]:
        if self._armed is None or place > end:
            return NOWHERE, ""
        found, reason = self._touch(place - 1, end, bar)
        return (found, reason) if reason else (NOWHERE, "")

    def _wish(self, strategy: BaseStrategy, answer: Answers, tick: LaneTick, number: int) -> bool:
        """Whether the answer at a tick changes what is held."""
        signal = self._signal(strategy, answer, lambda: _moment(tick))
        if signal is None or int(signal.target) == self._sign:
            return False
        return self._aim(signal, tick.place, number)

    def _aim(self, signal: Signal, place: int, number: int) -> bool:
        if self._next and number < len(self._ends) and place == self._ends[number]:
            self._later = signal, place
            return False
        self._carry_out(signal, place, number, number)
        return True

    def _at_touch(self, strategy: BaseStrategy, tick: LaneTick, number: int) -> None:
        """The tick that closed the position is the strategy's too: with a wish, the exit belongs to that decision."""
        try:
            answer = strategy.on_tick(tick, None)  # type: ignore[arg-type]  # it reads as a BarUpdate
        except Exception as error:
            raise failure(strategy, error, _moment(tick)) from error
        signal = None if answer is None else self._signal(strategy, answer, lambda: _moment(tick))
        if signal is None:
            return
        place, kind, side, closed, reason, _ = self._log[-1]
        self._log[-1] = (place, kind, side, closed, reason, BY_TICK - place)
        if signal.target:
            self._aim(signal, tick.place, number)

    def _carry_out(self, signal: Signal, place: int, number: int, closed: int) -> None:
        """The orders of a wish at ``place``, in the bar ``number``; ``closed`` bars are over when they fill."""
        at, kind = (place + 1, MARKET) if self._next else (place, REFERENCE)
        code = None
        if signal.target:
            code = DenialCode.ONE_TRADE_PER_BAR if self._entry_bar == number else None
            code = code or (None if number >= self._config.warmup else DenialCode.WARMING_UP)
        if code is not None and not (self._sign and at > self._last):  # behind an exit that never fills nothing is asked
            self._refuse(int(self._tape.ts[place]), code, number, signal.reason)
        if at > self._last:
            self._unfilled += 1 if self._sign or (signal.target and code is None) else 0
            return
        if self._sign:
            self._close(at, kind, closed, signal.reason, BY_TICK - place)
        if signal.target and code is None:
            self._open(signal, at, kind, closed, BY_TICK - place)
            self._entry_bar = number

    def _ask_bar(self, strategy: BaseStrategy, number: int, bar: Bar) -> None:
        answer = self._ask(strategy, bar)
        if self._later is not None:
            if answer is not None or bar.flags:
                raise Unusual
            (signal, place), self._later = self._later, None
            self._carry_out(signal, place, number, number + 1)
        elif answer is not None:
            before = len(self._log)
            self._answer(strategy, answer, number, bar)
            if len(self._log) > before and self._sign:
                self._entry_bar = number + 1

    def _at_session_end(self, signal: Signal, number: int, bar: Bar) -> None:
        if self._sign:
            raise Unusual  # ticks are shown before the exit fills
        super()._at_session_end(signal, number, bar)


def _moment(tick: LaneTick) -> str:
    return f"tick {tick.seq} of {tick.symbol}"
