"""Equity curves, their figures and groups of trades, with numbers worked out by hand."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

import math
from datetime import date
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLOSE, HOUR, MINUTE, NEXT_OPEN, NQ, OPEN, PAPER, bar, fill, ns
from tests.engine.trades import trade, trades

from fortified.domain.calendar import CALENDAR_NAMES, get_calendar
from fortified.domain.errors import ConfigError
from fortified.domain.order import Fill
from fortified.domain.position import FillContext, Position, apply_fill
from fortified.domain.signal import OrderSide
from fortified.domain.trade import Trade
from fortified.engine.performance import (
    Equity,
    Statistics,
    by_day,
    by_hour,
    by_month,
    by_symbol,
    equity_curve,
    equity_from_columns,
    statistics,
    trading_days,
)

BUY, SELL = OrderSide.BUY, OrderSide.SELL
CASH = Decimal(1000)
CME, ALWAYS = get_calendar("CME"), get_calendar("24/7")


def curve(closes: list[float], *fills: Fill, cash: Decimal = CASH) -> Equity:
    """Over minute bars, bar n of which ends with event 10·n + 9; a point of /NQ is 20."""
    number = np.arange(len(closes))
    return equity_curve(OPEN + (number + 1) * MINUTE, 10 * number + 9, np.array(closes), fills, NQ.multiplier, cash)


def worth(*values: float, cash: int = 1000, held: tuple[float, ...] | None = None) -> Equity:
    """A curve of these values."""
    stamps = OPEN + (np.arange(len(values)) + 1) * MINUTE
    return Equity(stamps, np.array(values, np.float64), np.array(held or [0.0] * len(values)), Decimal(cash))


def daily(*values: float, cash: int = 1000) -> Statistics:
    """The figures of a curve with one bar a day."""
    return statistics([], worth(*values, cash=cash), np.arange(len(values), dtype=np.int32))


class TestEquity:
    def test_by_hand(self) -> None:
        """Bought 2 at 100 in bar 1, sold 1 at 103 in bar 3, 1 at 99 in bar 4; each fill costs 4."""
        fills = (
            fill(BUY, 2, 100, seq=12, fee=Decimal(4)),
            fill(SELL, 1, 103, seq=39, fee=Decimal(4)),
            fill(SELL, 1, 99, seq=40, fee=Decimal(4)),
        )
        made = curve([100, 101, 102, 104, 98, 97], *fills)
        assert made.value.tolist() == [1000, 1036, 1076, 1132, 1028, 1028]
        assert made.position.tolist() == [0, 2, 2, 1, 0, 0]
        assert made.ts_ns.tolist() == [OPEN + number * MINUTE for number in range(1, 7)]

    def test_a_short_earns_when_the_price_falls(self) -> None:
        assert curve([100, 90], fill(SELL, 1, 100, seq=5)).value.tolist() == [1000, 1200]

    def test_a_reversal_in_one_bar_leaves_what_it_realized(self) -> None:
        fills = (fill(BUY, 1, 100, seq=3), fill(SELL, 1, 101, seq=13), fill(SELL, 1, 101, seq=13))
        made = curve([100, 101, 99], *fills)
        assert (made.value.tolist(), made.position.tolist()) == ([1000, 1020, 1060], [1, -1, -1])

    def test_numbers_say_on_which_side_of_a_close_a_fill_lies(self) -> None:
        """A fill at the close of bar 0 (model last) and one at the open of bar 1 (next) bear the same stamp."""
        stamp = bar(0).ts_close
        assert curve([100, 110], fill(BUY, 1, 100, seq=9, ts_event=stamp)).position.tolist() == [1, 1]
        assert curve([100, 110], fill(BUY, 1, 100, seq=19, ts_event=stamp)).position.tolist() == [0, 1]

    def test_what_fills_behind_the_last_bar_counts_at_its_close(self) -> None:
        made = curve([100, 110], fill(BUY, 1, 100, seq=3), fill(SELL, 1, 105, seq=25))
        assert (made.value.tolist(), made.position.tolist()) == ([1000, 1100], [1, 0])

    def test_the_order_of_fills_does_not_matter(self) -> None:
        fills = [fill(BUY, 1, 100, seq=3), fill(SELL, 1, 105, seq=15)]
        assert curve([100, 110], *fills).value.tolist() == curve([100, 110], *reversed(fills)).value.tolist()

    def test_without_fills_it_is_the_cash(self) -> None:
        assert curve([100, 110]).value.tolist() == [1000, 1000]

    def test_without_bars_it_is_empty(self) -> None:
        made = curve([], fill())
        assert (len(made.ts_ns), len(made.value), len(made.position)) == (0, 0, 0)

    def test_fractions_that_add_up_to_nothing_leave_no_position(self) -> None:
        fills = (fill(BUY, "0.1", 100, seq=1), fill(BUY, "0.2", 100, seq=2), fill(SELL, "0.3", 100, seq=11))
        assert curve([100, 100], *fills).position[-1] == 0

    def test_columns_and_fills_give_the_same(self) -> None:
        stamps, closes = OPEN + np.arange(1, 4) * MINUTE, np.array([100.0, 101.0, 102.0])
        columns = (np.array([0, 2]), np.array([2.0, -1.0]), np.array([100.0, 101.5]), np.array([4.0, 2.0]))
        direct = equity_from_columns(stamps, closes, *columns, NQ.multiplier, CASH)
        fills = (fill(BUY, 2, 100, seq=9, fee=Decimal(4)), fill(SELL, 1, "101.5", seq=25, fee=Decimal(2)))
        assert direct.value.tolist() == curve(closes.tolist(), *fills).value.tolist()


prices = st.integers(79_000, 81_000).map(lambda ticks: ticks * NQ.tick_size)
cents = st.integers(0, 999).map(lambda number: Decimal(number) / 100)
moves = st.tuples(st.integers(1, 7), prices, cents, st.booleans(), st.integers(0, 12))


@given(st.lists(prices, min_size=1, max_size=30), st.lists(moves, max_size=60))
def test_what_trades_made_and_what_is_open_is_the_change_of_equity(
    closes: list[Decimal], wishes: list[tuple[int, Decimal, Decimal, bool, int]]
) -> None:
    """To the last cent, against the ledger's arithmetic; fills may lie behind the last bar."""
    position, fills, closed, seq = Position(PAPER, "ema", "/NQ", NQ.multiplier), list[Fill](), list[Trade](), 0
    for number, (quantity, price, fee, buys, later) in enumerate(wishes):
        side, seq = BUY if buys else SELL, seq + later
        units = min(quantity, int(abs(position.quantity))) if position.quantity * side.sign < 0 else quantity
        one = fill(side, units, str(price), fee=fee, fill_id=str(number), seq=seq)
        position, made = apply_fill(position, one, FillContext("1", 0, None, None, None, ""))
        fills.append(one)
        closed += [made] if made is not None else []
    trip = position.trip
    unfinished = trip.gross_pnl - trip.fees if trip is not None else Decimal(0)
    net = sum((one.net_pnl for one in closed), Decimal(0)) + unfinished + position.unrealized_pnl(closes[-1])
    whole = curve([float(close) for close in closes], *fills)
    of = statistics(closed, whole, np.zeros(len(closes), np.int32))
    assert whole.position[-1] == position.quantity
    assert of.final_equity == (CASH + net).quantize(Decimal("1e-6"))
    assert of.return_percent == pytest.approx(float(net) / 10)


