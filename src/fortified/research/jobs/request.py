"""From what was asked for to the options of a run.

Owns which files a request may name: those in the data directory, whatever way the name takes. Everything is checked with the words of the
command line. Knows nothing of queues and workers.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from fortified.backtests_port import BacktestRequest
from fortified.domain.errors import ConfigError, NotFound
from fortified.domain.exits import ExitRules
from fortified.domain.timeframe import Timeframe
from fortified.engine.fills import FillModel
from fortified.engine.sizing import Sizing
from fortified.ports import StreamRef
from fortified.registry import Registry
from fortified.research.run import check
from fortified.runs import RunOptions, resolve_instrument
from fortified.strategies.base import BaseStrategy


def run_options(request: BacktestRequest, stored: Path) -> RunOptions:
    """The options of ``request``; ``stored`` is the file that holds the stored bars, when it asks for them.

    Names of files stay relative to the data directory, so that no message shows where that is.

    Raises:
        ConfigError: a text is not understood.
    """
    return RunOptions(
        files=(stored,) if request.stored else tuple(Path(name) for name in request.files),
        symbol=request.symbol,
        timeframe=request.timeframe,
        strategy=request.strategy,
        params=dict(request.params),
        quantity=request.quantity,
        fills=FillModel(request.fill, request.slippage_ticks, int(request.latency_ms * 1_000_000)),
        fee=request.fee,
        warmup=request.warmup,
        calendar=request.calendar,
        tick_size=request.tick_size,
        multiplier=request.multiplier,
        flatten=request.flatten_at_end,
        speed=None,
        bars_timeframe=request.timeframe if request.stored else request.bars_timeframe,
        strict=request.strict,
        exits=ExitRules.of(request),
        sizing=Sizing.parse(request.sizing),
        cash=request.cash,
        start_ns=request.start_ns,
        end_ns=request.end_ns,
    )


def strategy_of(request: BacktestRequest, registry: Registry) -> type[BaseStrategy]:
    """The strategy by its registered name: a file is never run because somebody named it.

    Raises:
        ConfigError: there is none of that name.
    """
    if request.strategy not in registry.names() and ("/" in request.strategy or request.strategy.endswith(".py")):
        raise ConfigError(f"strategy {request.strategy!r} is a file; here only registered ones run: {', '.join(registry.names())}")
    return registry.get(request.strategy)


def check_request(request: BacktestRequest, registry: Registry, data_dir: Path) -> None:
    """Look at everything that can be seen before the data is read.

    Raises:
        ConfigError: it is not possible.
    """
    if request.stored == bool(request.files):
        raise ConfigError("give either files, or stored: true for the stored bars")
    try:
        check(run_options(request, Path()), strategy_of(request, registry))
        if request.bars_timeframe is not None:
            Timeframe.parse(request.bars_timeframe)
        for name in request.files:
            check_file(data_dir, name)
    except NotFound as error:
        raise ConfigError(str(error)) from None  # the request is wrong, not its address


def stored_ref(request: BacktestRequest) -> StreamRef:
    """Which stored bars a checked request asks for."""
    instrument = resolve_instrument(request.symbol, request.calendar, request.tick_size, request.multiplier)
    return StreamRef(instrument.symbol, Timeframe.parse(request.timeframe).name)


def check_file(data_dir: Path, name: str) -> None:
    """See that ``name`` is a file or directory in ``data_dir``, also behind every symbolic link.

    Raises:
        ConfigError: it is not there, or elsewhere.
    """
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(f"file {name!r} is not possible; name one in the data directory of backtests, without a leading / and without ..")
    root = data_dir.resolve()
    try:
        path = (root / name).resolve(strict=True)
        if all(inner.is_relative_to(root) for inner in _everything(path)):
            return
    except (OSError, ValueError, RuntimeError):  # missing, not permitted, no possible name, or a loop of links
        raise ConfigError(f"file {name!r} is not in the data directory of backtests; put it there (BACKTEST_DATA_DIR)") from None
    raise ConfigError(f"file {name!r} leads out of the data directory of backtests by a symbolic link; put the data itself there")


def _everything(path: Path) -> Iterator[Path]:
    """``path`` and all in it, where they really are; each directory once."""
    yield path
    seen, waiting = {path}, [path] if path.is_dir() else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                real = Path(entry.path).resolve(strict=True)
                yield real
                if real.is_dir() and real not in seen:
                    seen.add(real)
                    waiting.append(real)
