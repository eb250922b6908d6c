"""The data of a run: ticks or bars, out of files, a catalogue, or the stored history.

Owns that every run over data gets it in one shape. Knows nothing of strategies.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from fortified.adapters.files_select import select
from fortified.adapters.files_span import load_selected
from fortified.adapters.tables import BarTable, FileReport, TickTable
from fortified.bootstrap import open_store
from fortified.domain.errors import DataError
from fortified.domain.instrument import normalise_symbol
from fortified.domain.market import Bar
from fortified.domain.timeframe import Timeframe
from fortified.ports import StreamRef
from fortified.runs import RunOptions
from fortified.settings import Settings

type Report = Callable[[FileReport], None]


class Data(msgspec.Struct, frozen=True, eq=False):
    """What a run walks: ticks, or ready-made bars."""

    ticks: TickTable | None = None
    bars: BarTable | None = None


def load(options: RunOptions, report: Report) -> Data:
    """The data of ``options.files`` from ``start_ns`` until before ``end_ns``; ``report`` is told of bad rows once.

    Raises:
        ConfigError: the timeframe of bars is missing. DataError: a file cannot be used, or holds nothing in the span.
    """
    symbol = normalise_symbol(options.symbol)
    start_ns, end_ns = options.start_ns, options.end_ns
    selection = select(options.files, symbol=symbol, bars_timeframe=options.bars_timeframe, start_ns=start_ns, end_ns=end_ns)
    table = load_selected(selection, symbol, strict=options.strict, start_ns=start_ns, end_ns=end_ns)
    report(table.report)
    return Data(ticks=table) if isinstance(table, TickTable) else Data(bars=table)


async def load_stored(settings: Settings, symbol: str, timeframe: str, start_ns: int | None = None, end_ns: int | None = None) -> Data:
    """The stored bars of ``symbol`` that open from ``start_ns`` until before ``end_ns``, of the deployment of ``settings``.

    Raises:
        ConfigError: the symbol or the timeframe is none. DataError: nothing is stored in the span. StoreUnavailable: Redis does not answer.
    """
    symbol, wanted = normalise_symbol(symbol), Timeframe.parse(timeframe)
    async with open_store(settings) as store:
        bars = await store.history.bars(StreamRef(symbol, wanted.name), start_ns=start_ns, end_ns=end_ns)
    if not bars:
        raise DataError(
            f"No {wanted.name} bars of {symbol} are stored{'' if start_ns is end_ns is None else ' in that span'}. "
            "Choose another timeframe or span, or give files."
        )
    return Data(bars=_table(wanted, bars))


def _table(timeframe: Timeframe, bars: Sequence[Bar]) -> BarTable:
    kinds = {"ts_open": np.int64, "ts_close": np.int64, "ticks": np.int64, "complete": np.bool_}
    names = (name for name in BarTable.__struct_fields__ if name not in ("timeframe", "report"))
    columns: dict[str, Any] = {name: np.array([getattr(bar, name) for bar in bars], kinds.get(name, np.float64)) for name in names}
    return BarTable(timeframe=timeframe, report=FileReport(len(bars)), **columns)
