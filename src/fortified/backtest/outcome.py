"""What came out of a run, in the form that results are made of.

Owns the interface, and fills and trades by column.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from fortified.domain.order import Fill
from fortified.domain.trade import Trade
from fortified.engine.inputs import Denial

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

MAX_DENIALS: Final = 10_000
"""Kept of one run: a strategy may wish for the impossible at every tick."""


class Flows(msgspec.Struct, frozen=True, eq=False):
    """Fills by column, as they happened: the number of the tick, signed units, price, fee."""

    seq: Ints
    quantity: Floats
    price: Floats
    fee: Floats


class TradeColumns(msgspec.Struct, frozen=True, eq=False):
    """Closed round trips by column; money in float64. ``side`` is 1 or −1, ``reason`` the exit's."""

    ts_entry: Ints
    ts_exit: Ints
    side: Ints
    quantity: Floats
    entry_price: Floats
    exit_price: Floats
    gross_pnl: Floats
    fees: Floats
    net_pnl: Floats
    mae: Floats
    mfe: Floats
    bars_held: Ints
    entry_reason: Sequence[str]
    exit_reason: Sequence[str]

    def __len__(self) -> int:
        return len(self.side)


class Outcome(Protocol):
    """What a run did."""

    @property
    def orders(self) -> int: ...
    @property
    def fills(self) -> Sequence[Fill]: ...
    @property
    def trades(self) -> Sequence[Trade]: ...
    @property
    def denials(self) -> Sequence[Denial]: ...
    @property
    def open_quantity(self) -> Decimal: ...
    @property
    def flows(self) -> Flows: ...
    @property
    def columns(self) -> TradeColumns: ...
    def digest(self) -> str: ...


def flows_of(fills: Sequence[Fill]) -> Flows:
    """Fills by column."""
    return Flows(
        np.array([fill.seq for fill in fills], np.int64),
        np.array([float(fill.quantity) * fill.side.sign for fill in fills], np.float64),
        np.array([float(fill.price) for fill in fills], np.float64),
        np.array([float(fill.fee) for fill in fills], np.float64),
    )


def columns_of(trades: Sequence[Trade]) -> TradeColumns:
    """Trades by column."""
    numbers: Mapping[str, Floats] = {
        name: np.array([float(getattr(trade, name)) for trade in trades], np.float64)
        for name in ("quantity", "entry_price", "exit_price", "gross_pnl", "fees", "net_pnl", "mae", "mfe")
    }
    return TradeColumns(
        ts_entry=np.array([trade.ts_entry for trade in trades], np.int64),
        ts_exit=np.array([trade.ts_exit for trade in trades], np.int64),
        side=np.array([1 if trade.side == "LONG" else -1 for trade in trades], np.int64),
        bars_held=np.array([trade.bars_held for trade in trades], np.int64),
        entry_reason=[trade.entry_reason for trade in trades],
        exit_reason=[trade.exit_reason for trade in trades],
        **numbers,
    )
