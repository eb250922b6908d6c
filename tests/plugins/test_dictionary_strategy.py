"""The form of a strategy that the product was first described with: bars as dictionaries, orders as dictionaries, untyped parameters."""

from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from tests.orchestration.house import House
from tests.plugins.plugin_files import write

from fortified import BacktestResult, Ticks, run_backtest
from fortified.domain.errors import StrategyError
from fortified.domain.order import Fill
from fortified.registry import Registry, load_file

START_NS, SECOND = 1_750_086_000_000_000_000, 1_000_000_000
PRICES = [20_000.0, 20_000.0, 20_001.0, 20_002.0, 20_001.0, 20_000.0, 20_003.0, 20_004.0, 20_000.0, 20_000.0]

MY_STRATEGY = """
from fortified import BaseStrategy, StrategyConfig
from fortified import OrderSide
from typing import Optional, List, Dict, Any

class MyStrategy(BaseStrategy):
    def __init__(self, config: StrategyConfig, logger):
        super().__init__(config, logger)
        self.period = config.parameters.get('period', 2)

    def warmup_periods(self) -> int:
        return self.period

    def on_new_bar(self, bar: Dict[str, Any], current_position: Optional[Any]) -> List[Dict]:
        orders = []

        if self.should_enter_long(bar) and not current_position:
            orders.append({
                'symbol': bar['symbol'],
                'side': OrderSide.BUY,
                'reason': 'entry_long'
            })

        if self.should_exit_long(bar) and current_position:
            orders.append({
                'symbol': bar['symbol'],
                'side': OrderSide.SELL,
                'reason': 'exit_long'
            })

        return orders

    def on_tick(self, tick: Dict[str, Any], current_position: Optional[Any]) -> List[Dict]:
        return []
"""
DECISIONS = """
    def should_enter_long(self, bar):
        return bar['close'] > 20_000

    def should_exit_long(self, bar):
        return bar['close'] <= 20_000
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, my_strategy=MY_STRATEGY + DECISIONS) / "my_strategy.py"


def test_it_is_a_plugin_named_after_its_file(path: Path) -> None:
    registry = Registry.discover(path.parent)
    assert registry.problems == []
    assert registry.get("my_strategy").wants_ticks()


def backtested(path: Path) -> BacktestResult:
    ticks = Ticks([START_NS + at * SECOND for at in range(len(PRICES))], PRICES)
    return run_backtest(ticks, symbol="/NQ", timeframe="1t", strategy=path, params={"period": 2}, fill="last")


def test_it_trades_in_a_backtest(path: Path) -> None:
    result = backtested(path)
    assert [(trade.side, trade.entry_reason, trade.exit_reason) for trade in result.trades] == [("LONG", "entry_long", "exit_long")] * 2
    assert [float(fill.price) for fill in result.fills] == [20_001.0, 20_000.0, 20_003.0, 20_000.0]


def test_without_its_decisions_it_is_found_and_fails_with_its_line(path: Path) -> None:
    path.write_text(MY_STRATEGY)
    assert Registry.discover(path.parent).problems == []
    with pytest.raises(StrategyError, match=r"my_strategy\.py, line 17: AttributeError: .* no attribute 'should_enter_long'"):
        backtested(path)


@pytest.mark.anyio
async def test_it_trades_on_paper_as_in_the_backtest(path: Path) -> None:
    house = House()
    cast("Registry", house.manager._strategies).register(load_file(path))
    async with house.open():
        await house.run("my_strategy", parameters={"period": 2}, quantities={"tastytrade": Decimal(1)})
        await house.ticks(*PRICES)
        status = house.status("my_strategy")
    assert status.state == "running"
    expected = [(fill.side, fill.price, fill.reason) for fill in backtested(path).fills]
    assert [(fill.side, fill.price, fill.reason) for fill in house.of(Fill)] == expected
    assert len(expected) == 4
