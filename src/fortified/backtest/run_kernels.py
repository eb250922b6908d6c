"""Levels and trades over a tape, compiled.

Owns the loops behind ``scan`` and ``batch``. They compare floats as ``engine.tick_level`` and ``lane`` do, so that results are the same to
the bit. Knows no strategy: it is given the lines that cross.
"""

import numpy as np
from numpy.typing import NDArray

from fortified.backtest.compiled import FLOAT, FLOATS, INT, INTS, LINES, inner, kernel, tuples
from fortified.engine.tick_level import TOLERANCE

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]
type Shorts = NDArray[np.int32]
"""Half the memory, which then fits the nearest cache."""
type Marks = NDArray[np.int8]

# Said again, and held to the lane's by a test: what is imported is frozen into machine code that is kept by this file's date alone.
MARKET, TOUCH, CLOSE, REFERENCE = range(4)
BY_LEVEL, BY_COMMAND = -1, -2
CROSS_UP, CROSS_DOWN, STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, END_OF_DATA = range(6)
"""Reasons."""
WARMING_UP, SESSION_CLOSED = range(2)
SESSION_END = 16
METRICS = 9
"""net_pnl, return_percent, sharpe, sortino, profit_factor, win_rate, trades, max_drawdown, expectancy."""
FLAT = 1e-12
"""Daily returns that differ by less do not differ; as in ``engine.performance``."""
TAPE = tuples(FLOATS, FLOATS, FLOATS, INTS, FLOATS, FLOATS, INTS)
"""Prices, bids and asks by place (the last two may be empty); ends, highs, lows and flags of bars."""
VENUE = tuples(INT, INT, FLOAT, INT, INT)
"""Whether market orders fill at the next tick, slippage in ticks, the tick size, and its numerator and denominator."""
RULES = tuples(INT, INT, INT, INT)
"""Ticks to stop, target and trailing stop, 0 for none; whether to close at the end of the data."""
AT_MARKET = tuples(FLOATS, FLOATS)
"""What buying and selling at market gets that is decided at the close of each bar."""
MONEY = tuples(FLOATS, INTS, FLOAT, FLOAT, FLOAT, FLOAT, INT, FLOAT)
"""Closes of bars, last bar of each trading day, quantity, multiplier, fee and its minimum, whether it is by notional, cash."""

type Tape = tuple[Floats, Floats, Floats, Ints, Floats, Floats, Ints]
type Venue = tuple[int, int, float, int, int]
type Rules = tuple[int, int, int, int]
type AtMarket = tuple[Floats, Floats]
type Notes = tuple[Shorts, Floats, Ints, Marks]
"""Fills, their prices, refusals, and room for the marks of crosses."""
type Money = tuple[Floats, Ints, float, float, float, float, int, float]


@inner
def _first_reaching(
    price: Floats, start: int, stop: int, low: float, high: float, sign: int, trail: float, best: float, tick: float
) -> int:
    """The first place in [start, stop) at ``low`` or below, at ``high`` or above, or at the trailing stop; ``stop`` when there is none."""
    if trail != trail:  # noqa: PLR0124  # NaN: none
        for place in range(np.uint64(start), np.uint64(stop)):
            if price[place] <= low or price[place] >= high:
                return np.int64(place)  # type: ignore[return-value]  # numba: else uint64, which joins int64 as float64
        return stop
    for place in range(np.uint64(start), np.uint64(stop)):
        now = price[place]
        level = np.rint((best - sign * trail) / tick) * tick
        if now <= low or now >= high or (now - level) * sign <= TOLERANCE * tick:
            return np.int64(place)  # type: ignore[return-value]  # as above
        if (now - best) * sign > 0:
            best = now
    return stop


@kernel(FLOATS, INT, INT, FLOAT, FLOAT, INT, FLOAT, FLOAT, FLOAT)
def first_reaching(price: Floats, start: int, stop: int, low: float, high: float, sign: int, trail: float, best: float, tick: float) -> int:
    """As above, for ``scan``."""
    return _first_reaching(price, start, stop, low, high, sign, trail, best, tick)


@kernel(FLOATS, INTS, FLOATS, FLOATS, INTS, INTS)
def extremes(price: Floats, ends: Ints, highs: Floats, lows: Floats, first: Ints, stop: Ints) -> tuple[Floats, Floats]:
    """Highest and lowest price of the places ``first[i]`` to ``stop[i]`` (exclusive), in rising order; whole bars count as such.

    Bar b holds the places behind ``ends[b - 1]`` up to ``ends[b]``.
    """
    high, low = np.full(len(first), np.nan), np.full(len(first), np.nan)
    bar, bars = 0, len(ends)
    for index in range(len(first)):
        place, end = first[index], stop[index]
        if place >= end:
            continue
        top = bottom = price[place]
        while place < end:
            while bar < bars and ends[bar] < place:
                bar += 1
            begins = 0 if bar == 0 else ends[bar - 1] + 1
            if bar < bars and place == begins and ends[bar] < end:
                top, bottom = max(top, highs[bar]), min(bottom, lows[bar])
                place = ends[bar] + 1
                continue
            until = min(end, ends[bar] + 1) if bar < bars else end
            for row in range(np.uint64(place), np.uint64(until)):
                top, bottom = max(top, price[row]), min(bottom, price[row])
            place = until
        high[index], low[index] = top, bottom
    return high, low


