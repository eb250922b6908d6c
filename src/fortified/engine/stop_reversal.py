"""StopReversalHandler: from wishes and touched levels to orders, one at a time for each account.

Owns the goals of the accounts, the one-trade-per-bar rule and the stamps of recent orders. A reversal closes, waits for the confirmed fill
and opens; a protective exit goes the same way. Every order passes the risk gate here. Knows no strategy and no indicators.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId, Mode, mode_of
from fortified.domain.calendar import Calendar
from fortified.domain.exits import ExitRules
from fortified.domain.order import ZERO, Order, OrderStatus, OrderType, Purpose
from fortified.domain.signal import OrderSide, Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.engine.config import EngineConfig, Moment
from fortified.engine.inputs import NOTHING, Book, Decision, Denial, DenialCode, Leg, LegState
from fortified.engine.resident import PROTECTIVE_STOP, fits, is_protective
from fortified.engine.reversal import Goal, NextOrder, next_order
from fortified.engine.risk import RiskContext, TradingState, check
from fortified.engine.sizing import affordable
from fortified.engine.tick_level import Touch, is_due

NO_LEG = LegState()
PAUSE_FIRST_NS, PAUSE_LAST_NS = 1_000_000_000, 30_000_000_000
LAPSED = "the entry that waited for its price is called off: positions are closed before the session's end, so none is opened from now on"


class StopReversalHandler:
    """Pursues the goals of one engine."""

    def __init__(self, config: EngineConfig, calendar: Calendar) -> None:
        self.goals: dict[AccountId, Goal] = {}
        self.entry_bar = -1
        self.entry_decision = ""
        self.exits: dict[AccountId, ExitRules] = {}
        """Of the latest entry order of each account, where its signal had some of its own."""
        self.lapses: dict[AccountId, int] = {}
        """When (ns) the entry of an account that waits for its price is called off, for the session ends soon."""
        self.failed: dict[AccountId, tuple[int, int]] = {}
        """When (ns) a broker refused the last exit of a live account, and how many in a row."""
        self.refused: dict[AccountId, tuple[str, ...]] = {}
        """Why protective exits of an account were refused since its last order: the same again, at each tick, is not told again."""
        self.recent: dict[AccountId, deque[int]] = {
            leg.account: deque(maxlen=config.limits.max_orders_per_minute or 1) for leg in config.legs
        }
        self._config = config
        self._calendar = calendar

    # --- goals ---

    def aim(
        self,
        signal: Signal,
        decision_id: str,
        moment: Moment,
        bar_index: int,
        touches: Mapping[AccountId, Touch],
        *,
        commanded: bool = False,
    ) -> None:
        """Give every account the goal of ``signal``; where a level was touched, the way there begins with that exit."""
        price = self._config.instrument.price
        goal = Goal(
            decision_id=decision_id,
            target=signal.target,
            reason=signal.reason,
            ts_event=moment.ts_event,
            seq=moment.seq,
            reference_price=price(moment.price),
            bar_index=bar_index,
            commanded=commanded,
            limit=None if signal.limit is None else price(signal.limit),
            stop=None if signal.stop is None else price(signal.stop),
            exits=signal.exits,
            step=moment.step,
        )
        for leg in self._config.legs:
            touch, known = touches.get(leg.account), self.goals.get(leg.account)
            if known is not None and known.protective and not commanded:
                continue
            self.goals[leg.account] = goal if touch is None else msgspec.structs.replace(goal, touch=touch)

    def protect(self, touches: Mapping[AccountId, Touch], moment: Moment, bar_index: int) -> None:
        """Close what touched a level."""
        for account, touch in touches.items():
            self.goals[account] = Goal(
                decision_id=f"x{moment.seq}",
                target=Target.FLAT,
                reason=touch.reason,
                ts_event=moment.ts_event,
                seq=moment.seq,
                reference_price=self._config.instrument.price(moment.price),
                bar_index=bar_index,
                touch=touch,
            )

    def expire(self, account: AccountId, reason: str, moment: Moment, bar_index: int) -> None:
        """Close a position whose time is over, at the market."""
        self.goals[account] = Goal(
            decision_id=f"e{moment.seq}.{moment.ts_event}.{bar_index}",  # a bar may close with the tick before it
            target=Target.FLAT,
            reason=reason,
            ts_event=moment.ts_event,
            seq=moment.seq,
            reference_price=self._config.instrument.price(moment.price),
            bar_index=bar_index,
            protective=True,
        )

    def undo(self, order: Order, moment: Moment, bar_index: int) -> None:
        """Close what ``order`` opened, which was to close: another exit had filled behind its cancel."""
        self.goals[order.account] = Goal(
            decision_id=f"o{order.order_id}",
            target=Target.FLAT,
            reason="overshot",
            ts_event=moment.ts_event,
            seq=moment.seq,
            reference_price=self._config.instrument.price(moment.price),
            bar_index=bar_index,
            protective=True,
        )

    def retire(self, book: Book) -> None:
        """Open nothing more; what is being closed is still closed."""
        for account, goal in list(self.goals.items()):
            held = book[account].quantity
            if held and held * goal.target <= 0:
                self.goals[account] = msgspec.structs.replace(goal, target=Target.FLAT)
            else:
                del self.goals[account]

    def wants(self, order: Order, held: LegState) -> bool:
        """Whether ``order``, which never reached its venue, is still to be sent."""
        goal = self.goals.get(order.account)
        if is_protective(order):
            return goal is None and fits(order, held)
        return order.purpose is Purpose.EXIT or (goal is not None and goal.target == order.side.sign)

    def may_touch(self, account: AccountId, sign: int) -> bool:
        """Whether levels count now: not while an exit is on its way already."""
        goal = self.goals.get(account)
        return goal is None or (goal.target == sign and not goal.closing)

    # --- orders ---

    def pursue(self, book: Book, moment: Moment, state: TradingState) -> Decision:
        """The next order of every account that is not where it is to be, and what is in the way of it."""
        orders: list[Order] = []
        cancels: list[str] = []
        denials: list[Denial] = []
        for leg in self._config.legs:
            goal = self.goals.get(leg.account)
            if goal is None:
                continue
            held = book.get(leg.account, NO_LEG)
            if held.working and next_order(goal, leg, held) is None and all(map(is_protective, held.working)):
                del self.goals[leg.account]  # it is there, and its stop stays
                continue
            if held.working:
                late = [order for order in held.working if not _hinders(order, goal) and self._has_lapsed(order, moment)]
                cancels.extend(order.order_id for order in held.working if order in late or _hinders(order, goal))
                denials.extend(Denial(DenialCode.SESSION_ENDING, LAPSED, leg.account, moment.ts_event, order.reason) for order in late)
                continue
            outcome = self._step(leg, goal, held, moment, state)
            if isinstance(outcome, Order):
                orders.append(outcome)
            elif outcome is not None:
                denials.append(outcome)
        return Decision(tuple(orders), tuple(cancels), tuple(denials)) if orders or cancels or denials else NOTHING

    def rest(
        self, leg: Leg, held: LegState, level: Decimal, moment: Moment, state: TradingState, bar_index: int, number: int
    ) -> Order | Denial:
        """A stop at ``level`` for all of the position, to rest at the broker: the ``number``-th, for two may belong to one event."""
        goal = Goal(
            decision_id=f"p{moment.seq}.{moment.ts_event}.{number}",
            target=Target.FLAT,
            reason=PROTECTIVE_STOP,
            ts_event=moment.ts_event,
            seq=moment.seq,
            reference_price=self._config.instrument.price(moment.price),
            bar_index=bar_index,
        )
        side = OrderSide.SELL if held.quantity > 0 else OrderSide.BUY
        step = NextOrder(side, abs(held.quantity), Purpose.EXIT, OrderType.STOP, None, level)
        order = self._order(leg, goal, step, held, moment)
        context = msgspec.structs.replace(self._context(held, leg, goal, step, moment, state), session_open=True, fresh=True)
        return self._refusal(leg, order, goal, context) or order

    def is_pausing(self, account: AccountId, ts_event: int) -> bool:
        """Whether the broker refused an exit so shortly ago that the next one has to wait: 1 s after the first, 30 s at most."""
        at, count = self.failed.get(account, (0, 0))
        return count > 0 and ts_event < at + min(PAUSE_FIRST_NS << (count - 1), PAUSE_LAST_NS)

    def on_ended(self, order: Order, book: Book, moment: Moment, state: TradingState) -> Decision:
        """An order ended: the next one, or the end of the goal."""
        goal = self.goals[order.account]
        if order.purpose is Purpose.ENTRY:
            self.lapses.pop(order.account, None)
        if order.status is OrderStatus.FILLED or order.order_id != goal.order_id:
            return self.pursue(book, moment, state)
        del self.goals[order.account]
        if order.purpose is Purpose.ENTRY:
            return NOTHING
        if mode_of(order.account) is Mode.LIVE:  # a simulated broker has no limit of requests
            _, count = self.failed.get(order.account, (0, 0))
            self.failed[order.account] = (moment.ts_event, count + 1)
        text = f"the exit of {order.symbol} ended {order.status}: {order.text or 'no reason given'}; the position stays as it is"
        return Decision(denials=(Denial(DenialCode.CLOSE_FAILED, text, order.account, order.ts_updated, order.reason),))

    def restore(
        self,
        goals: Mapping[AccountId, Goal],
        exits: Mapping[AccountId, ExitRules],
        entry: tuple[int, str],
        recent: Mapping[AccountId, Sequence[int]],
        refused: Mapping[AccountId, tuple[str, ...]],
        lapses: Mapping[AccountId, int],
        failed: Mapping[AccountId, tuple[int, int]],
    ) -> None:
        """Take up what was pursued before."""
        self.goals, self.exits, self.refused, self.lapses = dict(goals), dict(exits), dict(refused), dict(lapses)
        self.failed = dict(failed)
        self.entry_bar, self.entry_decision = entry
        for account, stamps in recent.items():
            self.recent[account] = deque(stamps, maxlen=self._config.limits.max_orders_per_minute or 1)

    def _step(self, leg: Leg, goal: Goal, held: LegState, moment: Moment, state: TradingState) -> Order | Denial | None:
        """The next order of a leg towards its goal, or why there is none."""
        step = next_order(goal, leg, held)
        if step is None:
            del self.goals[leg.account]
            return None
        if goal.deferred:
            goal = self._restamped(goal, moment)
        order = self._order(leg, goal, step, held, moment)
        denial = self._refusal(leg, order, goal, self._context(held, leg, goal, step, moment, state))
        if denial is None:
            self.refused.pop(leg.account, None)
            self.goals[leg.account] = msgspec.structs.replace(
                goal,
                attempts=goal.attempts + 1,
                order_id=order.order_id,
                deferred=False,
                touch=None,
                closing=step.purpose is Purpose.EXIT,
                protective=False,
            )
            self.recent[leg.account].append(order.ts_created)
            if step.purpose is Purpose.ENTRY:
                self._note_entry(order, goal, moment)
            return order
        if step.purpose is Purpose.EXIT and denial.code in (DenialCode.SESSION_CLOSED, DenialCode.STALE_DATA):
            known, protective = self.goals[leg.account].deferred, goal.protective or goal.touch is not None
            # The exit waits; what would have been opened behind it is old by then, and so is the level that was touched.
            self.goals[leg.account] = msgspec.structs.replace(
                goal, target=Target.FLAT, reason=order.reason, touch=None, deferred=True, protective=protective
            )
            return None if known else denial
        del self.goals[leg.account]
        if goal.protective or goal.touch is not None:
            said, reason = self.refused.get(leg.account, ()), f"{denial.code}:{order.reason}"
            if reason in said:
                return None
            self.refused[leg.account] = (*said, reason)
        return denial

    def _note_entry(self, order: Order, goal: Goal, moment: Moment) -> None:
        account = order.account
        self.entry_bar, self.entry_decision = goal.bar_index, goal.decision_id
        self.exits.pop(account, None)
        if goal.exits is not None:
            self.exits[account] = goal.exits
        lapse = None if order.type is OrderType.MARKET else self._last_entry(goal, moment.ts_event)
        if lapse is not None:
            self.lapses[account] = lapse

    def _restamped(self, goal: Goal, moment: Moment) -> Goal:
        price = self._config.instrument.price(moment.price)
        return msgspec.structs.replace(goal, ts_event=moment.ts_event, seq=moment.seq, reference_price=price)

    def _order(self, leg: Leg, goal: Goal, step: NextOrder, held: LegState, moment: Moment) -> Order:
        config, touch = self._config, goal.touch if step.purpose is Purpose.EXIT else None
        reason = goal.reason if touch is None else touch.reason
        if touch is not None and (mode_of(leg.account) is Mode.LIVE or leg.instrument is not None):
            # The level was reached here, not there: what a simulated venue fills at the level, a real one is asked for at the market.
            step, touch = msgspec.structs.replace(step, type=OrderType.MARKET, stop=None), None
        quantity, budget = step.quantity, None
        if config.sizing.by_cash and step.purpose is Purpose.ENTRY and leg.instrument is None:
            budget = config.sizing.budget(config.cash + held.net_pnl)
            quantity = affordable(budget, step.limit or step.stop or goal.reference_price, config.instrument)
        return Order(
            order_id=order_id(config.strategy, config.instrument.symbol, config.timeframe, leg.account, goal, step.purpose),
            account=leg.account,
            strategy=config.strategy,
            symbol=leg.symbol,
            timeframe=config.timeframe,
            side=step.side,
            quantity=quantity,
            purpose=step.purpose,
            reason=reason,
            ts_created=max(goal.ts_event, moment.ts_event) if touch is None else touch.ts_event,
            seq=goal.seq if touch is None else touch.seq,
            reference_price=goal.reference_price,
            type=step.type,
            limit_price=step.limit,
            stop_price=step.stop,
            triggered=touch is not None,
            budget=budget,
        )

    def _refusal(self, leg: Leg, order: Order, goal: Goal, context: RiskContext) -> Denial | None:
        if leg.instrument is not None and not (order.limit_price is order.stop_price is None):
            text = f"prices of {self._config.instrument.symbol} mean nothing in {order.symbol}, so no order at a price can be sent there"
            return Denial(DenialCode.NO_LEG_PRICE, text, order.account, context.ts_event, order.reason)
        if not order.quantity:
            text = f"{order.budget} of money buys no unit at {order.reference_price}"
            return Denial(DenialCode.NO_CASH, text, order.account, context.ts_event, order.reason)
        if order.purpose is Purpose.ENTRY and goal.bar_index == self.entry_bar and goal.decision_id != self.entry_decision:
            text = f"bar {goal.bar_index} has had its entry; the next one may follow after the bar closes"
            return Denial(DenialCode.ONE_TRADE_PER_BAR, text, order.account, order.ts_created, order.reason)
        if order.purpose is Purpose.ENTRY and (ending := self._ending(goal, context.ts_event)) is not None:
            return Denial(DenialCode.SESSION_ENDING, ending, order.account, order.ts_created, order.reason)
        return check(order, context, self._config.limits, leg.instrument or self._config.instrument)

    def _ending(self, goal: Goal, now: int) -> str | None:
        """Why nothing is opened so shortly before the session's end, by the rules that the position would have."""
        before = (self._config.exits if goal.exits is None else goal.exits).flatten_before
        if before is not None and Timeframe.parse(self._config.timeframe).is_daily:
            return f"positions are to be closed {before} before the session's end, and a daily bar ends with it; choose a shorter timeframe"
        last = self._last_entry(goal, now)
        if last is None or not is_due(last, now, goal.step):
            return None
        return f"positions are closed {before} before the session's end, so none is opened from then on"

    def _last_entry(self, goal: Goal, now: int) -> int | None:
        """The time (ns) from which nothing is opened in the session of ``now``; None without such a rule."""
        before = (self._config.exits if goal.exits is None else goal.exits).flatten_before
        session = None if before is None else self._calendar.session_at(now)
        return None if before is None or session is None else session.close_ns - before.amount

    def _has_lapsed(self, order: Order, moment: Moment) -> bool:
        """Whether a resting entry is to be called off now."""
        lapse = self.lapses.get(order.account)
        if lapse is None or order.purpose is not Purpose.ENTRY or order.status is OrderStatus.PENDING_CANCEL:
            return False
        return is_due(lapse, moment.ts_event, moment.step)

    def _context(self, held: LegState, leg: Leg, goal: Goal, step: NextOrder, moment: Moment, state: TradingState) -> RiskContext:
        touched = goal.touch is not None and step.purpose is Purpose.EXIT  # within the event, while the session was open
        open_now = self._calendar.session_at(moment.ts_event) is not None if goal.commanded else moment.session_open
        return RiskContext(
            ts_event=moment.ts_event,
            state=state,
            trade_enabled=self._config.trade_enabled,
            live_allowed=self._config.live_allowed,
            session_open=touched or open_now,
            fresh=moment.fresh or goal.commanded,
            warm=moment.warm or goal.commanded,
            warm_text=self._warm_text(moment),
            leg=held,
            day_pnl=self._day_pnl(held, moment.ts_event),
            recent=self.recent[leg.account],
        )

    def _warm_text(self, moment: Moment) -> str:
        if moment.bars >= self._config.warmup and moment.missing:
            return f"{moment.missing} before the first entry"
        return f"{moment.bars} bars seen, {self._config.warmup} are needed before the first entry"

    def _day_pnl(self, held: LegState, ts_event: int) -> Decimal:
        if self._config.limits.daily_loss is None or held.trading_day != str(self._calendar.trading_day(ts_event)):
            return ZERO
        return held.day_pnl