class TestFigures:
    def test_drawdown_by_hand(self) -> None:
        """From 1200 to 900 is the most money; from 1200 to 900, 25 %, is the most of a peak too, before 1500 to 1250."""
        of = daily(1200, 900, 1500, 1250)
        assert (of.equity_drawdown, of.equity_drawdown_percent) == (300, 25)

    def test_the_most_money_and_the_largest_share_may_be_different_falls(self) -> None:
        of = daily(600, 3000, 2500)
        assert (of.equity_drawdown, of.equity_drawdown_percent) == (500, 40)

    def test_a_fall_from_the_start_counts(self) -> None:
        of = daily(950, 990)
        assert (of.equity_drawdown, of.equity_drawdown_percent) == (50, 5)

    def test_a_curve_that_only_rises_has_no_drawdown(self) -> None:
        of = daily(1001, 1002)
        assert (of.equity_drawdown, of.equity_drawdown_percent) == (0, 0)

    def test_return(self) -> None:
        of = daily(900, 1250)
        assert (of.cash, of.final_equity, of.return_percent) == (1000, 1250, 25)

    def test_sharpe_and_sortino_by_hand(self) -> None:
        """Returns of 10 %, −10 %, 20 %: mean 1/15, Σ squared distances 7/150, one downside of 10 % in three days."""
        of = daily(1100, 990, 1188)
        assert of.sharpe == pytest.approx((1 / 15) / math.sqrt(7 / 150 / 2) * math.sqrt(252))
        assert of.sortino == pytest.approx((1 / 15) / math.sqrt(0.01 / 3) * math.sqrt(252))
        assert of.days == 3

    def test_a_day_counts_with_its_last_bar(self) -> None:
        whole = statistics([], worth(500, 1100, 1900, 990, 10, 1188), np.array([1, 1, 2, 2, 5, 5], np.int32))
        assert (whole.sharpe, whole.sortino, whole.days) == (daily(1100, 990, 1188).sharpe, daily(1100, 990, 1188).sortino, 3)

    def test_losing_days_alone_have_both(self) -> None:
        """Returns of −10 % and −20 %."""
        of = daily(900, 720)
        assert of.sharpe == pytest.approx(-0.15 / math.sqrt(0.005) * math.sqrt(252))
        assert of.sortino == pytest.approx(-0.15 / math.sqrt(0.025) * math.sqrt(252))

    def test_without_a_losing_day_there_is_no_sortino(self) -> None:
        of = daily(1100, 1100, 1300)
        assert of.sharpe is not None
        assert of.sortino is None

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param((), id="no day"),
            pytest.param((1100,), id="one day"),
            pytest.param((1000, 1000), id="nothing happened"),
            pytest.param((1100, 1210), id="every day the same"),
            pytest.param((500, 0, 500), id="nothing left"),
            pytest.param((500, -100, 700), id="below nothing"),
        ],
    )
    def test_where_there_is_no_ratio(self, values: tuple[float, ...]) -> None:
        of = daily(*values)
        assert (of.sharpe, of.sortino) == (None, None)

    def test_below_zero_the_drawdown_is_more_than_all(self) -> None:
        of = daily(2000, -500)
        assert (of.final_equity, of.return_percent) == (-500, -150)
        assert (of.equity_drawdown, of.equity_drawdown_percent) == (2500, 125)

    def test_exposure_counts_bars_with_a_position_of_either_side(self) -> None:
        of = statistics([], worth(1, 1, 1, 1, held=(0.0, 2.0, -1.0, 2.0)), np.zeros(4, np.int32))
        assert of.exposure_percent == 75

    def test_trades_have_their_figures_too(self) -> None:
        of = statistics(trades(100, -40), worth(1060), np.zeros(1, np.int32))
        assert (of.trades, of.net_pnl, of.max_drawdown, of.profit_factor) == (2, 60, 40, Decimal("2.5"))

    def test_without_bars_the_trades_are_all_there_is(self) -> None:
        of = statistics(trades(-40), worth(), np.empty(0, np.int32))
        assert (of.final_equity, of.equity_drawdown, of.exposure_percent, of.days) == (960, 40, 0, 0)

    def test_money_has_no_digits_of_noise(self) -> None:
        assert str(daily(0.1 + 0.2).final_equity) == "0.3"

    def test_the_figures_can_be_written_as_json(self) -> None:
        of = statistics(trades(100, -40), worth(1100, 900, 950, held=(1.0, 1.0, 0.0)), np.arange(3, dtype=np.int32))
        assert msgspec.json.decode(msgspec.json.encode(of), type=Statistics) == of

    @pytest.mark.parametrize("cash", [0, -5])
    def test_a_run_needs_cash(self, cash: int) -> None:
        with pytest.raises(ConfigError, match=f"cash {cash} is not possible; give an amount above 0"):
            daily(1000, cash=cash)


