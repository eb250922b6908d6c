"""An engine with a book around it: the smallest shell that can trade, and a strategy that says what a test wrote down."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from tests.builders import NQ, OPEN, PAPER, SECOND, bar, update

from fortified.domain.account import AccountId
from fortified.domain.calendar import get_calendar
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import TERMINAL, Order, OrderStatus
from fortified.domain.signal import Signal, Target
from fortified.engine.config import EngineConfig
from fortified.engine.engine import Engine, EngineState
from fortified.engine.inputs import BarClosed, BarUpdated, Command, Decision, DenialCode, EngineInput, Leg, LegState, OrderChanged
from fortified.strategies.base import Answers, BaseStrategy, StrategyConfig, StrategyPosition

LONG, SHORT, FLAT = Signal(Target.LONG, "up"), Signal(Target.SHORT, "down"), Signal(Target.FLAT, "out")


class Scripted(BaseStrategy):
    """Answers by the close of a bar or by the price of a tick."""

    name: ClassVar[str] = "scripted"
    script: ClassVar[Mapping[float, Answers]] = {1.0: LONG, -1.0: SHORT, 0.0: FLAT}

    def __init__(self, config: StrategyConfig, logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self.seen = 0

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        self.seen += 1
        return self.script.get(bar.close)


class ScriptedTicks(Scripted):
    name: ClassVar[str] = "scripted_ticks"

    def on_tick(self, tick: BarUpdate, current_position: StrategyPosition | None) -> Answers:
        return self.script.get(tick.price)


class Desk:
    """Feeds an engine and keeps the book it is shown. Prices 1, -1 and 0 make the strategy wish for long, short and flat."""

    def __init__(self, *accounts: AccountId, strategy: type[BaseStrategy] = Scripted, **config: Any) -> None:
        self.accounts = accounts or (PAPER,)
        self.strategy = strategy
        legs = tuple(Leg(account, "/NQ", Decimal(2)) for account in self.accounts)
        values: dict[str, Any] = {"strategy": "s", "timeframe": "1", "instrument": NQ, "legs": legs, "warmup": 0}
        self.config = EngineConfig(**(values | config))
        self.engine = self.fresh()
        self.quantity = dict.fromkeys(self.accounts, Decimal(0))
        self.working: dict[AccountId, dict[str, Order]] = {account: {} for account in self.accounts}
        self.leg: dict[str, Any] = {}
        self.bars = 0

    def fresh(self, state: EngineState | None = None) -> Engine:
        engine = Engine(
            self.config,
            lambda: self.strategy(StrategyConfig("/NQ", "1"), logging.getLogger("test")),
            get_calendar(self.config.instrument.calendar),
        )
        if state is not None:
            engine.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=EngineState))
        return engine

    @property
    def book(self) -> dict[AccountId, LegState]:
        return {
            account: LegState(self.quantity[account], Decimal(100), tuple(self.working[account].values()), **self.leg)
            for account in self.accounts
        }

    def process(self, event: EngineInput) -> Decision:
        decision = self.engine.process(event, self.book)
        for order in decision.orders:
            self.working[order.account][order.order_id] = order
        return decision

    def bar(self, close: float, *, fresh: bool = True, **fields: Any) -> Decision:
        self.bars += 1
        return self.process(BarClosed(bar(self.bars, close, **fields), fresh))

    def tick(self, price: float, seq: int | None = None, *, fresh: bool = True) -> Decision:
        return self.process(BarUpdated(update(10 * self.bars + 10 if seq is None else seq, price, ts=self.now + SECOND), fresh))

    def command(self, target: Target, name: str = "c1", ts: int | None = None) -> Decision:
        return self.process(Command(name, target, "manual", self.now if ts is None else ts))

    def fill(self, order: Order) -> Decision:
        self.quantity[order.account] += order.quantity * order.side.sign
        return self.end(order, OrderStatus.FILLED)

    def end(self, order: Order, status: OrderStatus, text: str = "") -> Decision:
        changed = msgspec.structs.replace(order, status=status, text=text, ts_updated=order.ts_created)
        if status in TERMINAL:
            del self.working[order.account][order.order_id]
        else:
            self.working[order.account][order.order_id] = changed
        return self.process(OrderChanged(changed))

    @property
    def now(self) -> int:
        return self.engine.now_ns() or OPEN


def codes(decision: Decision) -> Sequence[DenialCode]:
    return [denial.code for denial in decision.denials]
