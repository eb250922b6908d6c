"""Engine, simulated broker and ledger of one run, and the order of effects of a step.

Owns the loop from a decision to quiet: intents, orders, their events, what the engine makes of them; the same as in the live runner,
without waiting. Must not know where events come from.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fortified.backtest.ledger import RunLedger
from fortified.backtest.scan import NAN, Watch
from fortified.domain.errors import InvariantError
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import Order, OrderEvent, OrderType
from fortified.domain.signal import OrderSide, Target
from fortified.engine.engine import Engine
from fortified.engine.inputs import NOTHING, BarClosed, BarUpdated, Command, EngineInput, OrderChanged
from fortified.engine.tick_level import stop_of
from fortified.ports import BaseBroker

END = "end_of_data"


class Desk:
    """Takes market events in and carries out what the engine decides. The broker must be a simulated one, which answers at once."""

    def __init__(self, engine: Engine, broker: BaseBroker, ledger: RunLedger) -> None:
        self.engine, self.ledger = engine, ledger
        self._broker = broker
        self._outbox: list[Order] = []
        self._cancels: list[str] = []
        self.before_orders: Callable[[], None] = _nothing
        """Called before orders are sent: who skips ticks shows the engine here what the position has seen of them."""

    @property
    def is_quiet(self) -> bool:
        """No order rests, no goal waits and no level is armed: ticks can be skipped until the next bar."""
        return not self.ledger.has_working and not self.engine.has_goals and not self.engine.armed

    def watch(self, tick: float) -> Watch | None:
        """The prices at which something can happen; None when it can at any tick."""
        working = self.ledger.working()
        if self.engine.has_goals and not working:
            return None
        lows: list[float] = []
        highs: list[float] = []
        for order in working:
            price = order.limit_price if order.triggered and order.type is OrderType.STOP_LIMIT else order.stop_price or order.limit_price
            if price is None or (order.triggered and order.type is not OrderType.STOP_LIMIT):
                return None
            (highs if _awaits_rise(order) else lows).append(float(price))
        trail = Watch(tick=tick)
        for armed in self.engine.armed.values():
            stop, _ = stop_of(armed)
            below, above = (stop, armed.target) if armed.sign > 0 else (armed.target, stop)
            if armed.even is not None and (armed.best - armed.even) * armed.sign < 0:
                (highs if armed.sign > 0 else lows).append(armed.even)
            lows += [] if below is None else [below]
            highs += [] if above is None else [above]
            if armed.trail is not None:
                trail = Watch(NAN, NAN, armed.sign, armed.trail, armed.best, tick)
        return trail._replace(low=max(lows, default=NAN), high=min(highs, default=NAN))

    def on_update(self, update: BarUpdate) -> None:
        """A tick."""
        self._market(update)
        self._decide(BarUpdated(update))
        self._carry_out()

    def on_bar(self, bar: Bar) -> None:
        """A closed bar; one that came ready-made is a market event too."""
        self._market(bar)
        self.ledger.bar(bar)
        self._decide(BarClosed(bar))
        self._carry_out()

    def flatten(self, close_out: Callable[[], Sequence[OrderEvent]]) -> None:
        """Close what is open at the last price, as a replay does at the end of its data."""
        now = self.engine.now_ns()
        if now is None:
            return
        for order in self.ledger.working():
            self._settle(_at_once(self._broker.cancel_order(order, now)))
        self._settle(close_out())
        if self.ledger.quantity():
            self._decide(Command(END, Target.FLAT, END, now, final=True))
            self._carry_out()

    def _market(self, event: BarUpdate | Bar) -> None:
        happened = self._broker.on_market(event)
        if happened:
            self._settle(happened)
            self._carry_out()

    def _decide(self, event: EngineInput) -> None:
        decision = self.engine.process(event, self.ledger.book)
        if decision is NOTHING:
            return
        self.ledger.refuse(decision.denials)
        for order in decision.orders:
            self.ledger.open(order)
            self._outbox.append(order)
        self._cancels.extend(decision.cancels)

    def _carry_out(self) -> None:
        while self._outbox or self._cancels:
            self.before_orders()
            orders, self._outbox = self._outbox, []
            cancels, self._cancels = self._cancels, []
            for order in orders:
                self._settle(_at_once(self._broker.place_order(order)))
            for order_id in cancels:
                self._settle(_at_once(self._broker.cancel_order(self.ledger.order(order_id), self.engine.now_ns() or 0)))

    def _settle(self, events: Sequence[OrderEvent]) -> None:
        for event in events:
            order = self.ledger.apply(event, self.engine)
            self._decide(OrderChanged(order, event.fill))


def _awaits_rise(order: Order) -> bool:
    """Whether a rising price brings ``order`` to act."""
    stops = order.type is OrderType.STOP or (order.type is OrderType.STOP_LIMIT and not order.triggered)
    return (order.side is OrderSide.BUY) == stops


def _nothing() -> None:
    return


def _at_once[T](answer: Coroutine[Any, Any, T]) -> T:
    """What a simulated broker answers; it never waits."""
    try:
        answer.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    answer.close()
    raise InvariantError("a backtest was given a broker that waits; only simulated ones can be used")
