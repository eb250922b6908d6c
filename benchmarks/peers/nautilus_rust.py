"""NautilusTrader's engine in Rust with a strategy in Python: trade ticks in, bars built inside, as ``nautilus.py`` otherwise.

A third argument ``on_tick`` has the strategy called for each tick as well.
"""

import sys
from typing import Any

from benchmarks.peers.job import FAST, MULTIPLIER, SLOW, TICK_SIZE, Outcome, Run, Ticks, main, ticks_per_bar
from nautilus_trader.core import nautilus_pyo3 as nt  # type: ignore[import-not-found]  # in the peer's own environment

VENUE = nt.Venue("XCME")
INSTRUMENT = nt.InstrumentId(nt.Symbol("NQ"), VENUE)
USD = nt.Currency.from_str("USD")
FAR_NS = 4_000_000_000_000_000_000
CASH = 1_000_000_000


class Crossing(nt.Strategy):  # type: ignore[misc]  # its base has no types here
    """Stop and reverse where the averages cross."""

    def __init__(self, bar_type: Any) -> None:
        super().__init__()
        self.bar_type = bar_type
        self.fast, self.slow = nt.ExponentialMovingAverage(FAST), nt.ExponentialMovingAverage(SLOW)
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
        order_side = nt.OrderSide.BUY if side > 0 else nt.OrderSide.SELL
        for _ in range(abs(side - self.side)):  # one contract each: a second one would slip where a tick's size is 1
            self.submit_order(self.order_factory.market(INSTRUMENT, order_side, nt.Quantity(1, 0)))
        self.side = side

    def on_order_filled(self, event: Any) -> None:
        quantity = event.last_qty.as_double()
        self.filled.append((event.last_px.as_double(), quantity if event.order_side == nt.OrderSide.BUY else -quantity))


class TickCrossing(Crossing):
    """As above, and it looks at every tick too."""

    highest = 0.0

    def on_start(self) -> None:
        super().on_start()
        self.subscribe_trades(INSTRUMENT)

    def on_trade(self, tick: Any) -> None:
        self.highest = max(self.highest, tick.price.as_double())


def contract() -> Any:
    """The future, by its name only."""
    return nt.FuturesContract(
        instrument_id=INSTRUMENT,
        raw_symbol=nt.Symbol("NQ"),
        asset_class=nt.AssetClass.INDEX,
        currency=USD,
        price_precision=2,
        price_increment=nt.Price(TICK_SIZE, 2),
        multiplier=nt.Quantity(MULTIPLIER, 0),
        lot_size=nt.Quantity(1, 0),
        underlying="NQ",
        activation_ns=0,
        expiration_ns=FAR_NS,
        ts_event=0,
        ts_init=0,
    )


def trade_ticks(ticks: Ticks) -> list[Any]:
    """The ticks as the engine's objects."""
    side, columns = nt.AggressorSide.BUYER, (ticks.ts_ns.tolist(), ticks.price.tolist(), ticks.size.tolist())
    return [
        nt.TradeTick(INSTRUMENT, nt.Price(price, 2), nt.Quantity(size, 0), side, nt.TradeId(str(row)), ts, ts)
        for row, (ts, price, size) in enumerate(zip(*columns, strict=True))
    ]


def prepare(ticks: Ticks, timeframe: str) -> Run:
    per_bar = ticks_per_bar(timeframe)
    step = f"{per_bar}-TICK" if per_bar is not None else "1-MINUTE"
    quiet, ungated = nt.LoggerConfig(bypass_logging=True), nt.RiskEngineConfig(bypass=True)
    engine = nt.BacktestEngine(nt.BacktestEngineConfig(logging=quiet, risk_engine=ungated, run_analysis=False))
    engine.add_venue(
        VENUE, nt.OmsType.NETTING, nt.AccountType.MARGIN, [nt.Money(CASH, USD)], latency_model=nt.StaticLatencyModel(base_latency_nanos=1)
    )
    engine.add_instrument(contract())
    engine.add_data(trade_ticks(ticks))
    kind = TickCrossing if sys.argv[3:] == ["on_tick"] else Crossing
    strategy = kind(nt.BarType.from_str(f"{INSTRUMENT}-{step}-LAST-INTERNAL"))
    engine.add_strategy(strategy)

    def run() -> Any:
        engine.run()
        return engine, strategy

    return run


def read(result: Any) -> Outcome:
    engine, strategy = result
    balance = engine.cache.account_for_venue(VENUE).balance_total(USD).as_double()
    return Outcome(strategy.filled, balance - CASH, strategy.bars)


if __name__ == "__main__":
    main("nautilus_trader", prepare, read)
