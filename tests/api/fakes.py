"""A trading system in memory that keeps the contract of the facade, and builders of its facts."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count

import msgspec

from fortified.domain.account import AccountId, Mode
from fortified.domain.errors import AuthExpired, ConfigError, NotFound, Refused, StoreUnavailable, VenueUnavailable
from fortified.domain.instrument import get_instrument
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Order, OrderStatus, Purpose
from fortified.domain.position import Position
from fortified.domain.signal import OrderSide, Target
from fortified.domain.ticker import TickerConfig
from fortified.domain.timeframe import Timeframe
from fortified.domain.trade import Trade
from fortified.orchestration.account_keeper import AccountReport
from fortified.orchestration.config_loader import with_canonical_rules
from fortified.orchestration.events import (
    FeedHealth,
    HealthReport,
    Listeners,
    ManualOutcome,
    RunnerStatus,
    StrategyInfo,
)
from fortified.orchestration.reconciliation import Difference
from fortified.ports import LedgerUnit, RunnerKey, StreamRef
from fortified.ports.venue_access import AccessState, LoginPage
from fortified.storage.memory import MemoryStore

NS = 1_000_000_000
NOON = 1_735_732_800 * NS
"""2025-01-01T12:00:00Z."""

STRATEGIES = (
    StrategyInfo(
        "ema",
        "EMA crossover",
        "Crossing averages.",
        {
            "properties": {
                name: {"type": kind}
                for name, kind in (
                    ("period_1", "integer"),
                    ("period_2", "integer"),
                    ("trend_line_1", "string"),
                    ("trend_line_2", "string"),
                )
            }
        },
    ),
    StrategyInfo("triple_ema", "Triple EMA", "Three averages.", {"properties": {"fast": {"type": "integer"}}}),
)


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.now = now_ns

    def now_ns(self) -> int:
        return self.now


class FlakyStore(MemoryStore):
    """A store that can be away."""

    away = False

    async def ping(self) -> dict[str, object]:
        if self.away:
            raise StoreUnavailable("Redis does not answer; start it or set REDIS_URL")
        return {"server": "memory", "latency_ms": 0.1, "url": "redis://user:hidden@host"}


class FakeManager:
    """Starts and stops runners that do nothing, and carries manual triggers out as filled orders."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self.store = store
        self.listeners = Listeners()
        self.streams = [StreamRef("/NQ", "144t"), StreamRef("/NQ", "1"), StreamRef("SPY", "5")]
        self.marks = {"/NQ": Decimal("21010.25"), "SPY": Decimal("590.5")}
        self.broken = False
        self._clock = clock
        self.keepers: dict[str, FakeKeeper] = {}
        self._running: dict[str, list[RunnerStatus]] = {}
        self._commands: dict[str, ManualOutcome] = {}
        self._numbers = count(1)

    async def start(self, strategy: str, mode: Mode, *, actor: str) -> Sequence[RunnerStatus]:
        if mode is Mode.LIVE:
            raise Refused(["ALLOW_LIVE is not set.", "No broker is connected."])
        tickers = await self.store.config.tickers(strategy)
        if not tickers:
            raise NotFound(f"{strategy!r} has no tickers. POST /api/tickers adds one.")
        self._running[strategy] = [runner_status(ticker) for ticker in tickers]
        return self._running[strategy]

    async def stop(self, strategy: str, *, actor: str) -> Sequence[RunnerStatus]:
        if strategy not in [info.name for info in STRATEGIES]:
            raise NotFound(f"There is no strategy {strategy!r}.")
        self._running.pop(strategy, None)
        return []

    def status(self, strategy: str | None = None) -> Sequence[RunnerStatus]:
        if self.broken:
            raise RuntimeError("a secret detail")
        return [status for name, all_of in self._running.items() if strategy in (None, name) for status in all_of]

    async def manual(self, symbol: str, target: Target, *, strategy: str | None, command_id: str, actor: str) -> ManualOutcome:
        if command_id in self._commands:
            known = self._commands[command_id]
            return ManualOutcome(known.command_id, known.runners, known.orders, known.denials, duplicate=True)
        runners = [status for status in self.status(strategy) if status.symbol == symbol]
        if not runners:
            raise NotFound(f"No running strategy trades {symbol}. GET /api/start-trading?strategy=… starts one.")
        order = an_order(f"o-{next(self._numbers)}", symbol=symbol, strategy=runners[0].strategy)
        await self.store.ledger.commit(LedgerUnit(A_RUNNER, orders=[order]))
        outcome = ManualOutcome(command_id, tuple(status.strategy for status in runners), (order,), ())
        self._commands[command_id] = outcome
        self.listeners.emit(order)
        return outcome

    async def put_ticker(self, config: TickerConfig) -> TickerConfig:
        if config.strategy not in [info.name for info in STRATEGIES]:
            raise NotFound(f"There is no strategy {config.strategy!r}.")
        get_instrument(config.symbol)
        if config.symbol.startswith("/") and config.quantities.get("schwab") and "schwab" not in config.symbols:
            raise ConfigError(f"schwab cannot trade {config.symbol}: give schwab_symbol, or no schwab_quantity.")
        canonical = msgspec.structs.replace(with_canonical_rules(config), timeframe=Timeframe.parse(config.timeframe).name, demo=False)
        await self.store.config.put_ticker(canonical)
        return canonical

    async def delete_ticker(self, strategy: str, symbol: str) -> None:
        if strategy in self._running:
            raise Refused([f"{strategy} is running. Stop it first."])
        if not await self.store.config.delete_ticker(strategy, symbol):
            raise NotFound(f"{strategy} has no ticker {symbol}.")

    def strategies(self) -> Sequence[StrategyInfo]:
        return STRATEGIES

    def mark(self, symbol: str) -> Decimal | None:
        return self.marks.get(symbol)

    def health(self) -> HealthReport:
        feed = FeedHealth("/NQ", "replay", ("1", "144t"), NOON, 0.5, 1000, 2, 3)
        return HealthReport((feed,), len(self.status()), 0, demo=False, live_allowed=False)

    def chart_timeframes(self) -> Sequence[StreamRef]:
        return self.streams

    def accounts(self) -> Sequence[AccountReport]:
        return [keeper.report() for keeper in self.keepers.values()]

    def keeper(self, account: str) -> "FakeKeeper":
        if account not in self.keepers:
            raise NotFound(f"there is no live account {account!r}; known are: {', '.join(self.keepers) or 'none'}")
        return self.keepers[account]

    async def adopt(self, account: str, what: str, strategy: str, *, actor: str) -> Difference:
        if strategy not in self._running:
            raise NotFound(f"strategy {strategy!r} does not run on {what} at {account}")
        return await self.keeper(account).declare_external(what)


