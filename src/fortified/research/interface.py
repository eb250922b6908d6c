"""The names for Python users: load, run, look.

Owns the conversion of arrays, texts and numbers into the options that every run has. Holds no logic of runs.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fortified.adapters import files
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.domain.errors import ConfigError, DataError
from fortified.domain.exits import ExitRules
from fortified.domain.timeframe import Timeframe
from fortified.engine.fills import FillModel
from fortified.engine.sizing import Sizing
from fortified.registry import Registry
from fortified.research.data import Data
from fortified.research.result import BacktestResult
from fortified.research.run import Backtest, Progress, check, nothing
from fortified.runs import RunOptions
from fortified.strategies.base import BaseStrategy

type Floats = NDArray[np.float64]


class Ticks:
    """Ticks out of arrays, in feed order: ``ts_ns`` UTC nanoseconds, prices and sizes; NaN in ``bid`` or ``ask`` where there was none.

    Raises:
        DataError: the arrays differ in length, or hold what no tick can have; the first such place is named.
    """

    def __init__(
        self, ts_ns: ArrayLike, price: ArrayLike, size: ArrayLike | None = None, bid: ArrayLike | None = None, ask: ArrayLike | None = None
    ) -> None:
        self.ts_ns: NDArray[np.int64] = _integers(ts_ns)
        rows = len(self.ts_ns)
        self.price = _floats("price", price, rows)
        self.size = np.ones(rows) if size is None else _floats("size", size, rows)
        self.bid = None if bid is None else _floats("bid", bid, rows)
        self.ask = None if ask is None else _floats("ask", ask, rows)
        _refuse("ts_ns is before 1970", self.ts_ns < 0, self.ts_ns)
        _refuse("price is not finite", ~np.isfinite(self.price), self.price)
        _refuse("size is not finite, or negative", ~(np.isfinite(self.size) & (self.size >= 0)), self.size)

    def __len__(self) -> int:
        return len(self.ts_ns)

    def table(self) -> TickTable:
        """As files give them."""
        return TickTable(self.ts_ns, self.price, self.size, self.bid, self.ask, FileReport(len(self)))


def load_ticks(*paths: str | Path, symbol: str | None = None, strict: bool = False) -> TickTable:
    """The ticks of files, one after the other: CSV, CSV.gz, Parquet, DBN. ``symbol`` chooses one of several in them.

    Raises:
        DataError: a file cannot be used, or a row is bad and ``strict``.
    """
    return files.load_ticks([Path(path) for path in paths], symbol=symbol, strict=strict)


def load_bars(path: str | Path, timeframe: str, *, strict: bool = False) -> BarTable:
    """The bars of a file, which are of ``timeframe``.

    Raises:
        DataError: the file cannot be used, or a row is bad and ``strict``. ConfigError: the timeframe is none.
    """
    return files.load_bars(Path(path), Timeframe.parse(timeframe), strict=strict)


def run_backtest(
    data: Ticks | TickTable | BarTable,
    *,
    symbol: str,
    timeframe: str,
    strategy: str | Path | type[BaseStrategy],
    params: Mapping[str, Any] | None = None,
    quantity: int | Decimal = 1,
    sizing: str = "fixed",
    cash: int | float | Decimal = 100_000,
    fill: Literal["next", "last"] = "next",
    fee: str = "0",
    slippage_ticks: int = 0,
    latency_ms: float = 0,
    stop_loss: str | None = None,
    take_profit: str | None = None,
    trailing: str | None = None,
    warmup: int | None = None,
    calendar: str | None = None,
    tick_size: str | float | Decimal | None = None,
    multiplier: str | float | Decimal | None = None,
    flatten_at_end: bool = False,
    progress: Progress = nothing,
) -> BacktestResult:
    """Run ``strategy`` (a registered name, a Python file, or a class) over ticks or bars; the options are those of the command line.

    Raises:
        ConfigError: an option is not possible. StrategyError: the strategy raised.
    """
    made = Registry().resolve(str(strategy)) if isinstance(strategy, str | Path) else _named(strategy)
    if fill not in ("next", "last"):
        raise ConfigError(f"fill {fill!r} is unknown; choose next or last")
    options = RunOptions(
        files=(),
        symbol=symbol,
        timeframe=timeframe,
        strategy=made.name,
        params=dict(params or {}),
        quantity=_decimal("quantity", quantity),
        fills=FillModel(fill, slippage_ticks, int(latency_ms * 1_000_000)),
        fee=fee,
        warmup=warmup,
        calendar=calendar,
        tick_size=None if tick_size is None else _decimal("tick_size", tick_size),
        multiplier=None if multiplier is None else _decimal("multiplier", multiplier),
        flatten=flatten_at_end,
        speed=None,
        bars_timeframe=data.timeframe.name if isinstance(data, BarTable) else None,
        exits=ExitRules.parse(stop_loss, take_profit, trailing),
        sizing=Sizing.parse(sizing),
        cash=_decimal("cash", cash),
    )
    check(options, made)
    table = Data(bars=data) if isinstance(data, BarTable) else Data(ticks=data.table() if isinstance(data, Ticks) else data)
    return Backtest(options, table, made).run(progress=progress)


def _named(strategy: type[BaseStrategy]) -> type[BaseStrategy]:
    if not hasattr(strategy, "name"):
        strategy.name = strategy.__name__.lower()
    return strategy


def _decimal(name: str, value: str | float | Decimal) -> Decimal:
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        raise ConfigError(f"{name} {value!r} is not a number") from None
    if not found.is_finite():
        raise ConfigError(f"{name} {value!r} is not a finite number")
    return found


def _integers(values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[ns]")
    elif array.dtype.kind not in "iu":
        raise DataError(f"ts_ns is of type {array.dtype}, which holds no exact time; give int64 UTC nanoseconds or datetime64")
    if array.ndim != 1:
        raise DataError(f"ts_ns has {array.ndim} dimensions; give one column")
    return np.ascontiguousarray(array.view(np.int64) if array.dtype.kind == "M" else array, np.int64)


def _floats(name: str, values: ArrayLike, rows: int) -> Floats:
    try:
        array = np.ascontiguousarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds no numbers; give float64") from None
    if array.shape != (rows,):
        raise DataError(f"{name} has the shape {array.shape}, ts_ns has {rows} rows; give columns of the same length")
    return array


def _refuse(reason: str, bad: NDArray[np.bool_], values: NDArray[Any]) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(f"{reason}: {values[first]} at place {first}; leave such ticks out")
