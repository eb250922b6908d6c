"""Both simulated venues, and the lives of a process that trades at them: each life is a new manager with new adapters on the same store.

Owns what survives a kill (store, log-in, market, the venues) and what does not, and where a life can be ended. Time is the loop's.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, cast
from unittest import mock

from tests.adapters.schwab_desk import FAST, MONDAY, Tokens, logged_in
from tests.faults.virtual_time import LoopClock
from tests.orchestration.house import House, Market

from fortified.adapters.pacing import GLOBAL, Backoff, Pacer, Rate
from fortified.adapters.schwab.auth import App
from fortified.adapters.schwab.connection import SchwabConnection
from fortified.adapters.tastytrade.account_socket import AccountSocket
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.domain.account import AccountId, Mode
from fortified.domain.errors import StoreUnavailable
from fortified.domain.market import Bar, Tick
from fortified.domain.order import OrderStatus, Purpose
from fortified.domain.signal import Signal, Target
from fortified.engine.fees import FeeModel
from fortified.orchestration.account_keeper import Pace
from fortified.orchestration.trading_manager import TradingManager
from fortified.ports import LedgerUnit, Store, VenueBroker
from fortified.registry import Registry
from fortified.simulators.matching import Exchange
from fortified.simulators.server import Options, Simulation
from fortified.simulators.tastytrade.venue import ACCOUNT
from fortified.storage.memory import MemoryStore
from fortified.strategies.base import Answers, BaseStrategy, StrategyPosition

TASTYTRADE, SCHWAB = "tastytrade", "schwab"
SYMBOLS = {TASTYTRADE: "/NQ", SCHWAB: "QQQ"}
QUANTITIES = {TASTYTRADE: Decimal(2), SCHWAB: Decimal(10)}
FEES = {TASTYTRADE: FeeModel.parse("2.25/contract"), SCHWAB: FeeModel.parse("0.01/share")}
TICK = Decimal("0.25")
NOTHING, LONG, SHORT, FLAT, LONG_LIMIT, SHORT_LIMIT, LONG_STOP = range(1, 8)


class Walker(BaseStrategy):
    """Wishes for what the volume of a bar says, so that a test decides."""

    name: ClassVar[str] = "walker"

    def warmup_periods(self) -> int:
        return 0

    def on_new_bar(self, bar: Bar, current_position: StrategyPosition | None) -> Answers:
        near = 3 * float(TICK)
        return {
            LONG: Signal(Target.LONG, "up"),
            SHORT: Signal(Target.SHORT, "down"),
            FLAT: Signal(Target.FLAT, "out"),
            LONG_LIMIT: Signal(Target.LONG, "dip", limit=bar.close - near),
            SHORT_LIMIT: Signal(Target.SHORT, "top", limit=bar.close + near),
            LONG_STOP: Signal(Target.LONG, "break", stop=bar.close + near),
        }.get(int(bar.volume))


class Record:
    """A log that is kept, and shown where a schedule fails."""

    def __init__(self, world: "World", name: str) -> None:
        self._world, self._name = world, name

    def debug(self, event: str, **values: object) -> None:
        self._world.note(self._name, event, values)

    info = warning = error = debug


class World:
    """What outlives the process."""

    def __init__(self, seed: int, simulation: Simulation, clock: LoopClock) -> None:
        self.simulation, self.clock = simulation, clock
        self.random = random.Random(seed)
        self.store = MemoryStore()
        self.tokens = Tokens(logged_in(simulation))
        self.ticks: list[Tick] = []
        self.prices = {"/NQ": Decimal(20_000), "QQQ": Decimal(500)}
        self.notes: list[str] = []
        self.faults: list[str] = []
        """What must not be, seen on the way."""
        self.store_away = False
        self.lives = self.commits = self.outages = 0

    def note(self, who: str, event: str, values: object = "") -> None:
        self.notes.append(f"{(self.clock.now_ns() - MONDAY) / 1e9:9.3f} {self.lives} {who}: {event} {values or ''}")

    def exchange(self, venue: str) -> Exchange:
        return (self.simulation.tastytrade if venue == TASTYTRADE else self.simulation.schwab).exchange

    def push(self, wish: int = NOTHING) -> None:
        """One print of everything, and its tick for the strategy, with a wish."""
        walk = self.random
        self.prices["/NQ"] += walk.randint(-3, 3) * TICK
        self.prices["QQQ"] += walk.randint(-3, 3) * Decimal("0.01")
        for symbol, spread in (("/NQ", TICK), ("QQQ", Decimal("0.01"))):
            price = self.prices[symbol]
            self.simulation.push(symbol, price, walk.choice((1, 3, 50)), price - spread, price + spread)
        now, seq = self.clock.now_ns(), len(self.ticks)
        self.ticks.append(Tick("/NQ", seq, now, now, float(self.prices["/NQ"]), float(wish)))


class Tape(Market):
    """The world's ticks, for one life."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.ticks = {"/NQ": world.ticks}

    def wake(self) -> None:
        self._changed.set()


