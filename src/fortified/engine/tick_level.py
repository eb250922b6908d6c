"""TickLevelExecutor: where the protective exits of open positions lie, and which tick touches them.

Owns the armed levels. A level counts from the event behind the fill that opened the position, so nothing is seen ahead; it is touched by
the first price at or beyond it. Of a bar whose ticks are not known the stop is taken to come first. Knows no orders and no broker.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.exits import Distance, ExitRules
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar
from fortified.domain.order import ZERO, OrderType

STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, BREAK_EVEN = "stop_loss", "take_profit", "trailing_stop", "break_even"
TIME_STOP, SESSION_END = "time_stop", "session_end"
BOTH = "stop_loss:target_in_the_same_bar"
"""The reason of a stop in a bar that reached the target as well, where nobody knows which came first."""
NO_RANGE = "the average true range is not known, so the levels that need it are not set; close by hand or wait for the next entry"
TOLERANCE = 1e-6
"""Of a tick: what a trailing level may be off by in binary."""


class Armed(msgspec.Struct, frozen=True):
    """The levels of one open position; ``sign`` is its direction. ``trail`` is a distance in points, ``best`` the best price so far.

    ``seq`` and ``ts_event`` are those of the fill that armed it; ``by_limit``: that was at a limit. From a price at ``even`` on, the stop
    is at ``entry``. The position is to be closed at ``expires`` or ``flatten_at`` (ns), or when the engine has seen ``last_bar`` bars.
    """

    sign: int
    seq: int
    ts_event: int
    best: float
    stop: float | None = None
    target: float | None = None
    trail: float | None = None
    by_limit: bool = False
    even: float | None = None
    entry: float = 0.0
    expires: int | None = None
    flatten_at: int | None = None
    last_bar: int | None = None

    @property
    def follows(self) -> bool:
        """Whether a level moves with the best price."""
        return self.trail is not None or self.even is not None

    @property
    def is_timed(self) -> bool:
        return self.expires is not None or self.flatten_at is not None or self.last_bar is not None


class Opened(msgspec.Struct, frozen=True):
    """How a position came about: its average price, its direction, the fill, and what was known then.

    ``session_end`` (ns) is None where the session has no end; ``bars`` were seen by the engine.
    """

    entry: float
    sign: int
    seq: int
    ts_event: int
    atr: float | None
    bars: int
    session_end: int | None
    by_limit: bool = False


class Touch(msgspec.Struct, frozen=True):
    """A level was reached: how the exit is to be ordered. Stamped as if it had rested since the position was opened."""

    reason: str
    type: OrderType
    level: Decimal
    seq: int
    ts_event: int


class Levels(msgspec.Struct, frozen=True):
    """The prices of stop and target, the distance of the trailing stop in points, and the price that moves the stop to the entry."""

    stop: float | None
    target: float | None
    trail: float | None
    even: float | None = None


class LevelRules:
    """From an entry price to its levels, on whole ticks and at least one away: a level at the entry would be touched at once.

    A price on a tick is n × tick size, and (n × numerator) / denominator in binary is the nearest float to it, so the level is the very
    float that a feed with that price would give.
    """

    def __init__(self, rules: ExitRules, instrument: Instrument) -> None:
        self.rules = rules
        self._instrument = instrument
        self._tick = float(instrument.tick_size)
        self.ratio = instrument.tick_size.as_integer_ratio()
        self.varies = any(rule.unit in ("percent", "atr") for rule in rules.distances)
        self.steps = (None, None, None, None) if self.varies else self._steps(ZERO, None)

    def of(self, entry: float, sign: int, atr: float | None) -> Levels:
        """The levels of a position in the direction ``sign``. A distance in atr is left out while the range is unknown."""
        stop, target, trail, even = self._steps(self._instrument.price(entry), atr) if self.varies else self.steps
        return Levels(
            None if stop is None else self._at(entry, -sign * stop),
            None if target is None else self._at(entry, sign * target),
            None if trail is None else trail * self.ratio[0] / self.ratio[1],
            None if even is None else self._at(entry, sign * even),
        )

    def _at(self, entry: float, steps: int) -> float:
        numerator, denominator = self.ratio
        near = round(entry / self._tick)
        if near * numerator / denominator == entry:
            return (near + steps) * numerator / denominator
        exact = self._instrument.price(entry) + steps * self._instrument.tick_size
        return float(self._instrument.round_price(exact))

    def _steps(self, entry: Decimal, atr: float | None) -> tuple[int | None, int | None, int | None, int | None]:
        rules = self.rules
        stop, target = self._ticks(rules.stop_loss, entry, atr), self._ticks(rules.take_profit, entry, atr)
        return stop, target, self._ticks(rules.trailing, entry, atr), self._ticks(rules.break_even, entry, atr)

    def _ticks(self, rule: Distance | None, entry: Decimal, atr: float | None) -> int | None:
        if rule is None or (rule.unit == "atr" and atr is None):
            return None
        points = rule.points(entry, None if atr is None else self._instrument.price(atr), self._instrument)
        return max(1, int((points / self._instrument.tick_size).to_integral_value(ROUND_HALF_EVEN)))


class TickLevelExecutor:
    """Watches the open positions of one engine, each on its own account."""

    def __init__(self, instrument: Instrument, rules: ExitRules) -> None:
        self._instrument = instrument
        self._tick = float(instrument.tick_size)
        self._rules = LevelRules(rules, instrument)
        self.armed: dict[AccountId, Armed] = {}
        self.is_timed = False
        """Whether a position is to be closed at some time."""

    def arm(self, account: AccountId, own: ExitRules | None, opened: Opened) -> None:
        """Set the levels of a position, by its ``own`` rules when it has some.

        What fills later moves the levels; the best price so far stays known, and time counts from the first fill.
        """
        rules = self._rules if own is None else LevelRules(own, self._instrument)
        levels, known = rules.of(opened.entry, opened.sign, opened.atr), self.armed.get(account)
        expires, flatten_at, last_bar = _times(rules.rules, opened) if known is None else (known.expires, known.flatten_at, known.last_bar)
        self.armed[account] = Armed(
            sign=opened.sign,
            seq=opened.seq,
            ts_event=opened.ts_event,
            best=opened.entry if known is None else known.best,
            stop=levels.stop,
            target=levels.target,
            trail=levels.trail,
            by_limit=opened.by_limit,
            even=levels.even,
            entry=opened.entry,
            expires=expires,
            flatten_at=flatten_at,
            last_bar=last_bar,
        )
        self._note_timed()

    def disarm(self, account: AccountId) -> None:
        """The position is closed."""
        if self.armed.pop(account, None) is not None:
            self._note_timed()

    @property
    def deadline(self) -> int | None:
        """The earliest time (ns) at which a position is to be closed."""
        times = [time for armed in self.armed.values() for time in (armed.expires, armed.flatten_at) if time is not None]
        return min(times, default=None)

    def overdue(self, account: AccountId, ts_event: int, step: int, bars: int) -> str | None:
        """Why the position is to be closed now; nothing can be done for ``step`` ns from now on. ``bars``: as many closed by now."""
        armed = self.armed[account]
        if armed.flatten_at is not None and is_due(armed.flatten_at, ts_event, step):
            return SESSION_END
        if armed.expires is not None and ts_event >= armed.expires:
            return TIME_STOP
        return TIME_STOP if armed.last_bar is not None and bars >= armed.last_bar else None

    def on_price(self, account: AccountId, seq: int, price: float, *, leaving: bool = False) -> Touch | None:
        """A trade: the level it touches, if any. The trailing stop moves behind it; nothing is touched while ``leaving`` already."""
        armed = self.armed[account]
        if seq <= armed.seq:
            return None
        reason = None if leaving else touched(armed, price, self._tick)
        self._follow(account, armed, price)
        return None if reason is None else self._touch(armed, reason)

    def on_bar(self, account: AccountId, bar: Bar, *, leaving: bool = False) -> Touch | None:
        """A bar whose ticks are not known: its open, then the stop, then the target."""
        armed = self.armed[account]
        if bar.seq < armed.seq:
            return None
        worst, best = (bar.low, bar.high) if armed.sign > 0 else (bar.high, bar.low)
        if bar.seq == armed.seq and armed.by_limit and bar.open != armed.best:
            best = bar.close  # the better prices may have come before the one that filled the limit
        self._follow(account, armed, best)
        if leaving:
            return None
        gapped = touched(armed, bar.open, self._tick) if bar.seq > armed.seq else None
        reason = gapped or touched(armed, worst, self._tick) or touched(armed, best, self._tick)
        if reason is None:
            return None
        if not gapped and reason == STOP_LOSS and touched(armed, best, self._tick) == TAKE_PROFIT:
            return msgspec.structs.replace(self._touch(armed, reason), reason=BOTH)
        return self._touch(armed, reason)

    def follow(self, account: AccountId, high: float, low: float) -> None:
        """Prices were seen that touched no level."""
        armed = self.armed[account]
        self._follow(account, armed, high if armed.sign > 0 else low)

    def restore(self, armed: Mapping[AccountId, Armed]) -> None:
        """Take up levels that were armed before."""
        self.armed = dict(armed)
        self._note_timed()

    def _note_timed(self) -> None:
        self.is_timed = any(armed.is_timed for armed in self.armed.values())

    def _follow(self, account: AccountId, armed: Armed, price: float) -> None:
        if armed.follows and (price - armed.best) * armed.sign > 0:
            self.armed[account] = msgspec.structs.replace(armed, best=price)

    def _touch(self, armed: Armed, reason: str) -> Touch:
        levels = {
            STOP_LOSS: armed.stop,
            TAKE_PROFIT: armed.target,
            TRAILING_STOP: trailing_level(armed, self._tick),
            BREAK_EVEN: armed.entry,
        }
        level = levels[reason]
        assert level is not None
        kind = OrderType.MARKET_IF_TOUCHED if reason == TAKE_PROFIT else OrderType.STOP
        price = self._instrument.price(level)
        exact = self._instrument.round_price(price) if reason in (TRAILING_STOP, BREAK_EVEN) else price
        return Touch(reason, kind, exact, armed.seq, armed.ts_event)


def is_due(at: int, now: int, step: int) -> bool:
    """Whether what is to be done at ``at`` has to be done ``now``, because nothing can be done for ``step`` ns from now on; all in ns."""
    return now >= at or now + step > at


def _times(rules: ExitRules, opened: Opened) -> tuple[int | None, int | None, int | None]:
    """``expires``, ``flatten_at`` and ``last_bar`` of what was opened."""
    time_stop, flatten = rules.time_stop, rules.flatten_before
    flatten_at = None if flatten is None or opened.session_end is None else opened.session_end - flatten.amount
    if time_stop is None:
        return None, flatten_at, None
    if time_stop.unit == "bars":
        return None, flatten_at, opened.bars + time_stop.amount
    return opened.ts_event + time_stop.amount, flatten_at, None


def touched(armed: Armed, price: float, tick: float) -> str | None:
    """Which level ``price`` reaches."""
    sign, target = armed.sign, armed.target
    stop, name = stop_of(armed)
    if armed.trail is not None:
        level = trailing_level(armed, tick)
        assert level is not None
        if (price - level) * sign <= TOLERANCE * tick and (stop is None or (level - stop) * sign > TOLERANCE * tick):
            return TRAILING_STOP
    if stop is not None and (price - stop) * sign <= 0:
        return name
    if target is not None and (price - target) * sign >= 0:
        return TAKE_PROFIT
    return None


def stop_of(armed: Armed) -> tuple[float | None, str]:
    """Where the stop that does not trail lies now, and its name."""
    stop, sign = armed.stop, armed.sign
    if armed.even is not None and (armed.best - armed.even) * sign >= 0 and (stop is None or (armed.entry - stop) * sign > 0):
        return armed.entry, BREAK_EVEN
    return stop, STOP_LOSS


def trailing_level(armed: Armed, tick: float) -> float | None:
    """Where the trailing stop lies, on a tick."""
    if armed.trail is None:
        return None
    return round((armed.best - armed.sign * armed.trail) / tick) * tick