class TestTradingDays:
    def days(self, *stamps: int) -> list[str]:
        return [str(date.fromordinal(day)) for day in trading_days(np.array(stamps, np.int64), CME)]

    def test_the_end_of_a_session_is_in_it(self) -> None:
        assert self.days(OPEN + 1, OPEN + HOUR, CLOSE - 1, CLOSE) == ["2025-03-04"] * 4

    def test_between_sessions_it_is_the_next(self) -> None:
        assert self.days(CLOSE + 1) == ["2025-03-05"]
        assert self.days(CLOSE, CLOSE + 1, NEXT_OPEN, NEXT_OPEN + 1) == ["2025-03-04"] + ["2025-03-05"] * 3

    def test_a_weekend_goes_to_monday(self) -> None:
        assert self.days(ns("2025-03-07 22:00"), ns("2025-03-08 12:00"), ns("2025-03-09 23:00")) == [
            "2025-03-07",
            "2025-03-10",
            "2025-03-10",
        ]

    def test_around_the_clock_days_are_those_of_utc_and_midnight_ends_one(self) -> None:
        midnight = ns("2025-03-04 00:00")
        days = trading_days(np.array([midnight - 1, midnight, midnight + 1]), ALWAYS)
        assert [str(date.fromordinal(day)) for day in days] == ["2025-03-03", "2025-03-03", "2025-03-04"]

    def test_no_bars_have_no_days(self) -> None:
        assert len(trading_days(np.empty(0, np.int64), CME)) == 0

    @given(st.sampled_from(CALENDAR_NAMES), st.lists(st.integers(0, 14 * 24 * 60), min_size=1, max_size=50), st.integers(0, 3000))
    def test_as_the_calendar_says_of_the_instant_before(self, name: str, minutes: list[int], start: int) -> None:
        calendar, first = get_calendar(name), ns("2019-01-01 00:00") + start * 24 * HOUR
        stamps = sorted(first + minute * MINUTE for minute in minutes)
        ends = [calendar.trading_day(stamp - 1).toordinal() for stamp in stamps]
        assert trading_days(np.array(stamps, np.int64), calendar).tolist() == ends


