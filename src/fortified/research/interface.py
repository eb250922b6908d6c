"""The names for Python users: load, run, look.

Owns the conversion of arrays, texts and numbers into the options that every run has. Holds no logic of runs.
"""

import inspect
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
        for name, quotes in (("bid", self.bid), ("ask", self.ask)):
            if quotes is not None:
                _refuse(f"{name} is infinite", np.isinf(quotes), quotes)
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
    break_even: str | None = None,
    time_stop: str | None = None,
    flatten_before: str | None = None,
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
    made, table = _strategy(strategy), _table(data)
    exits = (stop_loss, take_profit, trailing, break_even, time_stop, flatten_before)
    if fill not in ("next", "last"):
        raise ConfigError(f"fill {fill!r} is unknown; choose next or last")
    options = RunOptions(
        files=(),
        symbol=symbol,
        timeframe=str(timeframe),
        strategy=made.name,
        params=dict(params or {}),
        quantity=_decimal("quantity", quantity),
        fills=FillModel(fill, _count("slippage_ticks", slippage_ticks), int(_at_least_0("latency_ms", latency_ms) * 1_000_000)),
        fee=str(fee),
        warmup=None if warmup is None else _count("warmup", warmup),
        calendar=calendar,
        tick_size=None if tick_size is None else _decimal("tick_size", tick_size),
        multiplier=None if multiplier is None else _decimal("multiplier", multiplier),
        flatten=flatten_at_end,
        speed=None,
        bars_timeframe=data.timeframe.name if isinstance(data, BarTable) else None,
        exits=ExitRules.parse(*(None if text is None else str(text) for text in exits)),
        sizing=Sizing.parse(sizing),
        cash=_above_0("cash", cash),
    )
    check(options, made)
    return Backtest(options, table, made).run(progress=progress)


def _strategy(strategy: str | Path | type[BaseStrategy]) -> type[BaseStrategy]:
    if isinstance(strategy, str | Path):
        return Registry().resolve(str(strategy))
    if not (isinstance(strategy, type) and issubclass(strategy, BaseStrategy)) or inspect.isabstract(strategy):
        raise ConfigError(f"strategy {strategy!r} is none; give a registered name, a Python file, or a subclass of BaseStrategy")
    if not hasattr(strategy, "name"):
        strategy.name = strategy.__name__.lower()
    return strategy


def _table(data: Ticks | TickTable | BarTable) -> Data:
    if isinstance(data, BarTable):
        return Data(bars=data)
    if isinstance(data, Ticks | TickTable):
        return Data(ticks=data.table() if isinstance(data, Ticks) else data)
    raise DataError(f"a {type(data).__name__} is no data to run over; give Ticks(…), or what load_ticks or load_bars gave")


def _at_least_0(name: str, value: float | Decimal) -> Decimal:
    found = _decimal(name, value)
    if found < 0:
        raise ConfigError(f"{name} {value} is not possible; give 0 or more")
    return found


def _above_0(name: str, value: float | Decimal) -> Decimal:
    found = _decimal(name, value)
    if found <= 0:
        raise ConfigError(f"{name} {value} is not possible; give an amount above 0")
    return found


def _count(name: str, value: int) -> int:
    found = _at_least_0(name, value)
    if found != int(found):
        raise ConfigError(f"{name} {value} is not possible; give a whole number, 0 or more")
    return int(found)


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
