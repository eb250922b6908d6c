"""The fast lane: market orders of one account, decided once per bar, with tick precision and without an object per order.

Owns the shortest form of what engine, risk gate, simulated venue and ledger do when nothing is out of the ordinary: no latency, a fixed
quantity, whole fills. It only notes which tick filled what; ``records`` makes orders, trades and the digest of it, when they are asked for.
What it cannot tell it gives up with ``Unusual``, and the run is made by the desk; both give the same result to the last bit.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.outcome import MAX_DENIALS
from fortified.backtest.scan import NAN, Watch, first_reaching
from fortified.backtest.tape import Tape
from fortified.domain.market import Bar, BarFlag
from fortified.domain.signal import Signal, Target
from fortified.engine.config import EngineConfig
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.engine.tick_level import TOLERANCE, Armed, LevelRules, touched
from fortified.indicators.atr import ATR
from fortified.strategies.base import Answers, BaseStrategy, StrategyPosition, failure, moment_of, signals_of

MARKET, TOUCH, CLOSE, REFERENCE = range(4)
"""How a fill came about: at the market of its tick; a touched level; the close of its bar; the price of its tick as a reference."""
BY_LEVEL, BY_COMMAND, BY_TICK = -1, -2, -3
"""Instead of the bar that decided. ``BY_TICK - place`` is the wish of ``on_tick`` at that place."""
END: Final = "end_of_data"
CHUNK: Final = 16_384
INFINITE: Final = math.inf


class Unusual(Exception):
    """Something that only the desk can tell."""


class Refused(NamedTuple):
    """A wish that the risk gate refused, after so many bars."""

    ts_event: int
    code: DenialCode
    bars: int
    reason: str


type Noted = tuple[int, int, int, int, str, int]
"""A fill: the tick (its place on the tape), how, the side, the bars closed by then, why, and the bar whose signal decided it."""


class Log:
    """What happened. Fills are entry, exit, entry … in turn; ``unfilled`` orders were left at the end of the data."""

    def __init__(self, fills: Sequence[Noted], refused: Sequence[Refused], unfilled: int) -> None:
        self.fills, self.refused, self.unfilled = fills, refused, unfilled

    def __len__(self) -> int:
        return len(self.fills)

    def column(self, index: int) -> NDArray[np.int64]:
        """One of the numbers of each fill."""
        return np.array([fill[index] for fill in self.fills], np.int64)

    def reasons(self, part: slice) -> list[str]:
        """Why some of the fills came about."""
        return [fill[4] for fill in self.fills[part]]


class Lane:
    """One run over a tape."""

    def __init__(self, config: EngineConfig, fills: FillModel, tape: Tape, bars: Sequence[Bar]) -> None:
        self._config, self._fills, self._tape, self._bars = config, fills, tape, bars
        self._ends: list[int] = tape.ends.tolist()
        self._last = len(tape) - 1
        self._units = float(config.legs[0].quantity)
        self._next = fills.market == "next"
        self._tick = float(config.instrument.tick_size)
        self._rules = LevelRules(config.exits, config.instrument)
        self._own: dict[object, LevelRules] = {}
        self._ranges: list[float | None] = []
        self._log: list[Noted] = []
        self._refused: list[Refused] = []
        self._unfilled = 0
        self._sign = 0
        self._position: StrategyPosition | None = None
        self._armed: Armed | None = None
        self._armed_at = -1
        self._below, self._above = -INFINITE, INFINITE
        """A bar with a price at one of these or beyond has to be looked into; a trailing stop has every bar looked into."""

    def run(self, strategy: BaseStrategy, progress: Callable[[int], None], *, flatten: bool) -> Log:
        """To the end of the data.

        Raises:
            Unusual: the desk has to make this run. StrategyError: the strategy raised.
        """
        ask, bars = strategy.on_new_bar, self._bars
        below, above, position, watched = self._below, self._above, self._position, False
        for start in range(0, len(bars), CHUNK):
            progress(self._begin(start))
            for number, bar in enumerate(bars[start : start + CHUNK], start):
                if watched and (bar.low <= below or bar.high >= above):
                    self._look(self._begin(number) - 1, self._ends[number], number, bar)
                    position, watched = self._position, self._armed is not None
                try:
                    answer = ask(bar, position)
                except Exception as error:
                    raise failure(strategy, error, moment_of(bar)) from error
                if answer is not None:
                    self._answer(strategy, answer, number, bar)
                    below, above, position, watched = self._below, self._above, self._position, self._armed is not None
        if self._armed is not None:
            self._look(self._begin(len(bars)) - 1, self._last, len(bars), None)
        return self._ended(flatten)

    def _begin(self, number: int) -> int:
        """The first place of a bar."""
        return self._ends[number - 1] + 1 if number else 0

    def _ask(self, strategy: BaseStrategy, bar: Bar) -> Answers:
        try:
            return strategy.on_new_bar(bar, self._position)
        except Exception as error:
            raise failure(strategy, error, moment_of(bar)) from error

    def _ended(self, flatten: bool) -> Log:
        if flatten and self._sign:
            self._close(self._last, REFERENCE, len(self._bars), END, BY_COMMAND)
        return Log(self._log, self._refused, self._unfilled)

    # --- levels ---

    def _look(self, before: int, end: int, closed: int, bar: Bar | None) -> None:
        """Close the position where one of the ticks behind ``before`` up to ``end`` touches a level; ``bar`` holds just these."""
        place, reason = self._touch(before, end, bar)
        if reason:
            self._close(place, TOUCH, closed, reason, BY_LEVEL)

    def _touch(self, before: int, end: int, bar: Bar | None) -> tuple[int, str]:
        """Which of these ticks touches which level; where none does, the trailing stop has moved."""
        armed, price = self._armed, self._tape.price
        assert armed is not None
        sign, start = armed.sign, max(before, self._armed_at) + 1
        if start > end:
            return end, ""
        if bar is None or start > before + 1:
            high, low = float(price[start : end + 1].max()), float(price[start : end + 1].min())
        else:
            high, low = bar.high, bar.low
        best = (max(armed.best, high) if sign > 0 else min(armed.best, low)) if armed.trail is not None else armed.best
        place = end + 1
        if _may_touch(armed, best, high, low, self._tick):
            place = first_reaching(price, start, end + 1, _watch(armed, self._tick))
        if place <= end:
            return place, self._reason(armed, start, place)
        if best != armed.best:
            self._armed = Armed(sign, 0, 0, best, armed.stop, armed.target, armed.trail)
        return end, ""

    def _reason(self, armed: Armed, start: int, place: int) -> str:
        if armed.trail is not None and place > start:
            passed = self._tape.price[start:place]
            best = max(armed.best, float(passed.max())) if armed.sign > 0 else min(armed.best, float(passed.min()))
            armed = Armed(armed.sign, 0, 0, best, armed.stop, armed.target, armed.trail)
        reason = touched(armed, float(self._tape.price[place]), self._tick)
        assert reason is not None
        return reason

    def _arm(self, signal: Signal, number: int, entry: float, place: int) -> None:
        """Set the levels of what was opened at ``place``, with what was known after bar ``number``."""
        rules = self._rules if signal.exits is None else self._rules_of(signal)
        if not rules.rules:
            return
        atr = self._range_at(number) if rules.rules.needs_atr else None
        if atr is None and rules.rules.needs_atr:
            self._refuse(int(self._tape.ts[place]), DenialCode.NO_EXIT_LEVEL, number + 1, signal.reason)
        levels = rules.of(entry, self._sign, atr)
        self._armed = Armed(self._sign, 0, 0, entry, levels.stop, levels.target, levels.trail)
        self._armed_at = place
        below, above = (levels.stop, levels.target) if self._sign > 0 else (levels.target, levels.stop)
        self._below = INFINITE if levels.trail is not None else -INFINITE if below is None else below
        self._above = INFINITE if above is None else above

    def _rules_of(self, signal: Signal) -> LevelRules:
        assert signal.exits is not None
        known = self._own.get(signal.exits)
        if known is None:
            known = self._own[signal.exits] = LevelRules(signal.exits, self._config.instrument)
        return known

    def _range_at(self, number: int) -> float | None:
        """The average true range after bar ``number``; None before the first."""
        if not self._ranges:
            atr = ATR()
            for bar in self._bars:
                atr.update(bar.high, bar.low, bar.close)
                self._ranges.append(atr.so_far)
        return self._ranges[number] if number >= 0 else None

    # --- signals ---

    def _signal(self, strategy: BaseStrategy, answer: Answers, moment: Callable[[], str]) -> Signal | None:
        """The wish in an answer, which ``strategy`` gave at ``moment``."""
        if type(answer) is Signal and type(answer.target) is Target:
            signal = answer
        else:
            try:
                signals = signals_of(answer, Target(self._sign), self._config.instrument.symbol)
            except Exception as error:
                raise failure(strategy, error, moment()) from error
            if not signals:
                return None
            signal = signals[-1]
        if signal.limit is not None or signal.stop is not None or not (signal.exits is None or signal.exits.is_plain):
            raise Unusual
        return signal

    def _answer(self, strategy: BaseStrategy, answer: Answers, number: int, bar: Bar) -> None:
        signal = self._signal(strategy, answer, lambda: moment_of(bar))
        if signal is None:
            return
        target = int(signal.target)
        if target == self._sign:
            return
        if bar.flags:
            self._at_session_end(signal, number, bar)
            return
        place, kind = (self._ends[number] + 1, MARKET) if self._next else (self._ends[number], CLOSE)
        warm = number >= self._config.warmup
        if target and not warm:
            self._refuse(bar.ts_close, DenialCode.WARMING_UP, number + 1, signal.reason)
        if place >= len(self._tape):
            self._unfilled += 1 if self._sign or warm else 0
            return
        if self._sign:
            self._close(place, kind, number + 1, signal.reason, number)
        if target and warm:
            self._open(signal, place, kind, number + 1, number)

    def _at_session_end(self, signal: Signal, number: int, bar: Bar) -> None:
        """The market is closed behind this bar: no entry, and an exit is ordered on the first tick of the next session."""
        if bar.flags != BarFlag.SESSION_END:
            raise Unusual
        cold = not self._sign and number < self._config.warmup
        self._refuse(bar.ts_close, DenialCode.WARMING_UP if cold else DenialCode.SESSION_CLOSED, number + 1, signal.reason)
        first = self._ends[number] + 1
        if not self._sign or first >= len(self._tape):
            return
        if not self._next:
            self._close(first, REFERENCE, number + 1, signal.reason, number)
            return
        if number + 1 < len(self._ends) and self._ends[number + 1] == first:
            raise Unusual  # the strategy is asked once more before the fill
        self._disarm()
        if first + 1 >= len(self._tape):
            self._unfilled += 1
            return
        self._close(first + 1, MARKET, number + 1, signal.reason, number)

    def _refuse(self, ts_event: int, code: DenialCode, bars: int, reason: str) -> None:
        if len(self._refused) < MAX_DENIALS:
            self._refused.append(Refused(ts_event, code, bars, reason))

    def _open(self, signal: Signal, place: int, kind: int, closed: int, decision: int) -> None:
        side = int(signal.target)
        price = self._price(side, place, kind)
        self._log.append((place, kind, side, closed, signal.reason, decision))
        self._sign = side
        self._position = StrategyPosition(signal.target, side * self._units, price)
        self._arm(signal, closed - 1, price, place)

    def _close(self, place: int, kind: int, closed: int, reason: str, decision: int) -> None:
        self._log.append((place, kind, -self._sign, closed, reason, decision))
        self._sign, self._position = 0, None
        self._disarm()

    def _disarm(self) -> None:
        self._armed, self._below, self._above = None, -INFINITE, INFINITE

    def _price(self, side: int, place: int, kind: int) -> float:
        last = float(self._tape.price[place])
        if kind <= TOUCH:
            bid, ask = self._tape.quote(place)
            quoted = ask if side > 0 else bid
            if quoted is not None:
                return quoted
        if not self._fills.slippage_ticks:
            return last
        instrument = self._config.instrument
        return float(instrument.price(last) + side * self._fills.slippage_ticks * instrument.tick_size)


def _may_touch(armed: Armed, best: float, high: float, low: float, tick: float) -> bool:
    """Whether prices from ``low`` to ``high`` could have touched a level, in whatever order they came."""
    sign, stop, target = armed.sign, armed.stop, armed.target
    worst, highest = (low, high) if sign > 0 else (high, low)
    if stop is not None and (worst - stop) * sign <= 0:
        return True
    if target is not None and (highest - target) * sign >= 0:
        return True
    if armed.trail is None:
        return False
    return (worst - round((best - sign * armed.trail) / tick) * tick) * sign <= TOLERANCE * tick


def _watch(armed: Armed, tick: float) -> Watch:
    below, above = (armed.stop, armed.target) if armed.sign > 0 else (armed.target, armed.stop)
    return Watch(
        NAN if below is None else below,
        NAN if above is None else above,
        armed.sign,
        NAN if armed.trail is None else armed.trail,
        armed.best,
        tick,
    )
