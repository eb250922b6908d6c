"""The demo: what a server without a broker shows a newcomer.

Owns which tickers it trades. They are put in once; what a person changes or stops afterwards stays so.
"""

from decimal import Decimal

from fortified.domain.account import Mode
from fortified.domain.ticker import TickerConfig
from fortified.orchestration.trading_manager import TradingManager

STRATEGY = "ema"
TICKERS = (
    TickerConfig(STRATEGY, "/NQ", "144t", quantities={"tastytrade": Decimal(1)}, demo=True),
    TickerConfig(STRATEGY, "SPY", "1", quantities={"schwab": Decimal(10)}, demo=True),
)


async def seed_demo(manager: TradingManager) -> None:
    """Configure and start the demo's tickers, unless there are any already."""
    if await manager.store.config.tickers():
        return
    for ticker in TICKERS:
        await manager.put_ticker(ticker)
    await manager.start(STRATEGY, Mode.PAPER, actor="demo")
