"""The engine: one ordered input at a time in, one decision out.

Owns the strategy and its indicators, the goals of the legs, the one-trade-per-bar rule and the extremes since each entry. All of it is in
``snapshot``, so a restarted engine goes on as if nothing had happened. Knows no mode, no clock, no I/O: the time is that of the event.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.calendar import Calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, BarFlag
from fortified.domain.order import ZERO, Order, OrderStatus, Purpose
from fortified.domain.signal import Signal, Target
from fortified.engine.inputs import (
    NOTHING,
    BarClosed,
    BarUpdated,
    Book,
    Command,
    Decision,
    Denial,
    DenialCode,
    EngineInput,
    GapSeen,
    Leg,
    LegState,
    OrderChanged,
)
from fortified.engine.reversal import Goal, NextOrder, next_order
from fortified.engine.risk import RiskContext, RiskLimits, TradingState, check
from fortified.strategies.base import Answers, BaseStrategy, StrategyPosition, failure, signals_of

COMMANDS_KEPT = 256
NO_LEG = LegState()


class EngineConfig(msgspec.Struct, frozen=True):
    """What an engine trades and within which limits. ``warmup`` is the number of closed bars before the first order."""

    strategy: str
    timeframe: str
    instrument: Instrument
    legs: tuple[Leg, ...]
    warmup: int
    trade_enabled: bool = True
    live_allowed: bool = False
    limits: RiskLimits = RiskLimits()


class Moment(msgspec.Struct, frozen=True):
    """The event being processed, as far as orders care."""

    ts_event: int
    seq: int
    price: float
    session_open: bool
    fresh: bool
    warm: bool


class EngineState(msgspec.Struct):
    """The engine's memory as plain data."""

    strategy: dict[str, object]
    bars_seen: int = 0
    warm_count: int = 0
    entry_bar: int = -1
    entry_decision: str = ""
    goals: dict[AccountId, Goal] = {}
    extremes: dict[AccountId, tuple[float, float]] = {}
    recent: dict[AccountId, list[int]] = {}
    commands: list[str] = []
    moment: Moment | None = None
    bar: Bar | None = None
    state: TradingState = TradingState.ACTIVE


