"""What my_strategy promises: change this together with the strategy."""

from pathlib import Path
from typing import Any

import pytest

from fortified import BacktestResult, ConfigError, Ticks, run_backtest

STRATEGY = Path(__file__).with_name("my_strategy.py")
START_NS = 1_750_086_000_000_000_000
"""A Monday, 15:00 UTC."""
QUIET, HIGH, LOW = [20_000.0] * 4, [20_010.0] * 3, [19_990.0] * 3


def traded(prices: list[float], **params: Any) -> BacktestResult:
    """A backtest with one bar per price, a second apart."""
    ticks = Ticks([START_NS + at * 1_000_000_000 for at in range(len(prices))], prices)
    return run_backtest(ticks, symbol="/NQ", timeframe="1t", strategy=STRATEGY, params={"period": 4, "band": 0.01} | params)


def test_it_buys_above_the_average_and_sells_below_it() -> None:
    [trade] = traded(QUIET + HIGH + LOW).trades
    assert (trade.side, trade.entry_reason, trade.exit_reason) == ("LONG", "entry_above_average", "exit_below_average")


def test_it_stays_out_while_prices_stay_within_the_band() -> None:
    assert traded(QUIET + HIGH + LOW, band=1.0).orders == 0


def test_it_does_nothing_before_it_is_warm() -> None:
    assert traded(QUIET + HIGH, period=10).orders == 0


@pytest.mark.parametrize("params", [{"period": 1}, {"period": "many"}, {"band": -0.1}, {"lenght": 3}])
def test_parameters_that_are_not_possible_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        traded(QUIET, **params)
