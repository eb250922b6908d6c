"""The engine: one ordered input at a time in, one decision out.

Owns the strategy and its indicators and the extremes since each entry; its stages own the armed levels (``TickLevelExecutor``) and the
goals of the accounts (``StopReversalHandler``). All of it is in ``snapshot``, so a restarted engine goes on as if nothing had happened.
Knows no mode, no clock, no I/O: the time is that of the event.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.calendar import Calendar
from fortified.domain.exits import ExitRules
from fortified.domain.market import Bar, BarFlag, BarUpdate
from fortified.domain.order import Fill, Order, OrderStatus, Purpose
from fortified.domain.signal import Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig, Moment
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
from fortified.engine.resident import PROTECTIVE_STOP, ResidentStops, is_protective, unfit
from fortified.engine.reversal import Goal
from fortified.engine.risk import TradingState
from fortified.engine.stop_reversal import StopReversalHandler
from fortified.engine.tick_level import NO_RANGE, TAKE_PROFIT, Armed, Opened, TickLevelExecutor, Touch
from fortified.engine.timeframes import Line, OtherTimeframes
from fortified.indicators.atr import ATR
from fortified.strategies.base import BaseStrategy, StrategyPosition, failure, moment_of, signals_of

COMMANDS_KEPT = 256
Touches = Mapping[AccountId, Touch]
NO_TOUCHES: Touches = {}
Overdue = Mapping[AccountId, str]
NOT_DUE: Overdue = {}


class EngineState(msgspec.Struct):
    """The engine's memory as plain data."""

    strategy: dict[str, object]
    bars_seen: int = 0
    warm_count: int = 0
    entry_bar: int = -1
    entry_decision: str = ""
    goals: dict[AccountId, Goal] = {}
    exits: dict[AccountId, ExitRules] = {}
    extremes: dict[AccountId, tuple[float, float]] = {}
    recent: dict[AccountId, list[int]] = {}
    commands: list[str] = []
    moment: Moment | None = None
    bar: Bar | None = None
    state: TradingState = TradingState.ACTIVE
    armed: dict[AccountId, Armed] = {}
    atr: dict[str, Any] | None = None
    others: dict[str, Line] = {}
    refused: dict[AccountId, tuple[str, ...]] = {}
    lapses: dict[AccountId, int] = {}
    failed: dict[AccountId, tuple[int, int]] = {}
    touched: dict[AccountId, int] = {}
    stops_placed: int = 0