class Engine:
    """Decides for one strategy on one symbol and timeframe, for all its legs."""

    def __init__(self, config: EngineConfig, create_strategy: Callable[[], BaseStrategy], calendar: Calendar) -> None:
        self.config = config
        self.state = TradingState.ACTIVE
        self.bars_seen = 0
        self.warm_count = 0
        self.bar: Bar | None = None
        self._create_strategy = create_strategy
        self._calendar = calendar
        self._strategy = create_strategy()
        self._wants_ticks = self._strategy.wants_ticks()
        self._goals: dict[AccountId, Goal] = {}
        self._entry_bar = -1
        self._entry_decision = ""
        self._extremes: dict[AccountId, tuple[float, float]] = {}
        self._recent: dict[AccountId, deque[int]] = {leg.account: deque(maxlen=_kept(config.limits)) for leg in config.legs}
        self._commands: deque[str] = deque(maxlen=COMMANDS_KEPT)
        self._moment: Moment | None = None

    # --- inputs ---

    def process(self, event: EngineInput, book: Book) -> Decision:
        """Take one input in; returns what is to be done. Same inputs in the same order give the same decisions, byte for byte."""
        if isinstance(event, BarUpdated):
            return self._on_update(event, book)
        if isinstance(event, BarClosed):
            return self._on_bar(event, book)
        if isinstance(event, OrderChanged):
            return self._on_order(event.order, book)
        if isinstance(event, Command):
            return self._on_command(event, book)
        return self._on_gap(event)

    def warm(self, bar: Bar) -> None:
        """Take in a bar of the past: it warms up and is never acted on."""
        if self._feeds(bar):
            self._ask(bar, None)

    @property
    def is_warm(self) -> bool:
        """Whether enough bars were seen before what comes next."""
        return self.warm_count >= self.config.warmup

    @property
    def has_goals(self) -> bool:
        """Whether a leg is still on its way: an order works, or an exit waits for its time."""
        return bool(self._goals)

    def now_ns(self) -> int | None:
        """The time of the last event; None before the first."""
        return None if self._moment is None else self._moment.ts_event

    def extremes(self, account: AccountId) -> tuple[Decimal | None, Decimal | None]:
        """Highest and lowest price since the position of ``account`` was opened."""
        found = self._extremes.get(account)
        price = self.config.instrument.price
        return (None, None) if found is None else (price(found[0]), price(found[1]))

    # --- state ---

    def snapshot(self) -> EngineState:
        """All that is needed to go on; plain data."""
        return EngineState(
            strategy=self._strategy.snapshot(),
            bars_seen=self.bars_seen,
            warm_count=self.warm_count,
            entry_bar=self._entry_bar,
            entry_decision=self._entry_decision,
            goals=dict(self._goals),
            extremes=dict(self._extremes),
            recent={account: list(stamps) for account, stamps in self._recent.items() if stamps},
            commands=list(self._commands),
            moment=self._moment,
            bar=self.bar,
            state=self.state,
        )

    def restore(self, state: EngineState) -> None:
        """Go back to a state that ``snapshot`` gave."""
        self._strategy.restore(state.strategy)
        self.bars_seen, self.warm_count = state.bars_seen, state.warm_count
        self._entry_bar, self._entry_decision = state.entry_bar, state.entry_decision
        self._goals, self._extremes = dict(state.goals), dict(state.extremes)
        for account, stamps in state.recent.items():
            self._recent[account] = deque(stamps, maxlen=_kept(self.config.limits))
        self._commands = deque(state.commands, maxlen=COMMANDS_KEPT)
        self._moment, self.bar, self.state = state.moment, state.bar, state.state

    # --- one method per input ---

    def _on_update(self, event: BarUpdated, book: Book) -> Decision:
        update = event.update
        self._moment = Moment(update.ts_event, update.seq, update.price, True, event.fresh, self.is_warm)
        self.stretch(update.price, update.price, book)
        if not self._wants_ticks:
            return self._pursue(book) if self._goals else NOTHING
        try:
            answers = self._strategy.on_tick(update, _position(book))
        except Exception as error:
            raise failure(self._strategy, error, f"tick {update.seq} of {update.symbol}") from error
        return self._answer(answers, f"u{update.seq}", book)

    def _on_bar(self, event: BarClosed, book: Book) -> Decision:
        bar = event.bar
        fed = self._feeds(bar)
        warm = self.warm_count > self.config.warmup  # the bar itself does not count
        self._moment = Moment(bar.ts_close, bar.seq, bar.close, not bar.flags & BarFlag.SESSION_END, event.fresh, warm)
        if bar.flags & BarFlag.FROM_BARS:
            self.stretch(bar.high, bar.low, book)
        if not fed:
            return self._pursue(book) if self._goals else NOTHING
        answers = self._ask(bar, _position(book))
        return self._answer(answers, f"b{bar.seq}.{bar.ts_open}", book)

    def _on_order(self, order: Order, book: Book) -> Decision:
        if not book[order.account].quantity:
            self._extremes.pop(order.account, None)
        goal = self._goals.get(order.account)
        if goal is None or not order.is_terminal:
            return NOTHING
        self._moment = msgspec.structs.replace(self._now(), ts_event=max(self._now().ts_event, order.ts_updated))
        if order.status is OrderStatus.FILLED or order.order_id != goal.order_id:
            return self._pursue(book)
        del self._goals[order.account]
        if order.purpose is Purpose.ENTRY:
            return NOTHING
        text = f"the exit of {order.symbol} ended {order.status}: {order.text or 'no reason given'}; the position stays as it is"
        return Decision(denials=(Denial(DenialCode.CLOSE_FAILED, text, order.account, order.ts_updated, order.reason),))

    def _on_command(self, command: Command, book: Book) -> Decision:
        if command.command_id in self._commands:
            return Decision(
                denials=tuple(self._refusal(leg, command, DenialCode.DUPLICATE_INTENT, "done already") for leg in self.config.legs)
            )
        moment = self._moment
        if moment is None:
            return Decision(
                denials=tuple(self._refusal(leg, command, DenialCode.STALE_DATA, "no price seen yet") for leg in self.config.legs)
            )
        self._commands.append(command.command_id)
        self._moment = msgspec.structs.replace(moment, ts_event=max(moment.ts_event, command.ts_event))
        signal = Signal(command.target, command.reason)
        self._aim(signal, f"c{command.command_id}", commanded=True)
        return msgspec.structs.replace(self._pursue(book), signal=signal)

    def _on_gap(self, event: GapSeen) -> Decision:
        self._start_over()
        return NOTHING

    def _ask(self, bar: Bar, position: StrategyPosition | None) -> Answers:
        try:
            return self._strategy.on_new_bar(bar, position)
        except Exception as error:
            raise failure(self._strategy, error, f"the {bar.timeframe} bar of {bar.symbol} that opened at {bar.ts_open}") from error

    def _start_over(self) -> None:
        self._strategy = self._create_strategy()
        self.warm_count = 0

    def _feeds(self, bar: Bar) -> bool:
        """Count ``bar`` in; False when it began in the middle and would mislead the indicators. After a gap they begin anew."""
        self.bars_seen += 1
        self.bar = bar
        if bar.flags & BarFlag.GAP:
            self._start_over()
        if bar.flags & BarFlag.PARTIAL_START:
            return False
        self.warm_count += 1
        return True

    # --- from wishes to orders ---

    def _answer(self, answers: Answers, decision_id: str, book: Book) -> Decision:
        if answers is None:
            return self._pursue(book) if self._goals else NOTHING
        position = _position(book)
        signals = signals_of(answers, position.target if position else Target.FLAT)
        if not signals:
            return self._pursue(book) if self._goals else NOTHING
        self._aim(signals[-1], decision_id)
        return msgspec.structs.replace(self._pursue(book), signal=signals[-1])

    def _aim(self, signal: Signal, decision_id: str, *, commanded: bool = False) -> None:
        moment = self._now()
        goal = Goal(
            decision_id=decision_id,
            target=signal.target,
            reason=signal.reason,
            ts_event=moment.ts_event,
            seq=moment.seq,
            reference_price=self.config.instrument.price(moment.price),
            bar_index=self.bars_seen,
            commanded=commanded,
        )
        for leg in self.config.legs:
            self._goals[leg.account] = goal

    def _pursue(self, book: Book) -> Decision:
        orders: list[Order] = []
        cancels: list[str] = []
        denials: list[Denial] = []
        for leg in self.config.legs:
            goal = self._goals.get(leg.account)
            if goal is None:
                continue
            state = book.get(leg.account, NO_LEG)
            if state.working:
                cancels.extend(order.order_id for order in state.working if _hinders(order, goal))
                continue
            outcome = self._step(leg, goal, state)
            if isinstance(outcome, Order):
                orders.append(outcome)
            elif outcome is not None:
                denials.append(outcome)
        return Decision(tuple(orders), tuple(cancels), tuple(denials)) if orders or cancels or denials else NOTHING

    def _step(self, leg: Leg, goal: Goal, state: LegState) -> Order | Denial | None:
        """The next order of a leg towards its goal, or why there is none."""
        step = next_order(goal, leg, state)
        if step is None:
            del self._goals[leg.account]
            return None
        if goal.deferred:
            goal = self._restamped(goal)
        order = self._order(leg, goal, step)
        denial = self._once_per_bar(order, goal) or check(
            order, self._context(state, leg, goal), self.config.limits, self.config.instrument
        )
        if denial is None:
            self._goals[leg.account] = msgspec.structs.replace(goal, attempts=goal.attempts + 1, order_id=order.order_id, deferred=False)
            self._recent[leg.account].append(order.ts_created)
            if step.purpose is Purpose.ENTRY:
                self._entry_bar, self._entry_decision = goal.bar_index, goal.decision_id
            return order
        if step.purpose is Purpose.EXIT and denial.code in (DenialCode.SESSION_CLOSED, DenialCode.STALE_DATA):
            known = self._goals[leg.account].deferred
            # The exit waits; what would have been opened behind it is old by then.
            self._goals[leg.account] = msgspec.structs.replace(goal, target=Target.FLAT, deferred=True)
            return None if known else denial
        del self._goals[leg.account]
        return denial

    def _restamped(self, goal: Goal) -> Goal:
        moment = self._now()
        price = self.config.instrument.price(moment.price)
        return msgspec.structs.replace(goal, ts_event=moment.ts_event, seq=moment.seq, reference_price=price)

    def _order(self, leg: Leg, goal: Goal, step: NextOrder) -> Order:
        config = self.config
        return Order(
            order_id=order_id(config.strategy, config.instrument.symbol, config.timeframe, leg.account, goal, step.purpose),
            account=leg.account,
            strategy=config.strategy,
            symbol=leg.symbol,
            timeframe=config.timeframe,
            side=step.side,
            quantity=step.quantity,
            purpose=step.purpose,
            reason=goal.reason,
            ts_created=max(goal.ts_event, self._now().ts_event),
            seq=goal.seq,
            reference_price=goal.reference_price,
        )

    def _once_per_bar(self, order: Order, goal: Goal) -> Denial | None:
        if order.purpose is Purpose.EXIT or goal.bar_index != self._entry_bar or goal.decision_id == self._entry_decision:
            return None
        text = f"bar {goal.bar_index} has had its entry; the next one may follow after the bar closes"
        return Denial(DenialCode.ONE_TRADE_PER_BAR, text, order.account, order.ts_created, order.reason)

    def _context(self, state: LegState, leg: Leg, goal: Goal) -> RiskContext:
        moment = self._now()
        return RiskContext(
            ts_event=moment.ts_event,
            state=self.state,
            trade_enabled=self.config.trade_enabled,
            live_allowed=self.config.live_allowed,
            session_open=self._is_open(moment.ts_event) if goal.commanded else moment.session_open,
            fresh=moment.fresh or goal.commanded,
            warm=moment.warm or goal.commanded,
            warm_text=f"{self.warm_count} bars seen, {self.config.warmup} are needed before the first entry",
            leg=state,
            day_pnl=self._day_pnl(state, moment.ts_event),
            recent=self._recent[leg.account],
        )

    def _is_open(self, ts_event: int) -> bool:
        return self._calendar.session_at(ts_event) is not None

    def _day_pnl(self, state: LegState, ts_event: int) -> Decimal:
        if self.config.limits.daily_loss is None or state.trading_day != str(self._calendar.trading_day(ts_event)):
            return ZERO
        return state.day_pnl

    def _refusal(self, leg: Leg, command: Command, code: DenialCode, text: str) -> Denial:
        return Denial(code, f"command {command.command_id}: {text}", leg.account, command.ts_event, command.reason)

    def _now(self) -> Moment:
        assert self._moment is not None
        return self._moment

    def stretch(self, high: float, low: float, book: Book) -> None:
        """Show the open positions a price range that traded."""
        for account, leg in book.items():
            if leg.quantity:
                known = self._extremes.get(account)
                if known is None:
                    self._extremes[account] = (high, low)
                elif high > known[0] or low < known[1]:
                    self._extremes[account] = (max(high, known[0]), min(low, known[1]))


def order_id(strategy: str, symbol: str, timeframe: str, account: AccountId, goal: Goal, purpose: Purpose) -> str:
    """A client order id as a pure function of what caused the order: 32 hex digits."""
    parts = (strategy, symbol, timeframe, account, goal.decision_id, purpose.value, str(goal.attempts))
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def _hinders(order: Order, goal: Goal) -> bool:
    """A resting order that does not lead to the goal; market orders are left to fill."""
    leads = order.purpose is Purpose.ENTRY and order.side.sign == goal.target
    return order.limit_price is not None and not leads and order.status is not OrderStatus.PENDING_CANCEL


def _position(book: Book) -> StrategyPosition | None:
    """Where the strategy stands: the first account, by name, that is not flat."""
    for account in sorted(book):
        leg = book[account]
        if leg.quantity:
            target = Target.LONG if leg.quantity > 0 else Target.SHORT
            return StrategyPosition(target, float(leg.quantity), float(leg.average_price or 0))
    return None


def _kept(limits: RiskLimits) -> int:
    return limits.max_orders_per_minute or 1