@kernel(FLOATS, INT)
def ema(values: Floats, period: int) -> Floats:
    """As ``indicators.ema.EMA``, value by value."""
    line = np.empty(len(values))
    alpha = 2.0 / (period + 1)
    for index in range(len(values)):
        line[index] = values[index] if index == 0 else alpha * values[index] + (1.0 - alpha) * line[index - 1]
    return line


@inner
def _level(entry: float, steps: int, venue: Venue) -> float:
    """As ``LevelRules._at`` for an entry on a tick."""
    _, _, tick, numerator, denominator = venue
    return float((np.rint(entry / tick) + steps) * numerator / denominator)


@inner
def _price(side: int, place: int, kind: int, tape: Tape, venue: Venue) -> float:
    """As ``Lane._price``; NaN for what only Decimal can tell: slippage from a price that is not on a tick."""
    price, bid, ask, _, _, _, _ = tape
    _, slip, tick, numerator, denominator = venue
    last = price[place]
    if kind <= TOUCH:
        quoted = np.nan
        if side > 0 and len(ask):
            quoted = ask[place]
        elif side < 0 and len(bid):
            quoted = bid[place]
        if quoted == quoted:  # noqa: PLR0124  # not NaN
            return float(quoted)
    if not slip:
        return float(last)
    near = np.rint(last / tick)
    return float((near + side * slip) * numerator / denominator) if near * numerator / denominator == last else np.nan


@inner
def _mark_crosses(a: Floats, b: Floats, crosses: Marks) -> None:
    """1 where a crosses above b, −1 where below, else 0: a > b now and a ≤ b before, and the other way round. NaN crosses nothing."""
    crosses[0] = 0
    for index in range(np.uint64(1), np.uint64(len(a))):
        last = index - np.uint64(1)
        up = (a[index] > b[index]) & (a[last] <= b[last])
        down = (a[index] < b[index]) & (a[last] >= b[last])
        crosses[index] = np.int8(up) - np.int8(down)


@inner
def _touch(
    price: Floats, start: int, end: int, sign: int, stop: float, target: float, trail: float, best: float, tick: float
) -> tuple[int, int, float]:
    """As ``Lane._touch``: the place behind ``end`` when no level is touched; the reason, and the best price before."""
    below, above = (stop, target) if sign > 0 else (target, stop)
    place = _first_reaching(price, start, end + 1, below, above, sign, trail, best, tick)
    if trail == trail:  # noqa: PLR0124  # not NaN
        for row in range(start, min(place, end + 1)):
            if (price[row] - best) * sign > 0:
                best = price[row]
    if place > end:
        return place, TAKE_PROFIT, best
    now = price[place]
    if trail == trail:  # noqa: PLR0124  # not NaN
        level = np.rint((best - sign * trail) / tick) * tick
        nearer = stop != stop or (level - stop) * sign > TOLERANCE * tick  # noqa: PLR0124  # NaN: no stop
        if nearer and (now - level) * sign <= TOLERANCE * tick:
            return place, TRAILING_STOP, best
    stopped = stop == stop and (now - stop) * sign <= 0  # noqa: PLR0124  # not NaN
    return place, STOP_LOSS if stopped else TAKE_PROFIT, best