def order_id(strategy: str, symbol: str, timeframe: str, account: AccountId, goal: Goal, purpose: Purpose) -> str:
    """A client order id as a pure function of what caused the order: 32 hex digits."""
    return order_ids((strategy, symbol, timeframe, account))(goal.decision_id, purpose, goal.attempts)


def order_ids(runner: Sequence[str]) -> Callable[[str, Purpose, int], str]:
    """The ids of the orders of strategy, symbol, timeframe and account, by decision, purpose and attempt."""
    begun = hashlib.blake2b("\x1f".join((*runner, "")).encode(), digest_size=16)

    def order(decision_id: str, purpose: Purpose, attempt: int) -> str:
        digest = begun.copy()
        digest.update(f"{decision_id}\x1f{purpose.value}\x1f{attempt}".encode())
        return digest.hexdigest()

    return order


def _hinders(order: Order, goal: Goal) -> bool:
    """A resting order that does not lead to the goal; those that fill at the market are left to fill."""
    if order.status is OrderStatus.PENDING_CANCEL or order.type is OrderType.MARKET or (order.triggered and order.limit_price is None):
        return False
    leads = order.purpose is Purpose.ENTRY and order.side.sign == goal.target
    return not (leads and order.limit_price == goal.limit and order.stop_price == goal.stop)