class Life(House):
    """One process, from its start to its kill. ``dies_at``: before or after which commit of it."""

    live_allowed = True
    freshness_ns = 10 * 10**9

    def __init__(self, world: World, dies_at: tuple[int, bool] | None = None) -> None:
        self.world, self.dies_at, self.dead, self.commits = world, dies_at, False, 0
        self.pace = Pace()
        tape = Tape(world)
        super().__init__(cast("MemoryStore", Doubtful(self)), market=tape)
        self.tape = tape
        self.manager = TradingManager(cast("Store", self.store), Registry((Walker,)), self, self)
        self._live = self._brokers()
        self.people: set[asyncio.Task[object]] = set()
        self.begun = asyncio.Event()
        self.task = asyncio.create_task(self._run())
        self.frozen: dict[AccountId, str] = {}
        self.checked: set[str] = set()

    async def _run(self) -> None:
        async with self.manager.running():
            self.begun.set()
            await asyncio.Future[None]()

    def die(self) -> None:
        """As by ``kill -9``: no task of it goes on."""
        if not self.dead:
            self.world.note("world", "kill")
            self.dead = True
            for task in (self.task, *self.people):
                task.cancel()

    async def end(self) -> None:
        """Until nothing of it is left."""
        self.die()
        await asyncio.wait((self.task, *self.people), timeout=60)
        if not self.task.done():
            self.world.faults.append("a life did not end within a minute of its kill")
        elif not self.task.cancelled() and self.task.exception() is not None:
            self.world.faults.append(f"a life ended with {self.task.exception()!r}")

    def ask(self, wish: Callable[[], Awaitable[object]]) -> None:
        """Let a person ask for something; what becomes of it, is noted."""

        async def asked() -> None:
            try:
                self.world.note("person", "told", await wish())
            except Exception as error:
                self.world.note("person", "refused", repr(error))

        task = asyncio.create_task(asked())
        self.people.add(task)
        task.add_done_callback(self.people.discard)

    # --- what surrounds the manager ---

    def now_ns(self) -> int:
        return self.world.clock.now_ns()

    def live_venues(self) -> Sequence[str]:
        return sorted(SYMBOLS)

    def live_broker(self, venue: str) -> VenueBroker | None:
        return self._live.get(venue)

    def fees(self, venue: str) -> FeeModel:
        return FEES[venue]

    def log(self, name: str) -> Any:
        return Record(self.world, name)

    def strategy_log(self, name: str) -> Any:
        return logging.getLogger(name)

    def _brokers(self) -> dict[str, VenueBroker]:
        simulation, clock = self.world.simulation, self.world.clock
        secrets = simulation.options.credentials
        # The adapters' timers go by the same time as the loop.
        now = {"monotonic": asyncio.get_running_loop().time}
        with mock.patch.dict(AccountSocket.__init__.__kwdefaults__, now), mock.patch.dict(Pacer.__init__.__kwdefaults__, now):
            tasty = tastytrade_broker(
                ACCOUNT,
                client_secret=secrets.client_secret,
                refresh_token=secrets.refresh_token,
                clock=clock,
                product_version="test",
                api_url=simulation.tastytrade_url,
                stream_url=simulation.tastytrade_streamer_url,
                rates={GLOBAL: Rate(1000, 1000)},
            )
            schwab = SchwabConnection(
                App(secrets.client_id, secrets.client_secret, secrets.redirect_uri),
                clock=clock,
                product_version="test",
                store=self.world.tokens,
                api_url=simulation.schwab_url,
                rates=FAST,
                kicked=Backoff(5.0, 20.0),
            ).broker(claimed=lambda: self.manager.claimed(AccountId("live:schwab")))
        return {TASTYTRADE: tasty, SCHWAB: schwab}

    # --- what is watched ---

    def watch(self) -> None:
        """Note which accounts are frozen now, and which stay so."""
        for keeper in self.manager.keepers():
            text = keeper.frozen(SYMBOLS[keeper.account.partition(":")[2]])
            self.frozen[keeper.account] = text
            if text != "" and not text.strip():
                self.world.faults.append(f"{keeper.account} is frozen without a text")

    async def check_intents(self, unit: LedgerUnit) -> None:
        """No entry may be meant for a leg that is unknown or frozen."""
        known = {order.order_id: order for order in await self.world.store.ledger.orders(limit=100_000)}
        for order in unit.orders:
            new, known[order.order_id] = order.order_id not in known, order
            if (
                not new
                or order.order_id in self.checked
                or order.status is not OrderStatus.INITIALIZED
                or order.purpose is not Purpose.ENTRY
            ):
                continue
            self.checked.add(order.order_id)  # what is committed again was meant before
            leg = [one for one in known.values() if (one.account, one.symbol) == (order.account, order.symbol)]
            unknown = [one.order_id for one in leg if one.status is OrderStatus.SUBMIT_UNKNOWN]
            if unknown:
                self.world.faults.append(f"entry {order.order_id} was made while {unknown} were unknown")
            keeper = self.manager.keeper(order.account)
            if self.frozen.get(order.account) and (text := keeper.frozen(order.symbol)):
                self.world.faults.append(f"entry {order.order_id} was made while its leg was frozen: {text}")


