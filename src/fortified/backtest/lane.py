"""The fast lane: market orders of one account, decided once per bar, with tick precision and without an object per order.

Owns the shortest form of what engine, risk gate, simulated venue and ledger do when nothing is out of the ordinary: no latency, a fixed
quantity, whole fills. It only notes which tick filled what; ``records`` makes orders, trades and the digest of it, when they are asked for.
What it cannot tell it gives up with ``Unusual``, and the run is made by the desk; both give the same result to the last bit.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fortified.backtest.scan import NAN, Watch, first_reaching
from fortified.backtest.tape import Tape
from fortified.domain.market import Bar, BarFlag
from fortified.domain.signal import Signal, Target
from fortified.engine.config import EngineConfig
from fortified.engine.fills import FillModel
from fortified.engine.inputs import DenialCode
from fortified.engine.tick_level import TOLERANCE, Armed, LevelRules, touched
from fortified.indicators.atr import ATR
from fortified.strategies.base import Answers, BaseStrategy, StrategyPosition, failure, signals_of

MARKET, TOUCH, CLOSE, REFERENCE = range(4)
"""How a fill came about: at the market of its tick; a touched level; the close of its bar; the price of its tick as a reference."""
BY_LEVEL, BY_COMMAND = -1, -2
"""Instead of the bar that decided."""
END: Final = "end_of_data"
CHUNK: Final = 16_384


class Unusual(Exception):
    """Something that only the desk can tell."""


class Noted(NamedTuple):
    """A fill: the tick (its place on the tape), how, the side, the bars closed by then, why, and the bar whose signal decided it."""

    place: int
    kind: int
    side: int
    closed: int
    reason: str
    decision: int


class Refused(NamedTuple):
    """A wish that the risk gate refused, with the number of its bar."""

    bar: int
    code: DenialCode
    reason: str


class Log(NamedTuple):
    """What happened. Fills are entry, exit, entry … in turn; ``unfilled`` orders were left at the end of the data."""

    fills: list[tuple[int, int, int, int, str, int]]
    refused: list[Refused]
    unfilled: int


class Lane:
    """One run over a tape."""

    def __init__(self, config: EngineConfig, fills: FillModel, tape: Tape, bars: Sequence[Bar]) -> None:
        self._config, self._fills, self._tape, self._bars = config, fills, tape, bars
        self._next = fills.market == "next"
        self._tick = float(config.instrument.tick_size)
        self._rules = LevelRules(config.exits, config.instrument)
        self._own: dict[object, LevelRules] = {}
        self._ranges: list[float | None] = []
        self._log: list[tuple[int, int, int, int, str, int]] = []
        self._refused: list[Refused] = []
        self._unfilled = 0
        self._sign = 0
        self._position: StrategyPosition | None = None
        self._armed: Armed | None = None
        self._armed_at = -1

    def run(self, strategy: BaseStrategy, progress: Callable[[int], None], *, flatten: bool) -> Log:
        """To the end of the data.

        Raises:
            Unusual: the desk has to make this run. StrategyError: the strategy raised.
        """
        ask, ends, bars = strategy.on_new_bar, self._tape.ends.tolist(), self._bars
        before = -1
        for start in range(0, len(bars), CHUNK):
            progress(before + 1)
            for number, bar in enumerate(bars[start : start + CHUNK], start):
                end = ends[number]
                if self._armed is not None:
                    self._look(before, end, number, bar)
                before = end
                try:
                    answer = ask(bar, self._position)
                except Exception as error:
                    raise failure(strategy, error, f"the {bar.timeframe} bar of {bar.symbol} that opened at {bar.ts_open}") from error
                if answer is not None:
                    self._answer(answer, number, bar, ends)
        last = len(self._tape) - 1
        if self._armed is not None:
            self._look(before, last, len(bars), None)
        if flatten and self._sign:
            self._close(last, REFERENCE, len(bars), END, BY_COMMAND)
        return Log(self._log, self._refused, self._unfilled)

    # --- levels ---

    def _look(self, before: int, end: int, closed: int, bar: Bar | None) -> None:
        """Whether one of the ticks behind ``before`` up to ``end`` touches a level; ``bar`` holds just these."""
        armed = self._armed
        assert armed is not None
        sign, start = armed.sign, max(before, self._armed_at) + 1
        if bar is None or start > before + 1:
            if start > end:
                return
            prices = self._tape.price[start : end + 1]
            high, low = float(prices.max()), float(prices.min())
        else:
            high, low = bar.high, bar.low
        best = armed.best
        if armed.trail is not None:
            best = max(best, high) if sign > 0 else min(best, low)
        if not _may_touch(armed, best, high, low, self._tick):
            if best != armed.best:
                self._armed = Armed(sign, 0, 0, best, armed.stop, armed.target, armed.trail)
            return
        place = first_reaching(self._tape.price, start, end + 1, _watch(armed, self._tick))
        if place > end:
            self._armed = Armed(sign, 0, 0, best, armed.stop, armed.target, armed.trail)
            return
        self._close(place, TOUCH, closed, self._reason(armed, start, place), BY_LEVEL)

    def _reason(self, armed: Armed, start: int, place: int) -> str:
        if armed.trail is not None and place > start:
            passed = self._tape.price[start:place]
            best = max(armed.best, float(passed.max())) if armed.sign > 0 else min(armed.best, float(passed.min()))
            armed = Armed(armed.sign, 0, 0, best, armed.stop, armed.target, armed.trail)
        reason = touched(armed, float(self._tape.price[place]), self._tick)
        assert reason is not None
        return reason

    def _arm(self, signal: Signal, number: int, entry: float, place: int) -> None:
        rules = self._rules if signal.exits is None else self._rules_of(signal)
        if not rules.rules:
            return
        atr = self._range_at(number) if rules.rules.needs_atr else None
        levels = rules.of(entry, self._sign, atr)
        self._armed = Armed(self._sign, 0, 0, entry, levels.stop, levels.target, levels.trail)
        self._armed_at = place

    def _rules_of(self, signal: Signal) -> LevelRules:
        assert signal.exits is not None
        known = self._own.get(signal.exits)
        if known is None:
            known = self._own[signal.exits] = LevelRules(signal.exits, self._config.instrument)
        return known

    def _range_at(self, number: int) -> float | None:
        """The average true range after bar ``number``."""
        if not self._ranges:
            atr = ATR()
            for bar in self._bars:
                atr.update(bar.high, bar.low, bar.close)
                self._ranges.append(atr.so_far)
        return self._ranges[number]

    # --- signals ---

    def _answer(self, answer: Answers, number: int, bar: Bar, ends: list[int]) -> None:
        if type(answer) is Signal and type(answer.target) is Target:
            signal = answer
        else:
            signals = signals_of(answer, Target(self._sign))
            if not signals:
                return
            signal = signals[-1]
        if signal.limit is not None or signal.stop is not None:
            raise Unusual
        target = int(signal.target)
        if target == self._sign:
            return
        if bar.flags:
            self._at_session_end(signal, number, bar, ends)
            return
        place, kind = (ends[number] + 1, MARKET) if self._next else (ends[number], CLOSE)
        warm = number >= self._config.warmup
        if target and not warm:
            self._refused.append(Refused(number, DenialCode.WARMING_UP, signal.reason))
        if place >= len(self._tape):
            self._unfilled += 1 if self._sign or warm else 0
            return
        if self._sign:
            self._close(place, kind, number + 1, signal.reason, number)
        if target and warm:
            self._open(signal, place, kind, number, bar)

    def _at_session_end(self, signal: Signal, number: int, bar: Bar, ends: list[int]) -> None:
        """The market is closed behind this bar: no entry, and an exit is ordered on the first tick of the next session."""
        if bar.flags != BarFlag.SESSION_END:
            raise Unusual
        cold = not self._sign and number < self._config.warmup
        self._refused.append(Refused(number, DenialCode.WARMING_UP if cold else DenialCode.SESSION_CLOSED, signal.reason))
        first = ends[number] + 1
        if not self._sign or first >= len(self._tape):
            return
        if not self._next:
            self._close(first, REFERENCE, number + 1, signal.reason, number)
            return
        if number + 1 < len(ends) and ends[number + 1] == first:
            raise Unusual  # the strategy is asked once more before the fill
        self._armed = None
        if first + 1 >= len(self._tape):
            self._unfilled += 1
            return
        self._close(first + 1, MARKET, number + 1, signal.reason, number)

    def _open(self, signal: Signal, place: int, kind: int, number: int, bar: Bar) -> None:
        side = int(signal.target)
        price = self._price(side, place, bar.close if kind == CLOSE else None)
        self._log.append((place, kind, side, number + 1, signal.reason, number))
        self._sign = side
        self._position = StrategyPosition(signal.target, side * float(self._config.legs[0].quantity), price)
        self._arm(signal, number, price, place)

    def _close(self, place: int, kind: int, closed: int, reason: str, decision: int) -> None:
        self._log.append((place, kind, -self._sign, closed, reason, decision))
        self._sign, self._position, self._armed = 0, None, None

    def _price(self, side: int, place: int, close: float | None) -> float:
        if close is None:
            bid, ask = self._tape.quote(place)
            quoted = ask if side > 0 else bid
            if quoted is not None:
                return quoted
            close = float(self._tape.price[place])
        if not self._fills.slippage_ticks:
            return close
        instrument = self._config.instrument
        return float(instrument.price(close) + side * self._fills.slippage_ticks * instrument.tick_size)


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
