"""StrategyRunner: one strategy on one symbol, from the streams to the brokers.

Owns the order of effects of a step, the same in live, paper and replay: resting simulated orders see the market → order events are applied
→ the engine decides → intents become durable together with the engine's state → orders are placed → their events are applied, until quiet.
Everything between two commits can be repeated after a crash and comes out the same. Knows no Redis and no venue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.calendar import Calendar
from fortified.domain.errors import Refused, StoreUnavailable
from fortified.domain.market import Bar, BarUpdate
from fortified.domain.order import TRANSITIONS, Fill, Order, OrderEvent, OrderStatus, Purpose
from fortified.domain.position import FillContext
from fortified.domain.signal import Signal, Target
from fortified.domain.timeframe import Timeframe
from fortified.domain.venue import VenueOrder
from fortified.engine.digest import Digest
from fortified.engine.engine import Engine, EngineState
from fortified.engine.fees import FeeModel
from fortified.engine.inputs import (
    NOTHING,
    BarClosed,
    BarUpdated,
    Command,
    Decision,
    Denial,
    DenialCode,
    EngineInput,
    GapSeen,
    OrderChanged,
)
from fortified.engine.resident import AT_WORK, is_protective
from fortified.orchestration.backfill_service import Warmup
from fortified.orchestration.events import DenialSeen, Listeners, RunnerStatus
from fortified.orchestration.order_sender import OrderSender
from fortified.orchestration.order_tracking import OrderTrackingService
from fortified.orchestration.runner_book import Frozen, RunnerBook, nothing_frozen
from fortified.orchestration.runner_log import RunnerLog
from fortified.orchestration.symbol_publisher import seq_of
from fortified.orchestration.trade_state_manager import TradeStateManager
from fortified.orchestration.venue_reports import adoption, read
from fortified.orchestration.warmup_splice import Splice
from fortified.ports import ORIGIN, BaseBroker, BusEvent, BusReader, Clock, EntryId, Ledger, LedgerUnit, RunnerKey, VenueBroker

READ_TIMEOUT_MS = 250
QUIET_TICKS = 256
"""Ticks that may be taken in before the commit that acknowledges them; after a crash they are taken in again, with the same result."""
EXPECTED = frozenset({DenialCode.WARMING_UP, DenialCode.STALE_DATA})
"""Denials that come in numbers while a runner catches up, and mean nothing then."""
REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.EXPIRED})
RETRY_FIRST_S, RETRY_LAST_S = 0.05, 2.0
LOOKED_THROUGH = 1000
"""The latest orders of a leg, among which are those that still work."""


Past = Callable[[Bar], Awaitable[Warmup]]


class RunnerState(msgspec.Struct):
    """What a runner makes durable with each commit."""

    engine: EngineState
    digest: bytes
    bars: int
    orders: int
    last_update: BarUpdate | None
    last_bar: Bar | None
    """The last event: one of the two."""
    joined: EntryId = ORIGIN
    made_of: str = ""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(RunnerState)


def _nobody_asks(account: AccountId) -> None:
    return


class StrategyRunner:
    """Runs one engine over one reader. ``clock`` None means the events are the time, and nothing is ever stale.

    ``made_of`` names the strategy and its parameters: the memory of another strategy is not taken up. ``past`` gives the bars up to one
    that just closed; it is asked while the strategy is not warm, with the first bar, the second, the fourth and so on.
    """

    def __init__(
        self,
        key: RunnerKey,
        engine: Engine,
        brokers: Sequence[BaseBroker],
        ledger: Ledger,
        tracker: OrderTrackingService,
        positions: TradeStateManager,
        calendar: Calendar,
        listeners: Listeners,
        log: RunnerLog,
        *,
        clock: Clock | None = None,
        freshness_ns: int = 10_000_000_000,
        made_of: str = "",
        frozen: Frozen = nothing_frozen,
        sent: Callable[[AccountId], None] = _nobody_asks,
        leg_failure: str = "hold",
        fees: Mapping[AccountId, FeeModel] | None = None,
        past: Past | None = None,
    ) -> None:
        self.key = key
        self.engine = engine
        self.digest = Digest()
        self.bars = 0
        self.orders = 0
        self.last: BarUpdate | Bar | None = None
        self.last_signal: Signal | None = None
        self.ts_last_signal: int | None = None
        self._sender = OrderSender(key, brokers, log, sent, self._answered_late)
        self._ledger = ledger
        self._tracker = tracker
        self._positions = positions
        self._calendar = calendar
        self._listeners = listeners
        self._log = log
        self._clock = clock
        self._freshness_ns = freshness_ns
        self._made_of = made_of
        self._leg_failure = leg_failure
        self._past = past
        self._splice = Splice(Timeframe.parse(engine.config.timeframe), calendar)
        self._unit = LedgerUnit(key)
        self._book = RunnerBook(key.strategy, engine.config, tracker, positions, frozen, fees)
        self._outbox: list[Order] = []  # decided, not yet sent
        self._cancels: list[str] = []
        self._moves: list[tuple[str, Decimal]] = []
        self._lock = asyncio.Lock()
        self._moved = asyncio.Event()
        self.joined = ORIGIN
        """The streams begin behind this entry for the runner; a group that is older than it gives earlier ones, which are passed over."""
        self._ended = False

    # --- life ---

    async def recover(self) -> bool:
        """Take up where the last process stopped; start and crash recovery are this one path.

        False when the strategy has to be warmed up, because it is new here or is made of something else now.
        """
        async with self._lock:  # what brokers report meanwhile waits
            return await self._recover()

    async def _recover(self) -> bool:
        record = await self._ledger.load(self.key)
        left = await self._left_at_work({order.order_id for order in record.orders})
        self._unit.orders.extend(left)
        self._book.restore(msgspec.structs.replace(record, orders=(*record.orders, *left)))
        known = record.state is not None and self._restore(_DECODER.decode(record.state))
        for account, broker in self._sender.brokers.items():
            if self.last is not None:
                broker.on_market(self.last)
            working = self._book.working(account)
            await broker.restore([order for order in working if order.status is not OrderStatus.INITIALIZED])
        unsent = [order for order in self._book.all_working() if self._may_be_unsent(order)]
        # A simulated venue forgot what it was sent; at a real one the last process may have been killed behind the sending.
        self._outbox = [order for order in unsent if not self._sender.is_live(order)]
        now = None if self._clock is None else self._clock.now_ns()  # it was sent until now, if at all
        doubtful = [
            OrderEvent(order.order_id, OrderStatus.SUBMIT_UNKNOWN, now or order.ts_created)
            for order in unsent
            if self._sender.is_live(order)
        ]
        if unsent or left:
            self._settle(doubtful)
            await self._carry_out()
            await self._commit()
        return known

    def _may_be_unsent(self, order: Order) -> bool:
        """Whether the process that ended may have left the order unsent, or without an answer."""
        in_doubt = order.status is OrderStatus.SUBMITTED and order.venue_order_id is None and self._sender.is_live(order)
        return order.status is OrderStatus.INITIALIZED or in_doubt

    async def _left_at_work(self, own: Collection[str]) -> list[Order]:
        """Live orders of these legs that the strategy made in another timeframe: a stop that rests goes with the position."""
        live = [leg for leg in self._book.legs.values() if isinstance(self._sender.brokers[leg.account], VenueBroker)]
        known = [await self._ledger.orders(strategy=self.key.strategy, symbol=leg.symbol, limit=LOOKED_THROUGH) for leg in live]
        return [
            order
            for leg, orders in zip(live, known, strict=True)
            for order in reversed(orders)
            if order.account == leg.account and not order.is_terminal and order.order_id not in own
        ]

    def protect(self) -> list[AccountId]:
        """Set levels, with the next event, for open positions that have none; whose these are."""
        return self.engine.protect(self._book.states)

    async def run(self, reader: BusReader) -> None:
        """Consume ``reader`` until cancelled. While the store is away it waits, and goes on where it stopped."""
        self._sender.patient = False
        try:
            while True:
                await self.run_once(reader, READ_TIMEOUT_MS)
        finally:
            self._ended = True
            self._moved.set()
            self._sender.abandon()

    async def wait_within(self, frontier: int, window: int) -> None:
        """Wait until at most ``window`` ticks up to ``frontier`` are still to be taken in: back-pressure for a source that can wait."""
        while frontier - self.seq > window and not self._ended:
            self._moved.clear()
            await self._moved.wait()

    async def run_once(self, reader: BusReader, timeout_ms: int) -> int | None:
        """Take in what the reader has; returns how many entries that were, None when the store is away."""
        try:
            events = await reader.read(timeout_ms)
        except StoreUnavailable as error:
            self._log.warning("reading waits for the store", runner=str(self.key), reason=str(error))
            await asyncio.sleep(RETRY_FIRST_S)
            return None
        async with self._lock:
            for event in events:
                await self._take(event)
                if self._unit.orders:  # what happened to an order stays known, even if the strategy fails on the next event
                    await self._commit()
            # Ticks of which nothing came wait for company, so that a bar right behind them need not wait for their commit.
            waiting = len(self._unit.updates_acked)
            if self._unit.bars_acked or waiting >= QUIET_TICKS or (waiting and not events):
                await self._commit()
        self._moved.set()
        return len(events)

    async def command(self, command: Command) -> tuple[list[Order], list[Denial]]:
        """Carry out an operator's wish through the same path as a signal. A runner that has ended refuses it."""
        async with self._lock:
            if self._ended:
                text = f"{self.key} has ended; start its strategy again"
                return [], [Denial(DenialCode.HALTED, text, account, command.ts_event, command.reason) for account in self._book.legs]
            decision = self._decide(command)
            await self._carry_out()
            await self._commit()
            return list(decision.orders), list(decision.denials)

    async def save(self) -> None:
        """Make the present state durable."""
        async with self._lock:
            await self._commit()

    async def cancel_working(self, *, except_for: str | None = None) -> None:
        """Cancel every order that works, but those of the reason ``except_for``, and those that follow from a cancel."""
        async with self._lock:
            await self._call_off(lambda order: order.reason != except_for)

    async def retire(self) -> None:
        """Take no more commands, open nothing more, and cancel every order that works, but no exit at a real broker: a stop that rests is
        the only one that a position has from now on, and an exit that was decided is carried out.
        """
        self._ended = True
        async with self._lock:
            self.engine.retire(self._book.states)
            await self._call_off(self._goes_with_us)
        if await self._sender.answered():  # and could not be cancelled before
            async with self._lock:
                await self._call_off(self._goes_with_us)

    def _goes_with_us(self, order: Order) -> bool:
        return order.purpose is Purpose.ENTRY or not self._sender.is_live(order)

    async def _call_off(self, wanted: Callable[[Order], bool]) -> None:
        asked: set[str] = set()
        while cancels := [order.order_id for order in self._book.all_working() if wanted(order) and order.order_id not in asked]:
            asked.update(cancels)
            self._cancels = cancels
            await self._carry_out()
        await self._commit()

    async def settle(self, events: Sequence[OrderEvent]) -> None:
        """Apply order events that came by themselves."""
        async with self._lock:
            self._settle(events)
            await self._carry_out()
            await self._commit()

    async def report(self, order_id: str, seen: VenueOrder) -> str:
        """Bring an order to what its venue says of it; returns an alarm for a person, or nothing."""
        async with self._lock:
            order = self._tracker.known(order_id)
            if order is None:
                return ""
            found = read(order, seen, seq=self.seq, fee_of=lambda fill: self._book.fee(order, fill))
            if found.events:
                self._settle(found.events)
                await self._carry_out()
                await self._commit()
            return found.alarm

    async def absent(self, order: Order) -> None:
        """The venue does not have ``order``, for certain. Where it is still wanted it is sent again, an entry only while it is young."""
        async with self._lock:
            moved = self._tracker.known(order.order_id) != order
            if moved or self._clock is None or self._sender.is_under_way(order):
                return
            young = self._clock.now_ns() - order.ts_created <= self._freshness_ns and not self._ended
            if not self.engine.wants(order, self._book.states):
                text = "it never reached the broker, and is not wanted any more"
                self._settle([OrderEvent(order.order_id, OrderStatus.REJECTED, self._clock.now_ns(), text)])
            elif order.purpose is Purpose.EXIT or young:
                self._log.warning("an order never reached the broker and is sent again", runner=str(self.key), order=order.order_id)
                # Its new time is durable before it is sent: the next process has to know when to look.
                self._settle([OrderEvent(order.order_id, OrderStatus.SUBMITTED, self._clock.now_ns())])
                self._outbox.extend(one for one in self._book.all_working() if one.order_id == order.order_id)
            else:
                text = "it never reached the broker, and the price it was meant for is old"
                self._settle([OrderEvent(order.order_id, OrderStatus.REJECTED, self._clock.now_ns(), text)])
            await self._carry_out()
            await self._commit()

    async def adopt(self, account: AccountId, units: Decimal, price: Decimal | None, actor: str) -> None:
        """Book ``units`` (signed) that the broker has and the ledger has not, at ``price`` or else the last one, as a marked fill.

        Raises:
            Refused: an order other than its stop works on that leg, or no price is known.
        """
        async with self._lock:
            leg, last = self._book.legs[account], self.last
            if not all(map(is_protective, self._book.working(account))):
                raise Refused([f"orders of {self.key} work on {account}; cancel them first, then adopt"])
            known = price if price is not None else None if last is None else self._book.instrument(account).price(last.close)
            if known is None or self._clock is None:
                raise Refused([f"no price of {leg.symbol} is known; wait for the first one, then adopt"])
            for fill in adoption(self.key.strategy, leg, self._book.states[account], units, known, self._clock.now_ns(), self.seq):
                self._unit.fills.append(fill)
                self._book_fill(fill)
            self._log.warning("a position was adopted", runner=str(self.key), account=account, units=str(units), actor=actor)
            self._book.refresh()
            self._enact(self.engine.adopted(account, self._book.states))  # a stop that does not fit any more is called off
            await self._carry_out()
            await self._commit()

    async def _answered_late(self, order: Order, events: Sequence[OrderEvent]) -> None:
        """What the broker said when nobody waited any more; what was read of the order meanwhile counts more."""
        async with self._lock:
            self._sender.note_answer(order)
            for event in events:
                known = self._tracker.known(event.order_id)
                if known is not None and event.status in TRANSITIONS[known.status]:
                    self._settle([event])
            await self._carry_out()
            await self._commit()

    async def refresh(self) -> None:
        """Take the book anew: what is frozen has changed. Needs no lock: it says what its owners say, in the middle of a step too."""
        self._book.refresh()

    @property
    def seq(self) -> int:
        """The last tick that was taken in; -1 before the first."""
        joined = seq_of(self.joined)
        return joined if self.last is None else max(self.last.seq, joined)

    @property
    def ts_last(self) -> int | None:
        """Time (ns) of the last event."""
        return None if self.last is None else self.last.ts_event if isinstance(self.last, BarUpdate) else self.last.ts_close

    @property
    def has_live_orders(self) -> bool:
        """Whether an order of this runner works at a real broker."""
        return any(self._sender.is_live(order) for order in self._book.all_working())

    def open_quantity(self) -> Decimal:
        """Net units of all accounts, signed."""
        return self._book.quantity()

    def describe(self, status: RunnerStatus, now_ns: int) -> RunnerStatus:
        """``status`` with what this runner knows."""
        engine, last = self.engine, self.last
        stamp = self.ts_last
        signal = self.last_signal
        return msgspec.structs.replace(
            status,
            state="warming" if status.state == "running" and not engine.is_warm else status.state,
            warmup_needed=engine.config.warmup,
            warmup_got=min(engine.warm_count, engine.config.warmup),
            bars_seen=self.bars,
            ts_last_bar=None if engine.bar is None else engine.bar.ts_close,
            ts_last_update=stamp,
            lag_ms=None if stamp is None else max(0, now_ns - stamp) / 1e6,
            last_price=None if last is None else last.close,
            last_signal=None if signal is None else f"{signal.target.name} {signal.reason}".strip(),
            ts_last_signal=self.ts_last_signal,
            reason="" if status.state == "running" and engine.is_warm else status.reason,
            working_orders=sum(len(leg.working) for leg in self._book.states.values()),
        )

    # --- one step ---

    async def _take(self, event: BusEvent) -> None:
        payload = event.payload
        if event.entry <= self.joined:
            self._acknowledge(event)
            return
        if self.last is None and self.joined == ORIGIN and self.engine.bar is not None and not self._splice.is_tick:
            if payload.ts_open < self.engine.bar.ts_close:  # the history had it
                self._acknowledge(event)
                return
            if not self._splice.nothing_between(self.engine.bar.ts_close, payload.ts_open):
                self._log.warning("bars may be missing behind the history, warming up again", runner=str(self.key), before=str(event.entry))
                self._decide(GapSeen(payload.ts_open, "the stream began later than the history ends"))
        if event.gap:
            self._log.warning("entries are missing, warming up again", runner=str(self.key), before=str(event.entry))
            self._decide(GapSeen(payload.ts_open, "stream entries were trimmed unread"))
        for broker in self._sender.brokers.values():
            happened = broker.on_market(payload)
            if happened:
                self._settle(happened)
        if self._outbox or self._cancels or self._moves:
            await self._carry_out()
        self.last = payload
        self._acknowledge(event)  # with what the market did at the broker already durable, not before
        if isinstance(payload, BarUpdate):
            self._decide(BarUpdated(payload, self._is_fresh(payload.ts_recv)))
        else:
            self.bars += 1
            self.digest.add(payload)
            self._decide(BarClosed(payload, self._is_fresh(payload.ts_close)))
            await self._look_back(payload)
        if self._outbox or self._cancels or self._moves:
            await self._carry_out()

    async def _look_back(self, bar: Bar) -> None:
        """Make up for a gap, or for a source that had no answer before: the strategy begins anew with what is known up to ``bar``."""
        got = self.engine.warm_count
        if self._past is None or self.engine.is_warm or self.engine.others is not None or got & (got - 1):
            return
        found = await self._past(bar)
        if found.got > got:
            self._decide(GapSeen(bar.ts_close, "the past is known by now"))
            for one in found.bars:
                self.engine.warm(one)

    def _acknowledge(self, event: BusEvent) -> None:
        (self._unit.updates_acked if isinstance(event.payload, BarUpdate) else self._unit.bars_acked).append(event.entry)

    def _decide(self, event: EngineInput) -> Decision:
        """Ask the engine. What it wants is in the book at once, so that no later input of the same step can want it again."""
        return self._enact(self.engine.process(event, self._book.states))

    def _enact(self, decision: Decision) -> Decision:
        if decision is NOTHING:
            return decision
        opened = [order for order in decision.orders if self._tracker.open(order, self._unit)]
        if opened:
            self._outbox.extend(opened)
            self.orders += len(opened)
            self._book.refresh()
        self._cancels.extend(decision.cancels)
        self._moves.extend(decision.moves)
        self._note(decision)
        return decision

    def _settle(self, events: Sequence[OrderEvent]) -> None:
        """Apply order events, and let the engine see each change."""
        for event in events:
            order = self._tracker.apply(event, self._unit)
            if order is None:
                continue
            if event.fill is not None:
                self._book_fill(event.fill)
            self._book.refresh()
            self._listeners.emit(order)
            self._decide(OrderChanged(order, event.fill))
            if order.status in REFUSED and order.purpose is Purpose.ENTRY and not order.filled_quantity:
                self._on_refused_leg(order)

    def _on_refused_leg(self, order: Order) -> None:
        """One broker refused what another may have filled: the owner decided what becomes of that."""
        others = [account for account, leg in self._book.states.items() if account != order.account and (leg.quantity or leg.working)]
        if not others:
            return
        text = f"{order.account} refused its leg ({order.text or 'no reason given'}), while {', '.join(others)} trades: {self._leg_failure}"
        if self._leg_failure != "hold":
            self._log.warning("a leg failed", runner=str(self.key), order=order.order_id, text=text)
            self._note(Decision(denials=(Denial(DenialCode.LEG_FAILED, text, order.account, order.ts_updated, order.reason),)))
        if self._leg_failure == "unwind":
            self._decide(Command(f"unwind-{order.order_id}", Target.FLAT, "leg_failed", order.ts_updated))

    async def _carry_out(self) -> None:
        """Make intents durable, then send them, then see what follows from that, until quiet."""
        while self._outbox or self._cancels or self._moves:
            orders, self._outbox = self._outbox, []
            cancels, self._cancels = self._cancels, []
            moves, self._moves = self._moves, []
            asked = None if self._clock is None else self._clock.now_ns()
            await self._commit()
            for events in await self._sender.place(self._in_time(orders, asked)):
                self._settle(events)
            unwanted = [order for order_id in cancels if (order := self._tracker.get(order_id)) is not None]
            if unwanted and (now := self.ts_last) is not None:
                for events in await self._sender.cancel(unwanted, now):
                    self._settle(events)
            for order_id, price in moves:
                if (order := self._tracker.get(order_id)) is not None and order.status in AT_WORK:
                    self._settle(await self._sender.move(order, price))

    def _in_time(self, orders: Sequence[Order], asked: int | None) -> Sequence[Order]:
        """``orders`` without the live entries that waited for the store since ``asked`` until their price was old: they were never sent."""
        if self._clock is None or asked is None or self._clock.now_ns() - asked <= self._freshness_ns:
            return orders
        late = [order for order in orders if order.purpose is Purpose.ENTRY and self._sender.is_live(order)]
        text = "it waited for the store, and the price it was meant for is old; nothing was sent"
        self._settle([OrderEvent(order.order_id, OrderStatus.REJECTED, self._clock.now_ns(), text) for order in late])
        return [order for order in orders if order not in late]

    def _book_fill(self, fill: Fill) -> None:
        # Extremes of the signal's symbol say nothing of another.
        high, low = (None, None) if self._book.is_elsewhere(fill.account) else self.engine.extremes(fill.account)
        context = FillContext(
            timeframe=self.key.timeframe,
            bar_index=self.bars,
            bar=self.engine.bar,
            high=high,
            low=low,
            trading_day=str(self._calendar.trading_day(fill.ts_event)),
        )
        position, trade = self._positions.apply(fill, self._book.instrument(fill.account).multiplier, context, self._unit)
        self.digest.add(fill)
        self._listeners.emit(fill)
        self._listeners.emit(position)
        if trade is not None:
            self.digest.add(trade)
            self._listeners.emit(trade)

    def _note(self, decision: Decision) -> None:
        self._unit.denials.extend(decision.denials)
        for denial in decision.denials:
            tell = self._log.debug if denial.code in EXPECTED else self._log.info
            tell("order denied", runner=str(self.key), code=denial.code.value, text=denial.text)
            self._listeners.emit(DenialSeen(self.key, denial))
        if decision.signal is not None:
            self.last_signal, self.ts_last_signal = decision.signal, self.ts_last

    # --- state ---

    async def _commit(self) -> None:
        """Make all that happened durable; while the store is away, try again, for the same unit twice is the same as once."""
        unit = self._unit
        unit.state = self._snapshot()
        self._unit = LedgerUnit(self.key)
        pause = RETRY_FIRST_S
        while True:
            try:
                await self._ledger.commit(unit)
                return
            except StoreUnavailable as error:
                self._log.warning("committing waits for the store", runner=str(self.key), reason=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_LAST_S)

    def _snapshot(self) -> bytes:
        last = self.last
        update, bar = (last, None) if isinstance(last, BarUpdate) else (None, last)
        engine = self.engine.snapshot()
        return _ENCODER.encode(RunnerState(engine, self.digest.value, self.bars, self.orders, update, bar, self.joined, self._made_of))

    def _restore(self, state: RunnerState) -> bool:
        """Go back to ``state``; False when the strategy in it is not this one, which stays as it is then: new."""
        same = state.made_of == self._made_of
        fresh = self.engine.snapshot()
        self.engine.restore(
            state.engine if same else msgspec.structs.replace(state.engine, strategy=fresh.strategy, warm_count=0, atr=fresh.atr)
        )
        self.digest.value = state.digest
        self.bars, self.orders, self.last = state.bars, state.orders, state.last_update or state.last_bar
        self.joined = state.joined
        return same

    def _is_fresh(self, stamp: int) -> bool:
        return self._clock is None or self._clock.now_ns() - stamp <= self._freshness_ns