@inner
def _walk(  # noqa: PLR0912, PLR0915  # one loop over bars, with its state in registers
    a: Floats, b: Floats, wishes: tuple[int, int, int], tape: Tape, venue: Venue, rules: Rules, notes: Notes
) -> tuple[int, int, int]:
    """``Lane.run`` for two lines: ``wishes`` are the targets where a crosses above b and below it, and the bars to warm up.

    ``fills`` gets (place, kind, side, closed, reason, decision) of each fill, ``refused`` (bar, code, reason). Returns how many of each,
    and the orders that never filled; −1 fills when only the lane can tell.
    """
    up, down, warmup = wishes
    price, _, _, ends, high, low, flags = tape
    at_next, _, tick, numerator, denominator = venue
    stop_steps, target_steps, trail_steps, flatten = rules
    fills, _, refused, crosses = notes
    count, denied, unfilled = 0, 0, 0
    sign, armed_at, before = 0, -1, -1
    stop, target, trail, best = np.nan, np.nan, np.nan, np.nan
    last, bars = len(price) - 1, len(ends)
    levels = stop_steps > 0 or target_steps > 0 or trail_steps > 0
    _mark_crosses(a, b, crosses)
    number = -1
    while number < bars:
        number += 1
        if not (sign and levels):
            while number < bars and crosses[np.uint64(number)] == 0:
                number += 1
            before = ends[number - 1] if number else -1
        end = ends[number] if number < bars else last
        if sign and levels:
            start = max(before, armed_at) + 1
            below, above = (stop, target) if sign > 0 else (target, stop)
            look = start <= end
            if look and number < bars and trail != trail:  # noqa: PLR0124  # no trailing stop
                look = low[number] <= below or high[number] >= above
            if look:
                place, reason, best = _touch(price, start, end, sign, stop, target, trail, best, tick)
                if place <= end:
                    _note(fills, count, place, TOUCH, -sign, number, reason, BY_LEVEL)
                    count += 1
                    sign = 0
        before = end
        if number == bars or crosses[number] == 0:
            continue
        wish, reason = (up, CROSS_UP) if crosses[number] > 0 else (down, CROSS_DOWN)
        if wish == sign:
            continue
        if flags[number]:
            if flags[number] != SESSION_END:
                return -1, 0, 0
            refused[denied, 0], refused[denied, 2] = number, reason
            refused[denied, 1] = WARMING_UP if not sign and number < warmup else SESSION_CLOSED
            denied += 1
            place = end + 1
            if not sign or place > last:
                continue
            kind = REFERENCE
            if at_next:
                if number + 1 < bars and ends[number + 1] == place:
                    return -1, 0, 0
                kind, place = MARKET, place + 1
                if place > last:
                    levels = False  # the exit is on its way
                    unfilled += 1
                    continue
            _note(fills, count, place, kind, -sign, number + 1, reason, number)
            count += 1
            sign = 0
            continue
        place, kind = (end + 1, MARKET) if at_next else (end, CLOSE)
        warm = number >= warmup
        if wish and not warm:
            refused[denied, 0], refused[denied, 1], refused[denied, 2] = number, WARMING_UP, reason
            denied += 1
        if place > last:
            unfilled += 1 if sign or warm else 0
            continue
        if sign:
            _note(fills, count, place, kind, -sign, number + 1, reason, number)
            count += 1
            sign = 0
        if wish and warm:
            _note(fills, count, place, kind, wish, number + 1, reason, number)
            count += 1
            sign, armed_at = wish, place
            if levels:
                best = _price(sign, place, kind, tape, venue)
                if np.rint(best / tick) * numerator / denominator != best:
                    return -1, 0, 0
                stop = _level(best, -sign * stop_steps, venue) if stop_steps else np.nan
                target = _level(best, sign * target_steps, venue) if target_steps else np.nan
                trail = trail_steps * numerator / denominator if trail_steps else np.nan
    if flatten and sign:
        _note(fills, count, last, REFERENCE, -sign, bars, END_OF_DATA, BY_COMMAND)
        count += 1
    return count, denied, unfilled


@inner
def _price_all(notes: Notes, count: int, tape: Tape, venue: Venue, at_market: AtMarket) -> bool:
    """The price of each fill; those that follow from the close of a bar are at hand. False when one cannot be told."""
    fills, prices, ends, known = notes[0], notes[1], tape[3], True
    for index in range(count):
        place, kind, side, decision = fills[index, 0], fills[index, 1], fills[index, 2], fills[index, 5]
        if kind == CLOSE or (kind == MARKET and place == ends[decision] + 1):
            prices[index] = at_market[0][decision] if side > 0 else at_market[1][decision]
        else:
            prices[index] = _price(side, place, kind, tape, venue)
        known &= not np.isnan(prices[index])
    return known


@inner
def _note(fills: Shorts, count: int, place: int, kind: int, side: int, closed: int, reason: int, decision: int) -> None:
    fills[count, 0], fills[count, 1], fills[count, 2] = place, kind, side
    fills[count, 3], fills[count, 4], fills[count, 5] = closed, reason, decision


@inner
def _paper(bars: int) -> Notes:
    """Room for the notes of a run: two fills a bar at most."""
    fills, prices, refused = np.empty((2 * bars + 4, 6), np.int32), np.empty(2 * bars + 4), np.empty((bars + 1, 3), np.int64)
    return fills, prices, refused, np.empty(bars + 1, np.int8)


@kernel(INT, TAPE, VENUE)
def at_market(side: int, tape: Tape, venue: Venue) -> Floats:
    """What a market order gets that is decided at the close of each bar; NaN behind the last tick. Close together, as ticks are not."""
    price, ends, at_next = tape[0], tape[3], venue[0]
    made = np.full(len(ends), np.nan)
    for bar in range(len(ends)):
        place = ends[bar] + 1 if at_next else ends[bar]
        if place < len(price):
            made[bar] = _price(side, place, MARKET if at_next else CLOSE, tape, venue)
    return made