class FakeKeeper:
    """One account: what it reports, and what it was asked."""

    def __init__(self, report: AccountReport) -> None:
        self.known = report
        self.looks = 0

    def report(self) -> AccountReport:
        return self.known

    def look(self) -> None:
        self.looks += 1

    async def declare_external(self, what: str) -> Difference:
        found = next((one for one in self.known.differences if one.what == what), None)
        if found is None:
            raise VenueUnavailable(f"{self.known.account}: the broker does not answer")
        self.known = msgspec.structs.replace(self.known, differences=())
        return found


class FakeAccess:
    """Log-ins that are configured to be one way or another."""

    def __init__(self, *states: AccessState) -> None:
        self.known = {state.venue: state for state in states or NOT_CONFIGURED}
        self.finished: list[tuple[str, str | None, bool]] = []

    async def states(self) -> Sequence[AccessState]:
        return list(self.known.values())

    async def begin(self, venue: str) -> LoginPage | AccessState:
        self._check(venue)
        return LoginPage("https://login.example/authorize?state=s1", NOON + 600 * NS) if venue == "schwab" else self.known[venue]

    async def finish(self, venue: str, pasted: str, state: str | None = None, *, begun: bool = False) -> AccessState:
        self._check(venue)
        if begun and "state=s1" not in pasted:
            raise ConfigError("This log-in was not begun here.")
        self.finished.append((pasted, state, begun))
        return self.known[venue]

    async def refresh(self, venue: str) -> AccessState:
        self._check(venue)
        if not self.known[venue].logged_in:
            raise AuthExpired("Nobody is logged in. Log in again.")
        return self.known[venue]

    def _check(self, venue: str) -> None:
        if not self.known[venue].configured:
            raise Refused([self.known[venue].text])


NOT_CONFIGURED = (
    AccessState("schwab", False, False, "Charles Schwab is not configured: set SCHWAB_CLIENT_ID"),
    AccessState("tastytrade", False, False, "TastyTrade is not configured: set TASTY_CLIENT_SECRET"),
)


