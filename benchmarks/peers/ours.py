"""Our own engine at the job: ``python -m benchmarks.peers.ours ticks.npz TIMEFRAME CASE``.

Cases: ``named`` the built-in strategy, ``columns`` the same with its records by column instead of objects, ``class`` a strategy in Python
called for each bar, ``armed`` the same with fees, a stop and a target, ``on_tick`` one called for each tick as well. Sessions are off
(24/7), as peers know none. ``memory`` measures what ``armed`` takes.
"""

import gc
import json
import os
import resource
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.peers.crossing import Crossing, TickCrossing
from benchmarks.peers.job import FAST, SLOW, WARM_UP_TICKS, Outcome, Prepare, Run, Ticks, load, main

from fortified.adapters.tables import FileReport, TickTable
from fortified.domain.exits import NO_EXITS, ExitRules
from fortified.engine.fills import FillModel
from fortified.registry import Registry
from fortified.research.data import Data
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy

FEE, EXITS = "2.00/contract", ExitRules.parse("40ticks", "80ticks", None)


def backtest(ticks: Ticks, timeframe: str, strategy: type[BaseStrategy], fee: str = "0", exits: ExitRules = NO_EXITS) -> Backtest:
    """Everything but the run."""
    names = list(strategy.Params.__struct_fields__)[:2]
    options = RunOptions(
        files=(),
        symbol="/NQ",
        timeframe=timeframe,
        strategy=strategy.name,
        params=dict(zip(names, (str(FAST), str(SLOW)), strict=True)),
        quantity=Decimal(1),
        fills=FillModel(),
        fee=fee,
        warmup=None,
        calendar="24/7",
        tick_size=None,
        multiplier=None,
        flatten=False,
        speed=None,
        exits=exits,
    )
    return Backtest(options, Data(ticks=TickTable(*ticks, None, None, FileReport(len(ticks.ts_ns)))), strategy)


def job(case: str) -> Prepare:
    """The job as ``case`` does it; the records of trades and fills are part of it."""
    strategies: dict[str, type[BaseStrategy]] = {"named": Registry().get("ema"), "columns": Registry().get("ema"), "on_tick": TickCrossing}
    strategy = strategies.get(case, Crossing)
    fee, exits = (FEE, EXITS) if case == "armed" else ("0", NO_EXITS)

    def prepare(ticks: Ticks, timeframe: str) -> Run:
        def run() -> Any:
            result = backtest(ticks, timeframe, strategy, fee, exits).run()
            return (result, result.columns) if case == "columns" else (result, list(result.trades), list(result.fills))

        return run

    return prepare


def read(answer: Any) -> Outcome:
    result: BacktestResult = answer[0]
    fills = [(float(fill.price), float(fill.side.sign * fill.quantity)) for fill in result.fills]
    complete = sum(result.bars.complete.tolist())
    return Outcome(fills, float(sum(trade.net_pnl for trade in result.trades)), complete)


def memory(path: Path, timeframe: str) -> None:
    """Print the most bytes that a run took over what the program took before it had the ticks, and the bytes of the ticks."""
    prepare = job("armed")
    prepare(load(path).head(WARM_UP_TICKS), timeframe)()
    gc.collect()
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    ticks = load(path)
    kept = prepare(ticks, timeframe)()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"taken": most - before, "arrays": sum(column.nbytes for column in ticks), "trades": len(kept[1])}))


if __name__ == "__main__":
    if sys.argv[3] == "memory":
        memory(Path(sys.argv[1]), sys.argv[2])
    else:
        main("", job(sys.argv[3]), read)
