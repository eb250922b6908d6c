"""The job in plain Python, slow and easy to check: what all implementations are compared with. It is not timed."""

import sys
from pathlib import Path

from benchmarks.peers.job import FAST, MULTIPLIER, NS_PER_MINUTE, SLOW, Outcome, Ticks, alpha, load, report, ticks_per_bar


def closing_rows(ticks: Ticks, timeframe: str) -> list[int]:
    """The last row of each complete bar. A minute is over when a later one has begun."""
    per_bar = ticks_per_bar(timeframe)
    if per_bar is not None:
        return list(range(per_bar - 1, len(ticks.ts_ns), per_bar))
    minutes = [ts // NS_PER_MINUTE for ts in ticks.ts_ns.tolist()]
    return [row for row in range(len(minutes) - 1) if minutes[row + 1] != minutes[row]]


def crossings(closes: list[float], fast: int, slow: int) -> list[tuple[int, int]]:
    """The bars at which the averages cross, with +1 for up and -1 for down, after as many bars as the slow one has."""
    found = []
    a = b = closes[0]
    for bar, close in enumerate(closes[1:], start=1):
        before_a, before_b = a, b
        a = alpha(fast) * close + (1.0 - alpha(fast)) * a
        b = alpha(slow) * close + (1.0 - alpha(slow)) * b
        if bar < slow:
            continue
        if a > b and before_a <= before_b:
            found.append((bar, 1))
        elif a < b and before_a >= before_b:
            found.append((bar, -1))
    return found


def trade(prices: list[float], ends: list[int], fast: int, slow: int) -> Outcome:
    """Stop and reverse at each crossing, at the price of the tick after it."""
    fills: list[tuple[float, float]] = []
    position, entry, profit = 0, 0.0, 0.0
    for bar, side in crossings([prices[row] for row in ends], fast, slow):
        row = ends[bar] + 1
        if side == position or row == len(prices):
            continue
        price = prices[row]
        profit += position * (price - entry)
        fills.append((price, side - position))
        position, entry = side, price
    return Outcome(fills, profit * MULTIPLIER, len(ends))


if __name__ == "__main__":
    data = load(Path(sys.argv[1]))
    report("", [], trade(data.price.tolist(), closing_rows(data, sys.argv[2]), FAST, SLOW))