A_RUNNER = RunnerKey("ema", "/NQ", "144t", "paper")


def runner_status(ticker: TickerConfig, **changes: object) -> RunnerStatus:
    fields: dict[str, object] = {
        "strategy": ticker.strategy,
        "symbol": ticker.symbol,
        "timeframe": ticker.timeframe,
        "mode": "paper",
        "state": "running",
        "warmup_needed": 21,
        "warmup_got": 21,
        "bars_seen": 30,
        "accounts": ("paper:tastytrade",),
    }
    return RunnerStatus(**{**fields, **changes})  # type: ignore[arg-type]  # a builder of keyword arguments


def a_bar(number: int, symbol: str = "/NQ", timeframe: str = "144t") -> Bar:
    """The bar of minute ``number`` after noon."""
    ts = NOON + number * 60 * NS
    close = 21_000.0 + number
    return Bar(symbol, timeframe, ts, ts + 60 * NS, close - 1, close + 1, close - 2, close, 500.0, 144, close, number)


def an_update(number: int, ticks: int = 90, symbol: str = "/NQ", timeframe: str = "144t") -> BarUpdate:
    """The open bar of minute ``number`` after ``ticks`` trades."""
    ts = NOON + number * 60 * NS
    return BarUpdate(
        symbol=symbol,
        timeframe=timeframe,
        seq=number * 1000 + ticks,
        ts_event=ts + ticks,
        ts_recv=ts + ticks,
        price=21_000.0,
        size=1.0,
        bid=None,
        ask=None,
        ts_open=ts,
        open=21_000.0,
        high=21_001.0,
        low=20_999.0,
        close=21_000.0,
        volume=float(ticks),
        ticks=ticks,
        fill=ticks / 144,
    )


def an_order(order_id: str, symbol: str = "/NQ", strategy: str = "ema") -> Order:
    return Order(
        order_id=order_id,
        account=AccountId("paper:tastytrade"),
        strategy=strategy,
        symbol=symbol,
        timeframe="144t",
        side=OrderSide.BUY,
        quantity=Decimal(1),
        purpose=Purpose.ENTRY,
        reason="entry_long",
        ts_created=NOON,
        seq=1,
        reference_price=Decimal("21000.25"),
        status=OrderStatus.FILLED,
        filled_quantity=Decimal(1),
        average_fill_price=Decimal("21000.5"),
        fees=Decimal("2.25"),
        ts_updated=NOON,
    )


def a_position(quantity: str = "-2", cost: str = "-42000") -> Position:
    return Position(
        AccountId("paper:tastytrade"), "ema", "/NQ", Decimal(20), Decimal(quantity), Decimal(cost), Decimal(75), ts_updated=NOON
    )


def a_trade(
    number: int, *, account: str = "paper:tastytrade", symbol: str = "/NQ", side: str = "LONG", ts_exit: int | None = None
) -> Trade:
    """Trade ``number``; its exit is that many hours after noon, its net P&L that many dollars less one of fees."""
    exit_ns = NOON + number * 3600 * NS if ts_exit is None else ts_exit
    gross = Decimal(number)
    return Trade(
        trade_id=f"t-{number}",
        account=AccountId(account),
        strategy="ema",
        symbol=symbol,
        timeframe="144t",
        side=side,
        quantity=Decimal(1),
        ts_entry=exit_ns - 60 * NS,
        entry_price=Decimal("21000.25"),
        entry_reason="entry_long",
        ts_exit=exit_ns,
        exit_price=Decimal("21000.5"),
        exit_reason="cross_down",
        multiplier=Decimal(20),
        gross_pnl=gross,
        fees=Decimal(1),
        net_pnl=gross - 1,
        mae=Decimal(0),
        mfe=Decimal("0.25"),
        bars_held=1,
        bar=a_bar(number),
    )


def an_account(account: str, **changes: object) -> AccountReport:
    """A live account that is compared and agrees, but for ``changes``."""
    fields: dict[str, object] = {
        **{"account": AccountId(account), "connected": True, "ready": True, "refusals": (), "differences": (), "foreign": ()},
        **{"notes": (), "standing": None, "balances": None, "positions": (), "ts_orders": None, "ts_positions": None},
    }
    return AccountReport(**{**fields, **changes})  # type: ignore[arg-type]  # a builder of keyword arguments
