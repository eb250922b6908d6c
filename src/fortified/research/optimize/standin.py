"""Stand-ins until research.run and research.batch have them. To be deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fortified.research.data import Data
from fortified.research.run import Backtest


def bars_count(test: Backtest) -> int:
    if test.data.ticks is not None:
        return len(test.built.bars)
    assert test.data.bars is not None
    return len(test.data.bars)


def part(test: Backtest, first: int, stop: int) -> Backtest:
    data = test.data
    if data.ticks is not None:
        seq = test.built.bars.seq
        rows = slice(int(seq[first - 1]) + 1 if first else 0, int(seq[stop - 1]) + 1)
        cut = {n: None if (c := getattr(data.ticks, n)) is None else c[rows] for n in ("ts_ns", "price", "size", "bid", "ask")}
        return Backtest(test.options, Data(ticks=msgspec.structs.replace(data.ticks, **cut)), test.strategy)
    assert data.bars is not None
    names = ("ts_open", "ts_close", "open", "high", "low", "close", "volume", "vwap", "ticks", "complete")
    return Backtest(
        test.options, Data(bars=msgspec.structs.replace(data.bars, **{n: getattr(data.bars, n)[first:stop] for n in names})), test.strategy
    )


def evaluate_batch(test: Backtest, points: Sequence[Mapping[str, Any]]) -> list[dict[str, float | None]] | None:
    return None
