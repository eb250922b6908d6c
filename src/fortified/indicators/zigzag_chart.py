"""What thinkorswim draws when all bars are known: the zigzag's line, and the arrows on it. For charts only.

Owns the repaint. An arrow here lies one bar after a turn that nobody knew then, so that trading these is trading with tomorrow's paper.
"""

from collections.abc import Mapping
from math import nan

import numpy as np

from fortified.indicators.base import Floats
from fortified.indicators.reversal_arrows import ARMED_FROM, ReversalLayer
from fortified.indicators.triple_ema import TripleEMA, TripleEMATrend
from fortified.indicators.zigzag import TREND_REVERSAL, Reversal, ZigZagHighLow


def points(zigzag: Mapping[str, Floats], *, newest: bool = True) -> Floats:
    """The points of the line, NaN between them, from ``ZigZagHighLow.compute``; without ``newest``, that of the last bar is left out.

    The last point but one is the extreme of a leg that still grows, and the newest bar always has one.
    """
    direction = zigzag["direction"]
    line = np.full(len(direction), nan)
    decided = np.flatnonzero(direction)
    if not len(decided):
        return line
    line[0] = zigzag["price_low" if direction[decided[0]] > 0 else "price_high"][0]
    turned = np.flatnonzero(zigzag["flip"])
    line[zigzag["pivot_bar"][turned].astype(np.int64)] = zigzag["pivot"][turned]
    up = direction[-1] > 0
    line[int(zigzag["max_bar" if up else "min_bar"][-1])] = zigzag["value"][-1]
    if newest and np.isnan(line[-1]):
        line[-1] = zigzag["price_low" if up else "price_high"][-1]
    return line


def trend_reversal(
    high: Floats, low: Floats, close: Floats, average: TripleEMA | None = None, reversal: Reversal = TREND_REVERSAL
) -> dict[str, Floats]:
    """The whole study on its chart: each line as of the last bar, NaN where there is none.

    ``point`` of the zigzag; ``saved``, ``change``, ``low``, ``high``, ``direction``, ``signal`` and ``arrow`` of its layer; ``amount`` and
    ``confirmed`` of its labels; ``color`` of the bars (1 up, 2 down, 3 neither); ``top`` and ``bottom`` of the reversal line.
    """
    machine = ZigZagHighLow(reversal)
    zigzag = machine.compute(high, low, close)
    trend = TripleEMATrend(average or TripleEMA()).compute(high, low, close)["direction"]
    line = points(zigzag)
    lines = {"point": line, **_layer(line, zigzag["price_high"], zigzag["price_low"])}
    lines["amount"] = _amount(close, machine.atr.compute(high, low, close)["value"], reversal)
    lines["confirmed"] = _confirmed(lines)
    lines["color"] = np.choose((trend % 3).astype(np.int64), (3.0, 1.0, 2.0))
    lines["top"], lines["bottom"] = _reversal_lines(high, low, lines["arrow"], lines["color"])
    return lines


def _layer(line: Floats, price_high: Floats, price_low: Floats) -> dict[str, Floats]:
    names = ("saved", "change", "low", "high", "direction", "signal", "arrow")
    layer, rows = ReversalLayer(), []
    for point, high, low in zip(line.tolist(), price_high.tolist(), price_low.tolist(), strict=True):
        layer.step(high, low, None if np.isnan(point) else point)
        rows.append([getattr(layer, name) for name in names])
    table = np.array(rows, np.float64).reshape(-1, len(names))
    return {name: table[:, column].copy() for column, name in enumerate(names)}


def _amount(close: Floats, atr: Floats, reversal: Reversal) -> Floats:
    """The script's own amount, which only its labels read: it compares with the truth of a comparison, 1, where an amount was meant."""
    percent, points_, moved = close * reversal.percent / 100.0, reversal.absolute, reversal.atr_multiple * atr
    larger = points_ < moved  # false where there is no ATR
    return np.where(percent > np.maximum(larger, points_), percent, np.where(larger, moved, points_))


def _confirmed(lines: Mapping[str, Floats]) -> Floats:
    enough, between, result, last = np.abs(lines["change"]) >= lines["amount"], np.isnan(lines["point"]), [], False
    for bar, told in enumerate(enough.tolist()):
        last = told or (bar > 0 and bool(between[bar - 1]) and last)
        result.append(last)
    return np.array(result, np.float64)


def _reversal_lines(high: Floats, low: Floats, arrow: Floats, color: Floats) -> tuple[Floats, Floats]:
    top, bottom = np.full(len(high), nan), np.full(len(high), nan)
    for bar in range(ARMED_FROM, len(high)):
        lately = color[bar - 2 : bar]
        if arrow[bar] < 0:
            top[bar] = high[bar - 1]
        elif arrow[bar] > 0:
            bottom[bar] = low[bar - 1]
        elif not np.isnan(bottom[bar - 1]):
            if 2 in lately:
                bottom[bar] = bottom[bar - 1]
        elif 1 in lately:
            top[bar] = top[bar - 1]
    return top, bottom
