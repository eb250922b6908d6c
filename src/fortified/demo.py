"""The demo: what a server without a broker shows a newcomer.

Owns which tickers it trades. They are put in once; what a person changes or stops afterwards stays so.
"""

from decimal import Decimal

from fortified.domain.account import Mode
from fortified.domain.ticker import TickerConfig
from fortified.orchestration.trading_manager import TradingManager
from fortified.ports import DesiredRun

STRATEGY = "ema"
TICKERS = (
    TickerConfig(STRATEGY, "/NQ", "144t", quantities={"tastytrade": Decimal(1)}, demo=True),
    TickerConfig(STRATEGY, "SPY", "1", quantities={"schwab": Decimal(10)}, demo=True),
)


async def seed_demo(manager: TradingManager) -> None:
    """Configure the demo's tickers and wish them to run, unless there are any tickers already."""
    config = manager.store.config
    if not await config.tickers():
        await config.seed([manager.canonical(ticker) for ticker in TICKERS], DesiredRun(STRATEGY, Mode.PAPER.value, "demo"))
