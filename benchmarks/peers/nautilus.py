"""NautilusTrader's engine in Cython: trade ticks in, bars built inside. A latency of 1 ns lets an order meet the next tick."""

import warnings
from decimal import Decimal
from typing import Any

from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, TICK_SIZE, Outcome, Run, Ticks, main, ticks_per_bar
from nautilus_trader.backtest.config import BacktestEngineConfig  # type: ignore[import-not-found]  # in the peer's own environment
from nautilus_trader.backtest.engine import BacktestEngine  # type: ignore[import-not-found]  # as above
from nautilus_trader.backtest.models import LatencyModel  # type: ignore[import-not-found]  # as above
from nautilus_trader.common.config import LoggingConfig  # type: ignore[import-not-found]  # as above
from nautilus_trader.indicators import ExponentialMovingAverage  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.currencies import USD  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.data import BarType, TradeTick  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.enums import AccountType, AggressorSide, AssetClass, OmsType, OrderSide  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.instruments import FuturesContract  # type: ignore[import-not-found]  # as above
from nautilus_trader.model.objects import Money, Price, Quantity  # type: ignore[import-not-found]  # as above
from nautilus_trader.risk.config import RiskEngineConfig  # type: ignore[import-not-found]  # as above
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]  # as above

VENUE = Venue("XCME")
INSTRUMENT = InstrumentId(Symbol("NQ"), VENUE)
FAR_NS = 4_000_000_000_000_000_000
CASH = 1_000_000_000


class Crossing(Strategy):  # type: ignore[misc]  # its base has no types here
    """Stop and reverse where the averages cross."""

    def __init__(self, bar_type: Any) -> None:
        super().__init__()
        self.bar_type = bar_type
        self.fast, self.slow = ExponentialMovingAverage(FAST), ExponentialMovingAverage(SLOW)
        self.bars = self.side = 0
        self.filled: list[tuple[float, float]] = []

    def on_start(self) -> None:
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Any) -> None:
        fast, slow = self.fast.value, self.slow.value
        self.fast.handle_bar(bar)
        self.slow.handle_bar(bar)
        self.bars += 1
        if self.bars <= SLOW:
            return
        if self.fast.value > self.slow.value and fast <= slow:
            self.turn(1)
        elif self.fast.value < self.slow.value and fast >= slow:
            self.turn(-1)

    def turn(self, side: int) -> None:
        if side == self.side:
            return
        order_side = OrderSide.BUY if side > 0 else OrderSide.SELL
        for _ in range(abs(side - self.side)):  # one contract each: a second one would slip where a tick's size is 1
            self.submit_order(self.order_factory.market(INSTRUMENT, order_side, Quantity(1, 0)))
        self.side = side

    def on_order_filled(self, event: Any) -> None:
        quantity = event.last_qty.as_double()
        self.filled.append((event.last_px.as_double(), quantity if event.order_side == OrderSide.BUY else -quantity))


def contract() -> Any:
    """The future, by its name only."""
    return FuturesContract(
        instrument_id=INSTRUMENT,
        raw_symbol=Symbol("NQ"),
        asset_class=AssetClass.INDEX,
        currency=USD,
        price_precision=2,
        price_increment=Price(TICK_SIZE, 2),
        multiplier=Quantity(MULTIPLIER, 0),
        lot_size=Quantity(1, 0),
        underlying="NQ",
        activation_ns=0,
        expiration_ns=FAR_NS,
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
    )


def trade_ticks(ticks: Ticks) -> list[Any]:
    """The ticks as the engine's objects."""
    side, columns = AggressorSide.BUYER, (ticks.ts_ns.tolist(), ticks.price.tolist(), ticks.size.tolist())
    return [
        TradeTick(INSTRUMENT, Price(price, 2), Quantity(size, 0), side, TradeId(str(row)), ts, ts)
        for row, (ts, price, size) in enumerate(zip(*columns, strict=True))
    ]


def prepare(ticks: Ticks, timeframe: str) -> Run:
    per_bar = ticks_per_bar(timeframe)
    step = f"{per_bar}-TICK" if per_bar is not None else "1-MINUTE"
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True), run_analysis=False)
    )
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(CASH, USD)], latency_model=LatencyModel(base_latency_nanos=1))
    engine.add_instrument(contract())
    engine.add_data(trade_ticks(ticks))
    strategy = Crossing(BarType.from_str(f"{INSTRUMENT}-{step}-LAST-INTERNAL"))
    engine.add_strategy(strategy)

    def run() -> Any:
        engine.run()
        return engine, strategy

    return run


def read(result: Any) -> Outcome:
    engine, strategy = result
    balance = engine.portfolio.account(VENUE).balance_total(USD).as_double()
    return Outcome(strategy.filled, balance - CASH, strategy.bars)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of its own use of pandas
    main("nautilus_trader", prepare, read)
