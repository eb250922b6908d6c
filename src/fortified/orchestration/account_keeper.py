"""AccountKeeper: one live account, compared with its broker all the time.

Owns the connection, the looks at orders and positions, and what follows for the legs: which are frozen, and why. A stream is a wake-up,
never the proof: every fact is read. Books nothing itself; what it reads it hands to the runner that owns the order.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from fortified.domain.account import AccountId
from fortified.domain.errors import AmbiguousOrder, FortifiedError, InvariantError, Refused, StoreUnavailable, VenueError
from fortified.domain.order import Order, OrderStatus, OrderType
from fortified.domain.venue import AccountStanding, Balances, VenueOrder, VenuePosition
from fortified.orchestration.reconciliation import Comparison, Difference, compare, place
from fortified.orchestration.runner_log import RunnerLog
from fortified.ports import AccountStore, Clock, Ledger, VenueBroker

RETRY_FIRST_S, RETRY_LAST_S = 0.5, 30.0
SENDING_S = 60.0
"""Longer than any request takes: an order that is SUBMITTED since then is on its way no more; the process that sent it has ended."""
INHERITED = 12
"""Times ``absent_s`` at the beginning, in which absence does not count: what the process before was sending may be on its way."""
WORKING = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


class Pace(msgspec.Struct, frozen=True):
    """How often things are looked at, in seconds. ``absent_reads`` clean reads without an order count as its absence."""

    orders_s: float = 2.0
    positions_s: float = 60.0
    confirm_s: float = 2.0
    """Between the two reads that a difference needs before it counts, and the two snapshots at the start."""
    absent_s: float = 1.0
    absent_reads: int = 3
    late_fills_s: float = 30.0
    cancel_s: float = 5.0
    """After which a cancel is asked for again, where a clean read shows that the order works on."""


USUAL = Pace()


class LiveOrders(Protocol):
    """The orders of live runners, as far as a keeper needs them."""

    def watched(self, account: AccountId, ended_after: int) -> Sequence[Order]:
        """Those that work, and those that ended after that time (ns)."""
        ...

    def symbols(self, account: AccountId) -> Iterable[str]:
        """What is traded on the account."""
        ...

    async def report(self, order: Order, seen: VenueOrder) -> str:
        """Bring the order to what the venue says; returns an alarm, or nothing."""
        ...

    async def absent(self, order: Order) -> None:
        """The venue does not have it, for certain."""
        ...

    async def refresh(self, account: AccountId) -> None:
        """What is frozen on the account has changed."""
        ...


class AccountReport(msgspec.Struct, frozen=True):
    """An account as seen from outside. ``refusals`` are the reasons why no live trading may begin; times are ns."""

    account: AccountId
    connected: bool
    ready: bool
    refusals: tuple[str, ...]
    differences: tuple[Difference, ...]
    foreign: tuple[Difference, ...]
    notes: tuple[str, ...]
    standing: AccountStanding | None
    balances: Balances | None
    positions: tuple[VenuePosition, ...]
    ts_orders: int | None
    ts_positions: int | None
    frozen: Mapping[str, str] = {}


class AccountKeeper:
    """Keeps one account."""

    def __init__(
        self,
        broker: VenueBroker,
        orders: LiveOrders,
        ledger: Ledger,
        store: AccountStore,
        clock: Clock,
        log: RunnerLog,
        *,
        pace: Pace = USUAL,
        changed: Callable[[AccountReport], None] = lambda _: None,
    ) -> None:
        self.broker, self.account = broker, broker.account
        self._orders, self._ledger, self._store, self._clock, self._log, self._pace = orders, ledger, store, clock, log, pace
        self._changed = changed
        self._connected = self._ready = False
        self._problems = {"connection": "not connected yet"}  # by what was tried
        self._standing: AccountStanding | None = None
        self._balances: Balances | None = None
        self._positions: tuple[VenuePosition, ...] = ()
        self._comparison = Comparison()
        self._suspected: dict[str, Difference] = {}
        self._confirmed: dict[str, Difference] = {}
        self._alarms: dict[str, str] = {}  # by order id
        self._absent: dict[str, int] = {}
        self._canceled: dict[str, int] = {}  # when a cancel was last asked for again
        self._ts_begun = 0
        self._ts_orders: int | None = None
        self._ts_positions: int | None = None
        self._ts_standing: int | None = None
        self._order_news, self._position_news = asyncio.Event(), asyncio.Event()
        self._settled = asyncio.Event()

    # --- life ---

    async def run(self) -> None:
        """Keep the account until cancelled."""
        self._ts_begun = self._ts_begun or self._clock.now_ns()
        await self._connect()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._watch_orders())
            group.create_task(self._watch_positions())

    async def close(self) -> None:
        """End the connections; orders stay as they are."""
        await self.broker.close()

    async def settled(self) -> None:
        """Wait until the account was compared for the first time."""
        await self._settled.wait()

    def look(self) -> None:
        """Look at orders and positions soon: something was sent, or a person asks."""
        self._order_news.set()
        self._position_news.set()

    async def _connect(self) -> None:
        pause = RETRY_FIRST_S
        while True:
            try:
                await self.broker.connect()
                self._connected = True
                del self._problems["connection"]
                return
            except FortifiedError as error:
                self._trouble("connection", f"cannot connect: {error}")
            self._order_news.clear()
            await _wait(self._order_news, pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, hides nothing
            pause = min(2 * pause, RETRY_LAST_S)

    async def _listen(self) -> None:
        async for wake_up in self.broker.wake_ups():
            if wake_up.kind in ("lost", "warning"):
                self._log.warning("the broker's stream", account=self.account, kind=wake_up.kind, text=wake_up.text)
            if wake_up.kind in ("order", "reconnected"):
                self._order_news.set()
            if wake_up.kind in ("order", "position", "reconnected"):
                self._position_news.set()

    # --- orders ---

    async def _watch_orders(self) -> None:
        while True:
            working = await self._guarded("orders", self.look_at_orders)
            await _wait(self._order_news, self._pace.orders_s if working is None or working else self._pace.positions_s)

    async def look_at_orders(self) -> int:
        """Read every order that works or ended a moment ago; returns how many still need a look.

        Raises:
            VenueError, StoreUnavailable: a read failed; nothing was concluded from that.
        """
        self._order_news.clear()
        since = self._clock.now_ns() - int(self._pace.late_fills_s * 1e9)
        watched = self._orders.watched(self.account, since)
        for order in watched:
            await self._look_at(order)
        alive = {order.order_id for order in watched}
        self._alarms = {order_id: text for order_id, text in self._alarms.items() if order_id in alive}
        self._absent = {order_id: count for order_id, count in self._absent.items() if order_id in alive}
        self._canceled = {order_id: when for order_id, when in self._canceled.items() if order_id in alive}
        self._ts_orders = self._clock.now_ns()
        return sum(1 for order in watched if not order.is_terminal)

    async def _look_at(self, order: Order) -> None:
        before = self._alarms.get(order.order_id, "")
        try:
            seen = await self.broker.find(order)
            alarm = "" if seen is None else await self._orders.report(order, seen)
        except (AmbiguousOrder, InvariantError) as error:  # a person's question; the other orders are looked at all the same
            await self._alarm(order, before, str(error))
            return
        if seen is not None:
            self._absent.pop(order.order_id, None)
            await self._alarm(order, before, alarm)
            await self._cancel_again(order, seen)
        elif order.venue_order_id is None:
            await self._missed(order)
        elif not order.is_terminal:
            await self._alarm(order, before, f"order {order.venue_order_id} has vanished at the broker; look at it there")

    async def _missed(self, order: Order) -> None:
        """A clean read lacks ``order``. That counts only after its sending has ended: until then it may be on its way."""
        now, sent = self._clock.now_ns(), order.ts_submitted or order.ts_updated
        forgotten = order.status is OrderStatus.SUBMITTED and now - sent > SENDING_S * 1e9
        inherited = now - self._ts_begun < INHERITED * self._pace.absent_s * 1e9
        if inherited or (order.status is not OrderStatus.SUBMIT_UNKNOWN and not forgotten):
            return
        count = self._absent[order.order_id] = self._absent.get(order.order_id, 0) + 1
        if count >= self._pace.absent_reads:
            del self._absent[order.order_id]
            await self._orders.absent(order)
        else:
            await asyncio.sleep(self._pace.absent_s)
            self._order_news.set()

    async def _cancel_again(self, order: Order, seen: VenueOrder) -> None:
        """A cancel that was lost on its way changes nothing at the broker, and would be waited for in vain."""
        now = self._clock.now_ns()
        begun = self._canceled.get(order.order_id, order.ts_updated)
        if order.status is not OrderStatus.PENDING_CANCEL or seen.status not in WORKING or now - begun < self._pace.cancel_s * 1e9:
            return
        self._canceled[order.order_id] = now
        self._log.warning("a cancel is asked for again", account=self.account, order=order.order_id)
        known_as = msgspec.structs.replace(order, venue_order_id=seen.venue_order_id)  # a replacement may have given it another id
        await self.broker.cancel_order(known_as, now)  # what came of it is read

    async def _alarm(self, order: Order, before: str, text: str) -> None:
        if text == before:
            return
        self._alarms.pop(order.order_id, None)
        if text:
            self._alarms[order.order_id] = text
            self._log.warning("an order needs a person", account=self.account, order=order.order_id, text=text)
        await self._orders.refresh(self.account)

    # --- positions ---

    async def _watch_positions(self) -> None:
        while True:
            settled = await self._guarded("positions", self.compare)
            pause = self._pace.positions_s if settled and self._ready else self._pace.confirm_s
            await _wait(self._position_news, pause)
            if self._position_news.is_set():
                await asyncio.sleep(min(self._pace.confirm_s, 1.0) / 4)  # so that a burst of news is one look

    async def compare(self) -> bool:
        """Read positions, money and standing, and compare; True when there is nothing that a second read has to confirm.

        Raises:
            VenueError, StoreUnavailable: a read failed; nothing was concluded from that.
        """
        self._position_news.clear()
        positions = tuple(await self.broker.positions())
        await self._read_standing()
        external = await self._store.external(self.account)
        ledger = [position for position in await self._ledger.positions() if position.account == self.account]
        comparison = compare(ledger, positions, external, self._orders.symbols(self.account))
        found = {difference.what: difference for difference in comparison.differences}
        moving = self._moving()
        confirmed = {what: one for what, one in found.items() if self._suspected.get(what) == one and what not in moving}
        repeated = self._ts_positions is not None and _units(positions) == _units(self._positions)
        self._positions, self._comparison, self._suspected = positions, comparison, found
        self._ts_positions = self._clock.now_ns()
        await self._conclude(confirmed, repeated=repeated)
        return not (found.keys() - confirmed.keys())

    async def _read_standing(self) -> None:
        """What the account may do and what it is worth, once per ``positions_s``."""
        now = self._clock.now_ns()
        if self._ready and self._ts_standing is not None and now - self._ts_standing < self._pace.positions_s * 1e9:
            return
        standing, self._balances = await self.broker.standing(), await self.broker.balances()
        closing = self._standing is not None and self._standing.closing_only
        self._standing, self._ts_standing = standing, now
        if self._ready and standing.closing_only != closing:
            await self._orders.refresh(self.account)

    def _moving(self) -> set[str]:
        """What an order at the market works in: the broker may have its fill before we have."""
        working = self._orders.watched(self.account, self._clock.now_ns())
        return {place(order.symbol) for order in working if order.type is OrderType.MARKET and not order.is_terminal}

    async def _conclude(self, confirmed: dict[str, Difference], *, repeated: bool) -> None:
        for what in confirmed.keys() - self._confirmed.keys():
            self._log.warning("ledger and broker differ", account=self.account, text=confirmed[what].text)
        for what in self._confirmed.keys() - confirmed.keys():
            self._log.info("ledger and broker agree again", account=self.account, what=what)
        changed, self._confirmed = confirmed != self._confirmed, confirmed
        if repeated and not self._ready:
            self._ready, changed = True, True
            self._log.info("account compared", account=self.account, differences=[one.text for one in confirmed.values()])
            self._settled.set()
        if changed:
            await self._orders.refresh(self.account)
            self._changed(self.report())

    # --- what others may know ---

    def frozen(self, symbol: str) -> str:
        """Why no entry may be made in ``symbol`` on this account; empty when one may."""
        if not self._ready:
            return f"{self.account} was not compared with its broker yet: {self._why}"
        if (difference := self._confirmed.get(place(symbol))) is not None:
            return f"{difference.text}; adopt one of them"
        if self._problems:
            return f"{self.account} is out of sight: {self._why}"
        if self._standing is not None and self._standing.closing_only:
            return f"{self.account} may only close positions"
        return next(iter(self._alarms.values()), "")

    def obstacles(self) -> list[str]:
        """Why the broker takes no orders of this account at all."""
        return [] if self._standing is None else [f"{self.account}: {text}" for text in self._standing.obstacles]

    def refusals(self, symbols: Iterable[str]) -> list[str]:
        """Why live trading of ``symbols`` may not begin."""
        if not self._ready:
            return [f"{self.account} was not compared with its broker yet: {self._why}"]
        obstacles = list(self._standing.obstacles) if self._standing is not None else []
        wanted = {place(symbol) for symbol in symbols}
        # What nobody traded until now was shown as foreign: now it would be mixed with ours.
        unclear = [*self._confirmed.values(), *self._comparison.foreign]
        differences = [f"{one.text}; adopt one of them" for one in unclear if one.what in wanted]
        return [f"{self.account}: {text}" for text in (*obstacles, *differences, *self._alarms.values())]

    def report(self) -> AccountReport:
        """The account as it is known now."""
        frozen = {what: one.text for what, one in self._confirmed.items()}
        return AccountReport(
            account=self.account,
            connected=self._connected,
            ready=self._ready,
            refusals=tuple(self.refusals(self._orders.symbols(self.account))),
            differences=tuple(self._confirmed.values()),
            foreign=self._comparison.foreign,
            notes=(*self._comparison.price_notes, *self._alarms.values(), *self._problems.values()),
            standing=self._standing,
            balances=self._balances,
            positions=self._positions,
            ts_orders=self._ts_orders,
            ts_positions=self._ts_positions,
            frozen=frozen,
        )

    def held(self, symbol: str) -> Decimal:
        """Signed units at the broker, as of the last read."""
        return sum((one.quantity for one in self._positions if place(one.symbol) == place(symbol)), Decimal(0))

    async def declare_external(self, what: str) -> Difference:
        """What the broker holds beyond the ledger is none of ours, from now on.

        Raises:
            FortifiedError: there is no difference in ``what``, or the broker does not answer.
        """
        await self.compare()
        what = place(what)
        found = next((one for one in (*self._comparison.differences, *self._comparison.foreign) if one.what == what), None)
        if found is None:
            raise Refused([f"{self.account}: ledger and broker agree on {what}; there is nothing to adopt"])
        await self._store.put_external(self.account, what, found.venue - found.ledger)
        self._suspected.pop(what, None)
        await self.compare()
        return found

    async def differing(self, what: str) -> tuple[Difference, VenuePosition | None]:
        """The difference in ``what`` as it is now, and the position at the broker, where one contract makes it.

        Raises:
            VenueError: there is none, or the broker does not answer.
        """
        await self.compare()
        found = self._suspected.get(place(what))
        if found is None:
            raise Refused([f"{self.account}: ledger and broker agree on {place(what)}; there is nothing to adopt"])
        held = [one for one in self._positions if place(one.symbol) == place(what)]
        return found, held[0] if len(held) == 1 else None

    # --- faults ---

    @property
    def _why(self) -> str:
        return "; ".join(self._problems.values()) or "the first comparison is on its way"

    async def _guarded[T](self, what: str, read: Callable[[], Awaitable[T]]) -> T | None:
        """What ``read`` gives; None when the broker or the store does not answer: the next look comes soon."""
        try:
            result = await read()
        except (VenueError, StoreUnavailable) as error:
            reachable = not self._problems
            self._trouble(what, f"{what} cannot be read: {error}")
            if reachable:
                await self._orders.refresh(self.account)
            return None
        if self._problems.pop(what, None) is not None and not self._problems:
            await self._orders.refresh(self.account)
        return result

    def _trouble(self, what: str, text: str) -> None:
        if text != self._problems.get(what):
            self._problems[what] = text
            self._log.warning("the broker does not answer", account=self.account, reason=text)


def _units(positions: Iterable[VenuePosition]) -> dict[str, Decimal]:
    """What is held, without the time at which that was read."""
    return {one.symbol: one.quantity for one in positions if one.quantity}


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
