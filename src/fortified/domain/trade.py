"""A round trip: from flat to flat."""

from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.market import Bar


class Trade(msgspec.Struct, frozen=True):
    """One closed round trip of one account. Prices are averages over the fills; money is in the instrument's currency.

    ``net_pnl = gross_pnl − fees``, ``gross_pnl = (exit − entry) × signed quantity × multiplier``. ``mae`` and ``mfe`` are the worst and the
    best excursion of the price from the entry, in price points, both ≥ 0. ``bar`` is the bar that caused the entry.
    """

    trade_id: str
    account: AccountId
    strategy: str
    symbol: str
    timeframe: str
    side: str
    quantity: Decimal
    ts_entry: int
    entry_price: Decimal
    entry_reason: str
    ts_exit: int
    exit_price: Decimal
    exit_reason: str
    multiplier: Decimal
    gross_pnl: Decimal
    fees: Decimal
    net_pnl: Decimal
    mae: Decimal
    mfe: Decimal
    bars_held: int
    bar: Bar | None = None