@kernel(FLOATS, FLOATS, tuples(INT, INT, INT), TAPE, VENUE, RULES)
def walk(a: Floats, b: Floats, wishes: tuple[int, int, int], tape: Tape, venue: Venue, rules: Rules) -> tuple[Shorts, Ints, int]:
    """One run: the fills and the refusals row by row, and the orders that never filled; −1 of these when only the lane can tell."""
    notes = _paper(len(tape[3]))
    count, denied, unfilled = _walk(a, b, wishes, tape, venue, rules, notes)
    if count < 0:
        return notes[0][:0], notes[2][:0], -1
    return notes[0][:count].copy(), notes[2][:denied].copy(), unfilled


@inner
def _fee(price: float, money: Money) -> float:
    _, _, quantity, multiplier, fee, minimum, by_notional, _ = money
    return max(fee * abs(price) * quantity * multiplier if by_notional else fee * quantity, minimum)


@inner
def _of_trades(fills: Shorts, prices: Floats, count: int, money: Money, row: Floats) -> None:
    """The metrics of ``trade_statistics``."""
    units = money[2] * money[3]
    won, lost, net, peak, fall = 0.0, 0.0, 0.0, 0.0, 0.0
    wins, trades = 0, count // 2
    for trade in range(trades):
        entry, out = prices[2 * trade], prices[2 * trade + 1]
        earned = (out - entry) * fills[2 * trade, 2] * units - _fee(entry, money) - _fee(out, money)
        net += earned
        if earned > 0:
            won, wins = won + earned, wins + 1
        elif earned < 0:
            lost -= earned
        peak = max(peak, net)
        fall = max(fall, peak - net)
    row[0], row[6], row[7] = net, trades, fall
    if lost > 0:
        row[4] = won / lost
    if trades:
        row[5], row[8] = wins / trades, net / trades


@inner
def _of_days(fills: Shorts, prices: Floats, count: int, money: Money, daily: Floats, row: Floats) -> None:
    """Return, Sharpe and Sortino of ``performance.statistics``."""
    close, last_of_day, quantity, multiplier, _, _, _, cash = money
    position, paid, fees, index, bars, days = 0.0, 0.0, 0.0, 0, len(close), len(last_of_day)
    daily[0] = cash
    for day in range(days):
        bar = last_of_day[day]
        while index < count and min(fills[index, 3] - (fills[index, 1] == CLOSE), bars - 1) <= bar:
            position += fills[index, 2]
            paid += fills[index, 2] * prices[index]
            fees += _fee(prices[index], money)
            index += 1
        daily[day + 1] = cash + (position * close[bar] - paid) * quantity * multiplier - fees
    if not days:
        row[1] = 100 * row[0] / cash
        return
    row[1] = 100 * (daily[days] / cash - 1)
    if days < 2 or daily.min() <= 0:
        return
    returns = daily[1:] / daily[:-1] - 1
    mean, square, down = returns.mean(), 0.0, 0.0
    for day in range(days):
        square += (returns[day] - mean) ** 2
        down += min(returns[day], 0.0) ** 2
    deviation, downside = np.sqrt(square / (days - 1)), np.sqrt(down / days)
    if deviation > FLAT:
        row[2] = mean / deviation * np.sqrt(252.0)
    if downside > FLAT:
        row[3] = mean / downside * np.sqrt(252.0)


@kernel(LINES, INTS, INTS, INTS, INTS, INTS, TAPE, VENUE, RULES, AT_MARKET, MONEY)
def evaluate(
    lines: Floats,
    first: Ints,
    second: Ints,
    ups: Ints,
    downs: Ints,
    warmups: Ints,
    tape: Tape,
    venue: Venue,
    rules: Rules,
    at_market: AtMarket,
    money: Money,
) -> Floats:
    """Many runs: the metrics of each, a row of ``METRICS``. NaN where there is none, also in ``trades`` when only the lane can tell."""
    notes, daily = _paper(len(tape[3])), np.empty(len(money[1]) + 1)
    fills, prices, _, _ = notes
    rows = np.full((len(first), METRICS), np.nan)
    for run in range(len(first)):
        wishes = (ups[run], downs[run], warmups[run])
        count, _, _ = _walk(lines[first[run]], lines[second[run]], wishes, tape, venue, rules, notes)
        if count < 0 or not _price_all(notes, count, tape, venue, at_market):
            continue
        _of_trades(fills, prices, count, money, rows[run])
        _of_days(fills, prices, count, money, daily, rows[run])
    return rows