class Doubtful:
    """The store as one life sees it: it may be away, and its commits may be the last thing the life does. The dead change nothing."""

    def __init__(self, life: Life) -> None:
        store = life.world.store
        self.history, self.lease, self.users = store.history, store.lease, store.users
        self.ledger = _Ledger(life, store.ledger)
        self.config, self.accounts = _Away(life, store.config), _Away(life, store.accounts)
        self.bus = _Bus(life, store.bus)


class _Away:
    """Passes calls on while the store is there."""

    def __init__(self, life: Life, inner: Any) -> None:
        self._life, self._inner = life, inner

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if name != "close":  # what ends with the process
                await self.unless_dead()
                self.check()
            return await method(*args, **kwargs)

        return call

    def check(self) -> None:
        if self._life.world.store_away:
            raise StoreUnavailable("the store is away; try again")

    async def unless_dead(self) -> None:
        await asyncio.sleep(0)
        if self._life.dead:
            await asyncio.Future[None]()


class _Ledger(_Away):
    async def commit(self, unit: LedgerUnit) -> None:
        life = self._life
        number = life.commits = life.commits + 1
        life.world.commits += 1
        if life.dies_at == (number, False):
            life.die()
        await self.unless_dead()
        await life.check_intents(unit)
        lost_answer = life.world.store_away and life.world.random.random() < 0.3
        if not lost_answer:
            self.check()
        await self._inner.commit(unit)
        if lost_answer:
            raise StoreUnavailable("the store went away during the commit")
        if life.dies_at == (number, True):
            life.die()
        await self.unless_dead()


class _Bus:
    def __init__(self, life: Life, inner: Any) -> None:
        self._life, self._inner = life, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def reader(self, *args: Any) -> "_Away":
        return _Away(self._life, await self._inner.reader(*args))


def simulation(loop_clock: LoopClock, seed: int) -> Simulation:
    """Both venues; an order gets no more of a print than its size."""
    return Simulation(loop_clock, Options(seed=seed, by_size=True, at_once=bool(seed % 2)))


async def configure(life: Life, **fields: Any) -> None:
    """/NQ at TastyTrade, QQQ at Schwab, in bars of one trade."""
    await life.configure("walker", "/NQ", "1t", quantities=QUANTITIES, symbols={SCHWAB: "QQQ"}, **fields)


async def go_live(life: Life) -> None:
    await life.manager.start("walker", Mode.LIVE, actor="campaign")
