"""The ledger's arithmetic: nothing is lost between fills, positions and round trips."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NQ, OPEN, PAPER, bar, fill

from fortified.domain.errors import InvariantError
from fortified.domain.order import Fill
from fortified.domain.position import FillContext, Position, apply_fill
from fortified.domain.signal import OrderSide
from fortified.domain.trade import Trade

BUY, SELL = OrderSide.BUY, OrderSide.SELL
FLAT = Position(PAPER, "ema", "/NQ", NQ.multiplier)


def context(bar_index: int = 0, high: int | None = None, low: int | None = None, day: str = "2025-03-04") -> FillContext:
    return FillContext("1", bar_index, bar(bar_index), None if high is None else Decimal(high), None if low is None else Decimal(low), day)


def book(*fills: Fill, position: Position = FLAT) -> tuple[Position, list[Trade]]:
    trades = []
    for one in fills:
        position, trade = apply_fill(position, one, context())
        trades += [trade] if trade is not None else []
    return position, trades


def test_a_round_trip_is_one_trade() -> None:
    position, [trade] = book(
        fill(BUY, 2, 100, fee=Decimal(4), reason="cross_up", fill_id="in"),
        fill(SELL, 2, 110, fee=Decimal(4), reason="cross_down", ts_event=OPEN + 9),
    )
    assert (trade.side, trade.quantity, trade.entry_price, trade.exit_price) == ("LONG", 2, 100, 110)
    assert (trade.gross_pnl, trade.fees, trade.net_pnl) == (2 * 10 * 20, 8, 392)
    assert (trade.trade_id, trade.ts_entry, trade.ts_exit, trade.entry_reason, trade.exit_reason) == (
        *("in", OPEN, OPEN + 9, "cross_up", "cross_down"),
    )
    assert (position.quantity, position.cost, position.trip, position.average_price, position.side) == (0, 0, None, None, "FLAT")
    assert (position.realized_pnl, position.fees, position.day_pnl) == (400, 8, 392)


def test_a_short_earns_when_the_price_falls() -> None:
    _, [trade] = book(fill(SELL, 1, 110), fill(BUY, 1, 100))
    assert (trade.side, trade.gross_pnl) == ("SHORT", 200)


def test_in_pieces_the_prices_are_averages() -> None:
    position, [] = book(fill(BUY, 1, 100), fill(BUY, 3, 104), fill(SELL, 1, 110))
    assert (position.quantity, position.average_price, position.unrealized_pnl(Decimal(105))) == (3, 103, 3 * 2 * 20)
    _, [trade] = book(fill(SELL, 1, 100), fill(SELL, 2, 106), position=position)
    assert (trade.quantity, trade.entry_price, trade.exit_price) == (4, 103, (110 + 100 + 212) / Decimal(4))
    assert trade.gross_pnl == (110 + 100 + 212 - 4 * 103) * 20


def test_one_fill_never_carries_through_zero() -> None:
    position, _ = book(fill(BUY, 2))
    with pytest.raises(InvariantError, match="through zero"):
        book(fill(SELL, 3), position=position)


def test_the_day_s_result_begins_anew_with_the_trading_day() -> None:
    position, _ = apply_fill(FLAT, fill(BUY, 1, 100, fee=Decimal(3)), context(day="2025-03-04"))
    assert position.day_pnl == -3
    position, _ = apply_fill(position, fill(SELL, 1, 99, fee=Decimal(3)), context(day="2025-03-05"))
    assert (position.day_pnl, position.realized_pnl) == (-23, -20)


@pytest.mark.parametrize(("side", "mae", "mfe"), [(BUY, 7, 12), (SELL, 12, 7)])
def test_excursions_are_the_extremes_seen_from_the_entry(side: OrderSide, mae: int, mfe: int) -> None:
    back = SELL if side is BUY else BUY
    position, _ = apply_fill(FLAT, fill(side, 1, 100), context(5))
    _, trade = apply_fill(position, fill(back, 1, 101), context(9, high=112, low=93))
    assert trade is not None
    assert (trade.mae, trade.mfe, trade.bars_held) == (mae, mfe, 4)
    assert trade.bar == bar(5)


def test_an_excursion_is_never_negative_and_the_fills_count_too() -> None:
    _, [trade] = book(fill(BUY, 1, 100), fill(SELL, 1, 90))
    assert (trade.mae, trade.mfe) == (10, 0)


steps = st.tuples(
    st.integers(1, 7),
    st.integers(79_000, 81_000).map(lambda ticks: ticks * NQ.tick_size),
    st.integers(0, 999).map(lambda cents: Decimal(cents) / 100),
    st.booleans(),
)


@given(st.lists(steps, max_size=30), st.integers(79_000, 81_000).map(lambda ticks: ticks * NQ.tick_size))
def test_cash_and_position_are_trades_and_what_is_open(moves: list[tuple[int, Decimal, Decimal, bool]], mark: Decimal) -> None:
    """Money counted without any position keeping: what was paid and received, plus what is held, at the mark."""
    position, cash, fees, trades = FLAT, Decimal(0), Decimal(0), list[Trade]()
    for number, (quantity, price, fee, buys) in enumerate(moves):
        side = BUY if buys else SELL
        closing = position.quantity * side.sign < 0
        units = min(quantity, int(abs(position.quantity))) if closing else quantity
        one = fill(side, units, fee=fee, fill_id=str(number))
        one = msgspec.structs.replace(one, price=price)
        position, trade = apply_fill(position, one, context(number))
        cash -= price * units * side.sign * NQ.multiplier
        fees += fee
        trades += [trade] if trade is not None else []
    equity = cash + mark * position.quantity * NQ.multiplier
    open_pnl = position.unrealized_pnl(mark)
    assert abs(position.realized_pnl + open_pnl - equity) < Decimal("1e-18")
    assert position.fees == fees
    trip_gross, trip_fees = (position.trip.gross_pnl, position.trip.fees) if position.trip is not None else (Decimal(0), Decimal(0))
    assert abs(sum(trade.net_pnl for trade in trades) + trip_gross - trip_fees + open_pnl - (equity - fees)) < Decimal("1e-18")
    assert all(trade.net_pnl == trade.gross_pnl - trade.fees and trade.mae >= 0 and trade.mfe >= 0 for trade in trades)
    assert (position.trip is None) == (position.quantity == 0)


def test_a_part_of_a_thirteenth_is_closed_without_losing_the_last_digit() -> None:
    position, _ = book(fill(SELL, 7, 19_964), fill(SELL, 6, "19962.5"), fill(BUY, 5, "19837.5"))
    cash = (7 * Decimal(19_964) + 6 * Decimal("19962.5") - 5 * Decimal("19837.5")) * 20
    assert position.realized_pnl + position.unrealized_pnl(Decimal(20_000)) == cash - 8 * 20_000 * 20