class Engine:
    """Decides for one strategy on one symbol and timeframe, for all its legs."""

    def __init__(self, config: EngineConfig, create_strategy: Callable[[], BaseStrategy], calendar: Calendar) -> None:
        self.config = config
        self.state = TradingState.ACTIVE
        self.bars_seen = 0
        self.warm_count = 0
        self.bar: Bar | None = None
        self._calendar = calendar
        self._create_strategy = create_strategy
        self._strategy = create_strategy()
        self._wants_ticks = self._strategy.wants_ticks()
        self._handler = StopReversalHandler(config, calendar)
        self._executor = TickLevelExecutor(config.instrument, config.exits)
        self._stops = ResidentStops(config.instrument)
        self._resident = [leg for leg in config.legs if leg.resident]
        self._atr = ATR()
        self.others = (
            OtherTimeframes(config.instrument.symbol, config.timeframe, config.timeframes, calendar) if config.timeframes else None
        )
        """The other timeframes that are built here; None where the strategy wants none, or is given them by somebody else."""
        self._step = 0 if Timeframe.parse(config.timeframe).is_tick else Timeframe.parse(config.timeframe).length_ns
        self._extremes: dict[AccountId, tuple[float, float]] = {}
        self._bare: list[AccountId] = []
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
            return self._on_order(event.order, event.fill, book)
        if isinstance(event, Command):
            return self._on_command(event, book)
        return self._on_gap(event)

    def warm(self, bar: Bar) -> None:
        """Take in a bar of the past: it warms up and is never acted on."""
        if self.others is not None and bar.timeframe != self.config.timeframe:
            if self.others.warm(bar):
                self._show_other(bar)
            return
        if bar.flags & BarFlag.GAP:
            self._start_over()
        if self._feeds(bar):
            self._ask(bar, NO_TOUCHES, {})

    @property
    def is_warm(self) -> bool:
        """Whether enough bars were seen before what comes next."""
        return self.warm_count >= self.config.warmup and (self.others is None or self.others.is_warm)

    @property
    def armed(self) -> Mapping[AccountId, Armed]:
        """The levels of the protective exits."""
        return self._executor.armed

    @property
    def deadline(self) -> int | None:
        """The time (ns) from which on an open position is to be closed, or a waiting entry called off; None where there is none."""
        times = [*self._handler.lapses.values()]
        if self._executor.is_timed and (close := self._executor.deadline) is not None:
            times.append(close)
        return min(times, default=None)

    @property
    def has_goals(self) -> bool:
        """Whether a leg is still on its way: an order works, or an exit waits for its time."""
        return bool(self._handler.goals)

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
            entry_bar=self._handler.entry_bar,
            entry_decision=self._handler.entry_decision,
            goals=dict(self._handler.goals),
            exits=dict(self._handler.exits),
            extremes=dict(self._extremes),
            recent={account: list(stamps) for account, stamps in self._handler.recent.items() if stamps},
            commands=list(self._commands),
            moment=self._moment,
            bar=self.bar,
            state=self.state,
            armed=dict(self._executor.armed),
            atr=self._atr.snapshot(),
            others={} if self.others is None else self.others.snapshot(),
            refused=dict(self._handler.refused),
            lapses=dict(self._handler.lapses),
            failed=dict(self._handler.failed),
            touched=dict(self._stops.touched),
            stops_placed=self._stops.placed,
        )

    def restore(self, state: EngineState) -> None:
        """Go back to a state that ``snapshot`` gave."""
        self._strategy.restore(state.strategy)
        self.bars_seen, self.warm_count = state.bars_seen, state.warm_count
        self._extremes = dict(state.extremes)
        entry = (state.entry_bar, state.entry_decision)
        self._handler.restore(state.goals, state.exits, entry, state.recent, state.refused, state.lapses, state.failed)
        if self.others is not None:
            self.others.restore(state.others)
        self._executor.restore(state.armed)
        self._stops.touched, self._stops.placed = dict(state.touched), state.stops_placed
        if state.atr is not None:
            self._atr.restore(state.atr)
        self._commands = deque(state.commands, maxlen=COMMANDS_KEPT)
        self._moment, self.bar, self.state = state.moment, state.bar, state.state

    # --- one method per input ---

    def _on_update(self, event: BarUpdated, book: Book) -> Decision:
        update = event.update
        if self.others is not None:
            for other in self.others.of_update(update):
                self._show_other(other)
        self._moment = Moment(
            *(update.ts_event, update.seq, update.price, True, event.fresh, self.is_warm, self.warm_count), missing=self._missing()
        )
        self.stretch(update.price, update.price, book)
        if self._bare:
            self._protect_now(book)
            return self._with_stops(self._decide_on(update, book), book)
        return self._decide_on(update, book)

    def _decide_on(self, update: BarUpdate, book: Book) -> Decision:
        touches = NO_TOUCHES
        if self._executor.armed:
            touches = self._touches(
                lambda account, leaving: self._executor.on_price(account, update.seq, update.price, leaving=leaving), book
            )
        overdue = self._overdue(touches) if self._executor.is_timed else NOT_DUE
        if not self._wants_ticks:
            return self._answer((), "", book, touches, overdue)
        position = self._position(book, touches)
        try:
            signals = signals_of(self._strategy.on_tick(update, position), _target(position), update.symbol)
        except Exception as error:
            raise failure(self._strategy, error, f"tick {update.seq} of {update.symbol}") from error
        return self._answer(signals, f"u{update.seq}", book, touches, overdue)

    def _on_bar(self, event: BarClosed, book: Book) -> Decision:
        bar = event.bar
        if bar.flags & BarFlag.GAP:
            self._start_over()
        if self.others is not None:
            for other in self.others.of_bar(bar):
                self._show_other(other)
        fed = self._feeds(bar)
        warm = self.warm_count > self.config.warmup and (self.others is None or self.others.is_warm)  # the bar itself does not count
        from_bars, open_now = bool(bar.flags & BarFlag.FROM_BARS), not bar.flags & BarFlag.SESSION_END
        self._moment = Moment(
            *(bar.ts_close, bar.seq, bar.close, open_now, event.fresh, warm, self.warm_count),
            step=self._step if from_bars else 0,
            missing=self._missing(),
        )
        touches = NO_TOUCHES
        if from_bars:
            self.stretch(bar.high, bar.low, book)
            touches = self._touches(lambda account, leaving: self._executor.on_bar(account, bar, leaving=leaving), book)
        if self._bare:  # nothing in this bar touches what is protected from now on
            self._protect_now(book)
        overdue = self._overdue(touches) if self._executor.is_timed else NOT_DUE
        if not fed:
            return self._with_stops(self._answer((), "", book, touches, overdue), book, move=True)
        signals = self._ask(bar, touches, book)
        return self._with_stops(self._answer(signals, f"b{bar.seq}.{bar.ts_open}", book, touches, overdue), book, move=True)

    def _on_order(self, order: Order, fill: Fill | None, book: Book) -> Decision:
        denied, held = NOTHING, book[order.account]
        if not held.quantity:
            self._forget(order.account)
            if fill is not None and order.purpose is Purpose.EXIT:  # the next position may be none of a signal's
                self._handler.exits.pop(order.account, None)
        elif fill is not None and order.purpose is Purpose.ENTRY:
            denied = self._arm(order, fill, book)
        elif fill is not None and held.quantity * order.side.sign > 0:
            self._handler.undo(order, self._now(), self.bars_seen)
        decision = denied
        if order.is_terminal and order.account in self._handler.goals:
            self._moment = msgspec.structs.replace(self._now(), ts_event=max(self._now().ts_event, order.ts_updated))
            decision = self._handler.on_ended(order, book, self._moment, self.state)
            if denied is not NOTHING:
                decision = msgspec.structs.replace(decision, denials=denied.denials + decision.denials)
        return self._after(order, decision, book) if self._resident else decision

    def _after(self, order: Order, decision: Decision, book: Book) -> Decision:
        """``decision``, and what the change of ``order`` means for the stops that rest."""
        if is_protective(order):
            if order.status is OrderStatus.PENDING_CANCEL:
                self._stops.on_recalled(order)
            why = self._stops.on_ended(order) if order.is_terminal else None
            if why is not None:  # another one follows with the next closed bar
                return msgspec.structs.replace(decision, denials=decision.denials + self._lost(order, why, book))
        return self._with_stops(decision, book) if order.is_terminal else decision

    def _lost(self, order: Order, why: str, book: Book) -> tuple[Denial, ...]:
        """Says that a stop ended by itself, where it is missed."""
        if not why or not book[order.account].quantity or order.account in self._handler.goals:
            return ()
        text = f"the stop of {order.symbol} at the broker ended {why}; its level is watched here, and it is placed again with the next bar"
        return (Denial(DenialCode.CLOSE_FAILED, text, order.account, order.ts_updated, PROTECTIVE_STOP),)

    def _with_stops(self, decision: Decision, book: Book, *, move: bool = False) -> Decision:
        """``decision``, and what has to be done about the stops at brokers: placed, called off where they do not fit, and, with ``move``,
        moved. Legs on their way somewhere have none.
        """
        if not self._resident:
            return decision
        orders, denials, cancels, moves = list(decision.orders), list(decision.denials), list(decision.cancels), list(decision.moves)
        for leg in self._resident:
            account, held = leg.account, book[leg.account]
            if account in self._handler.goals:
                continue
            armed = self._executor.armed.get(account)
            level = None if armed is None else self._stops.missing(armed, held)
            if level is not None:
                self._stops.placed += 1
                made = self._handler.rest(leg, held, level, self._now(), self.state, self.bars_seen, self._stops.placed)
                if isinstance(made, Order):
                    orders.append(made)
                else:
                    denials.append(made)
            elif (wrong := unfit(held)) is not None:
                cancels.append(wrong.order_id)
            elif move and armed is not None and (moved := self._stops.moved(armed, held)) is not None:
                moves.append(moved)
        found = Decision(tuple(orders), tuple(cancels), tuple(denials), decision.signal, tuple(moves))
        return decision if found == decision else found

    def _forget(self, account: AccountId) -> None:
        """The position of ``account`` is closed."""
        self._extremes.pop(account, None)
        self._executor.disarm(account)
        self._stops.forget(account)
        self._handler.failed.pop(account, None)

    def adopted(self, account: AccountId, book: Book) -> Decision:
        """A position was booked that no order of ours made: its levels are new, and so is its stop."""
        armed = self._executor.armed.get(account)
        if armed is None or book[account].quantity * armed.sign <= 0:
            self._handler.exits.pop(account, None)
            self._forget(account)
        self.protect(book)
        return NOTHING if self._moment is None else self._with_stops(NOTHING, book)

    def retire(self, book: Book) -> None:
        """Open nothing more; what is being closed is still closed."""
        self._handler.retire(book)

    def wants(self, order: Order, book: Book) -> bool:
        """Whether ``order``, which never reached its venue, is still to be sent."""
        return self._handler.wants(order, book[order.account])

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
        now, open_now = max(moment.ts_event, command.ts_event), moment.session_open or command.final
        self._moment = msgspec.structs.replace(moment, ts_event=now, session_open=open_now)
        signal = Signal(command.target, command.reason)
        commanded = not command.final
        self._handler.aim(signal, f"c{command.command_id}", self._now(), self.bars_seen, NO_TOUCHES, commanded=commanded)
        return msgspec.structs.replace(self._pursue(book), signal=signal)

    def _on_gap(self, event: GapSeen) -> Decision:
        self._start_over()
        if self.others is not None:
            self.others.mark_gap()
        return NOTHING

    def _show_other(self, bar: Bar) -> None:
        """Give the strategy a bar of another timeframe."""
        try:
            self._strategy.on_other_bar(bar)
        except Exception as error:
            raise failure(self._strategy, error, moment_of(bar)) from error

    def _missing(self) -> str:
        return "" if self.others is None or self.others.is_warm else self.others.missing

    def _ask(self, bar: Bar, touches: Touches, book: Book) -> Sequence[Signal]:
        """What the strategy wishes; its answers may be a generator, which runs only now."""
        position = self._position(book, touches)
        try:
            return signals_of(self._strategy.on_new_bar(bar, position), _target(position), bar.symbol)
        except Exception as error:
            raise failure(self._strategy, error, moment_of(bar)) from error

    def _start_over(self) -> None:
        self._strategy = self._create_strategy()
        self.warm_count = 0
        self._atr = ATR()
        if self.others is not None:
            self.others.recount()

    def _feeds(self, bar: Bar) -> bool:
        """Count ``bar`` in; False when it began in the middle and would mislead the indicators."""
        self.bars_seen += 1
        self.bar = bar
        if bar.flags & BarFlag.PARTIAL_START:
            return False
        self.warm_count += 1
        self._atr.update(bar.high, bar.low, bar.close)
        return True

    # --- from wishes to orders ---

    def _answer(self, signals: Sequence[Signal], decision_id: str, book: Book, touches: Touches, overdue: Overdue) -> Decision:
        """Decide on what the strategy wishes, on the levels that were touched, and on positions whose time is over."""
        if signals:
            self._handler.aim(signals[-1], decision_id, self._now(), self.bars_seen, touches)
        elif touches:
            self._handler.protect(touches, self._now(), self.bars_seen)
        for account, reason in overdue.items():
            if not signals or signals[-1].target == self._executor.armed[account].sign:
                self._handler.expire(account, reason, self._now(), self.bars_seen)
        if signals:
            return msgspec.structs.replace(self._pursue(book), signal=signals[-1])
        return self._pursue(book) if self._handler.goals else NOTHING

    def _pursue(self, book: Book) -> Decision:
        return self._handler.pursue(book, self._now(), self.state)

    def _refusal(self, leg: Leg, command: Command, code: DenialCode, text: str) -> Denial:
        return Denial(code, f"command {command.command_id}: {text}", leg.account, command.ts_event, command.reason)

    def _now(self) -> Moment:
        assert self._moment is not None
        return self._moment

    # --- levels ---

    def _arm(self, order: Order, fill: Fill, book: Book) -> Decision:
        """An entry filled: set the levels of the position. Says so where a distance cannot be told."""
        rules, leg = self._rules_of(order.account), book[order.account]
        if not rules or leg.average_price is None:
            return NOTHING
        opened = self._opened(order.account, leg, rules, fill.seq, fill.ts_event, by_limit=order.limit_price is not None)
        self._executor.arm(order.account, self._handler.exits.get(order.account), opened)
        if self._atr.so_far is None and rules.needs_atr:
            return Decision(denials=(Denial(DenialCode.NO_EXIT_LEVEL, NO_RANGE, order.account, order.ts_updated, order.reason),))
        return NOTHING

    def _opened(self, account: AccountId, leg: LegState, rules: ExitRules, seq: int, ts_event: int, *, by_limit: bool = False) -> Opened:
        """A position as the levels see it."""
        assert leg.average_price is not None
        session = None if rules.flatten_before is None else self._calendar.session_at(ts_event) or self._calendar.session_after(ts_event)
        sign = 1 if leg.quantity > 0 else -1
        end = None if session is None else session.close_ns
        entry = self._now().price if self._is_elsewhere(account) else float(leg.average_price)
        return Opened(entry, sign, seq, ts_event, self._atr.so_far, self.bars_seen, end, by_limit)

    def _is_elsewhere(self, account: AccountId) -> bool:
        """Whether the account trades another symbol than that of the signal: the levels are those of the signal then."""
        return any(leg.account == account and leg.instrument is not None for leg in self.config.legs)

    def protect(self, book: Book) -> list[AccountId]:
        """Set levels, with the next event, for open positions that have none; whose these are."""
        held = [account for account, leg in book.items() if leg.quantity and account not in self._executor.armed]
        self._bare = [account for account in held if self._rules_of(account)]
        return list(self._bare)

    def _rules_of(self, account: AccountId) -> ExitRules:
        """The rules of the latest entry: those of its signal, else the configured ones."""
        own = self._handler.exits.get(account)
        return self.config.exits if own is None else own

    def _protect_now(self, book: Book) -> None:
        """As if the positions had been opened now at their average price."""
        now = self._now()
        for account in self._bare:
            if book[account].quantity and account not in self._executor.armed:
                opened = self._opened(account, book[account], self._rules_of(account), now.seq, now.ts_event)
                self._executor.arm(account, self._handler.exits.get(account), opened)
        self._bare = []

    def _overdue(self, touches: Touches) -> Overdue:
        """The accounts whose time is over, with the reason; not those that are leaving already."""
        now = self._now()
        found = {
            account: reason
            for account, armed in self._executor.armed.items()
            if account not in touches
            and self._may_leave(account, armed.sign)
            and (reason := self._executor.overdue(account, now.ts_event, now.step, self.bars_seen)) is not None
        }
        return found or NOT_DUE

    def _may_leave(self, account: AccountId, sign: int) -> bool:
        """Whether levels and times count now: not while an exit is on its way, nor just after its broker refused one."""
        return self._handler.may_touch(account, sign) and not self._handler.is_pausing(account, self._now().ts_event)

    def _touches(self, look: Callable[[AccountId, bool], Touch | None], book: Book) -> Touches:
        """The accounts whose levels ``look`` finds touched; it is told whether an exit is on its way already."""
        found = {
            account: touch
            for account, armed in list(self._executor.armed.items())
            if (touch := look(account, not self._may_leave(account, armed.sign))) is not None
        }
        if found and self._resident:
            found = {account: touch for account, touch in found.items() if not self._is_left(account, touch, book)}
        return found or NO_TOUCHES

    def _is_left(self, account: AccountId, touch: Touch, book: Book) -> bool:
        """Whether a stop that rests at the broker is to act on the touch."""
        return touch.reason != TAKE_PROFIT and self._stops.is_left_to(account, book[account], self._now().ts_event)

    def _position(self, book: Book, touches: Touches) -> StrategyPosition | None:
        """Where the strategy stands: the first account, by name, that is not flat and not being stopped out now."""
        for account in sorted(book):
            leg = book[account]
            if leg.quantity and account not in touches:
                target = Target.LONG if leg.quantity > 0 else Target.SHORT
                return StrategyPosition(target, float(leg.quantity), float(leg.average_price or 0))
        return None

    def pass_over(self, high: float, low: float, book: Book) -> None:
        """Show the open positions a price range that traded and touched no level."""
        self.stretch(high, low, book)
        for account in self._executor.armed:
            self._executor.follow(account, high, low)

    def stretch(self, high: float, low: float, book: Book) -> None:
        """Show the open positions a price range that traded."""
        for account, leg in book.items():
            if leg.quantity:
                known = self._extremes.get(account)
                if known is None:
                    self._extremes[account] = (high, low)
                elif high > known[0] or low < known[1]:
                    self._extremes[account] = (max(high, known[0]), min(low, known[1]))


def _target(position: StrategyPosition | None) -> Target:
    return Target.FLAT if position is None else position.target
