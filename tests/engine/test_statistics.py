"""Statistics of trades, with numbers worked out by hand."""

# mypy: disable-error-code="comparison-overlap"
# A Decimal equals an int, which mypy does not know.

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.trades import trade, trades

from fortified.domain.trade import Trade
from fortified.engine.statistics import trade_statistics


def test_by_hand() -> None:
    """The results add up to 100, 60, 40, 40, 90, 30: the worst fall is the one from 100 to 30."""
    of = trade_statistics(trades(100, -40, -20, 0, 50, -60))
    assert (of.trades, of.wins, of.losses) == (6, 2, 3)
    assert (of.net_pnl, of.expectancy) == (30, 5)
    assert (of.average_win, of.average_loss) == (75, -40)
    assert of.win_rate == Decimal(2) / 6
    assert of.profit_factor == Decimal("1.25")
    assert of.max_drawdown == 70
    assert of.longest_losing_streak == 2


def test_fees_are_between_gross_and_net() -> None:
    of = trade_statistics([trade(0, "10.50", "4.25"), trade(1, "-2.00", "4.25")])
    assert (of.gross_pnl, of.fees, of.net_pnl) == (17, Decimal("8.50"), Decimal("8.50"))


def test_a_trade_that_only_its_fees_lost_is_a_loss() -> None:
    assert trade_statistics([trade(0, -4, 4)]).losses == 1


def test_no_trades_have_no_ratios() -> None:
    of = trade_statistics([])
    assert (of.trades, of.net_pnl, of.max_drawdown, of.longest_losing_streak) == (0, 0, 0, 0)
    assert (of.win_rate, of.average_win, of.average_loss, of.profit_factor, of.expectancy) == (None, None, None, None, None)


def test_without_a_loss_there_is_no_profit_factor() -> None:
    of = trade_statistics(trades(25))
    assert (of.win_rate, of.average_win, of.average_loss, of.profit_factor, of.max_drawdown) == (1, 25, None, None, 0)


def test_losses_alone_fall_from_the_start() -> None:
    of = trade_statistics(trades("-10.00", "-30.00", "-5.00"))
    assert (of.win_rate, of.average_win, of.average_loss, str(of.profit_factor)) == (0, None, -15, "0")
    assert (of.max_drawdown, of.longest_losing_streak) == (45, 3)


def test_a_trade_without_result_ends_a_losing_streak() -> None:
    assert trade_statistics(trades(-1, -1, 0, -1)).longest_losing_streak == 2


@given(st.permutations(trades(100, -40, -20, 50, -60)))
def test_exits_give_the_order(shuffled: list[Trade]) -> None:
    assert trade_statistics(shuffled) == trade_statistics(trades(100, -40, -20, 50, -60))


@given(st.lists(st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents) / 100), max_size=40))
def test_the_sums_and_the_fall_by_their_definitions(results: list[Decimal]) -> None:
    of = trade_statistics([trade(number, str(net)) for number, net in enumerate(results)])
    walk = [sum(results[:number], Decimal(0)) for number in range(len(results) + 1)]
    assert of.net_pnl == walk[-1]
    assert of.max_drawdown == max(before - after for number, after in enumerate(walk) for before in walk[: number + 1])
    assert of.wins + of.losses + results.count(Decimal(0)) == of.trades