class TestGroups:
    def test_by_hand(self) -> None:
        """Three of /NQ leave 100, −40 and −20; one of /ES leaves 5."""
        es, nq = by_symbol([*trades(100, -40, -20), trade(3, 5, symbol="/ES")])
        assert (es.name, es.trades, es.wins, es.net_pnl, es.win_rate, es.profit_factor, es.average) == ("/ES", 1, 1, 5, 1, None, 5)
        assert (nq.name, nq.trades, nq.wins, nq.net_pnl) == ("/NQ", 3, 1, 40)
        assert (nq.win_rate, nq.average) == (Decimal(1) / 3, Decimal(40) / 3)
        assert nq.profit_factor == Decimal(100) / 60

    def test_no_trades_make_no_groups(self) -> None:
        assert by_symbol([]) == []

    def test_a_day_is_the_trading_day_of_the_exit(self) -> None:
        def ended(ts: int) -> Trade:
            return trade(0, 1, ts_entry=OPEN, ts_exit=ts)

        groups = by_day([ended(NEXT_OPEN), ended(CLOSE), ended(CLOSE - 1), ended(OPEN)], CME)
        assert [(group.name, group.trades) for group in groups] == [("2025-03-04", 3), ("2025-03-05", 1)]

    def test_around_the_clock_midnight_begins_a_day(self) -> None:
        (group,) = by_day([trade(0, 1, ts_exit=ns("2025-03-04 00:00"))], ALWAYS)
        assert group.name == "2025-03-04"

    def test_a_month_is_that_of_the_trading_day(self) -> None:
        """17:30 in Chicago on 31 March belongs to the first of April."""
        groups = by_month([trade(0, 1, ts_exit=ns(stamp)) for stamp in ("2025-03-31 20:00", "2025-03-31 22:30", "2025-04-01 20:00")], CME)
        assert [(group.name, group.trades) for group in groups] == [("2025-03", 1), ("2025-04", 2)]

    def test_an_hour_is_that_of_the_entry_on_the_wall(self) -> None:
        """9:30 in New York is 14:30 in winter and 13:30 in summer, in UTC."""
        stamps = ["2025-03-07 14:30", "2025-03-10 13:30", "2025-03-10 19:59"]
        groups = by_hour([trade(0, 1, ts_entry=ns(stamp)) for stamp in stamps], "America/New_York")
        assert [(group.name, group.trades) for group in groups] == [("09", 2), ("15", 1)]

    @given(st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 60 * 24)), max_size=40))
    def test_groups_add_up_to_the_whole(self, made: list[tuple[int, int]]) -> None:
        all_trades = [trade(number, net, ts_exit=OPEN + hours * HOUR, ts_entry=OPEN) for number, (net, hours) in enumerate(made)]
        for groups in (by_day(all_trades, CME), by_month(all_trades, CME), by_hour(all_trades, CME.timezone), by_symbol(all_trades)):
            assert sum(group.trades for group in groups) == len(made)
            assert sum(group.net_pnl for group in groups) == sum(net for net, _ in made)
            assert [group.name for group in groups] == sorted({group.name for group in groups})
